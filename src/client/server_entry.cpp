#include "client/server_entry.h"

#include <fmt/format.h>

#include "base/text.h"
#include "sip/uri.h"

namespace earshot::client {

base::Result<ServerEntry, base::Reason> parse_server(std::string_view text) {
    const auto uri = sip::parse_uri(text);
    if (!uri || !uri->is_sip())
        return base::Reason{
            "bad_uri", fmt::format("\"{}\" is no SIP URI like sip:recorder.example.com", text)};
    ServerEntry entry;
    entry.uri = std::string(text.substr(0, text.size() - uri->params.size() - uri->headers.size()));
    if (!uri->headers.empty()) entry.uri.pop_back();  // its question mark
    std::string_view rest = uri->params;
    if (!rest.empty()) rest.remove_prefix(1);  // the first semicolon
    while (!rest.empty()) {
        const std::string_view one = base::take_until(rest, ';');
        std::string_view value = one;
        const std::string_view name = base::trim(base::take_until(value, '='));
        if (!base::iequals(name, "weight")) {
            entry.uri.append(";").append(one);
            continue;
        }
        entry.weight = base::parse_number<std::uint16_t>(base::trim(value));
        if (!entry.weight)
            return base::Reason{
                "bad_weight",
                fmt::format("The weight of \"{}\" is no number from 0 to 65535", text)};
    }
    if (!uri->headers.empty()) entry.uri.append("?").append(uri->headers);
    return entry;
}

}  // namespace earshot::client
