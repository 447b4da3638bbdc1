// Calls that share a recording session, over a sip::Agent whose servers are played by real
// messages; every metadata document is held against the schema and read as a server reads it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "client/limits.h"
#include "client/shared_sessions.h"
#include "mime/multipart.h"
#include "sdp/session_description.h"
#include "sip/builder.h"
#include "sip/parser.h"
#include "sip/uri.h"
#include "siprec/cs_description.h"
#include "siprec/metadata_schema_check.h"

namespace earshot::client {
namespace {

using base::Reason;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = siprec::ClientEvent::Kind;

// A call as its Recording is to the session.
class Call : public siprec::ClientSessionHost {
public:
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec&) override {
        return base::Error{base::Errc::Unsupported, "not a call's business"};
    }
    base::Result<sip::TransactionId> send_request(sip::DialogId, const sip::RequestSpec&) override {
        return base::Error{base::Errc::Unsupported, "not a call's business"};
    }
    void respond(sip::TransactionId, const sip::ResponseSpec&) override {}
    void acknowledge(sip::DialogId) override {}
    void cancel(sip::TransactionId) override {}
    void end_dialog(sip::DialogId) override {}
    void authenticate(sip::DialogId, const sip::Credentials&, const base::NetAddress&,
                      std::vector<sip::ExtraHeader>) override {}
    void apply_answer(std::string sdp) override {
        const auto answer = sdp::parse(sdp);
        std::string fork;
        for (const sdp::MediaDescription& line : answer->media)
            fork += fmt::format("{}{}:{}", fork.empty() ? "" : " ", line.label.value_or("-"),
                                line.direction == sdp::Direction::RecvOnly ? line.port : 0);
        forks.push_back(std::move(fork));
    }
    void pause_fork() override { forks.emplace_back("paused"); }
    void stop_fork() override { forks.emplace_back("stopped"); }
    void lose_fork() override { forks.emplace_back("lost"); }
    void on_event(const siprec::ClientEvent& event) override {
        events.push_back(fmt::format("{}{}{}{}", to_string(event.kind),
                                     event.reason.code.empty() ? "" : " ", event.reason.code,
                                     event.is_last ? " last" : ""));
    }

    std::vector<std::string> forks;
    std::vector<std::string> events;
    std::size_t told = 0;  // how often it was to look at them
    bool owes = false;     // the server lacks what was said in its chats
    siprec::CsDescription description;
    std::unique_ptr<siprec::ClientSession> session;
};

class SharedSessionTest : public testing::Test, private EventOutlet {
protected:
    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, "192.0.2.10:5060", "sip:192.0.2.10:5060"}};
        return config;
    }
    policy::RecordingPlan plan(policy::SessionKind kind) const {
        policy::RecordingPlan plan{.instance = "main", .rule = "desk"};
        plan.settings.servers = {"sip:rec@198.51.100.7"};
        plan.settings.session = kind;
        plan.settings.mandatory = is_mandatory_;
        plan.settings.renew_h = 1;
        return plan;
    }
    static SessionCommon common() {
        return {.credentials = {},
                .server_silence = milliseconds{5000},
                .media_ring = {},
                .flow = {},
                .failover_time = milliseconds{0}};
    }
    void stand() {
        sessions_.stand(clock_.now(),
                        {{.plan = plan(policy::SessionKind::Persistent), .common = common()}}, {});
        settle();
    }
    // The Nth call, in the session of that kind.
    Call& begin(std::uint8_t number, policy::SessionKind kind = policy::SessionKind::Shared) {
        Call& call = calls_.emplace_back();
        call.description = describe_call(number);
        auto joined = sessions_.join(
            clock_.now(), plan(kind), common(), call, [&call] { ++call.told; },
            [&call] { return call.owes; });
        EXPECT_TRUE(joined) << joined.error().text;
        call.session = std::move(joined->part);
        call.session->start(clock_.now(), state(call), false);
        settle();
        return call;
    }
    void end(Call& call) {
        call.description.stop = clock_.now().wall;
        call.session->set_state(clock_.now(), state(call));
        call.session->stop(clock_.now(), {}, milliseconds{call.owes ? 1 : 0});
        settle();
    }
    siprec::CsDescription describe_call(std::uint8_t number) const {
        const auto uuid = [&](int what) {
            base::Uuid id;
            id.bytes.fill(number);
            id.bytes[0] = static_cast<std::uint8_t>(what);
            id.bytes[6] = 0x4f;
            id.bytes[8] = 0x8f;
            return id;
        };
        siprec::CsDescription call{
            .session_id = uuid(1),
            .sip_session_ids = {fmt::format("{:032x};remote={:032x}", number, number + 1)},
            .start = clock_.now().wall};
        for (std::size_t i = 0; i < 2; ++i) {
            call.participants.push_back(
                {.id = uuid(10 + static_cast<int>(i)),
                 .names = {{fmt::format("sip:{}{}@desk.example", number, i), "", ""}}});
            call.streams.push_back({.id = uuid(20 + static_cast<int>(i)),
                                    .label = std::to_string(i + 1),
                                    .senders = {i},
                                    .receivers = {1 - i}});
        }
        return call;
    }
    static siprec::CsState state(const Call& call) {
        std::string offer =
            "v=0\r\no=relay 77 5 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
        for (const siprec::CsStream& stream : call.description.streams)
            offer += fmt::format("m=audio 40000 RTP/AVP 0\r\na=sendonly\r\na=label:{}\r\n",
                                 stream.label);
        return {.objects = siprec::describe(call.description).objects, .offer = offer};
    }

    // ---- the server
    // Answers the last INVITE of ours: each live line at 50000 + 2 * its place.
    void accept() { answer("INVITE", 200, taken(sdp_of(last("INVITE")))); }
    static std::string taken(const std::string& offer) {
        std::string sdp =
            "v=0\r\no=srs 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
        const auto parsed = sdp::parse(offer);
        for (std::size_t i = 0; i < parsed->media.size(); ++i) {
            const sdp::MediaDescription& line = parsed->media[i];
            sdp += fmt::format("m=audio {} RTP/AVP {}\r\na={}\r\na=label:{}\r\n",
                               line.port == 0 ? 0 : 50000 + 2 * i, line.formats,
                               line.direction == sdp::Direction::SendOnly ? "recvonly" : "inactive",
                               line.label.value_or("x"));
        }
        return sdp;
    }
    void answer(std::string_view method, int status, const std::string& body = {}) {
        const sip::Message& request = last(method);
        sip::ResponseOptions options;
        options.to_tag = "srs";
        auto builder = sip::response_to(request, status, options);
        builder.add(sip::HeaderId::Contact, "<sip:srs@198.51.100.7:5060>;+sip.srs");
        if (!body.empty()) builder.body("application/sdp", body);
        receive(builder.build());
    }
    void server_bye() {
        const sip::Message& invite = last("INVITE");
        auto builder = sip::MessageBuilder::request("BYE", "sip:192.0.2.10:5060");
        builder.add("Via", fmt::format("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKs{}", ++byes_));
        builder.add("Max-Forwards", "70");
        builder.add("From", "<sip:rec@198.51.100.7>;tag=srs");
        builder.add("To", fmt::format("<sip:rec@198.51.100.7>;tag={}", invite.from_tag()));
        builder.add("Call-ID", invite.call_id());
        builder.add("CSeq", "100 BYE");
        receive(builder.build());
    }
    void receive(const std::string& text) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view{text});
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good) << text;
        agent_.on_message(clock_.now().steady, peer_, std::move(parsed.message));
        settle();
    }

    // ---- the loop, as signalling has it
    void settle() {
        while (auto action = agent_.poll_action()) {
            if (auto* send = std::get_if<sip::SendBytes>(&*action))
                keep(*send);
            else if (auto* target = std::get_if<sip::LocateTarget>(&*action))
                agent_.on_located(clock_.now().steady, target->transaction,
                                  {{sip::Transport::Udp, peer_.remote}});
            else
                take(*action);
        }
        if (sessions_.deadline() && *sessions_.deadline() <= clock_.now().steady) {
            sessions_.on_time(clock_.now());
            settle();
        }
        sessions_.tidy();
        if (!answers_updates_ || count("UPDATE") == answered_) return;
        answered_ = count("UPDATE");
        answer("UPDATE", 200);
    }
    void take(sip::Action& action) {
        ServerLink* owner = std::visit(
            [&](const auto& it) -> ServerLink* {
                if constexpr (requires { it.transaction; })
                    if (index_.by_transaction.contains(it.transaction.value))
                        return index_.by_transaction.at(it.transaction.value);
                if constexpr (requires { it.dialog; })
                    if (index_.by_dialog.contains(it.dialog.value))
                        return index_.by_dialog.at(it.dialog.value);
                return nullptr;
            },
            action);
        if (owner != nullptr) owner->on_action(clock_.now(), action);
    }
    void keep(const sip::SendBytes& send) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view(*send.bytes));
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good);
        if (send.is_retransmission || !parsed.message.is_request()) return;
        if (parsed.message.method() == sip::Method::Invite && parsed.message.to_tag().empty())
            model_ = {};
        read_metadata(parsed.message);
        sent_.push_back(std::move(parsed.message));
    }
    void wait(milliseconds time) {
        const base::TimePoint end = clock_.now().steady + time;
        for (int rounds = 0; rounds < 100'000; ++rounds) {
            std::optional<base::TimePoint> due = agent_.deadline();
            const auto consider = [&](std::optional<base::TimePoint> when) {
                if (when && (!due || *when < *due)) due = when;
            };
            consider(sessions_.deadline());
            if (!index_.due.empty()) consider(index_.due.begin()->first);
            if (!due || *due > end) break;
            if (*due > clock_.now().steady) clock_.advance(*due - clock_.now().steady);
            agent_.on_time(clock_.now().steady);
            while (!index_.due.empty() && index_.due.begin()->first <= clock_.now().steady)
                index_.due.begin()->second->on_time(clock_.now());
            settle();
        }
        if (end > clock_.now().steady) clock_.advance(end - clock_.now().steady);
    }

    // ---- what was sent
    static std::string part_of(const sip::Message& message, std::string_view type) {
        const auto body =
            mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""),
                             message.find(sip::HeaderId::ContentDisposition).value_or(""),
                             base::as_text(message.body()));
        const mime::Part* part = body ? body->find(type) : nullptr;
        return part == nullptr ? std::string{} : std::string{part->body};
    }
    static std::string sdp_of(const sip::Message& message) {
        return part_of(message, "application/sdp");
    }
    void read_metadata(const sip::Message& message) {
        const std::string text = part_of(message, "application/rs-metadata+xml");
        if (text.empty()) return;
        EXPECT_EQ(siprec::find_schema_fault(text), "") << text;
        const auto document = siprec::parse_metadata(text);
        ASSERT_TRUE(document) << text;
        EXPECT_TRUE(document->issues.empty()) << text;
        EXPECT_TRUE(model_.apply(*document, clock_.now().wall).empty()) << text;
        EXPECT_TRUE(model_.unresolved().empty()) << text;
    }
    const sip::Message& last(std::string_view method) const {
        const auto found = std::find_if(sent_.rbegin(), sent_.rend(), [&](const auto& message) {
            return message.method_name() == method;
        });
        EXPECT_NE(found, sent_.rend()) << "no " << method;
        return *found;
    }
    std::size_t count(std::string_view method) const {
        return static_cast<std::size_t>(
            std::count_if(sent_.begin(), sent_.end(),
                          [&](const auto& message) { return message.method_name() == method; }));
    }
    // "PORT DIRECTION LABEL" of each line of our last INVITE.
    std::vector<std::string> offered() const {
        std::vector<std::string> lines;
        const std::string sdp = sdp_of(last("INVITE"));
        const auto parsed = sdp::parse(sdp);
        for (const sdp::MediaDescription& line : parsed->media)
            lines.push_back(line.port == 0 ? "0"
                                           : fmt::format("{} {}", sdp::to_string(line.direction),
                                                         line.label.value_or("-")));
        return lines;
    }
    std::size_t running_sessions() const {  // as the server knows them
        return static_cast<std::size_t>(
            std::count_if(model_.objects().sessions.begin(), model_.objects().sessions.end(),
                          [](const auto& session) { return !session.stop; }));
    }
    void tell(const RecordingEvent& event) override { told_.push_back(event.kind); }

    bool is_mandatory_ = false;
    base::SeededRandom random_{1};
    io::ManualClock clock_;
    sip::Agent agent_{agent_config(), random_};
    sip::Flow peer_{.remote = *base::parse_net_address("198.51.100.7:5060")};
    RecordingIndex index_;
    ServerPool servers_{random_,
                        {.ask = [](const std::string&) { return sip::TransactionId{}; },
                         .on_silent = [](base::Now, const std::string&) {},
                         .tell = [](RecordingEvent) {}}};
    std::vector<std::string> told_;
    SharedSessions sessions_{
        {.link = {.agent = agent_, .clock = clock_, .index = index_, .servers = servers_},
         .random = random_,
         .events = *this,
         .host = "192.0.2.10"}};
    std::deque<Call> calls_;  // each stays where it is
    siprec::MetadataModel model_;
    std::vector<sip::Message> sent_;
    int byes_ = 0;
    bool answers_updates_ = false;  // the refreshes
    std::size_t answered_ = 0;
};

TEST_F(SharedSessionTest, TheSecondCallIsOfferedBesideTheFirst) {
    Call& first = begin(1);
    accept();
    EXPECT_THAT(first.events, ElementsAre("start"));
    EXPECT_THAT(first.forks, ElementsAre("1:50000 2:50002"));
    Call& second = begin(2);
    EXPECT_THAT(second.events, IsEmpty());
    EXPECT_THAT(offered(),
                ElementsAre("sendonly 1-1", "sendonly 1-2", "sendonly 2-1", "sendonly 2-2"));
    accept();
    EXPECT_THAT(second.events, ElementsAre("start"));
    EXPECT_THAT(second.forks, ElementsAre("1:50004 2:50006"));
    EXPECT_EQ(first.forks.size(), 1U);  // nothing has changed for it
    EXPECT_EQ(running_sessions(), 2U);
    EXPECT_EQ(first.session->view().rs_call_id, second.session->view().rs_call_id);
}

TEST_F(SharedSessionTest, WhoseCallEndsLeavesTheOtherAlone) {
    Call& first = begin(1);
    accept();
    Call& second = begin(2);
    accept();
    end(first);
    EXPECT_THAT(first.events, ElementsAre("start", "stop last"));
    EXPECT_EQ(first.forks.back(), "stopped");
    EXPECT_THAT(offered(), ElementsAre("0", "0", "sendonly 2-1", "sendonly 2-2"));
    EXPECT_EQ(running_sessions(), 1U);
    accept();
    EXPECT_THAT(second.events, ElementsAre("start"));
    EXPECT_EQ(count("BYE"), 0U);
    // The third takes the place of the first.
    begin(3);
    EXPECT_THAT(offered(),
                ElementsAre("sendonly 3-1", "sendonly 3-2", "sendonly 2-1", "sendonly 2-2"));
}

TEST_F(SharedSessionTest, F5_TheLastCallEndsTheSession) {
    Call& call = begin(1);
    accept();
    end(call);
    EXPECT_THAT(call.events, ElementsAre("start", "stop last"));
    EXPECT_EQ(running_sessions(), 0U);
    answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
    call.session.reset();
    answer("BYE", 200);
    wait(seconds{40});
    EXPECT_TRUE(sessions_.is_idle());
    EXPECT_THAT(told_, ElementsAre("session_start", "session_stop"));
}

TEST_F(SharedSessionTest, ACallThatComesWhileTheSessionEndsGetsTheNextOne) {
    Call& first = begin(1);
    accept();
    end(first);
    Call& second = begin(2);
    EXPECT_TRUE(last("INVITE").to_tag().empty());
    EXPECT_NE(last("INVITE").call_id(), last("UPDATE").call_id());
    accept();
    EXPECT_THAT(second.events, ElementsAre("start"));
}

TEST_F(SharedSessionTest, AStoppedCallLeavesAndHasNotEnded) {
    Call& first = begin(1);
    accept();
    begin(2);
    accept();
    first.session->stop(clock_.now(), {"stopped", "An operator wished so."}, {});
    settle();
    EXPECT_EQ(first.events.back(), "stop stopped last");
    EXPECT_EQ(running_sessions(), 2U);
    std::size_t recorded = 0;
    for (const siprec::SessionRecordingAssoc& assoc : model_.objects().session_recordings)
        recorded += assoc.periods.back().disassociate ? 0 : 1;
    EXPECT_EQ(recorded, 1U);
}

TEST_F(SharedSessionTest, P35_APauseIsTheCallsOwn) {
    Call& first = begin(1);
    accept();
    begin(2);
    accept();
    first.session->pause(clock_.now());
    settle();
    EXPECT_EQ(first.forks.back(), "paused");
    EXPECT_THAT(offered(),
                ElementsAre("inactive 1-1", "inactive 1-2", "sendonly 2-1", "sendonly 2-2"));
    accept();
    EXPECT_EQ(first.forks.back(), "paused");
    first.session->resume(clock_.now());
    settle();
    accept();
    EXPECT_EQ(first.forks.back(), "1:50000 2:50002");
}

TEST_F(SharedSessionTest, AResumeBeforeTheServerKnowsOfThePauseNeedsNoOffer) {
    Call& first = begin(1);
    accept();
    Call& second = begin(2);  // its INVITE is under way
    first.session->pause(clock_.now());
    first.session->resume(clock_.now());
    settle();
    EXPECT_EQ(first.forks.back(), "1:50000 2:50002");
    accept();
    EXPECT_THAT(second.events, ElementsAre("start"));
}

TEST_F(SharedSessionTest, WhereTheServerTakesNoFurtherCallThatOneIsToldAndTheFirstGoesOn) {
    Call& first = begin(1);
    accept();
    Call& second = begin(2);
    answer("INVITE", 488);
    EXPECT_THAT(second.events, ElementsAre("failed change_refused last"));
    EXPECT_GT(second.told, 0U);
    EXPECT_THAT(first.events, ElementsAre("start"));
    EXPECT_TRUE(first.session->is_running());
}

TEST_F(SharedSessionTest, ALineThatIsRefusedIsThatCallsTrouble) {
    Call& first = begin(1);
    accept();
    Call& second = begin(2);
    std::string sdp = taken(sdp_of(last("INVITE")));
    for (const char* port : {"50004", "50006"}) sdp.replace(sdp.find(port), 5, "0");
    answer("INVITE", 200, sdp);
    EXPECT_THAT(second.events, ElementsAre("failed no_media last"));
    EXPECT_THAT(first.events, ElementsAre("start"));
    // And the server is told that it is gone.
    EXPECT_THAT(offered(), ElementsAre("sendonly 1-1", "sendonly 1-2", "0", "0"));
}

TEST_F(SharedSessionTest, WithoutAServerEachCallHasFailed) {
    Call& first = begin(1);
    Call& second = begin(2);
    answer("INVITE", 503);
    EXPECT_EQ(first.events.back(), "failed refused last");
    EXPECT_EQ(second.events.back(), "failed refused last");
    EXPECT_GT(first.told, 0U);
}

// ---- persistent ---------------------------------------------------------------------------------

TEST_F(SharedSessionTest, P110_APersistentSessionStandsWithoutACall) {
    stand();
    EXPECT_THAT(offered(), ElementsAre("inactive standby"));
    EXPECT_TRUE(model_.has_snapshot());
    EXPECT_EQ(model_.objects().count(), 0U);
    accept();
    Call& call = begin(1, policy::SessionKind::Persistent);
    EXPECT_THAT(offered(), ElementsAre("inactive standby", "sendonly 1-1", "sendonly 1-2"));
    EXPECT_FALSE(last("INVITE").to_tag().empty());
    accept();
    EXPECT_THAT(call.events, ElementsAre("start"));
    end(call);
    EXPECT_THAT(offered(), ElementsAre("inactive standby", "0", "0"));
    accept();
    wait(seconds{5});
    EXPECT_EQ(count("BYE"), 0U);
    EXPECT_THAT(told_, ElementsAre("session_start"));
}

// It has hung up before the server took its lines.
TEST_F(SharedSessionTest, ACallStaysUntilTheServerHasWhatWasSaidInItsChats) {
    stand();
    accept();
    Call& call = begin(1, policy::SessionKind::Persistent);
    call.owes = true;
    end(call);
    EXPECT_THAT(call.events, IsEmpty());
    accept();
    wait(seconds{1});
    EXPECT_THAT(call.events, ElementsAre("start"));
    EXPECT_EQ(call.forks.size(), 1U);
    EXPECT_EQ(running_sessions(), 1U);
    call.owes = false;
    wait(seconds{1});
    EXPECT_THAT(call.events, ElementsAre("start", "stop last"));
    EXPECT_THAT(offered(), ElementsAre("inactive standby", "0", "0"));
    EXPECT_EQ(running_sessions(), 0U);
}

TEST_F(SharedSessionTest, ACallThatOwesForeverLeavesAllTheSame) {
    stand();
    accept();
    Call& call = begin(1, policy::SessionKind::Persistent);
    accept();
    call.owes = true;
    end(call);
    wait(kMaxOwed - milliseconds{1});
    EXPECT_THAT(call.events, ElementsAre("start"));
    wait(milliseconds{100});
    EXPECT_THAT(call.events, ElementsAre("start", "stop last"));
}

TEST_F(SharedSessionTest, ItIsTriedAgainUntilAServerTakesIt) {
    stand();
    answer("INVITE", 503);
    EXPECT_EQ(count("INVITE"), 1U);
    wait(kFirstRetryDelay);
    EXPECT_EQ(count("INVITE"), 2U);
    answer("INVITE", 503);
    wait(kFirstRetryDelay);
    EXPECT_EQ(count("INVITE"), 2U);
    wait(kFirstRetryDelay);
    EXPECT_EQ(count("INVITE"), 3U);
    accept();
    EXPECT_EQ(sessions_.views().at(0).state, "recording");
}

TEST_F(SharedSessionTest, AfterItsLossTheNextOneHasAllThatRuns) {
    stand();
    accept();
    Call& first = begin(1, policy::SessionKind::Persistent);
    accept();
    end(first);
    accept();
    Call& second = begin(2, policy::SessionKind::Persistent);
    accept();
    const std::string session_id = second.session->view().session_id;
    wait(seconds{20});
    server_bye();
    EXPECT_THAT(second.events, ElementsAre("start", "stop ended_by_server"));
    EXPECT_EQ(second.forks.back(), "lost");  // what is said now is kept for the next server
    wait(kFirstRetryDelay);
    EXPECT_TRUE(last("INVITE").to_tag().empty());
    EXPECT_THAT(offered(), ElementsAre("inactive standby", "sendonly 2-1", "sendonly 2-2"));
    accept();
    EXPECT_EQ(second.events.back(), "start");
    EXPECT_EQ(second.session->view().session_id, session_id);
    EXPECT_EQ(model_.objects().sessions.size(), 1U);  // it is not told of who has ended before
}

TEST_F(SharedSessionTest, ACallThatMustBeRecordedDoesNotWaitForAServer) {
    is_mandatory_ = true;
    stand();
    answer("INVITE", 503);
    Call& call = begin(1, policy::SessionKind::Persistent);
    EXPECT_THAT(call.events, ElementsAre("failed refused last"));
    wait(kFirstRetryDelay);
    accept();
    Call& other = begin(2, policy::SessionKind::Persistent);
    accept();
    EXPECT_THAT(other.events, ElementsAre("start"));
    server_bye();
    EXPECT_EQ(other.events.back(), "stop ended_by_server last");
}

TEST_F(SharedSessionTest, ItIsReplacedInAQuietMomentWhenItIsOld) {
    stand();
    accept();
    Call& call = begin(1, policy::SessionKind::Persistent);
    accept();
    answers_updates_ = true;
    wait(std::chrono::minutes{80});
    EXPECT_TRUE(call.session->is_running());
    EXPECT_FALSE(last("INVITE").to_tag().empty());
    end(call);
    EXPECT_EQ(count("BYE"), 0U);
    accept();
    wait(seconds{2});
    EXPECT_TRUE(last("INVITE").to_tag().empty());
    EXPECT_THAT(offered(), ElementsAre("inactive standby"));
}

TEST_F(SharedSessionTest, ARuleThatIsGoneEndsItWithItsLastCall) {
    stand();
    accept();
    Call& call = begin(1, policy::SessionKind::Persistent);
    accept();
    sessions_.stand(clock_.now(), {}, {});
    settle();
    EXPECT_EQ(count("UPDATE"), 0U);
    EXPECT_TRUE(call.session->is_running());
    end(call);
    answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
}

TEST_F(SharedSessionTest, AWeekOfCallsDoesNotGrow) {
    stand();
    accept();
    for (int i = 0; i < 200; ++i) {
        Call& call = begin(static_cast<std::uint8_t>(i + 1), policy::SessionKind::Persistent);
        accept();
        end(call);
        accept();
        call.session.reset();
        wait(seconds{1});
        EXPECT_LE(offered().size(), 3U);
    }
    EXPECT_EQ(told_.size(), 1U);
    // What a server that asks for all of it now is told.
    EXPECT_EQ(sessions_.views().at(0).session_ids.size(), 0U);
}

TEST_F(SharedSessionTest, StoppingTheClientEndsAllOfThem) {
    stand();
    accept();
    sessions_.end_all(clock_.now(), {"stopped", "The recording client was stopped."});
    settle();
    if (count("UPDATE") > 0) answer("UPDATE", 200);
    EXPECT_EQ(count("BYE"), 1U);
    answer("BYE", 200);
    wait(seconds{40});
    EXPECT_TRUE(sessions_.is_idle());
}

}  // namespace
}  // namespace earshot::client
