// A link for tests: keeps what was sent, and reads it as the instance would.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "relay/control_link.h"
#include "relay/ng_message.h"

namespace earshot::relay {

struct SentCommand {
    std::size_t instance = 0;
    std::string cookie;
    NgDictionary command;
};

class NgTestLink : public ControlLink {
public:
    void send(std::size_t instance, base::ByteView datagram) override {
        auto read = parse_ng(datagram);
        if (read)
            sent_.push_back({instance, std::string(read->cookie), std::move(read->dictionary)});
    }

    // What was sent since this was last asked; of pings only with `with_pings`.
    std::vector<SentCommand> take(bool with_pings = false) {
        std::vector<SentCommand> taken;
        for (SentCommand& one : std::exchange(sent_, {}))
            if (with_pings || one.command.text("command") != "ping")
                taken.push_back(std::move(one));
        return taken;
    }

private:
    std::vector<SentCommand> sent_;
};

}  // namespace earshot::relay
