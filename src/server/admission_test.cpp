#include "server/admission.h"

#include <gtest/gtest.h>

#include "api/no_room.h"

namespace earshot::server {
namespace {

Load roomy() {
    Load load;
    load.capture.port_pairs = load.capture.port_pairs_free = 5000;
    load.journal.free_bytes = 1ULL << 40;
    load.journal.frames_allowed = 64;
    return load;
}

TEST(Admission, ListedPeersComeInOthersGet403) {
    ServerConfig config;
    const auto sbc = *base::parse_host("192.0.2.1", 5060);
    const auto stranger = *base::parse_host("192.0.2.9", 5060);
    EXPECT_FALSE(check_peer(config, stranger));  // no list: the listener is loopback or insecure
    config.peers.push_back({.name = "sbc", .addresses = {*base::parse_host("192.0.2.1", 0)}});
    EXPECT_FALSE(check_peer(config, sbc));
    const auto refusal = check_peer(config, stranger);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 403);
    EXPECT_NE(refusal->reason.text.find("192.0.2.9"), std::string::npos);
}

TEST(Admission, APeerIsFoundByItsAddressElseByTheUserThatWasProven) {
    ServerConfig config;
    config.peers.push_back({.name = "sbc", .addresses = {*base::parse_host("192.0.2.1", 0)}});
    config.peers.push_back({.name = "branch"});
    config.peers.back().digest.username = "rose";
    const auto sbc = *base::parse_host("192.0.2.1", 5060);
    const auto elsewhere = *base::parse_host("192.0.2.9", 5060);
    EXPECT_EQ(find_peer(config, sbc, "rose")->name, "sbc");
    EXPECT_EQ(find_peer(config, elsewhere, "rose")->name, "branch");
    EXPECT_EQ(find_peer(config, elsewhere, "lily"), nullptr);
    EXPECT_EQ(find_peer(config, elsewhere), nullptr);
}

TEST(Admission, EachWantOfRoomIsA503WithItsOwnReason) {
    ServerConfig config;
    config.max_calls = 10;
    EXPECT_FALSE(check_room(config, roomy()));

    struct Case {
        std::string code;
        void (*spoil)(Load&);
    };
    const std::vector<Case> cases{
        {"stopping", [](Load& l) { l.stopping = true; }},
        {"data_directory_gone", [](Load& l) { l.data_is_in_place = false; }},
        {"too_many_calls", [](Load& l) { l.calls = 10; }},
        {"storage_error",
         [](Load& l) {
             l.journal.ok = false;
             l.journal.reason = {"storage_error", "write failed"};
         }},
        {"storage_full", [](Load& l) { l.journal.free_bytes = 1; }},
        {"storage_full", [](Load& l) { l.journal.free_bytes = 0; }},  // not a byte left
        {"no_media_ports", [](Load& l) { l.capture.port_pairs_free = 3; }},
        {"storage_slow", [](Load& l) { l.journal.frames_waiting = 33; }},
        {"no_memory", [](Load& l) { l.free_memory = (64ULL << 20) - 1; }},
        {"overloaded", [](Load& l) { l.dropping_streams = 3; }},
        {"overloaded", [](Load& l) { l.capture.busy_percent = 91; }},
    };
    for (const Case& c : cases) {
        Load load = roomy();
        c.spoil(load);
        const auto refusal = check_room(config, load);
        ASSERT_TRUE(refusal) << c.code;
        EXPECT_EQ(refusal->status, 503);
        EXPECT_GT(refusal->retry_after_seconds, 0);
        EXPECT_EQ(refusal->reason.code, c.code);
        EXPECT_TRUE(api::no_room::covers(c.code)) << c.code;
        EXPECT_FALSE(refusal->reason.text.empty());
    }
}

TEST(Admission, E17_AMaintainedServerSendsNewCallsElsewhere) {
    ServerConfig config;
    config.redirect_to = "sip:rec2.example.com;transport=tcp";
    const auto refusal = check_room(config, roomy());
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 302);
    ASSERT_EQ(refusal->headers.size(), 1U);
    EXPECT_EQ(refusal->headers[0].value, "<sip:rec2.example.com;transport=tcp>");
    EXPECT_EQ(refusal->reason.code, "redirected");
    EXPECT_TRUE(api::no_room::covers(refusal->reason.code));
    Load stopping = roomy();
    stopping.stopping = true;
    EXPECT_EQ(check_room(config, stopping)->status, 503);
}

TEST(Admission, LastCallsAtTheEdgeAreTaken) {
    ServerConfig config;
    config.max_calls = 10;
    Load load = roomy();
    load.calls = 9;
    load.capture.port_pairs_free = 4;
    load.journal.free_bytes = config.min_free_bytes;
    load.journal.frames_waiting = 32;
    load.free_memory = config.min_free_memory_bytes;
    load.capture.busy_percent = 90;
    load.dropping_streams = 2;
    EXPECT_FALSE(check_room(config, load));
    load.capture.open_streams = 1000;
    load.dropping_streams = 10;
    EXPECT_FALSE(check_room(config, load));
    load.journal.free_bytes.reset();  // not looked at yet
    EXPECT_FALSE(check_room(config, load));
}

TEST(Admission, AHostThatAcknowledgesNothingIsRefusedBeforeItHasTakenAllRoom) {
    ServerConfig config;
    const auto host = *base::parse_host("192.0.2.1", 5060);
    EXPECT_FALSE(check_share(config, host, {.running = 3999, .unacknowledged = 499}));
    const auto refusal = check_share(config, host, {.running = 500, .unacknowledged = 500});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 503);
    EXPECT_GT(refusal->retry_after_seconds, 0);
    EXPECT_EQ(refusal->reason.code, "too_many_unacknowledged");
    EXPECT_TRUE(api::no_room::covers(refusal->reason.code));
    EXPECT_NE(refusal->reason.text.find("192.0.2.1"), std::string::npos);

    config.max_calls_per_host = 20;
    EXPECT_FALSE(check_share(config, host, {.running = 19, .unacknowledged = 0}));
    EXPECT_EQ(check_share(config, host, {.running = 20, .unacknowledged = 0})->reason.code,
              "too_many_calls");
}

TEST(Admission, AListenerThatIsNotLoopbackIsOpenUntilSomebodyIsNamed) {
    ServerConfig config;
    config.sip_listen = {*base::parse_net_address("127.0.0.1:5060"),
                         *base::parse_net_address("192.0.2.7:5060")};
    ASSERT_NE(find_open_listener(config), nullptr);
    EXPECT_EQ(base::to_string(*find_open_listener(config)), "192.0.2.7:5060");
    config.insecure = true;  // it was asked for
    EXPECT_EQ(find_open_listener(config), nullptr);
    config.insecure = false;
    config.peers.push_back({.name = "sbc"});
    EXPECT_EQ(find_open_listener(config), nullptr);
    config.peers.clear();
    config.sip_listen.pop_back();
    EXPECT_EQ(find_open_listener(config), nullptr);
}

}  // namespace
}  // namespace earshot::server
