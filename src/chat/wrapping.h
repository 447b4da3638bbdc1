// How a message of a communication session goes to a recording server: as it is, in CPIM (RFC 3862)
// that says who wrote it to whom and when, or in the wrapper of SIPREC
// (draft-yan-siprec-msrp-recording-04; docs/msrp-recording.md). Text in, text out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace earshot::chat {

enum class Side : std::uint8_t { A, B };  // A is who called
constexpr Side other(Side side) { return side == Side::A ? Side::B : Side::A; }
constexpr std::size_t index_of(Side side) { return static_cast<std::size_t>(side); }

inline constexpr std::string_view kWrapperType = "application/msrp-recording";
inline constexpr std::string_view kWrapperNamespace =
    "urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3";

// Types as a=accept-types names them: "message/cpim text/* *".
bool lists_type(std::string_view accept_types, std::string_view type);    // by name alone
bool accepts_type(std::string_view accept_types, std::string_view type);  // or by a wildcard
// The type without its parameters.
std::string_view bare_type(std::string_view content_type);

// With quotes and escapes (RFC 3261 section 25.1) where the name needs them: "Boss <x>" <sip:m@x>.
std::string name_addr(std::string_view name, std::string_view uri);

// What is known of one message besides its content.
struct MessageFacts {
    Side from = Side::A;
    std::string message_id{};    // of the communication session
    std::string content_type{};  // with its parameters
    std::vector<std::pair<std::string, std::string>> mime_headers{};  // Content-Disposition, ...
    base::WallTime at{};                                              // when it began
    std::string nickname{};                // of who wrote it (RFC 7701); empty: none
    std::optional<std::uint64_t> total{};  // as its first chunk says
    // Name-addr of who wrote it and to whom, in place of the two sides: of a room, or of somebody
    // who writes through a party.
    std::string sender{};
    std::string room{};
    // Of the recording session, where several streams share a line; empty: none do.
    std::string stream_id{};
    std::string file_selector{};  // of a notice of a file: a=file-selector (RFC 5547); empty: none
};

// Of a=accept-types and the like of a server's answer.
struct ServerTypes {
    std::string accept_types{};
    std::string accept_wrapped_types{};  // empty: as accept_types
    bool is_file = false;                // RFC 5547: the message is the file, nothing around it

    bool takes_wrapper() const { return !is_file && lists_type(accept_types, kWrapperType); }
};

struct Wrapping {
    std::string content_type{};  // of the message of the recording session
    std::string prefix{};        // comes before the content
    // MIME headers that stand in the heads of its chunks.
    std::vector<std::pair<std::string, std::string>> headers{};
};
// `parties`: name-addr of each side, empty where it is not known. Nothing: the server does not take
// the type.
std::optional<Wrapping> wrap(const MessageFacts& facts, const ServerTypes& server,
                             const std::array<std::string, 2>& parties);

// The notice of a message that is left out (rs.Content: drop).
std::string write_drop(const MessageFacts& facts, const std::array<std::string, 2>& parties,
                       std::string_view unsupported_type, std::optional<std::uint64_t> size);
// The wrapper around something else of MSRP: a NICKNAME request, a REPORT, an answer. `answered`:
// the Message-ID of the SEND that it answers, which an answer itself does not name.
std::string write_forwarded(Side from, base::WallTime at, const std::array<std::string, 2>& parties,
                            std::string_view text, std::string_view stream_id = {},
                            std::string_view answered = {});

// A line of ours in CPIM, for who takes nothing else.
std::string write_line(std::string_view from, std::string_view to, base::WallTime at,
                       std::string_view text, std::string_view name = "Recorder");

}  // namespace earshot::chat
