#include "loadgen/chat_lines.h"

#include <fmt/format.h>

#include "sdp/message_media.h"

namespace earshot::loadgen {
namespace {

constexpr std::string_view kAcceptTypes = "message/cpim text/plain *";

std::string section(const ChatLine& line, sdp::Setup setup, std::string_view more) {
    std::string text = fmt::format(
        "m=message {} {} *\r\n"
        "c=IN {} {}\r\n"
        "a=path:{}\r\n"
        "a=setup:{}\r\n"
        "a=accept-types:{}\r\n",
        line.at.port, line.own.is_secure ? "TCP/TLS/MSRP" : "TCP/MSRP",
        line.at.is_v4() ? "IP4" : "IP6", base::host_to_string(line.at), msrp::to_string(line.own),
        sdp::to_string(setup), line.file ? line.file->type : kAcceptTypes);
    if (line.is_room) text += "a=chatroom:nickname private-messages\r\n";
    text += more;
    return text;
}

}  // namespace

msrp::Uri new_chat_uri(const base::NetAddress& at, bool is_secure, base::Random& random) {
    return {.is_secure = is_secure,
            .host = base::host_to_string(at),
            .port = at.port,
            .session_id = random.token(16),
            .transport = "tcp"};
}

std::string chat_section(const ChatLine& line, sdp::Setup setup) {
    std::string more;
    if (line.file)
        more += fmt::format(
            "a=file-selector:{}\r\na=file-transfer-id:{}\r\na=file-disposition:attachment\r\n",
            file_selector(*line.file), line.file_transfer_id);
    if (line.file || !line.label.empty()) more += "a=sendonly\r\n";
    if (!line.label.empty()) more += fmt::format("a=label:{}\r\n", line.label);
    return section(line, setup, more);
}

std::string answered_chat_section(const ChatLine& line, sdp::Setup setup,
                                  const sdp::SessionDescription& offer,
                                  const sdp::MediaDescription& offered) {
    const sdp::MessageMedia media = sdp::message_media_of(offer, offered);
    std::string more;
    if (!media.file_selector.empty())
        more += fmt::format("a=file-selector:{}\r\n",
                            sdp::selector_without_hashes(media.file_selector));
    if (!media.file_transfer_id.empty())
        more += fmt::format("a=file-transfer-id:{}\r\n", media.file_transfer_id);
    if (offered.direction == sdp::Direction::SendOnly) more += "a=recvonly\r\n";
    if (!offered.mid.empty()) more += fmt::format("a=mid:{}\r\n", offered.mid);
    return section(line, setup, more);
}

bool is_usable_chat(const sdp::SessionDescription& offer, const sdp::MediaDescription& medium) {
    return sdp::is_message_media(medium) && medium.port != 0 && !medium.is_malformed &&
           chat_plan_of(offer, medium, false).has_value();
}

sdp::Setup answer_chat_setup(const sdp::SessionDescription& offer,
                             const sdp::MediaDescription& medium) {
    const auto offered = sdp::message_media_of(offer, medium).setup;
    const bool connects = offered == sdp::Setup::ActPass || offered == sdp::Setup::Passive;
    return connects ? sdp::Setup::Active : sdp::Setup::Passive;
}

std::optional<ChatPlan> chat_plan_of(const sdp::SessionDescription& description,
                                     const sdp::MediaDescription& medium, bool answers) {
    if (!sdp::is_message_media(medium) || medium.port == 0) return std::nullopt;
    const sdp::MessageMedia media = sdp::message_media_of(description, medium);
    auto path = msrp::parse_path(media.path);
    if (!path) return std::nullopt;
    ChatPlan plan;
    plan.path = *std::move(path);
    plan.types.accept_types = media.accept_types;
    plan.types.accept_wrapped_types = media.accept_wrapped_types;
    plan.types.is_file = !media.file_selector.empty();
    plan.sends = medium.direction == sdp::Direction::SendRecv ||
                 medium.direction == sdp::Direction::RecvOnly;
    plan.fingerprints = sdp::fingerprints_of(description, medium);
    const bool connects =
        answers ? !media.setup || *media.setup == sdp::Setup::Passive
                : media.setup == sdp::Setup::Passive || media.setup == sdp::Setup::ActPass;
    if (!connects) return plan;
    const msrp::Uri& first = plan.path.front();
    auto at = base::parse_host(first.host, first.port);
    if (!at || media.has_cema) {  // RFC 6714
        if (const auto told = sdp::rtp_address(description, medium)) at = told;
    }
    if (!at || at->port == 0 || at->is_unspecified()) return std::nullopt;
    plan.connect_to = *at;
    if (first.is_secure) plan.tls_name = first.host;
    return plan;
}

}  // namespace earshot::loadgen
