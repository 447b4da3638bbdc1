// All that happens on the thread of the chats: the connections of the parties of calls, of the
// members of rooms, of the chats of others that we are in, and those to recording servers. Whose a
// connection is, the first request on it says: rooms, calls and guests share none. Who never says
// it is closed (newcomers.h).
#pragma once

#include <optional>

#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"
#include "chat/copies.h"
#include "chat/files.h"
#include "chat/guests.h"
#include "chat/newcomers.h"
#include "chat/ports.h"
#include "chat/rooms.h"
#include "chat/switch.h"

namespace earshot::chat {

class Desk {
public:
    // All are told on the desk's thread, and must not call back.
    Desk(
        Network& network, base::Random& random, Switch::Told told, Copies::Told copies_told,
        Rooms::Told rooms_told = [](const RoomEvent&) {},
        Guests::Told guests_told = [](const GuestEvent&) {});

    Switch& chats() { return switch_; }
    Copies& copies() { return copies_; }
    Rooms& rooms() { return rooms_; }
    Files& files() { return files_; }
    Guests& guests() { return guests_; }
    // What is left of its copies goes out yet.
    void close(base::Now now, SessionId session);

    // `remote`: where one that others have made comes from.
    void on_open(base::Now now, ConnectionId connection, bool is_tls = false,
                 const std::optional<base::NetAddress>& remote = {});
    void on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes);
    void on_closed(base::Now now, ConnectionId connection);
    void on_writable(base::Now now, ConnectionId connection);
    void on_time(base::Now now);

private:
    bool is_held_back(base::Now now, ConnectionId connection, base::ByteView bytes);
    bool is_claimed(ConnectionId connection) const;
    void close_newcomer(base::Now now, ConnectionId connection);

    Network& network_;
    Copies copies_;
    Switch switch_;
    Rooms rooms_;
    Files files_;
    Guests guests_;
    Newcomers newcomers_;
};

}  // namespace earshot::chat
