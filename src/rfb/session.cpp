#include "rfb/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rfb/limits.h"

namespace earshot::rfb {

namespace {

constexpr std::size_t kVersionBytes = 12;  // "RFB 003.008\n"
constexpr std::size_t kChallengeBytes = 16;
constexpr std::size_t kServerInitBytes = 24;
constexpr std::size_t kCapabilityBytes = 16;
constexpr std::size_t kMaxCapabilities = 1'024;

// RFC 6143 section 7.1.2 and the registry of its section 8.2.
namespace security {
constexpr std::uint32_t kInvalid = 0;
constexpr std::uint32_t kNone = 1;
constexpr std::uint32_t kVnc = 2;
constexpr std::uint32_t kTight = 16;
}  // namespace security

// The minor version, or nothing.
std::optional<int> parse_version(base::ByteView bytes) {
    const std::string_view text = base::as_text(bytes);
    const auto is_digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
    if (!text.starts_with("RFB 003.") || text[11] != '\n') return std::nullopt;
    if (!is_digit(8) || !is_digit(9) || !is_digit(10)) return std::nullopt;
    return (text[8] - '0') * 100 + (text[9] - '0') * 10 + (text[10] - '0');
}

// Section 7.1.1: what is not 3.3, 3.7 or 3.8 counts as 3.3; larger ones (3.889 of macOS) speak 3.8.
int spoken_minor(int minor) { return minor >= 8 ? 8 : minor == 7 ? 7 : 3; }

bool hides_what_follows(std::uint32_t type) {
    // RA2, RA2ne, TLS, VeNCrypt, SASL, RA2-256 and its kin.
    constexpr std::array<std::uint32_t, 8> kEncrypted{5, 6, 18, 19, 20, 129, 130, 133};
    return std::find(kEncrypted.begin(), kEncrypted.end(), type) != kEncrypted.end();
}

}  // namespace

bool Session::fail(std::string code, std::string text) {
    failure_ = {std::move(code), std::move(text)};
    state_ = State::Failed;
    server_.clear();
    viewer_.clear();
    decoder_.reset();
    return false;
}

void Session::on_server(base::ByteView bytes) {
    if (state_ == State::Ended || state_ == State::Failed) return;
    server_.append(bytes);
    advance();
}

void Session::on_viewer(base::ByteView bytes) {
    if (state_ == State::Ended || state_ == State::Failed) return;
    viewer_.append(bytes);
    advance();
}

void Session::advance() {
    const auto is_over = [this] { return state_ == State::Ended || state_ == State::Failed; };
    bool goes_on = true;
    while (goes_on && !is_over()) {
        goes_on = false;
        while (!is_over() && step_server()) goes_on = true;
        while (!is_over() && step_viewer()) goes_on = true;
    }
    if (!is_over() && (server_.size() > kMaxWaiting || viewer_.size() > kMaxWaiting))
        fail("rfb_malformed", "One side of the RFB session says more than the other one answers.");
}

// ---- the server's side --------------------------------------------------------------------------

bool Session::step_server() {
    switch (server_at_) {
        case ServerAt::Message:
            return step_message();
        case ServerAt::RectHeader:
        case ServerAt::Rect:
            return step_rect();
        case ServerAt::Skip: {
            const std::size_t count = std::min(server_skip_, server_.size());
            server_.drop(count);
            server_skip_ -= count;
            if (server_skip_ > 0) return false;
            server_at_ = ServerAt::Message;
            return true;
        }
        default:
            return step_handshake();
    }
}

bool Session::skip(std::size_t count) {
    server_skip_ = count;
    server_at_ = ServerAt::Skip;
    return true;
}

bool Session::step_handshake() {
    switch (server_at_) {
        case ServerAt::Version: {
            if (!server_.has(kVersionBytes)) return false;
            // Which one both speak is the viewer's to say (section 7.1.1).
            if (!parse_version(server_.take(kVersionBytes)))
                return fail("rfb_malformed", "What the screen's side says does not begin as RFB.");
            server_at_ = ServerAt::SecurityTypes;
            return true;
        }
        case ServerAt::SecurityTypes: {
            if (minor_ == 0) return false;  // the viewer has not chosen yet
            if (minor_ == 3) {
                if (!server_.has(4)) return false;
                const std::uint32_t type = server_.u32();
                server_.drop(4);
                return begin_security(type);
            }
            if (server_.empty()) return false;
            const std::size_t count = server_.u8();
            if (count == 0) {
                end();
                return false;
            }
            if (!server_.has(1 + count)) return false;
            server_.drop(1 + count);
            server_at_ = ServerAt::Chosen;
            return true;
        }
        case ServerAt::Chosen:
            return security_ && begin_security(*security_);
        case ServerAt::TightTunnels:
            if (!take_list(tight_tunnel_, 0)) return false;
            if (*tight_tunnel_ != 0)
                return fail("rfb_encrypted", "The RFB session goes through a tunnel (Tight).");
            server_at_ = ServerAt::TightAuth;
            return true;
        case ServerAt::TightAuth:
            return take_list(tight_auth_, security::kNone) && begin_security(*tight_auth_);
        case ServerAt::Challenge:
            if (!server_.has(kChallengeBytes)) return false;
            server_.drop(kChallengeBytes);
            owes_response_ = true;
            server_at_ = ServerAt::Result;
            return true;
        case ServerAt::Result:
            if (!server_.has(4)) return false;
            if (server_.u32() != 0) {
                end();  // wrong password: there is nothing to be seen, and nothing wrong here
                return false;
            }
            server_.drop(4);
            server_at_ = ServerAt::Init;
            return true;
        case ServerAt::Init:
            return server_.has(kServerInitBytes) && on_server_init();
        case ServerAt::InitName: {
            const std::size_t count = std::min(name_left_, server_.size());
            const base::ByteView bytes = server_.take(count);
            const std::size_t kept = std::min(count, kMaxNameBytes - screen_.name.size());
            screen_.name.append(base::as_text(bytes.first(kept)));
            name_left_ -= count;
            if (name_left_ > 0) return false;
            server_at_ = is_tight_ ? ServerAt::TightCapabilities : ServerAt::Message;
            state_ = State::Running;
            return true;
        }
        case ServerAt::TightCapabilities: {
            if (!server_.has(8)) return false;
            const std::size_t count = std::size_t{server_.u16(0)} + server_.u16(2) + server_.u16(4);
            return skip(8 + count * kCapabilityBytes);
        }
        default:
            return false;
    }
}

// Tight's list of tunnels, or of authentications: how many, then each as a capability. True when it
// has passed and it is known which one holds: the viewer's choice, or `if_none` of an empty list.
bool Session::take_list(std::optional<std::uint32_t>& chosen, std::uint32_t if_none) {
    if (!server_.has(4)) return false;
    const std::size_t count = server_.u32();
    if (count > kMaxCapabilities)
        return fail("rfb_malformed", "The RFB server lists too many tunnels or authentications.");
    const std::size_t size = 4 + count * kCapabilityBytes;
    if (!server_.has(size)) return false;
    if (count == 0) chosen = if_none;
    if (!chosen) return false;
    server_.drop(size);
    return true;
}

bool Session::begin_security(std::uint32_t type) {
    switch (type) {
        case security::kInvalid:
            end();
            return false;
        case security::kNone:
            // Section 7.2.1: with 3.8 there is a result; before, there is none.
            server_at_ = minor_ == 8 ? ServerAt::Result : ServerAt::Init;
            break;
        case security::kVnc:
            server_at_ = ServerAt::Challenge;
            break;
        case security::kTight:
            if (!is_tight_) {
                is_tight_ = true;
                server_at_ = ServerAt::TightTunnels;
                break;
            }
            [[fallthrough]];
        default:
            if (hides_what_follows(type))
                return fail(
                    "rfb_encrypted",
                    fmt::format("The parties encrypt the RFB session (security type {}).", type));
            return fail(
                "rfb_unknown_security",
                fmt::format("The RFB session has security type {}, which is not known here.",
                            type));
    }
    return true;
}

bool Session::on_server_init() {
    const std::size_t width = server_.u16(0);
    const std::size_t height = server_.u16(2);
    const auto format = parse_pixel_format(server_.view().subspan(4, kPixelFormatBytes));
    name_left_ = server_.u32(4 + kPixelFormatBytes);
    server_.drop(kServerInitBytes);
    if (!format) return fail("rfb_malformed", "The RFB server's pixel format cannot be.");
    pixels_ = PixelReader(*format);
    if (!set_size(width, height)) return false;
    server_at_ = ServerAt::InitName;
    return true;
}

bool Session::set_size(std::size_t width, std::size_t height) {
    if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
        return fail("rfb_too_large",
                    fmt::format("The shared screen is too large: {}x{} pixels.", width, height));
    screen_.picture.resize(width, height);
    ++screen_.changes;
    return true;
}

bool Session::step_message() {
    if (server_.empty()) return false;
    switch (server_.u8()) {
        case 0:  // FramebufferUpdate
            if (!server_.has(4)) return false;
            if (!waits_for_end_) apply_pixel_format();
            rects_left_ = server_.u16(2);
            server_.drop(4);
            if (rects_left_ > 0) server_at_ = ServerAt::RectHeader;
            return true;
        case 1: {  // SetColourMapEntries
            if (!server_.has(6)) return false;
            const std::size_t first = server_.u16(2);
            const std::size_t count = server_.u16(4);
            if (!server_.has(6 + 6 * count)) return false;
            if (!waits_for_end_) apply_pixel_format();
            for (std::size_t i = 0; i < count; ++i)
                pixels_.set_colour(first + i,
                                   colour_of(server_.u8(6 + 6 * i), server_.u8(8 + 6 * i),
                                             server_.u8(10 + 6 * i)));
            server_.drop(6 + 6 * count);
            return true;
        }
        case 2:  // Bell
            return skip(1);
        case 3: {  // ServerCutText; of less than 0 octets: the extended clipboard
            if (!server_.has(8)) return false;
            const std::int64_t length = server_.s32(4);
            return skip(8 + static_cast<std::size_t>(length < 0 ? -length : length));
        }
        case 4:  // ResizeFrameBuffer (UltraVNC)
            if (!server_.has(6)) return false;
            if (!set_size(server_.u16(2), server_.u16(4))) return false;
            return skip(6);
        case 150:  // EndOfContinuousUpdates
            waits_for_end_ = false;
            apply_pixel_format();
            return skip(1);
        case 248:  // ServerFence
            if (!server_.has(9)) return false;
            return skip(9 + std::size_t{server_.u8(8)});
        case 250:  // xvp
            return skip(4);
        case 255:  // QEMU: sound
            if (!server_.has(4)) return false;
            if (server_.u16(2) != 2) return skip(4);
            if (!server_.has(8)) return false;
            return skip(8 + std::size_t{server_.u32(4)});
        default:
            return fail("rfb_unknown_message",
                        fmt::format("The RFB server sends messages of type {}, which are not known "
                                    "here.",
                                    server_.u8()));
    }
}

void Session::apply_pixel_format() {
    if (next_format_) pixels_ = PixelReader(*std::exchange(next_format_, std::nullopt));
}

bool Session::begin_rect() {
    if (!server_.has(12)) return false;
    const Rect rect{.x = server_.u16(0),
                    .y = server_.u16(2),
                    .width = server_.u16(4),
                    .height = server_.u16(6)};
    const std::int32_t encoding = server_.s32(8);
    if (encoding == encoding::kLastRect) {
        server_.drop(12);
        rects_left_ = 0;
        server_at_ = ServerAt::Message;
        return true;
    }
    decoder_ = make_decoder(encoding, rect);
    if (!decoder_)
        return fail(
            "rfb_unknown_encoding",
            fmt::format("The RFB server sends encoding {}, which is not known here.", encoding));
    server_.drop(12);
    server_at_ = ServerAt::Rect;
    return true;
}

bool Session::step_rect() {
    if (server_at_ == ServerAt::RectHeader) return begin_rect();
    DecodeTarget target{.pixels = pixels_, .screen = screen_, .streams = streams_, .jpeg = jpeg_};
    switch (decoder_->run(server_, target)) {
        case Progress::Need:
            return false;
        case Progress::Broken:
            return fail("rfb_malformed", "A rectangle of the RFB session cannot be read.");
        case Progress::TooLarge:
            return fail("rfb_too_large", "The shared screen, or its cursor, is too large.");
        case Progress::Done:
            break;
    }
    ++screen_.changes;
    decoder_.reset();
    --rects_left_;
    server_at_ = rects_left_ > 0 ? ServerAt::RectHeader : ServerAt::Message;
    return true;
}

// ---- the viewer's side --------------------------------------------------------------------------

bool Session::step_viewer() {
    if (viewer_skip_ > 0) {
        const std::size_t count = std::min(viewer_skip_, viewer_.size());
        viewer_.drop(count);
        viewer_skip_ -= count;
        if (viewer_skip_ > 0) return false;
    }
    switch (viewer_at_) {
        case ViewerAt::Version: {
            if (!viewer_.has(kVersionBytes)) return false;
            const auto version = parse_version(viewer_.take(kVersionBytes));
            if (!version)
                return fail("rfb_malformed", "What the viewer says does not begin as RFB.");
            minor_ = spoken_minor(*version);
            viewer_at_ = minor_ == 3 ? ViewerAt::Init : ViewerAt::Choice;
            return true;
        }
        case ViewerAt::Choice:
            if (viewer_.empty()) return false;
            security_ = viewer_.take(1)[0];
            viewer_at_ = *security_ == security::kTight ? ViewerAt::TightTunnel : ViewerAt::Init;
            return true;
        case ViewerAt::TightTunnel:
            // Chosen by the server's word that there is none to choose, or by the viewer's.
            if (!tight_tunnel_) {
                if (server_at_ != ServerAt::TightTunnels || !viewer_.has(4)) return false;
                tight_tunnel_ = viewer_.u32();
                viewer_.drop(4);
            }
            viewer_at_ = ViewerAt::TightAuth;
            return true;
        case ViewerAt::TightAuth:
            if (!tight_auth_) {
                if (server_at_ != ServerAt::TightAuth || !viewer_.has(4)) return false;
                tight_auth_ = viewer_.u32();
                viewer_.drop(4);
            }
            viewer_at_ = ViewerAt::Init;
            return true;
        case ViewerAt::Response:
            if (!viewer_.has(kChallengeBytes)) return false;
            viewer_.drop(kChallengeBytes);
            owes_response_ = false;
            viewer_at_ = ViewerAt::Init;
            return true;
        case ViewerAt::Init:
            if (owes_response_) {
                viewer_at_ = ViewerAt::Response;
                return true;
            }
            // What precedes ClientInit is settled when the server's side has come to ServerInit.
            if (server_at_ < ServerAt::Init || viewer_.empty()) return false;
            viewer_.drop(1);
            viewer_at_ = ViewerAt::Message;
            return true;
        case ViewerAt::Message:
            return step_viewer_message();
    }
    return false;
}

bool Session::step_viewer_message() {
    if (viewer_.empty()) return false;
    const auto take = [this](std::size_t count) {
        viewer_skip_ = count;
        return true;
    };
    switch (viewer_.u8()) {
        case 0: {  // SetPixelFormat
            if (!viewer_.has(4 + kPixelFormatBytes)) return false;
            const auto format = parse_pixel_format(viewer_.view().subspan(4, kPixelFormatBytes));
            if (!format) return fail("rfb_malformed", "The viewer's pixel format cannot be.");
            next_format_ = *format;
            return take(4 + kPixelFormatBytes);
        }
        case 2:  // SetEncodings
            if (!viewer_.has(4)) return false;
            return take(4 + 4 * std::size_t{viewer_.u16(2)});
        case 3:  // FramebufferUpdateRequest
            return take(10);
        case 4:  // KeyEvent
            return take(8);
        case 5:  // PointerEvent
            if (!viewer_.has(6)) return false;
            screen_.pointer = Point{.x = viewer_.u16(2), .y = viewer_.u16(4)};
            if (screen_.cursor.width > 0) ++screen_.changes;
            return take(6);
        case 6: {  // ClientCutText
            if (!viewer_.has(8)) return false;
            const std::int64_t length = viewer_.s32(4);
            return take(8 + static_cast<std::size_t>(length < 0 ? -length : length));
        }
        case 150:  // EnableContinuousUpdates
            if (!viewer_.has(10)) return false;
            // When they end, the server says from where on.
            waits_for_end_ = waits_for_end_ || (has_continuous_updates_ && viewer_.u8(1) == 0);
            has_continuous_updates_ = viewer_.u8(1) != 0;
            return take(10);
        case 248:  // ClientFence
            if (!viewer_.has(9)) return false;
            return take(9 + std::size_t{viewer_.u8(8)});
        case 250:  // xvp
            return take(4);
        case 251:  // SetDesktopSize
            if (!viewer_.has(8)) return false;
            return take(8 + 16 * std::size_t{viewer_.u8(6)});
        case 255:  // QEMU: keys with their scan codes, sound
            if (!viewer_.has(4)) return false;
            if (viewer_.u8(1) == 0) return take(12);
            return take(viewer_.u16(2) == 2 ? 10 : 4);
        default:
            return fail(
                "rfb_unknown_message",
                fmt::format("The viewer sends messages of type {}, which are not known here.",
                            viewer_.u8()));
    }
}

}  // namespace earshot::rfb
