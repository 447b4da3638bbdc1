#include "screen/recorder.h"

#include <fmt/format.h>

#include <utility>

#include "screen/jpeg.h"

namespace earshot::screen {

using rfb::TapKind;

Recorder::Recorder() : session_(make_jpeg_decoder()) {}

void Recorder::on_record(const rfb::TapHeader& header, base::ByteView bytes, base::Bytes& out) {
    switch (header.kind) {
        case TapKind::Server:
            session_.on_server(bytes);
            heard_ns_ = header.time_ns;
            break;
        case TapKind::Viewer:
            session_.on_viewer(bytes);
            heard_ns_ = header.time_ns;
            break;
        case TapKind::KeyFrame:
            wants_key_ = true;
            break;
        case TapKind::Tick:
            on_tick(header.time_ns, out);
            break;
        default:
            break;
    }
    if (session_.state() == rfb::Session::State::Failed)
        fail(session_.failure(), header.time_ns, out);
}

void Recorder::fail(const base::Reason& why, std::int64_t now_ns, base::Bytes& out) {
    if (std::exchange(has_failed_, true)) return;
    rfb::append_tap_record(TapKind::Failed, now_ns,
                           base::as_bytes(fmt::format("{} {}", why.code, why.text)), out);
}

bool Recorder::is_due(std::int64_t now_ns) const {
    const rfb::Screen& screen = session_.screen();
    if (has_failed_ || session_.state() != rfb::Session::State::Running) return false;
    if (screen.picture.width() == 0 || screen.picture.height() == 0) return false;
    if (!has_shown_) return true;
    if (now_ns - shown_ns_ < kPictureNs) return false;
    // An update that is half there would show a window torn in two; one that never ends is shown.
    const bool is_torn = session_.is_in_update() && now_ns - shown_ns_ < kRefreshNs;
    if (wants_key_ || (screen.changes != shown_changes_ && !is_torn)) return true;
    return now_ns - shown_ns_ >= refresh_ns_;
}

void Recorder::on_tick(std::int64_t now_ns, base::Bytes& out) {
    if (!is_due(now_ns)) return rfb::append_tap_record(TapKind::Nothing, now_ns, {}, out);
    const bool has_changed = session_.screen().changes != shown_changes_;
    const bool is_first = !has_shown_;
    // What is sent again, or for a decoder that asks, is of now.
    if (!encode(has_changed && !is_first ? heard_ns_ : now_ns, out)) {
        fail({"screen_failed", "The encoder makes no picture of the shared screen."}, now_ns, out);
        return rfb::append_tap_record(TapKind::Nothing, now_ns, {}, out);
    }
    shown_changes_ = session_.screen().changes;
    shown_ns_ = now_ns;
    refresh_ns_ = has_changed || is_first ? kRefreshNs : kRefreshAgainNs;
    has_shown_ = true;
    wants_key_ = false;
}

bool Recorder::encode(std::int64_t time_ns, base::Bytes& out) {
    const rfb::Picture& screen = session_.screen().picture;
    paint(session_.screen(), pixels_);
    convert(pixels_, screen.width(), screen.height(), picture_);
    bool is_key = false;
    constexpr std::int64_t kNsOfMillisecond = 1'000'000;
    const std::int64_t time = time_ns / kNsOfMillisecond * 90;
    if (!encoder_.encode(picture_, time, wants_key_, frame_, is_key)) return false;
    base::Bytes body;
    base::append_le(body, static_cast<std::uint16_t>(screen.width()));
    base::append_le(body, static_cast<std::uint16_t>(screen.height()));
    body.push_back(is_key ? 1 : 0);
    for (const base::Bytes& payload : packetiser_.packetise(frame_)) {
        base::append_le(body, static_cast<std::uint16_t>(payload.size()));
        base::append(body, payload);
    }
    rfb::append_tap_record(TapKind::Frame, time_ns, body, out);
    return true;
}

}  // namespace earshot::screen
