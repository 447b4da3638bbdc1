// DATA/cli.json: where the server listens and the token that opens it, for the command line of the
// same user (mode 0600). {"url": "http://127.0.0.1:8080", "token": "..."}
#pragma once

#include <string>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"

namespace earshot::api {

struct AccessFile {
    std::string url;
    std::string token;
};

// Reason codes: "no_access_file" (there is none), "bad_access_file", "unreadable".
base::Result<AccessFile, base::Reason> read_access_file(const std::string& data_dir);

// At the server's start: keeps the token of an existing file (or of one it cannot read makes a new
// one), writes the file anew with `url`, atomically, mode 0600.
base::Result<AccessFile, base::Reason> write_access_file(const std::string& data_dir,
                                                         const std::string& url,
                                                         base::Random& random);

}  // namespace earshot::api
