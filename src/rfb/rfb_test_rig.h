// RFB octets written by hand, after RFC 6143.
#pragma once

#include <zlib.h>

#include <initializer_list>
#include <string_view>

#include "base/bytes.h"
#include "rfb/session.h"

namespace earshot::rfb {

using base::Bytes;

inline Bytes join(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& part : parts) base::append(all, part);
    return all;
}
inline Bytes text(std::string_view characters) {
    const base::ByteView bytes = base::as_bytes(characters);
    return {bytes.begin(), bytes.end()};
}
inline Bytes u16(std::size_t value) {
    Bytes out;
    base::append_u16(out, static_cast<std::uint16_t>(value));
    return out;
}
inline Bytes u32(std::size_t value) {
    Bytes out;
    base::append_u32(out, static_cast<std::uint32_t>(value));
    return out;
}

// Section 7.4; 32 bits, 0x00RRGGBB, little-endian.
inline Bytes format_888() { return {32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0}; }
inline Bytes format_565(bool is_big_endian = false) {
    return {16, 16, static_cast<std::uint8_t>(is_big_endian ? 1 : 0),
            1,  0,  31,
            0,  63, 0,
            31, 11, 5,
            0,  0,  0,
            0};
}
inline Bytes format_map() { return {8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }

inline Bytes pixel(Colour colour) {
    return {static_cast<std::uint8_t>(colour), static_cast<std::uint8_t>(colour >> 8),
            static_cast<std::uint8_t>(colour >> 16), 0};
}
inline Bytes cpixel(Colour colour) {
    return {static_cast<std::uint8_t>(colour), static_cast<std::uint8_t>(colour >> 8),
            static_cast<std::uint8_t>(colour >> 16)};
}
inline Bytes tpixel(Colour colour) {
    return {static_cast<std::uint8_t>(colour >> 16), static_cast<std::uint8_t>(colour >> 8),
            static_cast<std::uint8_t>(colour)};
}

inline Bytes server_init(std::size_t width, std::size_t height, const Bytes& format = format_888(),
                         std::string_view name = "desk") {
    return join({u16(width), u16(height), format, u32(name.size()), text(name)});
}
inline Bytes update(std::size_t rects) { return join({{0, 0}, u16(rects)}); }
inline Bytes rect(std::size_t x, std::size_t y, std::size_t width, std::size_t height,
                  std::int32_t encoding) {
    return join(
        {u16(x), u16(y), u16(width), u16(height), u32(static_cast<std::uint32_t>(encoding))});
}
inline Bytes set_pixel_format(const Bytes& format) { return join({{0, 0, 0, 0}, format}); }
inline Bytes pointer_event(std::size_t x, std::size_t y) { return join({{5, 0}, u16(x), u16(y)}); }

// A zlib stream that goes on over rectangles, as servers make it.
class Deflater {
public:
    Deflater() { ::deflateInit(&z_, 6); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
    ~Deflater() { ::deflateEnd(&z_); }

    Bytes pack(Bytes plain) {
        Bytes out(plain.size() + 1024);
        z_.next_in = plain.data();
        z_.avail_in = static_cast<uInt>(plain.size());
        z_.next_out = out.data();
        z_.avail_out = static_cast<uInt>(out.size());
        ::deflate(&z_, Z_SYNC_FLUSH);
        out.resize(out.size() - z_.avail_out);
        return out;
    }

private:
    z_stream z_{};
};

// Both speak 3.8, as most do.
inline void greet(Session& session) {
    session.on_server(text("RFB 003.008\n"));
    session.on_viewer(text("RFB 003.008\n"));
}

// The server lists security types, the viewer chooses.
inline void choose_security(Session& session, const Bytes& types, std::uint8_t chosen) {
    Bytes list{static_cast<std::uint8_t>(types.size())};
    base::append(list, types);
    session.on_server(list);
    session.on_viewer(Bytes{chosen});
}

// A session that has come to its first update: version 3.8, no security.
inline void begin(Session& session, std::size_t width, std::size_t height,
                  const Bytes& format = format_888()) {
    greet(session);
    choose_security(session, {1}, 1);
    session.on_server(u32(0));
    session.on_viewer(Bytes{1});
    session.on_server(server_init(width, height, format));
}

}  // namespace earshot::rfb
