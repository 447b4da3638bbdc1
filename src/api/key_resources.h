// The resources below /api/v1/keys. Called on worker threads.
#pragma once

#include <string_view>

#include "api/key_control.h"
#include "http/message.h"

namespace earshot::api {

http::Response list_keys(KeyControl* keys);
// Its body tells the progress, a JSON object a line; the rotation goes on as the lines are read.
http::Response rotate_keys(KeyControl* keys);
http::Response remove_key(KeyControl* keys, std::string_view id);

}  // namespace earshot::api
