// How one party names a dialog to another: Replaces (RFC 3891), Join (RFC 3911), and a Replaces
// inside a Refer-To (RFC 3515, RFC 5589 §7). The tags are as the party sees them that is to find
// the dialog: `to_tag` is its own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace earshot::b2bua {

struct DialogName {
    std::string call_id{};
    std::string to_tag{};
    std::string from_tag{};
    std::string params{};  // the others: ";early-only"
    friend bool operator==(const DialogName&, const DialogName&) = default;
};

std::optional<DialogName> parse_dialog_name(std::string_view value);  // all three must be there
std::string to_string(const DialogName& name);

// A Refer-To whose URI and Replaces may be exchanged for others.
struct ReferTo {
    std::string before{};   // up to the URI: `"C" <`
    std::string uri{};      // without its headers
    std::string headers{};  // the others: "Require=replaces"
    std::optional<DialogName> replaces{};
    std::string after{};  // from the URI on: ">;x=y"
};
std::optional<ReferTo> parse_refer_to(std::string_view value);
std::string to_string(const ReferTo& refer_to);

}  // namespace earshot::b2bua
