#include "chat/desk.h"

#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "msrp/limits.h"

namespace earshot::chat {

namespace {

// To-Path is the first header field (RFC 4975 section 7.1); no text: the line has not come whole.
std::optional<std::string_view> second_line(std::string_view text) {
    const std::size_t first = text.find('\n');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = text.find('\n', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    return base::trim(text.substr(first + 1, second - first - 1));
}

}  // namespace

Desk::Desk(Network& network, base::Random& random, Switch::Told told, Copies::Told copies_told,
           Rooms::Told rooms_told, Guests::Told guests_told)
    : network_(network),
      copies_(network, random, std::move(copies_told)),
      switch_(network, random, &copies_, std::move(told)),
      rooms_(network, random, &copies_, rooms_told),
      files_(network, random, &copies_, rooms_, std::move(rooms_told)),
      guests_(network, random, &copies_, std::move(guests_told)) {}

void Desk::close(base::Now now, SessionId session) {
    switch_.close(now, session);
    files_.close(now, session);
    rooms_.close(now, session);
    guests_.close(now, session);
    copies_.finish(now, session);
}

void Desk::on_open(base::Now now, ConnectionId connection, bool is_tls,
                   const std::optional<base::NetAddress>& remote) {
    if (copies_.owns(connection)) return copies_.on_open(now, connection);
    if (rooms_.owns(connection)) {
        rooms_.on_open(now, connection, is_tls);
    } else if (files_.owns(connection)) {
        files_.on_open(now, connection, is_tls);
    } else if (guests_.owns(connection)) {
        guests_.on_open(now, connection, is_tls);
    } else {
        const bool is_ours = switch_.owns(connection);
        switch_.on_open(now, connection, is_tls);
        if (!is_ours)
            if (const ConnectionId leaves = newcomers_.add(now, connection, is_tls, remote);
                leaves != 0)
                close_newcomer(now, leaves);
    }
    copies_.work(now);
}

bool Desk::is_claimed(ConnectionId connection) const {
    return switch_.is_claimed(connection) || rooms_.is_bound(connection) ||
           files_.is_bound(connection) || guests_.is_bound(connection);
}

void Desk::close_newcomer(base::Now now, ConnectionId connection) {
    newcomers_.erase(connection);
    network_.close(connection);
    on_closed(now, connection);
}

// True: nobody is to see them yet, or a room or a guest has.
bool Desk::is_held_back(base::Now now, ConnectionId connection, base::ByteView bytes) {
    Newcomers::Newcomer* newcomer = newcomers_.find(connection);
    if (newcomer == nullptr || newcomer->is_seen) return false;
    std::string& text = newcomer->text;
    text += base::as_text(bytes);
    if (!second_line(text) && text.size() <= msrp::kMaxHeadBytes) return true;
    const std::string all = std::exchange(text, {});
    const bool is_tls = newcomer->is_tls;
    newcomer->is_seen = true;
    constexpr std::string_view kToPath = "To-Path:";
    const auto line = second_line(all);
    const bool is_path = line && base::istarts_with(*line, kToPath);
    const auto to =
        is_path
            ? msrp::parse_path(base::trim(line->substr(kToPath.size())))
            : base::Result<std::vector<msrp::Uri>>(base::Error{base::Errc::Malformed, "no path"});
    if (to && to->size() == 1 && rooms_.knows(to->front())) {
        switch_.release(connection);
        rooms_.on_open(now, connection, is_tls);
        rooms_.on_bytes(now, connection, base::as_bytes(all));
    } else if (to && to->size() == 1 && files_.knows(to->front())) {
        switch_.release(connection);
        files_.on_open(now, connection, is_tls);
        files_.on_bytes(now, connection, base::as_bytes(all));
    } else if (to && to->size() == 1 && guests_.knows(to->front())) {
        switch_.release(connection);
        guests_.on_open(now, connection, is_tls);
        guests_.on_bytes(now, connection, base::as_bytes(all));
    } else {
        switch_.on_bytes(now, connection, base::as_bytes(all));
    }
    return true;
}

void Desk::on_bytes(base::Now now, ConnectionId connection, base::ByteView bytes) {
    if (copies_.owns(connection)) {
        copies_.on_bytes(now, connection, bytes);
        return guests_.read_on();
    }
    if (rooms_.owns(connection))
        rooms_.on_bytes(now, connection, bytes);
    else if (files_.owns(connection))
        files_.on_bytes(now, connection, bytes);
    else if (guests_.owns(connection))
        guests_.on_bytes(now, connection, bytes);
    else if (!is_held_back(now, connection, bytes))
        switch_.on_bytes(now, connection, bytes);
    if (newcomers_.find(connection) != nullptr && is_claimed(connection))
        newcomers_.erase(connection);
    copies_.work(now);
    guests_.read_on();
}

void Desk::on_closed(base::Now now, ConnectionId connection) {
    newcomers_.erase(connection);
    if (copies_.owns(connection)) return copies_.on_closed(now, connection);
    if (rooms_.owns(connection))
        rooms_.on_closed(now, connection);
    else if (files_.owns(connection))
        files_.on_closed(now, connection);
    else if (guests_.owns(connection))
        guests_.on_closed(now, connection);
    else
        switch_.on_closed(now, connection);
    copies_.work(now);
}

void Desk::on_writable(base::Now now, ConnectionId connection) {
    if (copies_.owns(connection)) {
        copies_.on_writable(now, connection);
        return guests_.read_on();
    }
    if (rooms_.owns(connection))
        rooms_.on_writable(now, connection);
    else if (guests_.owns(connection))
        guests_.on_writable(now, connection);
    else
        switch_.on_writable(now, connection);
    copies_.work(now);
    guests_.read_on();
}

void Desk::on_time(base::Now now) {
    switch_.on_time(now);
    rooms_.on_time(now);
    files_.on_time(now);
    guests_.on_time(now);
    for (const ConnectionId connection : newcomers_.overdue(now)) close_newcomer(now, connection);
    copies_.on_time(now);
    copies_.work(now);
    guests_.read_on();
}

}  // namespace earshot::chat
