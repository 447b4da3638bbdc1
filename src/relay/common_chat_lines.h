// Lines of recording sessions that chats share, one after the other or at once (ChatMapping): the
// same ones in all subscriptions of a recording session. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "chat/copies.h"
#include "msrp/uri.h"
#include "relay/media_plane.h"

namespace earshot::relay {

struct CommonChatLine {
    std::string label{};
    msrp::Uri own{};
    std::set<chat::CopyKey> users{};
    // Whether the server lists the wrapper, which tells chats apart. Nothing: it has not answered
    // yet.
    std::optional<bool> takes_several{};
    std::shared_ptr<chat::CopyCounters> last{};  // of the chat that has left it
    // Without the wrapper what the server has not receipted would be taken for the next one's.
    bool is_free() const {
        return users.empty() &&
               (takes_several.value_or(false) || last == nullptr || last->waiting == 0);
    }
    // A server that cannot tell several apart has the first of them here, the others elsewhere.
    bool is_for(const chat::CopyKey& copy) const {
        return takes_several.value_or(true) || users.empty() || *users.begin() == copy;
    }
};

class CommonChatLines {
public:
    using Session = std::shared_ptr<const void>;  // a recording session; gone when that is

    explicit CommonChatLines(base::Random& random) : random_(random) {}  // borrowed

    CommonChatLine* find(const Session& session, const std::string& label);
    // One that a chat may go on now; null: there is none.
    CommonChatLine* find_for(const Session& session, ChatMapping mapping, bool is_secure);
    CommonChatLine& add(const Session& session, ChatMapping mapping, const base::NetAddress& at,
                        bool is_secure);
    // Without chats a line is kept for the next one, if that is wanted. `counters`: of what the
    // server has yet to receipt of it.
    void leave(const Session& session, const std::string& label, const chat::CopyKey& copy,
               const std::shared_ptr<chat::CopyCounters>& counters);

private:
    base::Random& random_;
    std::map<std::weak_ptr<const void>, std::vector<CommonChatLine>, std::owner_less<>> lines_;
    std::uint64_t last_ = 0;
};

}  // namespace earshot::relay
