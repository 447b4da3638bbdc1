// Why something is as it is, for a program (`code`, listed in docs/rest-api.md) and for a person
// (`text`). It travels unchanged from where it arose to the catalogue, the API and the page.
#pragma once

#include <string>

namespace earshot::base {

struct Reason {
    std::string code;  // snake_case, stable: "no_media", "crash", "storage_full"
    std::string text;  // a full sentence that names the peer, the header, the file
    friend bool operator==(const Reason&, const Reason&) = default;
};

}  // namespace earshot::base
