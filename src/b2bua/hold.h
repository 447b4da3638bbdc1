// Who holds whom, by RFC 3264 §8.4: read from the two descriptions of one exchange.
#pragma once

#include <optional>
#include <string_view>

namespace earshot::b2bua {

// Whether the offerer wants to hear nothing on any line: sendonly, inactive or c=0.0.0.0. None when
// it offers no line at all.
std::optional<bool> offerer_holds(std::string_view offer);

// Whether the answerer will not hear what the offerer would send. None when the offerer sends
// nothing: its answer then says nothing of it.
std::optional<bool> answerer_holds(std::string_view offer, std::string_view answer);

}  // namespace earshot::b2bua
