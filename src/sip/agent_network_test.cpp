// Two agents over a network that loses, doubles and reorders messages, from one printed seed: every
// call ends on both sides, nothing is left behind.
#include <gmock/gmock.h>

#include <map>

#include "sip/agent_fixture.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;

struct Packet {
    bool to_callee = false;
    Flow source;
    SharedBytes bytes;
};

// One end: an agent and a TU that answers every INVITE, or places calls and ends each after 3 s.
struct End {
    End(AgentConfig config, std::uint64_t seed) : random(seed), agent(std::move(config), random) {}

    base::SeededRandom random;
    Agent agent;
    int established = 0;
    int ended = 0;
    int failed = 0;
    std::size_t timed_out = 0;
    std::multimap<base::TimePoint, DialogId> hang_ups;
};

class Network {
public:
    Network(std::uint64_t seed, int loss_percent, bool callee_hangs_up)
        : random_(seed),
          loss_percent_(loss_percent),
          callee_hangs_up_(callee_hangs_up),
          caller_(config("192.0.2.1:5060"), seed + 1),
          callee_(config("192.0.2.2:5060"), seed + 2) {}

    void place_call() {
        ASSERT_TRUE(caller_.agent.start_request(
            now_, {.request_uri = "sip:b@192.0.2.2",
                   .from = "sip:a@192.0.2.1",
                   .to = "sip:b@192.0.2.2",
                   .flow = {.remote = *base::parse_net_address("192.0.2.2:5060")},
                   .content_type = "application/sdp",
                   .body = "v=0\r\n"}));
        drain(true);
    }

    // Runs until nothing is under way on either side.
    void run() {
        for (int steps = 0; steps < 1'000'000; ++steps) {
            std::optional<base::TimePoint> next;
            const auto consider = [&](std::optional<base::TimePoint> at) {
                if (at && (!next || *at < *next)) next = at;
            };
            if (!packets_.empty()) consider(packets_.begin()->first);
            for (End* end : {&caller_, &callee_}) {
                consider(end->agent.deadline());
                if (!end->hang_ups.empty()) consider(end->hang_ups.begin()->first);
            }
            if (!next) return;
            now_ = std::max(now_, *next);
            deliver();
            for (const bool caller : {true, false}) {
                side(caller).agent.on_time(now_);
                hang_up(side(caller));
                drain(caller);
            }
        }
        FAIL() << "it never comes to rest";
    }

    End& side(bool caller) { return caller ? caller_ : callee_; }

private:
    static AgentConfig config(const std::string& address) {
        AgentConfig config;
        config.listeners = {{Transport::Udp, address, "sip:" + address}};
        return config;
    }

    void deliver() {
        while (!packets_.empty() && packets_.begin()->first <= now_) {
            const Packet packet = packets_.begin()->second;
            packets_.erase(packets_.begin());
            ParsedMessage parsed = parse_message(std::string_view(*packet.bytes));
            ASSERT_EQ(parsed.verdict, Verdict::Good);
            side(!packet.to_callee)
                .agent.on_message(now_, packet.source, std::move(parsed.message));
            drain(!packet.to_callee);
        }
    }

    void hang_up(End& end) {
        while (!end.hang_ups.empty() && end.hang_ups.begin()->first <= now_) {
            const DialogId dialog = end.hang_ups.begin()->second;
            end.hang_ups.erase(end.hang_ups.begin());
            (void)end.agent.send_request(now_, dialog, {.method = "BYE"});
        }
    }

    void post(bool from_caller, const SendBytes& send) {
        const Flow source{
            .remote = *base::parse_net_address(from_caller ? "192.0.2.1:5060" : "192.0.2.2:5060")};
        EXPECT_EQ(base::to_string(send.flow.remote),
                  from_caller ? "192.0.2.2:5060" : "192.0.2.1:5060");
        const unsigned copies = random_.u32() % 10 == 0 ? 2 : 1;
        for (unsigned i = 0; i < copies; ++i) {
            if (static_cast<int>(random_.u32() % 100) < loss_percent_) continue;
            const std::chrono::milliseconds delay{1 + random_.u32() % 200};
            packets_.emplace(now_ + delay, Packet{from_caller, source, send.bytes});
        }
    }

    void drain(bool caller) {
        End& end = side(caller);
        while (auto action = end.agent.poll_action()) {
            if (const auto* send = std::get_if<SendBytes>(&*action)) {
                post(caller, *send);
            } else if (const auto* request = std::get_if<RequestArrived>(&*action)) {
                on_request(end, *request);
            } else if (const auto* response = std::get_if<ResponseArrived>(&*action)) {
                on_response(end, *response);
            } else if (const auto* ack = std::get_if<AckArrived>(&*action)) {
                ++end.established;
                if (callee_hangs_up_) end.hang_ups.emplace(now_ + 3s, ack->dialog);
            } else if (const auto* lost = std::get_if<NoAck>(&*action)) {
                ++end.failed;
                end.hang_ups.emplace(now_, lost->dialog);
            } else if (std::holds_alternative<TransactionTimedOut>(*action)) {
                ++end.timed_out;
            } else if (std::holds_alternative<DialogEnded>(*action)) {
                ++end.ended;
            }
        }
    }

    void on_request(End& end, const RequestArrived& request) {
        const bool invite = request.message.method() == Method::Invite;
        if (invite) {
            EXPECT_TRUE(end.agent.respond(now_, request.transaction, {.status = 180}));
        }
        EXPECT_TRUE(end.agent.respond(now_, request.transaction, {.status = 200}));
    }

    void on_response(End& end, const ResponseArrived& response) {
        const Message& message = response.message;
        if (message.cseq_method() != Method::Invite || message.status() != 200) return;
        EXPECT_TRUE(end.agent.ack(now_, response.dialog, {}));
        ++end.established;
        if (!callee_hangs_up_) end.hang_ups.emplace(now_ + 3s, response.dialog);
    }

    base::SeededRandom random_;
    int loss_percent_;
    bool callee_hangs_up_;
    base::TimePoint now_{1h};
    End caller_;
    End callee_;
    std::multimap<base::TimePoint, Packet> packets_;
};

// Nothing is under way. A dialog may be left where all copies of the other side's BYE were lost:
// SIP has no other way to learn of the end but session timers (RFC 4028).
void expect_rest(Network& network, std::uint64_t seed) {
    for (const bool caller : {true, false}) {
        const Agent& agent = network.side(caller).agent;
        EXPECT_EQ(agent.transaction_count(), 0U) << "seed " << seed;
        EXPECT_EQ(agent.deadline(), std::nullopt) << "seed " << seed;
        EXPECT_LE(agent.dialog_count(), network.side(!caller).timed_out) << "seed " << seed;
    }
}

TEST(AgentNetwork, CompletesEveryCallWithoutLoss) {
    for (const bool callee_hangs_up : {false, true}) {
        Network network(1, 0, callee_hangs_up);
        for (int i = 0; i < 50; ++i) network.place_call();
        network.run();
        for (const bool caller : {true, false}) {
            EXPECT_EQ(network.side(caller).established, 50);
            EXPECT_EQ(network.side(caller).ended, 50);
            EXPECT_EQ(network.side(caller).failed, 0);
        }
        expect_rest(network, 1);
    }
}

TEST(AgentNetwork, CompletesEveryCallAtTwentyPercentLoss) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Network network(seed, 20, seed % 2 == 0);
        for (int i = 0; i < 30; ++i) network.place_call();
        network.run();
        EXPECT_EQ(network.side(true).established, 30) << "seed " << seed;
        EXPECT_EQ(network.side(true).ended, 30) << "seed " << seed;
        EXPECT_EQ(network.side(false).ended, 30) << "seed " << seed;  // a BYE may overtake the ACK
        expect_rest(network, seed);
    }
}

TEST(AgentNetwork, ComesToRestEvenWhenMostIsLost) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Network network(seed, 80, seed % 2 == 0);
        for (int i = 0; i < 30; ++i) network.place_call();
        network.run();
        expect_rest(network, seed);
    }
}

}  // namespace
}  // namespace earshot::sip
