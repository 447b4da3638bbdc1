// What the files of RtpproxyPlane share.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "base/reason.h"
#include "base/result.h"
#include "relay/media_plane.h"
#include "relay/rtpproxy_message.h"

namespace earshot::relay::rtpproxy {

// Of the legs. A call's id is ours alone, so they need not be more.
inline constexpr std::array<std::string_view, 2> kTags{"a", "b"};

inline RtpproxyStream stream_of(std::string_view call, Leg from, std::size_t line) {
    return {.call = call,
            .from = kTags[index_of(from)],
            .to = kTags[index_of(other(from))],
            .number = line + 1};
}

inline base::Reason unknown_call() {
    return {.code = "unknown_call", .text = "The relay has no such call."};
}
inline base::Reason no_instance() {
    return {.code = "media_server_silent", .text = "No RTPProxy answers that could take the call."};
}
inline base::Reason reason_of(const base::Error& error, const std::string& name) {
    const auto told = [&](std::string code, std::string_view what) {
        return base::Reason{.code = std::move(code),
                            .text = fmt::format("RTPProxy at {} {}.", name, what)};
    };
    switch (error.code) {
        case base::Errc::NotFound:
            return told("media_server_unknown_call", "does not know the call: it was restarted");
        case base::Errc::Full:
            return told("media_server_overloaded",
                        fmt::format("takes no more (E{})", error.detail));
        case base::Errc::Refused:
            return told("media_server_refused", fmt::format("refused (E{})", error.detail));
        default:
            return told("media_server_nonsense", "answered what is no answer");
    }
}

}  // namespace earshot::relay::rtpproxy
