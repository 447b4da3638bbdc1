// RTPEngine's NG protocol on the wire: one datagram is a cookie, a space and one dictionary in
// bencode. An answer carries the cookie of its command; the same cookie again is a retransmission.
//
//   datagram    cookie SP dictionary
//   string      LENGTH ":" octets             4:ping
//   integer     "i" [-]DIGITS "e"             i42e
//   list        "l" value* "e"
//   dictionary  "d" (string value)* "e"       d7:command4:pinge
//
// The reader takes no second way to write the same: no leading zeros, no -0, no key twice, nothing
// after the end. Keys may come in any order, as RTPEngine does not sort them; we write them sorted.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace earshot::relay {

class NgValue;
struct NgEntry;
using NgList = std::vector<NgValue>;

// Keys with values, sorted by key. Reading what is absent, or of another type, gives nothing.
class NgDictionary {
public:
    NgDictionary() = default;
    NgDictionary(std::initializer_list<NgEntry> entries);
    // In any order; nullopt when a key is there twice.
    static std::optional<NgDictionary> sorted(std::vector<NgEntry> entries);

    void set(std::string key, NgValue value);  // replaces what the key has
    const NgValue* find(std::string_view key) const;
    std::string_view text(std::string_view key) const;  // empty: absent
    std::int64_t number(std::string_view key) const;    // 0: absent
    const NgList& list(std::string_view key) const;
    const NgDictionary& dictionary(std::string_view key) const;

    const std::vector<NgEntry>& entries() const { return entries_; }
    friend bool operator==(const NgDictionary&, const NgDictionary&) = default;

private:
    std::vector<NgEntry> entries_;
};

class NgValue {
public:
    // Implicit, so that commands read as what they are.
    // NOLINTBEGIN(google-explicit-constructor)
    NgValue(std::string text);
    NgValue(std::string_view text);
    NgValue(const char* text);
    NgValue(std::int64_t number);
    NgValue(NgList list);
    NgValue(NgDictionary dictionary);
    // NOLINTEND(google-explicit-constructor)

    const std::string* text() const { return std::get_if<std::string>(&value_); }
    const std::int64_t* number() const { return std::get_if<std::int64_t>(&value_); }
    const NgList* list() const { return std::get_if<NgList>(&value_); }
    const NgDictionary* dictionary() const { return std::get_if<NgDictionary>(&value_); }
    friend bool operator==(const NgValue&, const NgValue&) = default;

private:
    std::variant<std::string, std::int64_t, NgList, NgDictionary> value_;
};

struct NgEntry {
    std::string key;
    NgValue value;
    friend bool operator==(const NgEntry&, const NgEntry&) = default;
};

// Here, as clang 14 wants to know the whole of NgEntry where it makes a variant that may hold one.
inline NgValue::NgValue(std::string text) : value_(std::move(text)) {}
inline NgValue::NgValue(std::string_view text) : value_(std::string(text)) {}
inline NgValue::NgValue(const char* text) : value_(std::string(text)) {}
inline NgValue::NgValue(std::int64_t number) : value_(number) {}
inline NgValue::NgValue(NgList list) : value_(std::move(list)) {}
inline NgValue::NgValue(NgDictionary dictionary) : value_(std::move(dictionary)) {}

struct NgDatagram {
    std::string_view cookie;  // borrows the datagram
    NgDictionary dictionary;
};

// Errors: TooLarge past the limits of limits.h (size, depth, values), else Malformed.
base::Result<NgDatagram> parse_ng(base::ByteView datagram);
// The cookie of what may be no NG datagram at all; empty: there is none.
std::string_view ng_cookie(base::ByteView datagram);
base::Bytes write_ng(std::string_view cookie, const NgDictionary& dictionary);

}  // namespace earshot::relay
