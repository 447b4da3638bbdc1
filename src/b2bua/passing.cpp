#include "b2bua/passing.h"

#include <algorithm>
#include <array>

#include "b2bua/limits.h"
#include "base/text.h"
#include "mime/multipart.h"
#include "sip/header_id.h"
#include "sip/headers.h"

namespace earshot::b2bua {

namespace {

using sip::HeaderId;

// Option tags whose promise spans a hop that is ours, or needs dialogs we do not map: flows and
// GRUUs are the registrar's and the phone's between each other (RFC 5626, RFC 5627), 199 tells of
// single branches of a fork that leg A sees as one (RFC 6228), From is the Agent's (RFC 4916),
// Target-Dialog would name a dialog of the other leg (RFC 4538).
constexpr std::array<std::string_view, 5> kEndedOptions = {"outbound", "gruu", "199", "from-change",
                                                           "tdialog"};

bool is_ended(const sip::Message& message, HeaderId id, std::string_view option) {
    // The Agent writes it for reliable responses (RFC 3262).
    if (id == HeaderId::Require && message.is_response() && base::iequals(option, "100rel"))
        return true;
    return std::any_of(kEndedOptions.begin(), kEndedOptions.end(),
                       [&](std::string_view ended) { return base::iequals(ended, option); });
}

// The field as it is, unless an option of it ends here.
std::optional<std::string> passed_options(const sip::Message& message,
                                          const sip::HeaderView& field) {
    std::string kept;
    bool is_changed = false;
    std::string_view rest = field.value;
    std::string_view option;
    while (sip::take_list_element(rest, option)) {
        if (is_ended(message, field.id, option)) {
            is_changed = true;
            continue;
        }
        if (!kept.empty()) kept += ", ";
        kept += option;
    }
    if (!is_changed) return std::string(field.value);
    if (kept.empty()) return std::nullopt;
    return kept;
}

// In a dialog, and where one may be made, Contact is the address of a leg; in a redirection and in
// the answer to an OPTIONS it is the message.
bool passes_contact(const sip::Message& message) {
    return message.is_response() &&
           (message.status() >= 300 || message.cseq_method() == sip::Method::Options);
}

// A parameter as written, with the semicolon before it.
std::string_view take_whole_param(std::string_view& rest) {
    bool is_quoted = false;
    std::size_t end = 1;
    for (; end < rest.size() && (is_quoted || rest[end] != ';'); ++end)
        if (rest[end] == '"' && rest[end - 1] != '\\') is_quoted = !is_quoted;
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(taken.size());
    return taken;
}

}  // namespace

std::vector<sip::ExtraHeader> passed_headers(const sip::Message& message) {
    std::vector<sip::ExtraHeader> headers;
    headers.reserve(message.header_count());
    for (std::size_t i = 0; i < message.header_count(); ++i) {
        const sip::HeaderView field = message.header(i);
        switch (field.id) {
            case HeaderId::Via:
            case HeaderId::From:
            case HeaderId::To:
            case HeaderId::CallId:
            case HeaderId::Cseq:
            case HeaderId::Route:
            case HeaderId::RecordRoute:
            case HeaderId::MaxForwards:
            case HeaderId::ContentLength:
            case HeaderId::ContentType:
            case HeaderId::Rack:
            case HeaderId::Rseq:
            case HeaderId::SessionId:
                break;
            case HeaderId::Contact:
                if (passes_contact(message))
                    headers.push_back({std::string(field.name), std::string(field.value)});
                break;
            case HeaderId::Require:
            case HeaderId::Supported:
                if (auto value = passed_options(message, field))
                    headers.push_back({std::string(field.name), *std::move(value)});
                break;
            default:
                headers.push_back({std::string(field.name), std::string(field.value)});
                break;
        }
    }
    return headers;
}

std::optional<std::uint32_t> next_max_forwards(const sip::Message& message) {
    const auto value = message.find(HeaderId::MaxForwards);
    if (!value) return kMaxForwards;
    const auto number = base::parse_number<std::uint32_t>(base::trim(*value));
    if (!number) return kMaxForwards;
    if (*number == 0) return std::nullopt;
    return std::min(*number, kMaxForwards + 1) - 1;
}

std::string contact_parameters_of(const sip::Message& message) {
    const auto value = message.first_value(HeaderId::Contact);
    if (!value) return {};
    const auto contact = sip::parse_name_addr(*value);
    return contact ? std::string(base::trim(contact->params)) : std::string{};
}

std::string without_tag(std::string_view party) {
    const auto parsed = sip::parse_name_addr(party);
    if (!parsed || parsed->params.empty()) return std::string(party);
    std::string kept(
        party.substr(0, static_cast<std::size_t>(parsed->params.data() - party.data())));
    std::string_view rest = parsed->params;
    while (!rest.empty()) {
        const std::string_view one = take_whole_param(rest);
        std::string_view text = one;
        sip::Param param;
        if (sip::take_param(text, param) && base::iequals(param.name, "tag")) continue;
        kept.append(one);
    }
    return kept;
}

Content content_of(const sip::Message& message) {
    const std::string_view body = base::as_text(message.body());
    if (body.empty()) return {};
    return {std::string(message.find(HeaderId::ContentType).value_or("application/octet-stream")),
            std::string(body)};
}

std::optional<SdpPlace> find_sdp(const sip::Message& message, const Content& content) {
    if (content.body.empty()) return std::nullopt;
    const auto body = mime::parse_body(
        content.type, message.find(HeaderId::ContentDisposition).value_or(""), content.body);
    if (!body) return std::nullopt;
    for (const mime::Part& part : body->parts) {
        const bool is_session =
            part.disposition.empty() || base::iequals(part.disposition, "session");
        if (!part.has_type("application/sdp") || !is_session || part.body.empty()) continue;
        return SdpPlace{static_cast<std::size_t>(part.body.data() - content.body.data()),
                        part.body.size()};
    }
    return std::nullopt;
}

std::string sdp_at(const Content& content, const SdpPlace& place) {
    return content.body.substr(place.at, place.size);
}

void replace_sdp(Content& content, const SdpPlace& place, std::string_view sdp) {
    content.body.replace(place.at, place.size, sdp);
}

void remove_sdp(Content& content) { content = {}; }

bool is_encoded(const sip::Message& message) {
    const auto value = message.find(HeaderId::ContentEncoding);
    return value && !value->empty() && !base::iequals(base::trim(*value), "identity") &&
           !message.body().empty();
}

}  // namespace earshot::b2bua
