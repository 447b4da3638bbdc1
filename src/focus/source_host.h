// Whose packets a place in a conference takes: those of the media plane, which is the only one that
// knows it, and not of who hits its port by chance or on purpose.
#pragma once

#include "base/net_address.h"

namespace earshot::focus {

class SourceHost {
public:
    // `named`: by the media plane's description. A plane may send from another host than it names;
    // the named one is alone from its first packet on.
    bool admits(const base::NetAddress& source, const base::NetAddress& named) {
        const bool is_named = source.same_host(named);
        is_known_ = is_known_ || is_named;
        return is_named || !is_known_;
    }

private:
    bool is_known_ = false;
};

}  // namespace earshot::focus
