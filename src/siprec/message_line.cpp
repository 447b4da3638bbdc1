#include "siprec/message_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "sdp/fingerprint.h"

namespace earshot::siprec {
namespace {

std::string clean(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
    return out;
}

}  // namespace

MessageFacts message_facts_of(const sdp::SessionDescription& description,
                              const sdp::MediaDescription& medium) {
    const sdp::MessageMedia media = sdp::message_media_of(description, medium);
    MessageFacts facts{.path = std::string(media.path),
                       .is_secure = media.is_secure,
                       // RFC 6135 section 4.2.2: to actpass and to nothing we are passive.
                       .are_we_active = media.setup == sdp::Setup::Passive,
                       .has_cema = media.has_cema,
                       .connection = sdp::rtp_address(description, medium),
                       .accept_types = std::string(media.accept_types),
                       .accept_wrapped_types = std::string(media.accept_wrapped_types),
                       .max_size = media.max_size,
                       .file_selector = std::string(media.file_selector),
                       .file_transfer_id = std::string(media.file_transfer_id),
                       .file_disposition = std::string(media.file_disposition),
                       .file_date = std::string(media.file_date)};
    if (media.chatroom) facts.chatroom = std::string(*media.chatroom);
    if (media.is_secure) facts.fingerprints = sdp::fingerprints_of(description, medium);
    return facts;
}

std::string write_message_attributes(const MessageLine& line) {
    const auto& [facts, ours] = line;
    std::string out = fmt::format("a=path:{}\r\na=setup:{}\r\n", ours.path,
                                  facts.are_we_active ? "active" : "passive");
    if (ours.fingerprint) out += "a=fingerprint:" + sdp::to_string(*ours.fingerprint) + "\r\n";
    if (facts.has_cema) out += "a=msrp-cema\r\n";
    if (facts.is_file()) {
        // RFC 5547 section 8.2.2: what the offer says of the file comes back, without its hash.
        out += "a=accept-types:*\r\n";
        if (const std::string file = sdp::selector_without_hashes(facts.file_selector);
            !file.empty())
            out += "a=file-selector:" + file + "\r\n";
        if (!facts.file_transfer_id.empty())
            out += "a=file-transfer-id:" + clean(facts.file_transfer_id) + "\r\n";
        return out;
    }
    out +=
        "a=accept-types:message/cpim application/msrp-recording multipart/mixed text/plain "
        "text/html *\r\na=accept-wrapped-types:*\r\n";
    out += fmt::format("a=max-size:{}\r\n", ours.max_bytes);
    return out;
}

}  // namespace earshot::siprec
