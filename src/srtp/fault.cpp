#include "srtp/fault.h"

namespace earshot::srtp {

std::string_view to_string(Fault fault) {
    switch (fault) {
        case Fault::Malformed:
            return "malformed";
        case Fault::UnknownKey:
            return "unknown_key";
        case Fault::Authentication:
            return "authentication";
        case Fault::Replay:
            return "replay";
        case Fault::Exhausted:
            return "exhausted";
        case Fault::NoRoom:
            return "no_room";
    }
    return "malformed";
}

}  // namespace earshot::srtp
