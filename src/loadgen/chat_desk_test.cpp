// Two ends of a session in two desks, with a wire in memory between them.
#include "loadgen/chat_desk.h"

#include <gtest/gtest.h>

#include <deque>

#include "loadgen/chat_lines.h"
#include "loadgen/limits.h"

namespace earshot::loadgen {
namespace {

constexpr ChatId kAda = 1;
constexpr ChatId kBo = 2;
constexpr ChatNetwork::Connection kWire = 7;

class Network : public ChatNetwork {
public:
    Connection connect(const base::NetAddress& to, const std::string&) override {
        connected_to.push_back(to);
        return can_connect ? kWire : 0;
    }
    void send(Connection, std::string bytes) override { out.push_back(std::move(bytes)); }
    void close(Connection) override { is_closed = true; }
    std::size_t queued_bytes(Connection) const override { return 0; }
    std::optional<base::Reason> find_fault(
        Connection, const std::vector<base::CertificateFingerprint>&) const override {
        return fault;
    }

    std::deque<std::string> out;
    std::vector<base::NetAddress> connected_to;
    bool can_connect = true;
    bool is_closed = false;
    std::optional<base::Reason> fault;
};

ChatAct act(std::chrono::milliseconds after, const std::string& text, bool is_from_caller = true) {
    ChatAct made;
    made.after = after;
    made.from = "\"Ada\" <sip:ada@example.test>";
    made.to = "<sip:bo@example.test>";
    made.content_type = "text/plain";
    made.content = std::make_shared<const std::string>(text);
    made.is_from_caller = is_from_caller;
    return made;
}

class ChatDeskTest : public testing::Test {
protected:
    ChatDeskTest() {
        ada_uri_ = new_chat_uri(*base::parse_host("192.0.2.1", 2000), false, random_);
        bo_uri_ = new_chat_uri(*base::parse_host("192.0.2.2", 2001), false, random_);
    }
    void open(std::vector<ChatAct> of_ada, std::vector<ChatAct> of_bo = {}) {
        ada_.open(kAda, {.own = ada_uri_, .acts = std::move(of_ada)});
        bo_.open(kBo, {.own = bo_uri_, .acts = std::move(of_bo)});
    }
    // Ada connects.
    void agree(const std::string& accept_types = "message/cpim text/plain") {
        ChatPlan to_bo;
        to_bo.path = {bo_uri_};
        to_bo.connect_to = *base::parse_host("192.0.2.2", 2001);
        to_bo.types.accept_types = accept_types;
        to_bo.sends = true;
        ChatPlan to_ada;
        to_ada.path = {ada_uri_};
        to_ada.types.accept_types = accept_types;
        to_ada.sends = true;
        bo_.set_plan(now_, kBo, to_ada);
        ada_.set_plan(now_, kAda, to_bo);
        bo_.on_open(now_, kWire);
        ada_.on_open(now_, kWire);
        carry();
    }
    void carry() {
        while (!at_ada_.out.empty() || !at_bo_.out.empty()) {
            while (!at_ada_.out.empty()) {
                const std::string bytes = std::move(at_ada_.out.front());
                at_ada_.out.pop_front();
                from_ada_ += bytes;
                bo_.on_bytes(now_, kWire, base::as_bytes(bytes));
            }
            while (!at_bo_.out.empty()) {
                const std::string bytes = std::move(at_bo_.out.front());
                at_bo_.out.pop_front();
                ada_.on_bytes(now_, kWire, base::as_bytes(bytes));
            }
        }
    }
    void pass(std::chrono::milliseconds time) {
        now_.steady += time;
        now_.wall += time;
        ada_.on_time(now_);
        bo_.on_time(now_);
        carry();
    }

    base::SeededRandom random_{1};
    base::Now now_{base::TimePoint{std::chrono::hours{1}},
                   base::wall_from_ns(1'770'000'000'000'000'000)};
    msrp::Uri ada_uri_;
    msrp::Uri bo_uri_;
    Network at_ada_;
    Network at_bo_;
    std::vector<ChatId> ended_;
    ChatDesk ada_{at_ada_, random_, [this](ChatId id) { ended_.push_back(id); }};
    ChatDesk bo_{at_bo_, random_, [this](ChatId id) { ended_.push_back(id); }};
    std::string from_ada_;
};

TEST_F(ChatDeskTest, SaysEachLineWhenItIsTimeAndReceiptsWhatComes) {
    open({act(std::chrono::milliseconds{100}, "Hello"), act(std::chrono::milliseconds{300}, "Bye")},
         {act(std::chrono::milliseconds{200}, "Good morning", false)});
    agree();
    EXPECT_TRUE(bo_.figures(kBo).was_connected);  // by the SEND without content
    EXPECT_EQ(bo_.figures(kBo).received, 0U);
    pass(std::chrono::milliseconds{100});
    EXPECT_EQ(bo_.figures(kBo).received, 1U);
    EXPECT_EQ(ada_.figures(kAda).received, 0U);
    pass(std::chrono::milliseconds{200});
    const ChatFigures ada = ada_.figures(kAda);
    EXPECT_EQ(ada.sent, 2U);
    EXPECT_EQ(ada.acknowledged, 2U);
    EXPECT_EQ(ada.receipted, 2U);
    EXPECT_EQ(ada.unsent, 0U);
    EXPECT_EQ(ada.received, 1U);
    EXPECT_FALSE(fault_of(ada).has_value());
    ASSERT_EQ(bo_.figures(kBo).heard.size(), 2U);
    EXPECT_EQ(bo_.figures(kBo).heard[0].text, "Hello");
    EXPECT_EQ(bo_.figures(kBo).heard[0].from, "Ada <sip:ada@example.test>");  // by CPIM
    EXPECT_EQ(bo_.figures(kBo).heard[0].content_type, "text/plain");
    EXPECT_EQ(ada.heard[0].text, "Good morning");
}

TEST_F(ChatDeskTest, WhoTakesTheWrapperGetsIt) {
    open({act({}, "Hello")});
    agree("message/cpim application/msrp-recording *");
    pass({});
    EXPECT_NE(from_ada_.find("Content-Type: application/msrp-recording"), std::string::npos);
    EXPECT_NE(from_ada_.find("rs.Content: send"), std::string::npos) << from_ada_;
}

TEST_F(ChatDeskTest, WhoDoesNotTakeTheTypeMakesTheCallABadOne) {
    open({act({}, "Hello")});
    agree("image/png");
    pass({});
    EXPECT_EQ(ada_.figures(kAda).failed, 1U);
    EXPECT_EQ(fault_of(ada_.figures(kAda))->code, "type_not_taken");
}

TEST_F(ChatDeskTest, WaitsWhileItIsPaused) {
    open({act(std::chrono::milliseconds{100}, "Hello")});
    agree();
    ChatPlan plan;
    plan.path = {bo_uri_};
    plan.connect_to = *base::parse_host("192.0.2.2", 2001);
    plan.types.accept_types = "text/plain";
    ada_.set_plan(now_, kAda, plan);
    pass(std::chrono::milliseconds{500});
    EXPECT_EQ(bo_.figures(kBo).received, 0U);
    EXPECT_EQ(at_ada_.connected_to.size(), 1U);  // the session is the same
    plan.sends = true;
    ada_.set_plan(now_, kAda, plan);
    carry();
    EXPECT_EQ(bo_.figures(kBo).received, 1U);
}

TEST_F(ChatDeskTest, ALongFileArrivesWholeInChunks) {
    ChatAct file = act({}, std::string(1'000'000, 'x') + "end");
    file.content_type = "application/octet-stream";
    open({file});
    agree("*");
    pass({});
    ASSERT_EQ(bo_.figures(kBo).heard.size(), 1U);
    EXPECT_GT(bo_.figures(kBo).heard[0].octets, 1'000'003U);  // CPIM is around it
    EXPECT_EQ(ada_.figures(kAda).receipted, 1U);
}

TEST_F(ChatDeskTest, AsksForANicknameAndTellsTheAnswer) {
    ChatAct nickname;
    nickname.nickname = "ana_r";
    open({nickname});
    agree();
    pass({});
    EXPECT_NE(from_ada_.find("NICKNAME\r\n"), std::string::npos);
    EXPECT_NE(from_ada_.find("Use-Nickname: \"ana_r\"\r\n"), std::string::npos);
    EXPECT_EQ(ada_.figures(kAda).nickname_status, 501);  // a phone is no room
}

TEST_F(ChatDeskTest, EndsOnceEverythingIsReceipted) {
    open({act({}, "Hello")});
    agree();
    ada_.finish(now_, kAda);
    EXPECT_EQ(ended_, (std::vector<ChatId>{kAda}));
    EXPECT_TRUE(at_ada_.is_closed);
}

TEST_F(ChatDeskTest, EndsAfterAWhileWhereNobodyAnswers) {
    open({act({}, "Hello")});
    ChatPlan plan;
    plan.path = {bo_uri_};
    plan.connect_to = *base::parse_host("192.0.2.2", 2001);
    plan.types.accept_types = "text/plain";
    plan.sends = true;
    ada_.set_plan(now_, kAda, plan);
    ada_.on_open(now_, kWire);  // and what is sent is lost
    ada_.finish(now_, kAda);
    EXPECT_TRUE(ended_.empty());
    now_.steady += ChatDesk::kPatience;
    ada_.on_time(now_);
    EXPECT_EQ(ended_, (std::vector<ChatId>{kAda}));
    EXPECT_EQ(fault_of(ada_.figures(kAda))->code, "messages_lost");
}

TEST_F(ChatDeskTest, SaysWhereNobodyCouldBeReached) {
    open({act({}, "Hello")});
    at_ada_.can_connect = false;
    ChatPlan plan;
    plan.path = {bo_uri_};
    plan.connect_to = *base::parse_host("192.0.2.2", 2001);
    ada_.set_plan(now_, kAda, plan);
    EXPECT_EQ(fault_of(ada_.figures(kAda))->code, "chat_not_connected");
    ada_.finish(now_, kAda);
    EXPECT_EQ(ended_.size(), 1U);
}

TEST_F(ChatDeskTest, BelievesNobodyWhoseCertificateIsAnother) {
    open({act({}, "Hello")});
    at_ada_.fault = base::Reason{"fingerprint_mismatch", "Another certificate."};
    ChatPlan plan;
    plan.path = {bo_uri_};
    plan.connect_to = *base::parse_host("192.0.2.2", 2001);
    plan.types.accept_types = "text/plain";
    plan.sends = true;
    ada_.set_plan(now_, kAda, plan);
    ada_.on_open(now_, kWire);
    EXPECT_TRUE(at_ada_.out.empty());
    EXPECT_TRUE(at_ada_.is_closed);
    EXPECT_EQ(fault_of(ada_.figures(kAda))->code, "fingerprint_mismatch");
    EXPECT_EQ(at_ada_.connected_to.size(), 1U);
}

TEST_F(ChatDeskTest, SaysWhatItRefuses) {
    open({act({}, "Hello")});
    agree();
    EXPECT_EQ(ada_.figures(kAda).acknowledged, 1U);
    EXPECT_FALSE(fault_of(ada_.figures(kAda)).has_value());
    bo_.on_bytes(now_, kWire,
                 base::as_bytes("MSRP abcd1234 SEND\r\nTo-Path: msrp://192.0.2.2:2001/none;tcp\r\n"
                                "From-Path: msrp://192.0.2.1:2000/x;tcp\r\nMessage-ID: msg1\r\n"
                                "-------abcd1234$\r\n"));
    ASSERT_EQ(at_bo_.out.size(), 1U);
    EXPECT_NE(at_bo_.out.front().find(" 481"), std::string::npos);
}

}  // namespace
}  // namespace earshot::loadgen
