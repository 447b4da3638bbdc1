// What is seen of the messages that pass between two parties: for who copies them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "chat/wrapping.h"
#include "msrp/head.h"

namespace earshot::chat {

using SessionId = std::uint64_t;  // the user's, of one chat; never used again

class Tap {
public:
    Tap() = default;
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;
    virtual ~Tap() = default;

    // One chunk of a SEND with content: this, any number of on_content(), on_chunk_end().
    virtual void on_chunk(base::Now now, SessionId session, Side from, const msrp::Head& head) = 0;
    // `at`: from 0, in the message.
    virtual void on_content(base::Now now, SessionId session, Side from, std::uint64_t at,
                            base::ByteView bytes) = 0;
    virtual void on_chunk_end(base::Now now, SessionId session, Side from, std::uint64_t end,
                              msrp::Continuation continuation) = 0;
    // Anything else that passes: REPORT, NICKNAME, and answers.
    virtual void on_other(base::Now now, SessionId session, Side from, const msrp::Head& head,
                          std::string_view body) = 0;
    // A party's connection is gone: what was open of its messages stays so.
    virtual void on_lost(base::Now now, SessionId session, Side from) = 0;
};

}  // namespace earshot::chat
