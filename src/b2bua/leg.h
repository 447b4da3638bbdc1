// What names a call and its two sides.
#pragma once

#include <compare>
#include <cstdint>

namespace earshot::b2bua {

enum class Leg : std::uint8_t { A, B };  // A is who called us, B whom we called for it

constexpr Leg other(Leg leg) { return leg == Leg::A ? Leg::B : Leg::A; }

// A call from its INVITE on; never reused within a Switchboard, 0 is "none".
struct CallKey {
    std::uint64_t value = 0;
    explicit operator bool() const { return value != 0; }
    friend auto operator<=>(const CallKey&, const CallKey&) = default;
};

}  // namespace earshot::b2bua
