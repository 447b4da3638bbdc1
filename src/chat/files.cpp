#include "chat/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace earshot::chat {

using base::Reason;

// What its Receiver may know of the sessions.
struct Files::Connection : msrp::Sessions {
    Connection(Files& owner, ConnectionId number, bool tls)
        : files(owner), id(number), is_tls(tls), receiver(*this, owner.random_) {}

    std::optional<Found> find(const msrp::Uri& to) override {
        const auto number = files.number_of(to);
        if (!number) return std::nullopt;
        Session* session = files.find(*number);
        if (session->setup.own.is_secure != is_tls) return std::nullopt;
        // RFC 4975 section 14.4.
        if (is_tls && session->bound != id)
            if (auto fault = files.network_.find_fault(id, session->setup.peer.fingerprints)) {
                refused = {session->key, *std::move(fault)};
                return std::nullopt;
            }
        return Found{.session = *number,
                     .own = session->setup.own,
                     .max_bytes = files.takes_one(*session) ? kMaxRoomFileBytes : 0,
                     .is_elsewhere = session->bound != 0 && session->bound != id};
    }

    Files& files;
    ConnectionId id;
    bool is_tls = false;
    std::optional<std::pair<FileKey, Reason>> refused{};  // who may not have it, and why
    msrp::Receiver receiver;
};

Files::Files(Network& network, base::Random& random, Copies* copies, Rooms& rooms, Rooms::Told told)
    : network_(network), random_(random), copies_(copies), rooms_(rooms), told_(std::move(told)) {}

Files::~Files() = default;

Files::Session* Files::find(msrp::SessionNumber number) {
    const auto found = sessions_.find(number);
    return found == sessions_.end() ? nullptr : &found->second;
}

std::optional<msrp::SessionNumber> Files::number_of(const msrp::Uri& to) const {
    const auto found = by_uri_.find(to.session_id);
    const bool is_ours =
        found != by_uri_.end() && is_same(to, sessions_.at(found->second).setup.own);
    return is_ours ? std::optional(found->second) : std::nullopt;
}

std::optional<msrp::SessionNumber> Files::number_of(const FileKey& key) const {
    for (const auto& [number, session] : sessions_)
        if (session.key == key) return number;
    return std::nullopt;
}

void Files::tell(const Session& session, RoomEvent::Kind kind, Reason reason) {
    told_({.room = session.key.room,
           .member = session.key.member,
           .kind = kind,
           .reason = std::move(reason)});
}

// A message more. What may come of one is set aside for it: whoever sends slowly takes nobody's.
bool Files::takes_one(const Session& session) const {
    // Asked at each chunk: of a file that is under way at once.
    if (session.open || session.is_done || session.tries >= kMaxFileTries ||
        kept_ + kMaxRoomFileBytes > kMaxRoomFilesBytes)
        return false;
    const auto of_room = std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
        return entry.second.open && entry.second.key.room == session.key.room;
    });
    return static_cast<std::size_t>(of_room) < kMaxFilesOfRoom;
}

// ---- sessions -----------------------------------------------------------------------------------

void Files::set(base::Now now, const FileKey& key, FileSetup setup) {
    auto number = number_of(key);
    if (number && !is_same(find(*number)->setup.own, setup.own)) {
        remove(now, key);
        number.reset();
    }
    if (!number) {
        number = ++last_number_;
        sessions_[*number].key = key;
    }
    Session& session = sessions_[*number];
    // Who is connected has shown what the description before named.
    if (session.setup.peer.fingerprints != setup.peer.fingerprints) end_connection(now, *number);
    session.setup = std::move(setup);
    by_uri_[session.setup.own.session_id] = *number;
    connect(session);
}

void Files::connect(Session& session) {
    const Peer& peer = session.setup.peer;
    if (!peer.connect_to || session.bound != 0 || session.connecting != 0 || session.is_done)
        return;
    const bool is_secure = session.setup.own.is_secure;
    session.connecting =
        network_.connect(*peer.connect_to, is_secure ? peer.path.front().host : std::string{});
    if (session.connecting == 0)
        return tell(session, RoomEvent::Kind::FileNotTaken,
                    {"chat_no_connection", "No more connections can be made for chats."});
    connections_.emplace(session.connecting,
                         std::make_unique<Connection>(*this, session.connecting, is_secure));
}

void Files::remove(base::Now now, const FileKey& key) {
    const auto number = number_of(key);
    if (!number) return;
    end_connection(now, *number);
    by_uri_.erase(find(*number)->setup.own.session_id);
    sessions_.erase(*number);
    say_ready(now, &key);
}

// What is under way in it breaks off.
void Files::end_connection(base::Now now, msrp::SessionNumber number) {
    if (const auto connection = connections_.find(find(number)->bound);
        connection != connections_.end()) {
        connection->second->receiver.on_session_ended(number);
        drain(now, connection->first);
    }
    let_go(*find(number));
}

void Files::close(base::Now now, SessionId room) {
    std::vector<FileKey> gone;
    for (const auto& [number, session] : sessions_)
        if (session.key.room == room) gone.push_back(session.key);
    for (const FileKey& key : gone) remove(now, key);
}

// Its connections, if they are nobody else's, are closed.
void Files::let_go(Session& session) {
    for (ConnectionId* id : {&session.bound, &session.connecting}) {
        const ConnectionId connection = std::exchange(*id, 0);
        if (connection == 0 || is_bound(connection)) continue;
        network_.close(connection);
        forget(connection);
    }
}

// ---- connections --------------------------------------------------------------------------------

bool Files::is_bound(ConnectionId connection) const {
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [&](const auto& entry) { return entry.second.bound == connection; });
}

void Files::on_open(base::Now now, ConnectionId id, bool is_tls) {
    auto& connection = connections_[id];
    if (connection == nullptr) connection = std::make_unique<Connection>(*this, id, is_tls);
    for (auto& [number, session] : sessions_) {
        if (session.connecting != id) continue;
        session.connecting = 0;
        // Nothing is said to who is not the one that was named.
        if (is_tls)
            if (auto fault = network_.find_fault(id, session.setup.peer.fingerprints)) {
                tell(session, RoomEvent::Kind::FileNotTaken, *std::move(fault));
                network_.close(id);
                return forget(id);
            }
        session.bound = id;
        connection->receiver.send_empty(session.setup.own, session.setup.peer.path);
        return drain(now, id);
    }
}

void Files::on_bytes(base::Now now, ConnectionId id, base::ByteView bytes) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    found->second->receiver.on_bytes(bytes);
    drain(now, id);
}

void Files::on_closed(base::Now now, ConnectionId id) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    found->second->receiver.on_connection_lost();
    drain(now, id);
    for (auto& [number, session] : sessions_)
        if (session.connecting == id)
            tell(session, RoomEvent::Kind::FileNotTaken,
                 {"chat_not_connected",
                  "The participant does not take the connection for the file."});
    forget(id);
}

void Files::forget(ConnectionId id) {
    for (auto& [number, session] : sessions_) {
        if (session.bound == id) session.bound = 0;
        if (session.connecting == id) session.connecting = 0;
    }
    connections_.erase(id);
}

// Of what nothing more comes nobody gets a part; a recording keeps what there was.
void Files::on_time(base::Now now) {
    said_.clear();
    say_ready(now);
    std::vector<msrp::SessionNumber> silent;
    for (const auto& [number, session] : sessions_)
        if (session.open && (now.steady - session.open->last >= kMaxRoomSilence ||
                             now.steady - session.open->begun >= kMaxFileTime))
            silent.push_back(number);
    for (const msrp::SessionNumber number : silent) end_connection(now, number);
}

void Files::drain(base::Now now, ConnectionId id) {
    while (true) {
        const auto found = connections_.find(id);
        if (found == connections_.end()) return;
        Connection& connection = *found->second;
        auto action = connection.receiver.poll_action();
        if (const auto refused = std::exchange(connection.refused, std::nullopt)) {
            if (const auto number = number_of(refused->first))
                tell(*find(*number), RoomEvent::Kind::Refused, refused->second);
            network_.close(id);
            return on_closed(now, id);
        }
        if (!action) return;
        carry_out(now, connection, *action);
    }
}

void Files::bind(Session& session, Connection& connection) {
    session.bound = connection.id;
    // One of ours that is still on its way is not needed: it would take the place of this one.
    const ConnectionId late = std::exchange(session.connecting, 0);
    if (late == 0 || late == connection.id) return;
    network_.close(late);
    forget(late);
}

void Files::carry_out(base::Now now, Connection& connection, msrp::ReceiverAction& action) {
    const auto session_with = [&](msrp::MessageNumber message) -> Session* {
        for (auto& [number, session] : sessions_)
            if (session.bound == connection.id && session.open && session.open->message == message)
                return &session;
        return nullptr;
    };
    if (auto* send = std::get_if<msrp::SendBytes>(&action)) {
        network_.send(connection.id, std::move(send->bytes));
    } else if (const auto* bound = std::get_if<msrp::BindSession>(&action)) {
        if (Session* session = find(bound->session)) bind(*session, connection);
    } else if (auto* begun = std::get_if<msrp::BeginMessage>(&action)) {
        if (Session* session = find(begun->session)) begin(now, *session, *begun);
    } else if (const auto* content = std::get_if<msrp::MessageContent>(&action)) {
        Session* session = session_with(content->message);
        if (session == nullptr) return;
        Open& open = *session->open;
        open.last = now.steady;
        const std::uint64_t end = content->offset + content->bytes.size();
        if (end > kMaxRoomFileBytes || !open.received.add(content->offset, end)) return;
        if (open.file.content.size() < end) open.file.content.resize(static_cast<std::size_t>(end));
        std::copy(content->bytes.begin(), content->bytes.end(),
                  open.file.content.begin() + static_cast<std::ptrdiff_t>(content->offset));
    } else if (const auto* ended = std::get_if<msrp::EndMessage>(&action)) {
        if (Session* session = session_with(ended->message)) end(now, connection, *session, *ended);
    } else if (std::holds_alternative<msrp::CloseConnection>(action)) {
        network_.close(connection.id);
        on_closed(now, ConnectionId{connection.id});
    }
}

// ---- the file -----------------------------------------------------------------------------------

void Files::begin(base::Now now, Session& session, msrp::BeginMessage& begun) {
    if (begun.is_repeated) return;
    // Its first octets are answered by 413.
    if (!takes_one(session)) {
        if (std::exchange(session.has_told_extra, true)) return;
        const bool is_extra = session.open || session.is_done || session.tries == kMaxFileTries;
        return tell(session, RoomEvent::Kind::FileNotTaken,
                    is_extra ? Reason{"file_extra",
                                      "More than one message came where one file was announced."}
                             : Reason{"file_no_room", "Too many files are under way."});
    }
    kept_ += kMaxRoomFileBytes;
    ++session.tries;
    session.open = Open{.message = begun.message, .begun = now.steady, .last = now.steady};
    RoomFile& file = session.open->file;
    file = {.sender_uri = session.setup.sender_uri,
            .sender_name = session.setup.sender_name,
            .message_id = std::move(begun.head.message_id),
            .name = session.setup.name,
            .type = std::move(begun.head.content_type),
            .at = now.wall};
    if (copies_ != nullptr) file.begun = copies_->begin_message();
}

void Files::end(base::Now now, Connection& connection, Session& session,
                const msrp::EndMessage& ended) {
    RoomFile file = std::move(session.open->file);
    const auto ranges = session.open->received.ranges();
    session.open.reset();
    file.is_whole = ended.how == msrp::EndMessage::How::Complete;
    // Up to the first hole.
    const bool has_begin = !ranges.empty() && ranges.front().begin == 0;
    file.content.resize(has_begin ? static_cast<std::size_t>(ranges.front().end) : 0);
    const std::size_t size = file.content.size();
    const std::string name = file.name;
    const std::string what =
        fmt::format("\"{}\", {} octets", name.empty() ? std::string("without a name") : name, size);
    if (file.is_whole || size > 0) {
        ready_.push_back({.key = session.key, .file = std::move(file)});
        say_ready(now);
    } else {
        kept_ -= kMaxRoomFileBytes;
    }
    if (ended.how == msrp::EndMessage::How::Complete) {
        session.is_done = true;
        connection.receiver.on_durable(ended.message);
        return tell(session, RoomEvent::Kind::File, {"file", what + "."});
    }
    const bool is_large = ended.how == msrp::EndMessage::How::TooLarge;
    // Whoever sends on after the answer begins anew with each chunk.
    const bool was_told = session.has_told_extra;
    if (is_large || size == 0) session.has_told_extra = true;
    if (was_told && size == 0) return;
    tell(session, RoomEvent::Kind::FileNotTaken,
         {"file_" + std::string(msrp::to_string(ended.how)),
          is_large ? what + " of it have come: it is larger than the " +
                         std::to_string(kMaxRoomFileBytes) + " that a room takes."
                   : what + " of it have come, and nothing more."});
}

void Files::say_ready(base::Now now, const FileKey* key) {
    for (auto one = ready_.begin(); one != ready_.end();) {
        const SessionId room = one->key.room;
        const bool may_wait = key == nullptr || one->key != *key;
        const bool waits = said_.contains(room) || (copies_ != nullptr && !copies_->has_room(room));
        if (may_wait && waits) {
            ++one;
            continue;
        }
        said_.insert(room);
        kept_ -= kMaxRoomFileBytes;
        rooms_.say_file(now, room, one->key.member, std::move(one->file));
        one = ready_.erase(one);
    }
}

}  // namespace earshot::chat
