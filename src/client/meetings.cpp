#include "client/meetings.h"

#include <fmt/format.h>

#include "base/text.h"
#include "client/limits.h"
#include "sip/uri.h"
#include "siprec/cs_description.h"

namespace earshot::client {
namespace {

// What of a focus's Contact names its conference: not how that one call reached it.
std::string name_of(const std::string& text) {
    const auto uri = sip::parse_uri(text);
    if (!uri || !uri->is_sip()) return text;
    std::string name = fmt::format("{}@{}:{}", uri->user, base::to_lower(uri->host),
                                   uri->port ? std::to_string(*uri->port) : std::string{});
    std::string_view rest = uri->params;
    sip::Param param;
    while (sip::take_param(rest, param))
        if (!base::iequals(param.name, "transport"))
            name += fmt::format(";{}={}", param.name, param.value);
    return name;
}

}  // namespace

Meetings::Meeting Meetings::enter(base::Now now, std::uint64_t call, const std::string& uri,
                                  const std::optional<base::Uuid>& told) {
    leave(now, call);
    std::erase_if(by_uri_, [&](const auto& item) {
        return item.second.left && *item.second.left + kMeetingGap <= now.steady;
    });
    const std::string name = name_of(uri);
    auto known = by_uri_.find(name);
    if (known == by_uri_.end()) {
        const std::string id = fmt::format("conference {} {}", name, base::to_rfc3339(now.wall));
        const Meeting meeting{.group = told ? *told : siprec::group_id(installation_, id),
                              .since = now.wall};
        known = by_uri_.emplace(name, Known{.meeting = meeting}).first;
    }
    ++known->second.calls;
    known->second.left.reset();
    of_call_[call] = name;
    return known->second.meeting;
}

void Meetings::leave(base::Now now, std::uint64_t call) {
    const auto entered = of_call_.find(call);
    if (entered == of_call_.end()) return;
    Known& known = by_uri_.at(entered->second);
    if (--known.calls == 0) known.left = now.steady;
    of_call_.erase(entered);
}

}  // namespace earshot::client
