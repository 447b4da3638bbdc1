// Requests and responses as handlers see them; no socket and no library type in here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace earshot::http {

struct Field {
    std::string name{};
    std::string value{};
};
using Fields = std::vector<Field>;

struct Request {
    std::string method = "GET";  // as sent, upper case for all known methods
    std::string target{};        // as sent: "/api/v1/recordings?limit=2"
    std::string path{};          // before '?', percent-decoded: "/api/v1/recordings"
    Fields query{};              // after '?', decoded, in order
    Fields headers{};
    std::string body{};
    std::string peer{};  // "127.0.0.1:53412"

    // The first field of that name, any case; empty when there is none.
    std::string_view header(std::string_view name) const;
    std::optional<std::string_view> query_value(std::string_view name) const;
    // Value of one cookie (RFC 6265 section 4.2.1); empty when there is none.
    std::string_view cookie(std::string_view name) const;
};

// Splits `target` into path and query; nullopt for a bad escape, a NUL, or no leading '/'.
std::optional<Request> parse_target(std::string_view target);
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);  // all but RFC 3986 unreserved characters

// A body of known size that can be read at any place: the server answers Range from it (206).
// Read on a worker thread, one call at a time.
class ByteSource {
public:
    ByteSource() = default;
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;
    virtual ~ByteSource() = default;
    virtual std::uint64_t size() const = 0;
    // Fills `out` from `offset`; returns how many bytes, 0 only at the end.
    virtual base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                         std::span<std::uint8_t> out) = 0;
};

// Makes a body of unknown size piece by piece: fills `chunk` (some 64 kB) and returns true, or
// returns false at the end. Called on a worker thread, one call at a time, only as fast as the peer
// reads; an error ends the connection, so that the peer sees a broken body, not a short one. Does
// not wait: with nothing to say yet it leaves `chunk` empty, and is asked again after kParkTime.
using Producer = std::function<base::Result<bool, base::Reason>(std::string& chunk)>;

struct Response;
// Work too slow for the http thread (files, rendering): run on a worker, its response is sent.
using Deferred = std::function<Response()>;

// There is no answer yet: `then` is run on a worker after kParkTime. Meanwhile no thread waits.
struct Parked {
    Deferred then;
};
inline constexpr std::chrono::milliseconds kParkTime{100};

// Turns the connection into a stream of server-sent events: first `greeting` (already encoded, may
// be empty), then whatever Server::publish() is given.
struct EventStream {
    std::string greeting{};
};

struct Response {
    int status = 200;
    Fields headers{};  // Content-Type and others; length, security and date fields are the server's
    std::variant<std::string, std::unique_ptr<ByteSource>, Producer, Deferred, Parked, EventStream>
        body;

    std::string_view header(std::string_view name) const;
    std::string_view text() const;  // the body when it is a string, else empty
};

std::string_view status_text(int status);
Response make_response(int status, std::string_view content_type, std::string body);
// RFC 9457: `type` is about:blank, `code` one of docs/rest-api.md, `detail` a sentence.
Response problem(int status, std::string_view code, std::string_view detail);
// One server-sent event (HTML Living Standard, 9.2): newlines in `data` are split into data lines.
std::string encode_event(std::string_view name, std::string_view data);

}  // namespace earshot::http
