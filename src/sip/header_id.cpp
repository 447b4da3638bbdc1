#include "sip/header_id.h"

#include <array>
#include <cstddef>

#include "base/text.h"

namespace earshot::sip {
namespace {

struct HeaderName {
    HeaderId id;
    std::string_view name;
    std::string_view compact = {};
};

constexpr std::array kHeaderNames = std::to_array<HeaderName>({
    {HeaderId::Accept, "Accept"},
    {HeaderId::AcceptEncoding, "Accept-Encoding"},
    {HeaderId::AcceptLanguage, "Accept-Language"},
    {HeaderId::Allow, "Allow"},
    {HeaderId::AllowEvents, "Allow-Events", "u"},
    {HeaderId::Authorization, "Authorization"},
    {HeaderId::CallId, "Call-ID", "i"},
    {HeaderId::Contact, "Contact", "m"},
    {HeaderId::ContentDisposition, "Content-Disposition"},
    {HeaderId::ContentEncoding, "Content-Encoding", "e"},
    {HeaderId::ContentId, "Content-ID"},
    {HeaderId::ContentLanguage, "Content-Language"},
    {HeaderId::ContentLength, "Content-Length", "l"},
    {HeaderId::ContentType, "Content-Type", "c"},
    {HeaderId::Cseq, "CSeq"},
    {HeaderId::Date, "Date"},
    {HeaderId::Event, "Event", "o"},
    {HeaderId::Expires, "Expires"},
    {HeaderId::From, "From", "f"},
    {HeaderId::InfoPackage, "Info-Package"},
    {HeaderId::InReplyTo, "In-Reply-To"},
    {HeaderId::MaxForwards, "Max-Forwards"},
    {HeaderId::MimeVersion, "MIME-Version"},
    {HeaderId::MinExpires, "Min-Expires"},
    {HeaderId::MinSe, "Min-SE"},
    {HeaderId::Organization, "Organization"},
    {HeaderId::PAssertedIdentity, "P-Asserted-Identity"},
    {HeaderId::Path, "Path"},
    {HeaderId::Priority, "Priority"},
    {HeaderId::Privacy, "Privacy"},
    {HeaderId::ProxyAuthenticate, "Proxy-Authenticate"},
    {HeaderId::ProxyAuthorization, "Proxy-Authorization"},
    {HeaderId::ProxyRequire, "Proxy-Require"},
    {HeaderId::Rack, "RAck"},
    {HeaderId::Reason, "Reason"},
    {HeaderId::RecordRoute, "Record-Route"},
    {HeaderId::RecvInfo, "Recv-Info"},
    {HeaderId::ReferTo, "Refer-To", "r"},
    {HeaderId::Replaces, "Replaces"},
    {HeaderId::ReplyTo, "Reply-To"},
    {HeaderId::Require, "Require"},
    {HeaderId::RetryAfter, "Retry-After"},
    {HeaderId::Route, "Route"},
    {HeaderId::Rseq, "RSeq"},
    {HeaderId::Server, "Server"},
    {HeaderId::SessionExpires, "Session-Expires", "x"},
    {HeaderId::SessionId, "Session-ID"},
    {HeaderId::Subject, "Subject", "s"},
    {HeaderId::SubscriptionState, "Subscription-State"},
    {HeaderId::Supported, "Supported", "k"},
    {HeaderId::Timestamp, "Timestamp"},
    {HeaderId::To, "To", "t"},
    {HeaderId::Unsupported, "Unsupported"},
    {HeaderId::UserAgent, "User-Agent"},
    {HeaderId::Via, "Via", "v"},
    {HeaderId::Warning, "Warning"},
    {HeaderId::WwwAuthenticate, "WWW-Authenticate"},
});

// kHeaderNames[i] must be the name of the enumerator i + 1: to_string() indexes it.
constexpr bool is_in_order() {
    for (std::size_t i = 0; i < kHeaderNames.size(); ++i) {
        if (static_cast<std::size_t>(kHeaderNames[i].id) != i + 1) return false;
    }
    return true;
}
static_assert(is_in_order());

// Names are looked up once a header line, so by a hash without collisions: its factors were found
// by trying. Letters lose their case, for the hash alone, with one bit.
constexpr std::size_t kSlots = 256;

constexpr std::size_t slot_of(std::string_view name) {
    const auto at = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(name[i]) | 0x20U);
    };
    return (name.size() * 2 + at(0) * 22 + at(name.size() / 2) * 12 + at(name.size() - 1) * 39) %
           kSlots;
}

// Index + 1 in kHeaderNames; 0: free.
constexpr std::array<std::uint8_t, kSlots> kTable = [] {
    std::array<std::uint8_t, kSlots> table{};
    for (std::size_t i = 0; i < kHeaderNames.size(); ++i) {
        for (const std::string_view name : {kHeaderNames[i].name, kHeaderNames[i].compact}) {
            if (name.empty()) continue;
            table[slot_of(name)] = static_cast<std::uint8_t>(i + 1);
        }
    }
    return table;
}();

constexpr bool has_no_collision() {
    for (std::size_t i = 0; i < kHeaderNames.size(); ++i) {
        for (const std::string_view name : {kHeaderNames[i].name, kHeaderNames[i].compact}) {
            if (!name.empty() && kTable[slot_of(name)] != i + 1) return false;
        }
    }
    return true;
}
static_assert(has_no_collision(), "find other factors for slot_of()");

constexpr std::array kMethodNames = std::to_array<std::string_view>(
    {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH",
     "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"});
static_assert(kMethodNames.size() == static_cast<std::size_t>(Method::Update));

struct StatusPhrase {
    int status;
    std::string_view phrase;
};
constexpr std::array kPhrases = std::to_array<StatusPhrase>({
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {199, "Early Dialog Terminated"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Notification"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {422, "Session Interval Too Small"},
    {423, "Interval Too Brief"},
    {469, "Bad Info Package"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {580, "Precondition Failure"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
});
constexpr std::array kClassPhrases = std::to_array<std::string_view>(
    {"Trying", "OK", "Multiple Choices", "Bad Request", "Server Internal Error", "Decline"});

}  // namespace

HeaderId find_header_id(std::string_view name) {
    if (name.empty()) return HeaderId::Other;
    const std::size_t index = kTable[slot_of(name)];
    if (index == 0) return HeaderId::Other;
    const HeaderName& entry = kHeaderNames[index - 1];
    const std::string_view known = name.size() == 1 ? entry.compact : entry.name;
    return base::iequals(name, known) ? entry.id : HeaderId::Other;
}

std::string_view to_string(HeaderId id) {
    return id == HeaderId::Other ? std::string_view{}
                                 : kHeaderNames[static_cast<std::size_t>(id) - 1].name;
}

Method find_method(std::string_view name) {
    for (std::size_t i = 0; i < kMethodNames.size(); ++i) {
        if (kMethodNames[i] == name) return static_cast<Method>(i + 1);
    }
    return Method::Other;
}

std::string_view to_string(Method method) {
    return method == Method::Other ? std::string_view{}
                                   : kMethodNames[static_cast<std::size_t>(method) - 1];
}

std::string_view default_reason(int status) {
    for (const StatusPhrase& entry : kPhrases) {
        if (entry.status == status) return entry.phrase;
    }
    const int status_class = status / 100;
    return status_class >= 1 && status_class <= 6
               ? kClassPhrases[static_cast<std::size_t>(status_class) - 1]
               : std::string_view{"Unknown"};
}

}  // namespace earshot::sip
