// Before an export that earshot-media makes: asks for it, and waits until it is whole, so that the
// file has the index that a container gets at its end.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "app/rest_client.h"

namespace earshot::app {

// Whether a server has to be asked for this format before it is fetched.
bool is_rendition(const std::string& format);

// The failure, if it is none. Shows how far it is on `err`, where that is a terminal; says which
// streams could not be rendered.
std::optional<Failure> wait_for_rendition(const Access& access, const std::string& id,
                                          const std::string& format, const std::string& piece,
                                          std::ostream& err);

}  // namespace earshot::app
