// toml++ as this program uses it: without exceptions, the same in every file.
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
