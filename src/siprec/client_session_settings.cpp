// What a rule may say of a recording session, checked before the first call meets it.
#include <fmt/format.h>
#include <regex.h>

#include <array>

#include "base/text.h"
#include "sip/header_id.h"
#include "sip/headers.h"
#include "sip/uri.h"
#include "siprec/limits.h"
#include "siprec/recording_client_session.h"

namespace earshot::siprec {
namespace {

using base::Reason;

Reason bad_settings(std::string code, std::string text) {
    return {std::move(code), std::move(text)};
}

// RFC 3261 section 25.1.
bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "-.!%*_+`'~";
    for (const char c : text) {
        const char lower = base::to_lower(c);
        const bool is_alphanumeric = (lower >= 'a' && lower <= 'z') || base::is_digit(c);
        if (!is_alphanumeric && kMarks.find(c) == std::string_view::npos) return false;
    }
    return !text.empty();
}

std::optional<Reason> find_uri_fault(const std::string& uri, std::string_view what,
                                     bool may_have_name) {
    std::string_view text = uri;
    if (may_have_name && uri.find('<') != std::string::npos) {
        const auto party = sip::parse_name_addr(uri);
        if (party && party->params.empty() && !party->is_unterminated) text = party->uri;
    }
    const auto parsed = sip::parse_uri(text);
    const bool is_one_line = uri.find_first_of("\r\n") == std::string::npos;
    if (parsed && parsed->is_sip() && is_one_line) return std::nullopt;
    return bad_settings("bad_uri", fmt::format("{} '{}' is no SIP URI.", what, uri));
}

// What the agent writes into each request.
bool is_agent_header(sip::HeaderId id) {
    using sip::HeaderId;
    switch (id) {
        case HeaderId::Authorization:
        case HeaderId::CallId:
        case HeaderId::Contact:
        case HeaderId::ContentLength:
        case HeaderId::ContentType:
        case HeaderId::Cseq:
        case HeaderId::From:
        case HeaderId::MaxForwards:
        case HeaderId::ProxyAuthorization:
        case HeaderId::Rack:
        case HeaderId::RecordRoute:
        case HeaderId::Route:
        case HeaderId::Rseq:
        case HeaderId::To:
        case HeaderId::UserAgent:
        case HeaderId::Via:
            return true;
        default:
            return false;
    }
}

// And what the session adds to its INVITE, or would be undone by.
bool is_session_header(sip::HeaderId id) {
    using sip::HeaderId;
    switch (id) {
        case HeaderId::Accept:
        case HeaderId::Allow:
        case HeaderId::ContentDisposition:
        case HeaderId::ContentEncoding:
        case HeaderId::ContentId:
        case HeaderId::ContentLanguage:
        case HeaderId::MimeVersion:
        case HeaderId::MinSe:
        case HeaderId::ProxyRequire:
        case HeaderId::Replaces:
        case HeaderId::Require:
        case HeaderId::SessionExpires:
        case HeaderId::Supported:
            return true;
        default:
            return is_agent_header(id);
    }
}

std::optional<Reason> find_header_fault(const sip::ExtraHeader& header, bool is_ours) {
    if (!is_token(header.name))
        return bad_settings("bad_header", fmt::format("'{}' is no name of a header.", header.name));
    if (is_ours)
        return bad_settings(
            "bad_header",
            fmt::format("The header {} is written by the session itself.", header.name));
    for (const char c : header.value)
        if (c == '\r' || c == '\n' || c == '\0')
            return bad_settings(
                "bad_header",
                fmt::format("The value of the header {} has a line end in it.", header.name));
    return std::nullopt;
}

}  // namespace

base::Result<SkipCodes, Reason> SkipCodes::parse(const std::string& expression) {
    SkipCodes codes;
    if (expression.empty()) return codes;
    regex_t compiled{};
    if (const int fault = regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB);
        fault != 0) {
        std::array<char, 128> text{};
        regerror(fault, &compiled, text.data(), text.size());
        return bad_settings("bad_expression",
                            fmt::format("skip_failover_codes '{}' is no regular expression: {}.",
                                        expression, text.data()));
    }
    // Few texts can be asked about: so no call ever meets the expression.
    for (std::size_t code = 300; code < 700; ++code)
        codes.codes_[code] = regexec(&compiled, std::to_string(code).c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return codes;
}

std::optional<Reason> find_request_fault(const sip::RequestSpec& request) {
    switch (sip::find_method(request.method)) {
        case sip::Method::Ack:
        case sip::Method::Bye:
        case sip::Method::Cancel:
        case sip::Method::Invite:
        case sip::Method::Prack:
        case sip::Method::Update:
            return bad_settings("bad_method",
                                fmt::format("{} is sent by the session itself.", request.method));
        default:
            break;
    }
    if (!is_token(request.method))
        return bad_settings("bad_method", fmt::format("'{}' is no method.", request.method));
    if (request.headers.size() > kMaxClientHeaders)
        return bad_settings("too_many_headers",
                            fmt::format("More than {} headers are given.", kMaxClientHeaders));
    for (const sip::ExtraHeader& header : request.headers)
        if (auto fault =
                find_header_fault(header, is_agent_header(sip::find_header_id(header.name))))
            return fault;
    if (request.content_type.empty() != request.body.empty())
        return bad_settings("bad_body", "A body needs a Content-Type, and the reverse.");
    if (request.content_type.find_first_of("\r\n") != std::string::npos)
        return bad_settings("bad_body", "The Content-Type has a line end in it.");
    return std::nullopt;
}

std::optional<Reason> find_fault(const ClientSessionSettings& settings) {
    if (settings.servers.empty()) return bad_settings("no_server", "No recording server is named.");
    if (settings.servers.size() > kMaxServers)
        return bad_settings("too_many_servers",
                            fmt::format("More than {} recording servers are named.", kMaxServers));
    for (const std::string& server : settings.servers)
        if (auto fault = find_uri_fault(server, "The recording server", false)) return fault;
    if (!settings.from_uri.empty())
        if (auto fault = find_uri_fault(settings.from_uri, "from_uri", true)) return fault;
    if (!settings.to_uri.empty())
        if (auto fault = find_uri_fault(settings.to_uri, "to_uri", true)) return fault;
    if (settings.headers.size() > kMaxClientHeaders)
        return bad_settings("too_many_headers",
                            fmt::format("More than {} headers are given.", kMaxClientHeaders));
    for (const sip::ExtraHeader& header : settings.headers)
        if (auto fault =
                find_header_fault(header, is_session_header(sip::find_header_id(header.name))))
            return fault;
    if (settings.silence_time.count() <= 0 || settings.answer_time.count() <= 0 ||
        settings.failover_time.count() < 0)
        return bad_settings("bad_time", "A time to wait for a server must be above 0.");
    return std::nullopt;
}

std::string_view to_string(ClientEvent::Kind kind) {
    switch (kind) {
        case ClientEvent::Kind::Start:
            return "start";
        case ClientEvent::Kind::Stop:
            return "stop";
        case ClientEvent::Kind::Failover:
            return "failover";
        case ClientEvent::Kind::Refused:
            return "refused";
        case ClientEvent::Kind::Failed:
            return "failed";
        case ClientEvent::Kind::AnswerFault:
            return "answer_fault";
        case ClientEvent::Kind::ChangeRefused:
            return "change_refused";
        case ClientEvent::Kind::SnapshotRequested:
            return "snapshot_requested";
        case ClientEvent::Kind::RequestAnswered:
            return "request_answered";
    }
    return "";
}

}  // namespace earshot::siprec
