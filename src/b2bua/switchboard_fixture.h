// For tests of the switchboard: phones (each an Agent of its own) around one Switchboard, on a
// network in simulated time that may lose, double and reorder datagrams by a seed.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "b2bua/switchboard.h"
#include "base/random.h"
#include "sip/agent.h"
#include "sip/dialog.h"
#include "sip/parser.h"
#include "sip/uri.h"

namespace earshot::b2bua {

using namespace std::chrono_literals;

inline std::string sdp_of(std::string_view host, int port, std::string_view direction = "sendrecv",
                          int version = 1) {
    return fmt::format(
        "v=0\r\no=- 1 {} IN IP4 {}\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8\r\n"
        "a={}\r\n",
        version, host, host, port, direction);
}

struct Faults {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    unsigned max_delay_ms = 1;
};

// One SIP element at an address: its Agent, and what it heard.
class Phone {
public:
    Phone(std::string known_as, std::string_view at, std::uint64_t seed)
        : name(std::move(known_as)),
          address(*base::parse_net_address(at)),
          random(seed),
          agent(config(std::string(at)), random) {}

    static sip::AgentConfig config(const std::string& at) {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, at, "sip:" + at},
                            {sip::Transport::Tcp, at, "sip:" + at + ";transport=tcp"}};
        config.product = "Phone/" + at;
        config.leaves_subscriptions = true;
        return config;
    }

    // The last action of that type; forgets it and all before it.
    template <class T>
    std::optional<T> take() {
        for (std::size_t i = heard.size(); i-- > 0;) {
            if (auto* found = std::get_if<T>(&heard[i])) {
                T result = std::move(*found);
                heard.erase(heard.begin(), heard.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                return result;
            }
        }
        return std::nullopt;
    }
    template <class T>
    std::size_t count() const {
        std::size_t found = 0;
        for (const sip::Action& action : heard) found += std::holds_alternative<T>(action) ? 1 : 0;
        return found;
    }

    std::string name;
    base::NetAddress address;
    base::SeededRandom random;
    sip::Agent agent;
    std::vector<sip::Action> heard;
    std::vector<std::string> received;  // raw messages, in the order of arrival
};

// Answers as the tests say; the media plane puts its own address into each description.
class TestHost : public SwitchboardHost {
public:
    void route(const RouteQuestion& question, RouteDone done) override {
        questions.push_back(question);
        questions.back().request = nullptr;
        ask([this, done = std::move(done)] { done(*now, answer_route); });
    }
    void offer(CallKey /*call*/, Leg from, std::string sdp, SdpDone done) override {
        log.push_back(from == Leg::A ? "offer A" : "offer B");
        give(std::move(sdp), std::move(done));
    }
    void answer(CallKey /*call*/, Leg from, std::string sdp, SdpDone done) override {
        log.push_back(from == Leg::A ? "answer A" : "answer B");
        give(std::move(sdp), std::move(done));
    }
    void answer_unheard(CallKey /*call*/, Leg from, std::string sdp, SdpDone done) override {
        log.push_back(from == Leg::A ? "answer A unheard" : "answer B unheard");
        give(std::move(sdp), std::move(done));
    }
    void rollback(CallKey /*call*/, Leg offerer) override {
        log.push_back(offerer == Leg::A ? "rollback A" : "rollback B");
    }
    void on_call_event(base::Now /*now*/, CallKey call, const CallEvent& event) override {
        last_call = call;
        log.push_back(to_text(event));
        if (on_event) on_event(call, event);
    }

    void on_registered(base::Now /*now*/, const Registered& phone) override {
        registered.push_back(phone);
    }

    static std::string to_text(const CallEvent& event) {
        const auto leg = [](Leg which) { return which == Leg::A ? "A" : "B"; };
        if (std::holds_alternative<Arrived>(event)) return "arrived";
        if (std::holds_alternative<Answered>(event)) return "answered";
        if (const auto* early = std::get_if<Early>(&event))
            return fmt::format("early {}{}", early->status, early->has_media ? " media" : "");
        if (const auto* media = std::get_if<MediaChanged>(&event))
            return fmt::format("media {}{}", leg(media->offerer), media->is_early ? " early" : "");
        if (const auto* held = std::get_if<Held>(&event))
            return fmt::format("held {}", leg(held->by));
        if (const auto* unheld = std::get_if<Unheld>(&event))
            return fmt::format("unheld {}", leg(unheld->by));
        if (const auto* party = std::get_if<PartyChanged>(&event))
            return fmt::format("party {} {}", leg(party->leg), party->party.uri);
        if (const auto* inside = std::get_if<InDialog>(&event))
            return fmt::format("{} {}", inside->request->method_name(), leg(inside->from));
        if (const auto* moved = std::get_if<Transferred>(&event))
            return fmt::format("transferred {}{}", moved->from.value,
                               moved->is_attended ? " attended" : "");
        if (const auto* told = std::get_if<ToldAnew>(&event))
            return fmt::format("told {} {}{}", leg(told->leg), told->status,
                               told->is_taken ? "" : " not");
        const auto& ended = std::get<Ended>(event);
        return fmt::format("ended {} {}", ended.reason.code, ended.status);
    }

    void give(std::string sdp, SdpDone done) {
        if (refuses_media) {
            return ask([this, done = std::move(done)] {
                done(*now, base::Reason{"media_refused", "No."});
            });
        }
        // As a relay does: its own address in c=, all else as it was.
        const auto at = sdp.find("c=IN IP4 ");
        if (at != std::string::npos)
            sdp.replace(at, sdp.find("\r\n", at) - at, "c=IN IP4 192.0.2.1");
        sdp += more;
        ask([this, sdp = std::move(sdp), done = std::move(done)] { done(*now, sdp); });
    }
    void ask(std::function<void()> answer) {
        if (is_silent) return;
        if (defer) return defer(std::move(answer));
        if (!is_slow) return answer();
        waiting.push_back(std::move(answer));
    }
    void answer_all() {  // that wait now
        for (auto& answer : std::exchange(waiting, {})) answer();
    }
    std::vector<std::string> take_log() { return std::exchange(log, {}); }

    const base::Now* now = nullptr;
    RouteAnswer answer_route = RouteTo{};
    bool is_slow = false;    // answers wait for answer_all()
    bool is_silent = false;  // never answers
    bool refuses_media = false;
    std::string more;                                  // at the end of each description
    std::function<void(std::function<void()>)> defer;  // says when, instead
    std::deque<std::function<void()>> waiting;
    std::vector<RouteQuestion> questions;
    std::vector<std::string> log;
    std::vector<Registered> registered;
    CallKey last_call;
    std::function<void(CallKey, const CallEvent&)> on_event;
};

class SwitchboardFixture : public testing::Test {
protected:
    explicit SwitchboardFixture(std::uint64_t seed = 1)
        : chance(seed + 100),
          us("us", "192.0.2.1:5062", seed + 1),
          alice("alice", "192.0.2.10:5060", seed + 2),
          bob("bob", "192.0.2.20:5060", seed + 3),
          carol("carol", "192.0.2.30:5060", seed + 4),
          switchboard(config(), us.agent, host, us.random) {
        host.now = &now;
    }

    static SwitchboardConfig config() {
        SwitchboardConfig config;
        config.listeners = Phone::config("192.0.2.1:5062").listeners;
        config.own_hosts = {"client.example.com"};
        return config;
    }

    // ---- time and the network

    struct Datagram {
        Phone* from = nullptr;
        sip::Flow flow{};  // as the receiver sees it
        base::NetAddress to{};
        std::string bytes{};
        sip::Transport transport = sip::Transport::Udp;
    };

    void send(Phone& from, const sip::SendBytes& bytes) {
        const bool is_udp = bytes.flow.transport == sip::Transport::Udp;
        if (is_udp && chance.u32() % 100 < faults.loss_percent) return;
        const unsigned copies = is_udp && chance.u32() % 100 < faults.duplicate_percent ? 2 : 1;
        for (unsigned i = 0; i < copies; ++i) {
            const unsigned delay = is_udp ? 1 + chance.u32() % faults.max_delay_ms : 1;
            sip::Flow flow{bytes.flow.transport, bytes.flow.listener, 0, from.address};
            if (!is_udp) flow.listener = 1;
            if (!is_udp) flow.connection = 1;  // one for all: enough for a test
            Datagram datagram{&from, flow, bytes.flow.remote, *bytes.bytes, bytes.flow.transport};
            if (is_forked(from, datagram)) {
                Datagram copy = datagram;
                copy.to = carol.address;
                on_the_way.emplace(std::pair{now.steady + 2ms, ++sequence}, std::move(copy));
            }
            on_the_way.emplace(std::pair{now.steady + std::chrono::milliseconds{delay}, ++sequence},
                               std::move(datagram));
        }
    }

    // As a proxy before bob and carol would: what belongs to a call's first INVITE goes to both.
    bool is_forked(const Phone& from, const Datagram& datagram) {
        if (!forks || &from != &us || !datagram.to.same_host(bob.address)) return false;
        const sip::Message message = sip::parse_message(std::string_view(datagram.bytes)).message;
        if (!message.is_request()) return false;
        const std::string branch(message.top_via().branch());
        if (message.method() == sip::Method::Invite && message.to_tag().empty())
            forked_branches.insert(branch);
        return forked_branches.contains(branch);
    }

    void deliver(const Datagram& datagram) {
        for (Phone* phone : phones()) {
            if (!phone->address.same_host(datagram.to)) continue;
            if (is_dark.count(phone->name) != 0) return;
            phone->received.push_back(datagram.bytes);
            sip::ParsedMessage parsed = sip::parse_message(std::string_view(datagram.bytes));
            EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << datagram.bytes << parsed.reason;
            if (parsed.verdict != sip::Verdict::Good) return;
            phone->agent.on_message(now.steady, datagram.flow, std::move(parsed.message));
            return;
        }
    }

    std::vector<Phone*> phones() { return {&us, &alice, &bob, &carol}; }

    void drain() {
        for (bool is_quiet = false; !is_quiet;) {
            is_quiet = true;
            for (Phone* phone : phones()) {
                while (auto action = phone->agent.poll_action()) {
                    is_quiet = false;
                    if (const auto* bytes = std::get_if<sip::SendBytes>(&*action)) {
                        send(*phone, *bytes);
                    } else if (const auto* locate = std::get_if<sip::LocateTarget>(&*action)) {
                        phone->agent.on_located(now.steady, locate->transaction,
                                                locate_target(locate->uri));
                    } else if (phone == &us) {
                        switchboard.on_action(now, std::move(*action));
                    } else {
                        phone->heard.push_back(std::move(*action));
                        if (on_heard) on_heard(*phone);
                    }
                }
            }
        }
    }

    std::vector<sip::Target> locate_target(const std::string& text) {
        const auto uri = sip::parse_uri(text);
        if (!uri) return {};
        const auto known = names.find(std::string(uri->host));
        auto address = known != names.end() ? base::parse_net_address(known->second)
                                            : base::parse_host(uri->host, uri->port.value_or(5060));
        if (!address) return {};
        const bool is_tcp = uri->param("transport").value_or("udp") == "tcp";
        return {{is_tcp ? sip::Transport::Tcp : sip::Transport::Udp, *address}};
    }

    // Lets time pass as the loop does: each arrival and each deadline in its order.
    void run(std::chrono::milliseconds time = 100ms) {
        const base::TimePoint end = now.steady + time;
        drain();
        for (int rounds = 0; rounds < 200'000; ++rounds) {
            std::optional<base::TimePoint> next;
            const auto earlier = [&](std::optional<base::TimePoint> one) {
                if (one && (!next || *one < *next)) next = one;
            };
            if (!on_the_way.empty()) earlier(on_the_way.begin()->first.first);
            for (Phone* phone : phones()) earlier(phone->agent.deadline());
            earlier(switchboard.deadline());
            if (!plans.empty()) earlier(plans.begin()->first);
            if (!next || *next > end) break;
            advance(std::max(*next, now.steady));
            while (!on_the_way.empty() && on_the_way.begin()->first.first <= now.steady) {
                const Datagram datagram = std::move(on_the_way.begin()->second);
                on_the_way.erase(on_the_way.begin());
                deliver(datagram);
                drain();
            }
            while (!plans.empty() && plans.begin()->first <= now.steady) {
                const auto plan = std::move(plans.begin()->second);
                plans.erase(plans.begin());
                plan();
                drain();
            }
            for (Phone* phone : phones()) phone->agent.on_time(now.steady);
            if (switchboard.deadline() && *switchboard.deadline() <= now.steady)
                switchboard.on_time(now);
            drain();
        }
        advance(end);
    }
    void advance(base::TimePoint to) {
        now.wall += std::chrono::duration_cast<std::chrono::nanoseconds>(to - now.steady);
        now.steady = to;
    }

    void later(std::chrono::milliseconds delay, std::function<void()> plan) {
        plans.emplace(now.steady + delay, std::move(plan));
    }

    // ---- what phones do

    sip::OutOfDialogSpec invite_spec(const std::string& uri = "sip:bob@192.0.2.20") const {
        sip::OutOfDialogSpec spec;
        spec.request_uri = uri;
        spec.from = "\"Alice\" <sip:alice@example.com>";
        spec.to = "<sip:bob@example.com>";
        spec.flow.remote = us.address;
        spec.content_type = "application/sdp";
        spec.body = sdp_of("192.0.2.10", 4000);
        return spec;
    }
    sip::TransactionId start(Phone& phone, const sip::OutOfDialogSpec& spec) {
        const auto id = phone.agent.start_request(now.steady, spec);
        EXPECT_TRUE(id.has_value());
        run();
        return id ? *id : sip::TransactionId{};
    }
    // The last request that `phone` has heard; it must be there.
    sip::RequestArrived request_at(Phone& phone) {
        auto request = phone.take<sip::RequestArrived>();
        EXPECT_TRUE(request.has_value()) << phone.name << " heard no request";
        return request ? std::move(*request) : sip::RequestArrived{};
    }
    sip::ResponseArrived response_at(Phone& phone) {
        auto response = phone.take<sip::ResponseArrived>();
        EXPECT_TRUE(response.has_value()) << phone.name << " heard no response";
        return response ? std::move(*response) : sip::ResponseArrived{};
    }
    sip::DialogId respond(Phone& phone, sip::TransactionId id, const sip::ResponseSpec& spec) {
        const auto dialog = phone.agent.respond(now.steady, id, spec);
        EXPECT_TRUE(dialog.has_value());
        run();
        return dialog ? *dialog : sip::DialogId{};
    }
    static sip::ResponseSpec ok_with(const std::string& sdp) {
        return {.status = 200, .content_type = "application/sdp", .body = sdp};
    }
    sip::TransactionId request(Phone& phone, sip::DialogId dialog, const sip::RequestSpec& spec) {
        const auto id = phone.agent.send_request(now.steady, dialog, spec);
        EXPECT_TRUE(id.has_value());
        run();
        return id ? *id : sip::TransactionId{};
    }
    void acknowledge(Phone& phone, sip::DialogId dialog, const sip::RequestSpec& spec = {}) {
        EXPECT_TRUE(phone.agent.ack(now.steady, dialog, spec).has_value());
        run();
    }

    // A call from alice to bob, up to the ACK.
    void establish() {
        start(alice, invite_spec());
        bob_invite = request_at(bob).transaction;
        bob_dialog = respond(bob, bob_invite, ok_with(sdp_of("192.0.2.20", 6000)));
        alice_dialog = response_at(alice).dialog;
        acknowledge(alice, alice_dialog);
        host.take_log();
        alice.heard.clear();
        bob.heard.clear();
    }

    void expect_nothing_left() {
        run(5min);
        EXPECT_EQ(switchboard.call_count(), 0U);
        EXPECT_EQ(switchboard.deadline(), std::nullopt);
        EXPECT_EQ(us.agent.dialog_count(), 0U);
        EXPECT_EQ(us.agent.transaction_count(), 0U);
    }

    base::Now now{base::TimePoint{} + std::chrono::hours{1},
                  base::parse_time("2026-03-02T09:15:01Z")->time};
    base::SeededRandom chance;
    Faults faults;
    bool forks = false;
    std::set<std::string> forked_branches;
    std::map<std::pair<base::TimePoint, std::uint64_t>, Datagram> on_the_way;
    std::uint64_t sequence = 0;
    std::multimap<base::TimePoint, std::function<void()>> plans;
    std::map<std::string, std::string> names;  // what DNS knows
    std::map<std::string, bool> is_dark;       // hear nothing any more
    std::function<void(Phone&)> on_heard;

    Phone us;
    Phone alice;
    Phone bob;
    Phone carol;
    TestHost host;
    Switchboard switchboard;

    sip::TransactionId bob_invite;
    sip::DialogId bob_dialog;
    sip::DialogId alice_dialog;
};

}  // namespace earshot::b2bua
