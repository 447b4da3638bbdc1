// Calls of two wilful phones over a network that loses, doubles and reorders, by seeds: they ring,
// answer late or never, cancel, change the session from both sides at once and hang up, while the
// host takes its time. Whatever happens: each call is told whole, and nothing is left of it.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <set>

#include "b2bua/switchboard_fixture.h"

namespace earshot::b2bua {
namespace {

using sip::Method;

class Simulation : public SwitchboardFixture {
public:
    explicit Simulation(std::uint64_t seed) : SwitchboardFixture(seed), draws_(seed) {
        faults = {.loss_percent = pick(20), .duplicate_percent = pick(15), .max_delay_ms = 1};
        faults.max_delay_ms += pick(120);
        on_heard = [this](Phone& phone) { obey(phone, phone.heard.back()); };
        forks = chance_of(25);
        if (chance_of(50))
            host.defer = [this](std::function<void()> answer) {
                later(std::chrono::milliseconds{pick(80)}, std::move(answer));
            };
        host.on_event = [this](CallKey call, const CallEvent& event) {
            told_[call.value].push_back(TestHost::to_text(event));
            if (chance_of(1)) switchboard.end(now, call, 503, {"whim", "The host wants it so."});
            if (chance_of(5)) {
                host.more = host.more.empty() ? "a=record:on\r\n" : "";
                switchboard.tell_anew(now, call, chance_of(50) ? Leg::A : Leg::B);
            }
        };
    }
    void TestBody() override {}

    void play() {
        const unsigned calls = 1 + pick(3);
        for (unsigned i = 0; i < calls; ++i) later(time(3'000), [this] { call(); });
        run(90s);
        // Who still talks hangs up; who is still rung is given up.
        hang_up(alice);
        hang_up(bob);
        hang_up(carol);
        for (const auto id : invites_) (void)alice.agent.cancel(now.steady, id);
        run(6min);
    }

    void check() {
        for (const auto& entry : told_) {
            const std::vector<std::string>& told = entry.second;
            const auto count = [&](std::string_view what) {
                return std::count_if(told.begin(), told.end(), [&](const std::string& line) {
                    return line.substr(0, what.size()) == what;
                });
            };
            EXPECT_EQ(told.front(), "arrived");
            EXPECT_THAT(told.back(), testing::StartsWith("ended "));
            EXPECT_EQ(count("arrived"), 1);
            EXPECT_EQ(count("ended"), 1);
            EXPECT_LE(count("answered"), 1);
            EXPECT_EQ(count("held") > 0 && count("media") == 0, false);
        }
        EXPECT_EQ(switchboard.call_count(), 0U);
        EXPECT_EQ(switchboard.deadline(), std::nullopt);
        for (Phone* phone : {&us, &alice, &bob, &carol}) {
            EXPECT_EQ(phone->agent.dialog_count(), 0U) << phone->name;
            EXPECT_EQ(phone->agent.transaction_count(), 0U) << phone->name;
        }
    }
    // Each event by its first word, and by its first two.
    void count(std::map<std::string, std::size_t>& seen) const {
        for (const auto& [call, told] : told_) {
            for (const std::string& line : told) {
                const auto first = line.find(' ');
                ++seen[line.substr(0, first)];
                if (first != std::string::npos) ++seen[line.substr(0, line.find(' ', first + 1))];
            }
        }
    }
    std::size_t answered() const {
        std::size_t count = 0;
        for (const auto& [call, told] : told_)
            count += std::count(told.begin(), told.end(), "answered") > 0 ? 1 : 0;
        return count;
    }

private:
    unsigned pick(unsigned below) { return draws_.u32() % below; }
    bool chance_of(unsigned percent) { return pick(100) < percent; }
    std::chrono::milliseconds time(unsigned most_ms) {
        return std::chrono::milliseconds{pick(most_ms)};
    }
    std::string sdp(const Phone& phone) {
        static constexpr std::array<const char*, 4> kDirections = {"sendrecv", "sendonly",
                                                                   "recvonly", "inactive"};
        return sdp_of(base::host_to_string(phone.address), 4000 + static_cast<int>(pick(100)) * 2,
                      kDirections.at(pick(4)), static_cast<int>(++version_));
    }

    void call() {
        sip::OutOfDialogSpec spec = invite_spec();
        if (chance_of(50)) spec.headers = {{"Supported", "100rel"}};
        if (chance_of(25)) {
            spec.content_type.clear();
            spec.body.clear();
        }
        const auto id = alice.agent.start_request(now.steady, spec);
        if (!id) return;
        late_[id->value] = spec.body.empty();
        invites_.push_back(*id);
        if (chance_of(20))
            later(time(4'000), [this, id = *id] { (void)alice.agent.cancel(now.steady, id); });
    }

    void obey(Phone& phone, sip::Action& action) {
        if (auto* request = std::get_if<sip::RequestArrived>(&action))
            return on_request(phone, *request);
        if (auto* response = std::get_if<sip::ResponseArrived>(&action))
            return on_response(phone, *response);
        if (const auto* no_ack = std::get_if<sip::NoAck>(&action)) {
            if (no_ack->is_prack)
                (void)phone.agent.respond(now.steady, no_ack->invite, {.status = 504});
            else
                bye(phone, no_ack->dialog);
        }
    }

    void on_request(Phone& phone, const sip::RequestArrived& request) {
        const sip::TransactionId id = request.transaction;
        const bool has_sdp = !request.message.body().empty();
        const Method method = request.message.method();
        if (method == Method::Invite && !request.dialog) return ring(phone, request);
        if ((method == Method::Invite || has_sdp) && method != Method::Prack) {
            later(time(400), [this, &phone, id] {
                if (chance_of(15))
                    (void)phone.agent.respond(now.steady, id, {.status = 488});
                else
                    (void)phone.agent.respond(now.steady, id, ok_with(sdp(phone)));
            });
            return;
        }
        (void)phone.agent.respond(now.steady, id, {.status = 200});
    }

    void ring(Phone& phone, const sip::RequestArrived& invite) {
        const sip::TransactionId id = invite.transaction;
        const bool has_offer = !invite.message.body().empty();
        const bool reliably =
            invite.message.lists(sip::HeaderId::Supported, "100rel") && chance_of(60);
        if (chance_of(80)) {
            later(time(1'500), [this, &phone, id, reliably, has_offer] {
                sip::ResponseSpec progress{.status = chance_of(50) ? 183 : 180,
                                           .is_reliable = reliably};
                // Without an offer in the INVITE a reliable response may hold it.
                if ((has_offer || reliably) && chance_of(60)) {
                    progress.content_type = "application/sdp";
                    progress.body = sdp(phone);
                }
                (void)phone.agent.respond(now.steady, id, progress);
            });
        }
        // Nobody is at home, or it is refused; of a fork that is a proxy's business.
        const unsigned how = forks ? 9 : pick(10);
        if (how == 0) return;
        later(time(5'000), [this, &phone, id, how] {
            if (how == 1) {
                (void)phone.agent.respond(now.steady, id, {.status = 486});
                return;
            }
            const auto dialog = phone.agent.respond(now.steady, id, ok_with(sdp(phone)));
            if (dialog) live(phone, *dialog);
        });
    }

    void on_response(Phone& phone, const sip::ResponseArrived& response) {
        const int status = response.message.status();
        if (response.message.cseq_method() != Method::Invite || !response.dialog) return;
        const bool is_late = late_[response.transaction.value];
        if (status < 200) {
            const std::string rack = sip::rack_value(response.message);
            if (is_late && !rack.empty() && !response.message.body().empty())
                (void)phone.agent.send_request(now.steady, response.dialog,
                                               {.method = "PRACK",
                                                .headers = {{"RAck", rack}},
                                                .content_type = "application/sdp",
                                                .body = sdp(phone)});
            else if (is_late && !rack.empty())
                (void)phone.agent.send_request(now.steady, response.dialog,
                                               {.method = "PRACK", .headers = {{"RAck", rack}}});
            return;
        }
        if (status >= 300) return;
        sip::RequestSpec ack;
        if (is_late && !response.message.body().empty()) {
            ack.content_type = "application/sdp";
            ack.body = sdp(phone);
        }
        (void)phone.agent.ack(now.steady, response.dialog, ack);
        if (known_.insert({&phone, response.dialog.value}).second) live(phone, response.dialog);
    }

    // What a phone does in a call that it believes to have.
    void live(Phone& phone, sip::DialogId dialog) {
        known_.insert({&phone, dialog.value});
        for (unsigned i = pick(4); i > 0; --i) {
            later(time(20'000), [this, &phone, dialog] {
                const unsigned how = pick(5);
                sip::RequestSpec spec{.method = how == 0 ? "INFO" : how == 1 ? "UPDATE" : "INVITE"};
                const bool is_late = how == 2;
                if (how != 0 && !is_late) {
                    spec.content_type = "application/sdp";
                    spec.body = sdp(phone);
                }
                const auto id = phone.agent.send_request(now.steady, dialog, spec);
                if (id) late_[id->value] = is_late;
                if (id && how == 3 && chance_of(30))
                    later(time(600),
                          [this, &phone, id = *id] { (void)phone.agent.cancel(now.steady, id); });
            });
        }
        if (chance_of(60)) later(time(30'000), [this, &phone, dialog] { bye(phone, dialog); });
    }

    void bye(Phone& phone, sip::DialogId dialog) {
        (void)phone.agent.send_request(now.steady, dialog, {.method = "BYE"});
    }
    void hang_up(Phone& phone) {
        for (const auto& [who, dialog] : known_)
            if (who == &phone) bye(phone, sip::DialogId{dialog});
    }

    base::SeededRandom draws_;
    unsigned version_ = 0;
    std::map<std::uint64_t, std::vector<std::string>> told_;
    std::map<std::uint64_t, bool> late_;  // INVITEs without offer, by TransactionId
    std::vector<sip::TransactionId> invites_;
    std::set<std::pair<Phone*, std::uint64_t>> known_;
};

TEST(SwitchboardSimulation, LeavesNothingBehindWhateverHappens) {
    std::size_t answered = 0;
    std::map<std::string, std::size_t> seen;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Simulation simulation(seed);
        simulation.play();
        simulation.check();
        answered += simulation.answered();
        simulation.count(seen);
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
    // It does play: calls that talk, hold, are refused and ended in each way.
    EXPECT_GT(answered, 150U);
    for (const char* what :
         {"early", "media A", "media B", "held", "unheld", "INVITE B", "UPDATE A", "ended bye",
          "ended cancelled", "ended refused", "ended whim"})
        EXPECT_GT(seen[what], 5U) << what;
}

}  // namespace
}  // namespace earshot::b2bua
