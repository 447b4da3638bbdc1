// Hostile messages on both legs of a switchboard, whose host answers at random. Checked: no crash,
// messages that parse, one Arrived and one Ended for each call, and rest in the end.
#include <cstdlib>
#include <map>
#include <set>

#include "b2bua/own_names.h"
#include "b2bua/switchboard.h"
#include "base/random.h"
#include "sip/agent.h"
#include "sip/parser.h"

namespace {

using namespace earshot;
using namespace earshot::b2bua;

void require(bool holds) {
    if (!holds) std::abort();
}

std::vector<sip::AgentListener> listeners() {
    return {{sip::Transport::Udp, "192.0.2.1:5062", "sip:192.0.2.1:5062"},
            {sip::Transport::Tcp, "192.0.2.1:5062", "sip:192.0.2.1:5062;transport=tcp"}};
}

const std::string kPlace =
    Places(PlaceSecret{})
        .to_uri("sip:192.0.2.1:5062",
                {"sip:b@10.0.0.1", {.remote = *base::parse_net_address("192.0.2.20:5060")}});

class Script : public SwitchboardHost {
public:
    explicit Script(std::string_view input)
        : rest_(input), agent_(agent_config(), random_), board_(config(), agent_, *this, random_) {}

    // The input is a list of commands: an octet, then for a message all up to the next 0xff.
    void play() {
        while (!rest_.empty()) {
            const auto command = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            if (command < 64) {
                wait(std::chrono::milliseconds{command * command});
            } else if (command < 96) {
                act(command);
            } else {
                message(command);
            }
            drain();
        }
        board_.end_all(now_, 503, {"end", "The end."});
        drain();
        wait(std::chrono::minutes{10});
        require(board_.call_count() == 0);
        require(!board_.deadline());
        require(agent_.transaction_count() == 0);
        require(agent_.dialog_count() == 0);
        for (const auto& [call, state] : told_) require(state == 2);
    }

    void route(const RouteQuestion& question, RouteDone done) override {
        require(question.request != nullptr);
        later([this, done = std::move(done)] {
            if (mood_ % 7 == 6) return done(now_, sip::ResponseSpec{.status = 403});
            done(now_, RouteTo{.next_hop = mood_ % 2 == 0 ? "sip:192.0.2.20" : ""});
        });
    }
    void offer(CallKey /*call*/, Leg /*from*/, std::string sdp, SdpDone done) override {
        give(std::move(sdp), std::move(done));
    }
    void answer(CallKey /*call*/, Leg /*from*/, std::string sdp, SdpDone done) override {
        give(std::move(sdp), std::move(done));
    }
    void rollback(CallKey /*call*/, Leg /*offerer*/) override {}
    void on_call_event(base::Now /*now*/, CallKey call, const CallEvent& event) override {
        int& state = told_[call.value];
        require(std::holds_alternative<Arrived>(event) ? state == 0 : state == 1);
        state = std::holds_alternative<Ended>(event) ? 2 : 1;
        require(board_.find_call(call) != nullptr);
        if (mood_ == 77) board_.end(now_, call, 480, {"mood", "In the middle."});
    }

private:
    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = listeners();
        return config;
    }
    static SwitchboardConfig config() {
        SwitchboardConfig config;
        config.listeners = listeners();
        config.max_calls = 8;
        config.place_secret = PlaceSecret{};
        return config;
    }

    void give(std::string sdp, SdpDone done) {
        later([this, sdp = std::move(sdp), done = std::move(done)] {
            if (mood_ % 5 == 4) return done(now_, base::Reason{"no", "No."});
            done(now_, sdp);
        });
    }
    void later(std::function<void()> answer) {
        if (mood_ % 3 == 2) {
            waiting_.push_back(std::move(answer));  // perhaps never
        } else {
            answer();
        }
    }

    static sip::Flow flow(unsigned command) {
        const bool is_a = command % 2 == 0;
        const auto peer = *base::parse_net_address(is_a ? "192.0.2.10:5060" : "192.0.2.20:5060");
        if (command % 3 != 0) return {.remote = peer};
        return {sip::Transport::Tcp, 1, 1 + command % 2, peer};
    }

    // What the Agent said to that side last, so that messages can meet its dialogs: its tags,
    // branch, Call-ID.
    struct Said {
        std::string from_tag{}, to_tag{}, branch{}, call_id{}, rseq{};
    };

    void message(unsigned command) {
        std::string text(rest_.substr(0, rest_.find('\xff')));
        rest_.remove_prefix(std::min(rest_.size(), text.size() + 1));
        const Said& said = said_[command % 2];
        replace(text, "@P", kPlace);
        for (int i = 0; i < 4; ++i) {
            replace(text, "@F", said.from_tag);
            replace(text, "@T", said.to_tag);
            replace(text, "@B", said.branch);
            replace(text, "@C", said.call_id);
            replace(text, "@R", said.rseq);
        }
        sip::ParsedMessage parsed = sip::parse_message(std::string_view(text));
        if (parsed.verdict == sip::Verdict::Good) {
            agent_.on_message(now_.steady, flow(command), std::move(parsed.message));
        } else if (parsed.verdict == sip::Verdict::Refuse) {
            agent_.reject_malformed(flow(command), parsed.message, parsed.status, parsed.reason);
        }
    }

    static void replace(std::string& text, std::string_view what, const std::string& by) {
        const auto at = text.find(what);
        if (at != std::string::npos) text.replace(at, what.size(), by);
    }

    void act(unsigned command) {
        const std::vector<CallKey> calls = board_.calls();
        switch (command % 6) {
            case 0:
                if (!calls.empty())
                    board_.end(now_, calls[command % calls.size()], 480, {"act", "So."});
                break;
            case 1:
                if (!waiting_.empty()) {
                    const auto answer = std::move(waiting_.back());
                    waiting_.pop_back();
                    answer();
                }
                break;
            case 2:
                agent_.on_flow_closed(now_.steady, flow(command));
                break;
            case 3:
                if (!calls.empty())
                    (void)board_.send_in_dialog(
                        now_, calls.front(), command % 4 < 2 ? Leg::A : Leg::B, {.method = "INFO"});
                break;
            default:
                mood_ = command + mood_ * 3 % 101;
                break;
        }
    }

    void wait(std::chrono::milliseconds time) {
        const base::TimePoint end = now_.steady + time;
        for (;;) {
            std::optional<base::TimePoint> next = agent_.deadline();
            if (const auto other = board_.deadline(); other && (!next || *other < *next))
                next = other;
            if (!next || *next > end) break;
            now_.steady = std::max(now_.steady, *next);
            agent_.on_time(now_.steady);
            board_.on_time(now_);
            require(!agent_.deadline() || *agent_.deadline() > now_.steady);
            require(!board_.deadline() || *board_.deadline() > now_.steady);
            drain();
        }
        now_.steady = end;
    }

    void drain() {
        while (auto action = agent_.poll_action()) {
            if (const auto* send = std::get_if<sip::SendBytes>(&*action)) {
                note(*send);
            } else if (const auto* locate = std::get_if<sip::LocateTarget>(&*action)) {
                agent_.on_located(
                    now_.steady, locate->transaction,
                    {{sip::Transport::Udp, *base::parse_net_address("192.0.2.20:5060")}});
            } else {
                board_.on_action(now_, std::move(*action));
            }
        }
    }

    void note(const sip::SendBytes& send) {
        const sip::ParsedMessage parsed = sip::parse_message(std::string_view(*send.bytes));
        if (parsed.verdict != sip::Verdict::Good) return;  // echoes of what was refused may be odd
        const bool is_a = base::host_to_string(send.flow.remote) != "192.0.2.20";
        Said& said = said_[is_a ? 0 : 1];
        said.call_id = parsed.message.call_id();
        said.branch = parsed.message.top_via().branch();
        said.from_tag = parsed.message.from_tag();
        if (!parsed.message.to_tag().empty()) said.to_tag = parsed.message.to_tag();
        if (const auto rseq = parsed.message.find(sip::HeaderId::Rseq)) said.rseq = *rseq;
    }

    std::string_view rest_;
    base::SeededRandom random_{1};
    sip::Agent agent_;
    Switchboard board_;
    base::Now now_{base::TimePoint{std::chrono::hours{1}}, {}};
    unsigned mood_ = 0;
    std::vector<std::function<void()>> waiting_;
    std::map<std::uint64_t, int> told_;
    std::array<Said, 2> said_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Script(base::as_text({bytes, size})).play();
    return 0;
}
