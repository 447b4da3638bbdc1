// A call in a SharedSession, as that keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/shared_session.h"

namespace earshot::client {

struct SharedSession::Member {
    std::uint32_t id = 0;
    siprec::ClientSessionHost* host = nullptr;  // null: it is gone
    std::function<void()> deliver;
    std::function<bool()> owes;
    // Its call has ended, and what it owes goes out first: until then, and what it is in the end.
    std::optional<base::TimePoint> leaves_by{};
    std::optional<siprec::CsState> last_state{};
    siprec::CsState state{};
    bool has_begun = false;
    bool is_paused = false;
    bool is_running = false;
    bool is_over = false;
    bool has_news = false;
    std::string applied{};  // the last answer that its host was told
    std::size_t streams = 0;
    siprec::OptionalTime started{};
    siprec::OptionalTime ended{};
    base::Reason reason{};
    struct Voice {
        std::string label{};
        std::string formats{};
        relay::MixDesk::Voice voice{};
    };
    std::vector<Voice> voices{};
    std::string mixed_offer{};  // that the voices are of
    std::string mixed_answer{};
};

}  // namespace earshot::client
