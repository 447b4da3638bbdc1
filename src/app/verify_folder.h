// `earshot verify FOLDER`: a stored recording looked at where it lies, without any server.
#pragma once

#include <iosfwd>
#include <string>

#include "app/command.h"

namespace earshot::app {

// What names a folder and no id: it has a '/' in it.
bool is_folder(const std::string& text);

// The keys are those of `data`, or, where that is empty, of the data directory in which the folder
// lies.
Exit run_verify_folder(const std::string& folder, const std::string& data, bool as_json,
                       std::ostream& out, std::ostream& err);

}  // namespace earshot::app
