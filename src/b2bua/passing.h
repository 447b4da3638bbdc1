// What of a message goes on to the other leg: all but the lines that name a hop, a dialog or an
// address of it, which each leg has of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/agent.h"
#include "sip/message.h"

namespace earshot::b2bua {

// In their order, the peer's User-Agent or Server among them. Left out, beside what the Agent
// writes (agent.h): Contact where a dialog's is ours, Session-ID and RAck, which the Switchboard
// writes, and of Supported and Require the options that end at a back-to-back user agent.
std::vector<sip::ExtraHeader> passed_headers(const sip::Message& message);

// RFC 3261 §16.3, §16.6: what is left after this hop; none when it may go no further.
std::optional<std::uint32_t> next_max_forwards(const sip::Message& message);

// ";audio;+sip.instance=..." of the Contact: capabilities of who is there (RFC 3840).
std::string contact_parameters_of(const sip::Message& message);

// From or To without its tag.
std::string without_tag(std::string_view party);

// A body with its type.
struct Content {
    std::string type{};  // empty: no body
    std::string body{};
};
Content content_of(const sip::Message& message);

// The session description in a body: all of it, or a part of a multipart (of disposition
// "session").
struct SdpPlace {
    std::size_t at = 0;
    std::size_t size = 0;
};
std::optional<SdpPlace> find_sdp(const sip::Message& message, const Content& content);
std::string sdp_at(const Content& content, const SdpPlace& place);
void replace_sdp(Content& content, const SdpPlace& place, std::string_view sdp);
// Takes it out. Of a multipart nothing is left then: what goes with the SDP has lost its meaning.
void remove_sdp(Content& content);

// Whether the body is packed (Content-Encoding), so that its SDP cannot be read.
bool is_encoded(const sip::Message& message);

}  // namespace earshot::b2bua
