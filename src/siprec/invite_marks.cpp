#include "siprec/invite_marks.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdp/session_description.h"

namespace earshot::siprec {
namespace {

constexpr std::size_t kMaxForeignHeaders = 64;
constexpr std::size_t kMaxForeignValueBytes = 1024;

// Registered headers that the SIP room has no number for.
constexpr std::array<std::string_view, 20> kRegistered = {
    "Accept-Contact",      "Alert-Info",        "Answer-Mode",    "Authentication-Info",
    "Call-Info",           "Diversion",         "Error-Info",     "Geolocation",
    "History-Info",        "Identity",          "Join",           "Max-Breadth",
    "Referred-By",         "Refer-Sub",         "Reject-Contact", "Remote-Party-ID",
    "Request-Disposition", "Resource-Priority", "Service-Route",  "Target-Dialog"};

// Cisco NBR names its parties in headers, CUCM's built-in bridge in parameters of From; AudioCodes
// and BroadWorks put ";src" into Contact, which NameAddr::has_feature knows.
bool has_vendor_mark(const sip::Message& invite) {
    for (std::size_t i = 0; i < invite.header_count(); ++i)
        if (base::istarts_with(invite.header(i).name, "X-Cisco-Recording")) return true;
    const auto from = invite.find(sip::HeaderId::From).value_or("");
    return from.find("x-nearend") != std::string_view::npos ||
           from.find("x-farend") != std::string_view::npos;
}

bool is_all_send_only(std::string_view text) {
    const auto offer = sdp::parse(text);
    if (!offer || offer->media.empty()) return false;
    return std::all_of(offer->media.begin(), offer->media.end(), [](const auto& medium) {
        return medium.direction == sdp::Direction::SendOnly;
    });
}

}  // namespace

InviteMarks find_marks(const sip::Message& invite, const RequestBody& body) {
    InviteMarks marks;
    marks.option_tag = invite.lists(sip::HeaderId::Require, "siprec");
    if (const auto contact = invite.first_value(sip::HeaderId::Contact)) {
        const auto address = sip::parse_name_addr(*contact);
        marks.feature_tag = address && address->has_feature("sip.src");
    }
    marks.metadata_part = body.metadata.has_value();
    marks.vendor_mark = has_vendor_mark(invite) || invite.lists(sip::HeaderId::Supported, "siprec");
    if (!marks.is_marked() && body.sdp) marks.all_send_only = is_all_send_only(*body.sdp);
    return marks;
}

std::vector<std::string> unsupported_tags(const sip::Message& request) {
    // "100rel": we send no provisional response that would need a PRACK.
    constexpr std::array<std::string_view, 3> kKnown = {"siprec", "timer", "100rel"};
    std::vector<std::string> unknown;
    for (const std::string_view tag : request.values(sip::HeaderId::Require)) {
        const bool known = std::any_of(kKnown.begin(), kKnown.end(), [&](std::string_view name) {
            return base::iequals(name, tag);
        });
        if (!known) unknown.emplace_back(tag);
    }
    return unknown;
}

std::vector<std::pair<std::string, std::string>> foreign_headers(const sip::Message& invite) {
    std::vector<std::pair<std::string, std::string>> headers;
    for (std::size_t i = 0; i < invite.header_count(); ++i) {
        const sip::HeaderView header = invite.header(i);
        if (header.id != sip::HeaderId::Other || base::istarts_with(header.name, "P-")) continue;
        const bool registered =
            std::any_of(kRegistered.begin(), kRegistered.end(),
                        [&](std::string_view name) { return base::iequals(name, header.name); });
        if (registered || headers.size() == kMaxForeignHeaders) continue;
        headers.emplace_back(base::to_valid_utf8(header.name),
                             base::to_valid_utf8(header.value.substr(0, kMaxForeignValueBytes)));
    }
    return headers;
}

}  // namespace earshot::siprec
