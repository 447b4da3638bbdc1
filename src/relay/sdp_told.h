// The descriptions that one peer was given in a session: one identity, and a version that goes up
// with each that differs from the last (RFC 3264 section 8).
#pragma once

#include <cstdint>
#include <string>

namespace earshot::relay {

class SdpTold {
public:
    explicit SdpTold(std::uint64_t session_id) : session_id_(session_id) {}

    std::uint64_t session_id() const { return session_id_; }
    // `write` makes the text with a version; it is asked twice where something is new.
    template <class Write>
    const std::string& tell(Write write) {
        if (version_ == 0 || write(version_) != text_) text_ = write(++version_);
        return text_;
    }

private:
    std::uint64_t session_id_;
    std::uint64_t version_ = 0;
    std::string text_;
};

}  // namespace earshot::relay
