#include "relay/screen_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/limits.h"

namespace earshot::relay {

namespace {

using base::Reason;
using sdp::Direction;

bool speaks_ipv6(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium) {
    const sdp::Connection* connection = sdp.connection_of(medium);
    return connection != nullptr && connection->address_type == "IP6";
}

bool has_secure_media(const sdp::SessionDescription& sdp) {
    return std::any_of(sdp.media.begin(), sdp.media.end(), [](const auto& medium) {
        return medium.port != 0 && medium.is_secure_rtp();
    });
}

// The copy would leave in the clear what people think is encrypted with the rest.
Reason in_clear() {
    return {"screen_in_clear",
            "The call's media is encrypted (SRTP), and its shared screen is not."};
}

bool is_link_local(const base::NetAddress& at) {  // RFC 3927, RFC 4291 section 2.5.6
    if (at.is_v4()) return at.ip[12] == 169 && at.ip[13] == 254;
    return at.ip[0] == 0xfe && (at.ip[1] & 0xc0) == 0x80;
}

// Where we connect to at the word of a party: not to what can be reached from this host alone, by
// who signals from elsewhere.
bool is_ours_alone(const base::NetAddress& at, const base::NetAddress& signalled_by) {
    if (signalled_by.is_unspecified() || signalled_by.same_host(at)) return false;
    return (at.is_loopback() && !signalled_by.is_loopback()) || is_link_local(at);
}

// RFC 4145 section 4.1: who connects says port 9.
constexpr std::uint16_t kDiscard = 9;

}  // namespace

void ScreenPlane::offer(CallKey call, const LegSdp& sdp, SdpDone done) {
    pass(call, sdp, done, true);
}

void ScreenPlane::answer(CallKey call, const LegSdp& sdp, SdpDone done) {
    pass(call, sdp, done, false);
}

void ScreenPlane::pass(CallKey key, const LegSdp& said, const SdpDone& done, bool is_offer) {
    const auto give = [&](const LegSdp& text, SdpDone finished) {
        is_offer ? inner_.offer(key, text, std::move(finished))
                 : inner_.answer(key, text, std::move(finished));
    };
    const auto parsed = sdp::parse(said.text);
    const bool has_screen =
        parsed && std::any_of(parsed->media.begin(), parsed->media.end(), [](const auto& medium) {
            return screen_line(medium) != ScreenLine::None;
        });
    if (!has_screen && !calls_.contains(key.value)) return give(said, done);
    if (!parsed) return give(said, done);

    Call& call = calls_[key.value];
    std::string shown(said.text);
    for (std::size_t line = 0; line < parsed->media.size(); ++line) {
        Screen* screen = screen_at(key, call, line, said, *parsed, is_offer);
        if (screen == nullptr) continue;
        shown = with_section(shown, line, video_section(key, line, *screen, said, *parsed));
    }
    LegSdp to_inner = said;
    to_inner.text = shown;
    give(to_inner, [&](base::Result<std::string, Reason> told) {
        if (!told) return done(told.error());
        done(tell(calls_[key.value], other(said.from), said.text, *std::move(told)));
    });
}

// Null: the line is no screen, or one that passes as it is.
ScreenPlane::Screen* ScreenPlane::screen_at(CallKey key, Call& call, std::size_t line,
                                            const LegSdp& said, const sdp::SessionDescription& sdp,
                                            bool is_offer) {
    const sdp::MediaDescription& medium = sdp.media[line];
    const auto found = call.screens.find(line);
    if (found != call.screens.end()) {
        const bool is_other = medium.port != 0 && screen_line(medium) != ScreenLine::Plain;
        if (!is_other) {
            if (is_offer && medium.direction == Direction::SendOnly)
                found->second.sharer = said.from;
            if (is_offer && medium.direction == Direction::RecvOnly)
                found->second.sharer = other(said.from);
            if (!is_offer) {
                found->second.agreed_sharer = found->second.sharer;
                keep_private(found->second, sdp);
            }
            return &found->second;
        }
        desk_.close(found->second.opened.screen);  // another medium has its place now
        call.screens.erase(found);
    }
    const ScreenLine kind = screen_line(medium);
    // An answer's line that was not ours in the offer passes like that one.
    if (kind == ScreenLine::None || !is_offer) return nullptr;
    const auto pass_by = [&](Reason reason) {
        if (call.passed.insert(line).second)
            desk_.tell(key, {.kind = ScreenEvent::Kind::NotRecorded,
                             .line = line,
                             .reason = std::move(reason)});
        return nullptr;
    };
    if (kind == ScreenLine::Encrypted)
        return pass_by({"rfb_encrypted", "The parties encrypt the shared screen (TLS)."});
    if (has_secure_media(sdp)) return pass_by(in_clear());
    if (call.screens.size() >= kMaxScreensOfCall)
        return pass_by(
            {"too_many_screens",
             fmt::format("{} screens are shared in this call already.", kMaxScreensOfCall)});
    auto opened = desk_.open(key, line, speaks_ipv6(sdp, medium));
    if (!opened) return pass_by(opened.error());
    Screen screen{.opened = *opened,
                  .sharer = medium.direction == Direction::RecvOnly ? other(said.from) : said.from,
                  .kind = sharing_kind(sdp, medium)};
    screen.agreed_sharer = screen.sharer;
    return &call.screens.emplace(line, std::move(screen)).first->second;
}

// A call whose media becomes encrypted in mid-call, or is so no more.
void ScreenPlane::keep_private(Screen& screen, const sdp::SessionDescription& sdp) {
    const bool is_private = has_secure_media(sdp);
    if (std::exchange(screen.is_private, is_private) == is_private) return;
    desk_.set_private(screen.opened.screen, is_private ? std::optional(in_clear()) : std::nullopt);
}

// The line as the plane behind sees it; what it says of the party is told to the desk.
std::string ScreenPlane::video_section(CallKey key, std::size_t line, Screen& screen,
                                       const LegSdp& said, const sdp::SessionDescription& sdp) {
    const sdp::MediaDescription& medium = sdp.media[line];
    const bool is_sharer = said.from == screen.sharer;
    const Setup setup = setup_of(sdp, medium);
    const bool is_held = medium.direction == Direction::Inactive || setup == Setup::HoldConnection;
    base::NetAddress at = sdp::rtp_address(sdp, medium).value_or(base::NetAddress{});
    std::vector<base::NetAddress> hosts{said.signalled_by};
    if (!at.is_unspecified()) hosts.push_back(at);
    if (setup == Setup::Active || at.port == kDiscard) at = {};
    if (!at.is_unspecified() && is_ours_alone(at, said.signalled_by)) {
        at = {};
        desk_.tell(key, {.kind = ScreenEvent::Kind::NotRecorded,
                         .line = line,
                         .reason = {"screen_address",
                                    "Whoever signals from elsewhere cannot have us connect to an "
                                    "address of this host (loopback) or of its link."}});
    }
    desk_.set_leg(screen.opened.screen, said.from, at, std::move(hosts));
    desk_.set_sharer(screen.opened.screen, screen.sharer);
    ScreenVideo video{.rtp = is_sharer ? screen.opened.rtp : screen.opened.sink,
                      .rtcp_port = is_sharer ? screen.opened.rtcp_port : screen.opened.sink.port,
                      .direction = is_sharer ? Direction::SendOnly : Direction::RecvOnly,
                      .content = {},
                      .title = std::string(medium.title)};
    if (is_sharer) video.content = medium.content.empty() ? "slides" : std::string(medium.content);
    if (is_held || screen.is_private) video.direction = Direction::Inactive;
    if (medium.port == 0) video.rtp.port = 0;
    return write_section(video);
}

// What the plane behind has told, with the party's own line again, at our address.
std::string ScreenPlane::tell(Call& call, Leg to, std::string_view original, std::string told) {
    const auto parsed = sdp::parse(told);
    const auto before = sdp::parse(original);
    if (!parsed || !before) return told;
    std::string text = told;
    for (auto& [line, screen] : call.screens) {
        const auto section = find_section(original, line);
        if (!section || line >= parsed->media.size()) continue;
        const sdp::MediaDescription& video = parsed->media[line];
        if (video.port == 0) {
            text = with_section(text, line, *section);
            continue;
        }
        base::NetAddress ours = sdp::rtp_address(*parsed, video).value_or(screen.opened.rtp);
        if (to == screen.sharer) {
            // Where the plane takes what the sharer sends: its own sockets, not what is advertised.
            base::NetAddress rtp = screen.opened.rtp;
            rtp.port = video.port;
            base::NetAddress rtcp = rtp;
            rtcp.port = video.rtcp ? video.rtcp->port : static_cast<std::uint16_t>(rtp.port + 1);
            desk_.send_to(screen.opened.screen, rtp, rtcp);
        }
        ours.port = screen.opened.tcp_ports[index_of(to)];
        const bool keeps_port = before->media[line].port == kDiscard;
        text = with_section(text, line, told_section(*section, ours, keeps_port));
    }
    return text;
}

// Who shares is as before. What else a refused offer has said of addresses does no harm: the next
// description says it anew.
void ScreenPlane::rollback(CallKey key, Leg offerer) {
    inner_.rollback(key, offerer);
    const auto call = calls_.find(key.value);
    if (call == calls_.end()) return;
    for (auto& [line, screen] : call->second.screens) {
        screen.sharer = screen.agreed_sharer;
        desk_.set_sharer(screen.opened.screen, screen.sharer);
    }
}

void ScreenPlane::remove(CallKey key) {
    inner_.remove(key);
    const auto found = calls_.find(key.value);
    if (found == calls_.end()) return;
    for (const auto& [line, screen] : found->second.screens) desk_.close(screen.opened.screen);
    calls_.erase(found);
}

// ---- recording ----------------------------------------------------------------------------------

void ScreenPlane::tell_recorded(const Call& call) {
    for (const auto& [line, screen] : call.screens)
        desk_.set_recorded(screen.opened.screen, !call.recorded.empty());
}

void ScreenPlane::subscribe(CallKey key, std::uint32_t subscription,
                            const SubscribeOptions& options, SubscriptionDone done) {
    inner_.subscribe(key, subscription, options, [&](base::Result<Subscription, Reason> made) {
        const auto call = calls_.find(key.value);
        if (made && call != calls_.end()) {
            Subscription told = *std::move(made);
            for (SubscribedStream& stream : told.streams) {
                const auto screen = call->second.screens.find(stream.line);
                if (screen != call->second.screens.end() && screen->second.sharer == stream.from)
                    stream.sharing = screen->second.kind;
            }
            return done(std::move(told));
        }
        done(std::move(made));
    });
}

void ScreenPlane::answer_subscription(CallKey key, std::uint32_t subscription, std::string_view sdp,
                                      PlaneDone done) {
    inner_.answer_subscription(key, subscription, sdp, std::move(done));
    const auto call = calls_.find(key.value);
    if (call == calls_.end()) return;  // with a screen to come it is answered again
    call->second.recorded.insert(subscription);
    tell_recorded(call->second);
}

void ScreenPlane::stop_subscription(CallKey key, std::uint32_t subscription, Stop why) {
    inner_.stop_subscription(key, subscription, why);
    unrecord(key, subscription);
}

void ScreenPlane::unrecord(CallKey key, std::uint32_t subscription) {
    const auto call = calls_.find(key.value);
    if (call == calls_.end() || call->second.recorded.erase(subscription) == 0) return;
    if (call->second.recorded.empty()) tell_recorded(call->second);
}

void ScreenPlane::unsubscribe(CallKey key, std::uint32_t subscription) {
    inner_.unsubscribe(key, subscription);
    unrecord(key, subscription);
}

}  // namespace earshot::relay
