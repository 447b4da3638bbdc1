// The names a SIP message is made of: header fields (RFC 3261 §20, §7.3.3 for the compact forms,
// and the extensions we use) and methods.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace earshot::sip {

// Other: a name that is not in this list; compare such names without case.
enum class HeaderId : std::uint8_t {
    Other,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Allow,
    AllowEvents,
    Authorization,
    CallId,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentId,
    ContentLanguage,
    ContentLength,
    ContentType,
    Cseq,
    Date,
    Event,
    Expires,
    From,
    InfoPackage,
    InReplyTo,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAssertedIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    Rack,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferTo,
    Replaces,
    ReplyTo,
    Require,
    RetryAfter,
    Route,
    Rseq,
    Server,
    SessionExpires,
    SessionId,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
};
inline constexpr std::size_t kHeaderIdCount =
    static_cast<std::size_t>(HeaderId::WwwAuthenticate) + 1;

// Also the compact forms ("v" is Via); letter case is ignored.
HeaderId find_header_id(std::string_view name);
// The long form as the RFCs write it: "Call-ID"; empty for Other.
std::string_view to_string(HeaderId id);

enum class Method : std::uint8_t {
    Other,
    Ack,
    Bye,
    Cancel,
    Info,
    Invite,
    Message,
    Notify,
    Options,
    Prack,
    Publish,
    Refer,
    Register,
    Subscribe,
    Update,
};

// Method names are case-sensitive (RFC 3261 §7.1): "invite" is Other.
Method find_method(std::string_view name);
std::string_view to_string(Method method);  // empty for Other

// The RFC's phrase for a status, "OK"; for a status without one that of its class.
std::string_view default_reason(int status);

}  // namespace earshot::sip
