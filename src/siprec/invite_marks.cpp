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
        marks.is_feature_tag_right = address && address->param("+sip.src").has_value();
        marks.is_contact_unterminated = address && address->is_unterminated;
    }
    marks.metadata_part = body.metadata.has_value();
    marks.vendor_mark = has_vendor_mark(invite) || invite.lists(sip::HeaderId::Supported, "siprec");
    if (!marks.is_marked() && body.sdp) marks.all_send_only = is_all_send_only(*body.sdp);
    return marks;
}

void find_leniencies(const sip::Message& invite, const InviteMarks& marks,
                     std::vector<FoundLeniency>& out) {
    if (!marks.option_tag) out.push_back({Leniency::NoOptionTag, {}});
    if (!marks.feature_tag) {
        out.push_back({Leniency::NoFeatureTag, {}});
    } else if (marks.is_contact_unterminated) {
        out.push_back({Leniency::UnterminatedContact, {}});
    } else if (!marks.is_feature_tag_right) {
        const auto contact = sip::parse_name_addr(*invite.first_value(sip::HeaderId::Contact));
        const bool is_inside = !contact->param("src") && !contact->param("sip.src");
        out.push_back({is_inside ? Leniency::FeatureTagInUri : Leniency::FeatureTagUnprefixed, {}});
    }
    if (invite.has_bare_lf()) out.push_back({Leniency::BareLineFeeds, {}});
}

std::vector<HeaderParty> header_parties(const sip::Message& invite) {
    constexpr std::size_t kMaxParties = 16;
    std::vector<HeaderParty> parties;
    for (std::size_t i = 0; i < invite.header_count() && parties.size() < kMaxParties; ++i) {
        const sip::HeaderView header = invite.header(i);
        if (!base::iequals(header.name, "X-Cisco-Recording-Participant")) continue;
        const auto address = sip::parse_name_addr(header.value);
        if (!address || address->uri.empty()) continue;
        // Without brackets the parameter belongs to neither for sure: it is looked for in both.
        std::string_view uri = address->uri;
        std::string_view index = address->param("media-index").value_or("");
        if (const std::size_t at = uri.find(";media-index="); at != std::string_view::npos) {
            index = uri.substr(at + 13);
            uri = uri.substr(0, at);
        }
        while (!index.empty() && index.front() == '"') index.remove_prefix(1);
        index = index.substr(0, index.find_first_not_of("0123456789"));
        parties.push_back(
            {base::to_valid_utf8(uri), base::parse_number<std::uint16_t>(index).value_or(
                                           static_cast<std::uint16_t>(parties.size()))});
    }
    std::sort(parties.begin(), parties.end(), [](const HeaderParty& a, const HeaderParty& b) {
        return a.media_index < b.media_index;
    });
    return parties;
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
