// The m=message lines of a test call (RFC 4975 section 8, RFC 6135): what ours say, and what those
// of the other end mean. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/net_address.h"
#include "loadgen/chat_desk.h"
#include "sdp/fingerprint.h"
#include "sdp/session_description.h"

namespace earshot::loadgen {

struct ChatLine {
    base::NetAddress at;  // where we listen
    msrp::Uri own;
    std::string label{};             // of a recording session; empty: of a call
    std::optional<ChatFile> file{};  // the line is for that (RFC 5547)
    std::string file_transfer_id{};  // with it
    bool is_room = false;            // a=chatroom (RFC 7701)
};

// A URI of ours: hard to guess, and never used again (RFC 4975 section 14.1).
msrp::Uri new_chat_uri(const base::NetAddress& at, bool is_secure, base::Random& random);

// The m= section; in an offer `setup` is Active or ActPass.
std::string chat_section(const ChatLine& line, sdp::Setup setup);
// Of an answer that gives what is offered to `offered`, a section of chat_section()'s form: with
// what RFC 5547 section 8.3 repeats of a file.
std::string answered_chat_section(const ChatLine& line, sdp::Setup setup,
                                  const sdp::SessionDescription& offer,
                                  const sdp::MediaDescription& offered);

// Whether a phone can take the line, over TCP or TLS: m=message with a path that leads somewhere.
bool is_usable_chat(const sdp::SessionDescription& offer, const sdp::MediaDescription& medium);
// Our role in the answer to an offer: to actpass we connect.
sdp::Setup answer_chat_setup(const sdp::SessionDescription& offer,
                             const sdp::MediaDescription& medium);
// What the other end's line means. `answers`: it is an answer, whose author connects to nobody
// unless it says so; an offerer without a=setup connects (RFC 4975 section 8.4). Nothing: it was
// refused, or its path leads nowhere.
std::optional<ChatPlan> chat_plan_of(const sdp::SessionDescription& description,
                                     const sdp::MediaDescription& medium, bool answers);

}  // namespace earshot::loadgen
