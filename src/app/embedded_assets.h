// The page as web/ built it, inside the program. Only there when the build has EARSHOT_WEB.
#pragma once

#include <memory>

#include "api/api.h"

namespace earshot::app {

std::unique_ptr<api::Assets> make_embedded_assets();

}  // namespace earshot::app
