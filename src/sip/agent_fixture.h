// For tests of the agent: a fake clock, hand-written messages in, actions sorted into what was sent
// and what the TU heard.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "sip/agent.h"
#include "sip/parser.h"

namespace earshot::sip {

struct Sent {
    Flow flow;
    Message message;
    TransactionId transaction;
    DialogId dialog;
    bool is_retransmission = false;
};

inline AgentConfig test_config() {
    AgentConfig config;
    config.listeners = {{Transport::Udp, "192.0.2.1:5060", "sip:192.0.2.1:5060"},
                        {Transport::Tcp, "192.0.2.1:5060", "sip:192.0.2.1:5060;transport=tcp"}};
    config.contact_parameters = ";+sip.srs";
    config.product = "Earshot/test";
    return config;
}

inline Flow udp_from(std::string_view address) {
    return {.remote = *base::parse_net_address(address)};
}
inline Flow tcp_from(std::string_view address, std::uint64_t connection) {
    return {Transport::Tcp, 1, connection, *base::parse_net_address(address)};
}

class AgentFixture : public testing::Test {
protected:
    explicit AgentFixture(AgentConfig config = test_config()) : agent(std::move(config), random) {}

    void drain() {
        while (auto action = agent.poll_action()) {
            if (auto* send = std::get_if<SendBytes>(&*action)) {
                ParsedMessage parsed = parse_message(std::string_view(*send->bytes));
                EXPECT_EQ(parsed.verdict, Verdict::Good) << *send->bytes << parsed.reason;
                sent.push_back({send->flow, std::move(parsed.message), send->transaction,
                                send->dialog, send->is_retransmission});
            } else {
                heard.push_back(std::move(*action));
            }
        }
    }

    void receive(std::string_view text, const Flow& flow) {
        ParsedMessage parsed = parse_message(text);
        ASSERT_EQ(parsed.verdict, Verdict::Good) << text << parsed.reason;
        agent.on_message(now, flow, std::move(parsed.message));
        drain();
    }
    void receive(std::string_view text) { receive(text, peer); }

    // Lets time pass as the loop does: each deadline is met, none is asked for in vain.
    void wait(std::chrono::milliseconds time) {
        const base::TimePoint end = now + time;
        for (int rounds = 0; agent.deadline() && *agent.deadline() <= end; ++rounds) {
            ASSERT_LT(rounds, 100000);
            now = std::max(now, *agent.deadline());
            agent.on_time(now);
            ASSERT_TRUE(!agent.deadline() || *agent.deadline() > now);
            drain();
        }
        now = end;
    }

    DialogId respond(TransactionId id, const ResponseSpec& spec) {
        const auto dialog = agent.respond(now, id, spec);
        EXPECT_TRUE(dialog.has_value());
        drain();
        return dialog.has_value() ? *dialog : DialogId{};
    }

    // The last thing heard, which must be a T; forgets all that was heard.
    template <class T>
    T take_heard() {
        EXPECT_FALSE(heard.empty());
        T* found = heard.empty() ? nullptr : std::get_if<T>(&heard.back());
        EXPECT_NE(found, nullptr);
        T result = found != nullptr ? std::move(*found) : T{};
        heard.clear();
        return result;
    }

    std::vector<int> take_statuses() {
        std::vector<int> statuses;
        for (const Sent& item : sent) statuses.push_back(item.message.status());
        sent.clear();
        return statuses;
    }
    std::vector<std::string> take_methods() {
        std::vector<std::string> methods;
        for (const Sent& item : sent) methods.emplace_back(item.message.method_name());
        sent.clear();
        return methods;
    }

    base::TimePoint now{std::chrono::hours{1}};
    base::SeededRandom random{1};
    Agent agent;
    Flow peer = udp_from("192.0.2.9:5070");
    std::vector<Sent> sent;
    std::vector<Action> heard;
};

}  // namespace earshot::sip
