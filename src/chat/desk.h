// All that happens on the thread of the chats: the connections of the parties, and those to
// recording servers.
#pragma once

#include <utility>

#include "base/random.h"
#include "base/time.h"
#include "chat/copies.h"
#include "chat/ports.h"
#include "chat/switch.h"

namespace earshot::chat {

class Desk {
public:
    // Both are told on the desk's thread, and must not call back.
    Desk(Network& network, base::Random& random, Switch::Told told, Copies::Told copies_told)
        : copies_(network, random, std::move(copies_told)),
          switch_(network, random, &copies_, std::move(told)) {}

    Switch& chats() { return switch_; }
    Copies& copies() { return copies_; }
    // What is left of its copies goes out yet.
    void close(base::Now now, SessionId session) {
        switch_.close(now, session);
        copies_.finish(now, session);
    }

    void on_open(base::Now now, ConnectionId connection) {
        if (copies_.owns(connection)) return copies_.on_open(now, connection);
        switch_.on_open(now, connection);
        copies_.work(now);
    }
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes) {
        if (copies_.owns(connection)) return copies_.on_bytes(now, connection, bytes);
        switch_.on_bytes(now, connection, bytes);
        copies_.work(now);
    }
    void on_closed(base::Now now, ConnectionId connection) {
        if (copies_.owns(connection)) return copies_.on_closed(now, connection);
        switch_.on_closed(now, connection);
        copies_.work(now);
    }
    void on_writable(base::Now now, ConnectionId connection) {
        if (copies_.owns(connection)) return copies_.on_writable(now, connection);
        switch_.on_writable(now, connection);
        copies_.work(now);
    }
    void on_time(base::Now now) {
        switch_.on_time(now);
        copies_.on_time(now);
        copies_.work(now);
    }

private:
    Copies copies_;
    Switch switch_;
};

}  // namespace earshot::chat
