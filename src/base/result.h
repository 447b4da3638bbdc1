// A value, or the reason there is none; std::expected's names, so that an alias can replace it.
// (g++ 12 has std::expected only with -std=c++23, clang 14 not at all.)
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <variant>

namespace earshot::base {

struct Done {};  // Result<Done>: success carries no value

enum class Errc { Malformed, Unsupported, TooLarge, NotFound, Refused, Full, Io };

struct Error {
    Errc code;
    std::string_view what;   // static text: the rule that was broken
    std::size_t detail = 0;  // a parser's byte offset, or errno for Errc::Io
};

// E is Error where static text is enough; Reason (reason.h) where a person must read details.
template <class T, class E = Error>
class [[nodiscard]] Result {
public:
    // Implicit, so that `return value;` and `return Error{...};` read as they should.
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }
    // Wrong access ends the process: it can only be our own bug.
    const T& operator*() const& { return std::get<0>(state_); }
    T& operator*() & { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    const T* operator->() const { return &std::get<0>(state_); }
    T* operator->() { return &std::get<0>(state_); }
    const E& error() const { return std::get<1>(state_); }

private:
    std::variant<T, E> state_;
};

}  // namespace earshot::base
