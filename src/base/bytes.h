// Bytes and the bounded ways to read and write them. Network formats are big-endian, our own disk
// formats little-endian; both are spelled out in the function's name.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earshot::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    // The one place where characters are looked at as octets.
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads at `at`; the caller has checked that the bytes are there.
inline std::uint16_t load_u16(ByteView b, std::size_t at) {
    return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]);
}
inline std::uint32_t load_u32(ByteView b, std::size_t at) {
    return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 |
           std::uint32_t{b[at + 2]} << 8 | std::uint32_t{b[at + 3]};
}
inline std::uint64_t load_u64(ByteView b, std::size_t at) {
    return std::uint64_t{load_u32(b, at)} << 32 | load_u32(b, at + 4);
}

inline void append_u16(Bytes& out, std::uint16_t v) {
    out.push_back(static_cast<std::uint8_t>(v >> 8));
    out.push_back(static_cast<std::uint8_t>(v));
}
inline void append_u32(Bytes& out, std::uint32_t v) {
    append_u16(out, static_cast<std::uint16_t>(v >> 16));
    append_u16(out, static_cast<std::uint16_t>(v));
}
inline void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

// Little-endian, for formats of our own; T is an unsigned integer.
template <class T>
T load_le(ByteView b, std::size_t at) {
    std::uint64_t v = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) v = v << 8 | b[at + i];
    return static_cast<T>(v);
}
template <class T>
void store_le(std::span<std::uint8_t> b, std::size_t at, T value) {
    auto v = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i, v >>= 8) b[at + i] = static_cast<std::uint8_t>(v);
}
template <class T>
void append_le(Bytes& out, T value) {
    out.resize(out.size() + sizeof(T));
    store_le<T>(out, out.size() - sizeof(T), value);
}

// Reads forward over little-endian data that may be cut anywhere: once a read does not fit, ok() is
// false for good and every later read gives zero, so a parser checks once at its end. Borrows the
// bytes.
class LeReader {
public:
    explicit LeReader(ByteView bytes) : rest_(bytes) {}

    template <class T>
    T read() {
        if (rest_.size() < sizeof(T)) {
            fail();
            return 0;
        }
        const T value = load_le<T>(rest_, 0);
        rest_ = rest_.subspan(sizeof(T));
        return value;
    }
    ByteView read_bytes(std::size_t count) {
        if (rest_.size() < count) {
            fail();
            return {};
        }
        const ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }
    bool ok() const { return ok_; }
    ByteView rest() const { return rest_; }

private:
    void fail() {
        ok_ = false;
        rest_ = {};
    }
    ByteView rest_;
    bool ok_ = true;
};

}  // namespace earshot::base
