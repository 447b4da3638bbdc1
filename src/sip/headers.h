// The typed values of header fields. All are views into the value they were read from; each parser
// takes one value (split off its list first: Message::values) and is as lenient as it safely can
// be.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "sip/uri.h"

namespace earshot::sip {

// From, To, Contact, Route, Record-Route, Reply-To, P-Asserted-Identity: `"Ann" <sip:ann@a>;tag=1`.
struct NameAddr {
    std::string_view display_name;  // without quotes, escapes as written; may be empty
    std::string_view uri;           // text of the URI; see parse_uri
    std::string_view params;        // header parameters: ";tag=1;+sip.src"
    bool is_wildcard = false;       // `Contact: *`
    bool is_unterminated = false;   // '<' without '>' (Metaswitch's Contact, interop Q22)

    std::optional<std::string_view> param(std::string_view name) const {
        return find_param(params, name);
    }
    std::string_view tag() const { return param("tag").value_or(std::string_view{}); }
    // A feature tag such as "sip.src": as `;+sip.src` where it belongs, without its `+` (interop
    // Q24, Q28: "src" alone is taken for sip.src, too) or inside the brackets (Q27). Any value but
    // FALSE will do.
    bool has_feature(std::string_view feature) const;
};
base::Result<NameAddr> parse_name_addr(std::string_view value);

// RFC 3261 §20.42: `SIP/2.0/UDP host:port;branch=...`.
struct Via {
    std::string_view protocol;   // "SIP/2.0"
    std::string_view transport;  // as written: "UDP"
    std::string_view host;       // sent-by; an IPv6 address keeps its brackets
    std::optional<std::uint16_t> port;
    std::string_view params;

    std::string_view branch() const { return find_param(params, "branch").value_or(""); }
    // Whether the branch is one of RFC 3261 §8.1.1.7, so that it alone names the transaction.
    bool has_magic_branch() const;
    std::optional<std::string_view> received() const { return find_param(params, "received"); }
    bool has_rport() const { return find_param(params, "rport").has_value(); }
    std::optional<std::uint16_t> rport() const;  // when it has a value
};
base::Result<Via> parse_via(std::string_view value);

struct CSeq {
    std::uint32_t number = 0;  // below 2**31 (RFC 3261 §8.1.1.5)
    std::string_view method;
};
base::Result<CSeq> parse_cseq(std::string_view value);

// Content-Type; parameters as `boundary` come without quotes.
struct ContentType {
    std::string_view type;     // "multipart"
    std::string_view subtype;  // "mixed"
    std::string_view params;

    bool is(std::string_view wanted_type, std::string_view wanted_subtype) const;
    std::optional<std::string_view> param(std::string_view name) const {
        return find_param(params, name);
    }
};
base::Result<ContentType> parse_content_type(std::string_view value);

// A token followed by parameters: Content-Disposition, Event, Subscription-State, Reason, ...
struct TokenValue {
    std::string_view token;
    std::string_view params;

    std::optional<std::string_view> param(std::string_view name) const {
        return find_param(params, name);
    }
};
TokenValue parse_token_value(std::string_view value);

// Session-Expires, Min-SE, Expires, Retry-After: seconds, then parameters or a comment.
struct DeltaSeconds {
    std::chrono::seconds seconds{0};  // 0 .. 2**32-1; larger numbers are that limit
    std::string_view params;          // ";refresher=uac"
};
base::Result<DeltaSeconds> parse_delta_seconds(std::string_view value);

// RFC 3261 §20.17, as "Sat, 13 Nov 2010 23:29:00 GMT"; the zone must be GMT (UTC is tolerated).
base::Result<base::WallTime> parse_date(std::string_view value);
std::string format_date(base::WallTime time);

// Takes the next element of a comma-separated list off `rest`, trimmed; commas inside quotes and
// angle brackets do not split. False at the end; empty elements are skipped. Each call is linear in
// `rest`: whoever loops over a peer's text must stop at kMaxHeaderValues, as Message does.
bool take_list_element(std::string_view& rest, std::string_view& element);

}  // namespace earshot::sip
