// What a chat message says of itself: the layers around its content (CPIM, RFC 3862, and the
// wrapper of SIPREC, application/msrp-recording: docs/msrp-recording.md) taken off one after the
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mime/cpim.h"
#include "msrp/head.h"

namespace earshot::archive {

// Of the wrapper's headers. Which prefix a client chose for it, its headers are "rs.NAME" or in
// this namespace.
inline constexpr std::string_view kWrapperNamespace =
    "urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3";

struct MessageBody {
    std::optional<mime::CpimAddress> from{};  // of the outermost layer that says it
    std::vector<mime::CpimAddress> to{};      // of the innermost
    std::optional<mime::CpimAddress> inner_from{};
    std::optional<mime::CpimAddress> wrapper_from{};
    std::vector<mime::CpimAddress> wrapper_to{};
    std::string date_time{};  // as written; empty: not told, as all below
    std::string subject{};
    std::string imdn_id{};  // RFC 5438

    // Of the wrapper.
    bool is_wrapped = false;
    std::string content{};  // rs.Content: send, drop, msrp
    std::string stream_id{};
    std::string cs_message_id{};
    std::string nickname{};
    std::vector<std::string> unsupported_types{};
    std::optional<std::uint64_t> dropped_size{};
    std::string file_selector{};  // of a file that was left out (RFC 5547)

    std::string content_type{};  // of the content itself
    std::string content_disposition{};
    std::size_t content_at = 0;  // where it begins in the message
    std::string_view fault{};    // static text: a layer that cannot be read; empty: none
};

// `begin`: the message's first octets, kMaxLayerBytes of it if there are as many. Safe on any text.
MessageBody read_message_body(std::string_view content_type, std::string_view begin);

inline constexpr std::size_t kMaxLayers = 3;  // the wrapper, the CPIM in it, and one more
inline constexpr std::size_t kMaxLayerBytes = kMaxLayers * mime::kMaxCpimHeadBytes;

// What a notification says (RFC 5438 section 7.2, message/imdn+xml).
struct ImdnNotice {
    std::string message_id;   // imdn.Message-ID of the message that it is about
    std::string status;       // delivered, failed, displayed, processed, stored, forbidden, error
    std::string recipient{};  // recipient-uri; empty: not told
};
// Nothing for what is none. Safe on any text.
std::optional<ImdnNotice> read_imdn(std::string_view text);

// A head as the journal holds it (msrp::write_head). Errors: Malformed.
base::Result<msrp::Head> parse_head_text(std::string_view text);

}  // namespace earshot::archive
