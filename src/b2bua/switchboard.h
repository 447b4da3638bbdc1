// A back-to-back user agent (RFC 7092) over sip::Agent: each call has two dialogs, leg A with who
// called us, leg B with whom it goes to, and what one says the other hears. Headers, options and
// bodies pass unchanged but for what names a dialog, a hop or an address of media. Without I/O, a
// clock or chance of its own; all on one thread.
//
// The Agent's AgentConfig::leaves_subscriptions has to be true: else subscriptions through here
// begin, and none of their NOTIFYs passes.
//
// The loop: give it every action of the Agent that is no SendBytes, no LocateTarget and of no
// dialog or transaction of another user; call on_time() when deadline() has come. After each call
// of it, and after each answer to a question of it, drain the Agent.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "b2bua/call_facts.h"
#include "b2bua/leg.h"
#include "b2bua/switchboard_host.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "sip/agent.h"

namespace earshot::b2bua {

struct SwitchboardConfig {
    std::vector<sip::AgentListener> listeners;  // the Agent's own
    // Other names that requests may call us by, "host" or "host:port": in Request-URI and Route.
    std::vector<std::string> own_hosts;
    std::size_t max_calls;  // kMaxCalls of limits.h
    // Seals the Contacts of ours that stand for phones' own (own_names.h): the same at each start,
    // or phones are lost until they register again. None: drawn anew.
    std::optional<std::array<std::uint8_t, 16>> place_secret{};
    // As AgentConfig's; also asked of host names, before they are looked for.
    std::function<bool(std::string_view host)> is_inside{};

    SwitchboardConfig();
};

class Switchboard {
public:
    // Borrows all three for its life. `random` makes Session-IDs and the secret behind Call-IDs.
    Switchboard(SwitchboardConfig config, sip::Agent& agent, SwitchboardHost& host,
                base::Random& random);
    Switchboard(const Switchboard&) = delete;
    Switchboard& operator=(const Switchboard&) = delete;
    ~Switchboard();

    void on_action(base::Now now, sip::Action&& action);
    void on_time(base::Now now);
    std::optional<base::TimePoint> deadline() const;

    // Ends a call from our side: BYE to both legs; a call that is not answered is refused with
    // `status` (300-699) and leg B's INVITE cancelled. Nothing happens when there is no such call.
    void end(base::Now now, CallKey call, int status, base::Reason reason);
    void end_all(base::Now now, int status, const base::Reason& reason);
    // No new calls while it is true: they and OPTIONS to us get a 503, as when there is no room.
    void set_draining(bool is_draining);

    // A request of ours within one leg, say an INFO; the response is not passed on. Errors: no such
    // call, no dialog on that leg yet, INVITE, BYE, PRACK.
    base::Result<sip::TransactionId> send_in_dialog(base::Now now, CallKey call, Leg leg,
                                                    const sip::RequestSpec& request);

    // Tells one leg of an answered call anew what the other side has said of itself, for the host
    // puts something else into it now: SwitchboardHost::offer() is asked, in the name of the other
    // leg, with what that one said last. By UPDATE where the leg allows it, else by re-INVITE; when
    // no offer of anybody is under way, and again after glare (RFC 3261 section 14.1). Several
    // wishes become one. What came of it is told as ToldAnew; a description that the leg has had
    // already is not sent.
    void tell_anew(base::Now now, CallKey call, Leg leg);

    // Facts are valid until the next call of the Switchboard; null when there is no such call.
    const CallFacts* find_call(CallKey call) const;
    CallKey find_call_id(std::string_view call_id) const;  // of either leg
    std::vector<CallKey> calls() const;                    // oldest first
    std::size_t call_count() const;

private:
    class Core;
    std::unique_ptr<Core> core_;
};

}  // namespace earshot::b2bua
