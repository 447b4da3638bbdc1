// RFC 3263 section 4 against a zone in memory.
#include "sip/server_location.h"

#include <gtest/gtest.h>

#include <map>

#include "sip/agent_limits.h"

namespace earshot::sip {
namespace {

class Location : public testing::Test {
protected:
    using Type = DnsQuestion::Type;

    void naptr(const std::string& name, std::vector<NaptrRecord> records) {
        zone_[{Type::Naptr, name}].naptr = std::move(records);
    }
    void srv(const std::string& name, std::vector<SrvRecord> records) {
        zone_[{Type::Srv, name}].srv = std::move(records);
    }
    void address(const std::string& name, const std::vector<const char*>& hosts) {
        for (const char* host : hosts)
            zone_[{Type::Address, name}].addresses.push_back(*base::parse_host(host, 0));
    }
    // The targets as text; the questions stand in asked_.
    std::vector<std::string> locate(std::string_view uri, std::vector<Transport> transports = {
                                                              Transport::Udp, Transport::Tcp}) {
        asked_.clear();
        auto location = ServerLocation::start(uri, std::move(transports), random_);
        if (!location) return {"error"};
        while (const DnsQuestion* question = location->question()) {
            asked_.push_back(question->name);
            const auto found = zone_.find({question->type, question->name});
            location->on_answer(found == zone_.end() ? DnsAnswer{} : found->second);
        }
        std::vector<std::string> targets;
        for (const Target& target : location->targets())
            targets.push_back(std::string(via_name(target.transport)) + " " +
                              base::to_string(target.address));
        return targets;
    }

    base::SeededRandom random_{7};
    std::map<std::pair<Type, std::string>, DnsAnswer> zone_;
    std::vector<std::string> asked_;
};

using Texts = std::vector<std::string>;

TEST_F(Location, ALiteralAddressIsAskedOfNobody) {
    EXPECT_EQ(locate("sip:src@192.0.2.9"), Texts{"UDP 192.0.2.9:5060"});
    EXPECT_EQ(locate("sip:src@192.0.2.9:5080;transport=tcp"), Texts{"TCP 192.0.2.9:5080"});
    EXPECT_EQ(locate("sip:src@[2001:db8::9]"), Texts{"UDP [2001:db8::9]:5060"});
    EXPECT_TRUE(asked_.empty());
}

TEST_F(Location, APortMeansTheHostItself) {
    address("src.example.com", {"192.0.2.9", "2001:db8::9"});
    srv("_sip._udp.src.example.com", {{0, 0, 5070, "other.example.com"}});
    EXPECT_EQ(locate("sip:src.example.com:5080"),
              (Texts{"UDP 192.0.2.9:5080", "UDP [2001:db8::9]:5080"}));
    EXPECT_EQ(asked_, Texts{"src.example.com"});
}

TEST_F(Location, ATransportOfTheUriLeadsToItsSrvRecords) {
    srv("_sip._tcp.example.com", {{10, 0, 5070, "b.example.com"}, {5, 0, 5071, "a.example.com"}});
    address("a.example.com", {"192.0.2.1"});
    address("b.example.com", {"192.0.2.2"});
    EXPECT_EQ(locate("sip:example.com;transport=tcp"),
              (Texts{"TCP 192.0.2.1:5071", "TCP 192.0.2.2:5070"}));
    EXPECT_EQ(asked_, (Texts{"_sip._tcp.example.com", "a.example.com", "b.example.com"}));
}

// RFC 3263 section 4.1 has this zone as its example.
TEST_F(Location, ExampleFromRfc3263Section4_1) {
    naptr("example.com", {{90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"},
                          {100, 50, "s", "SIP+D2U", "_sip._udp.example.com"},
                          {50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"}});
    srv("_sip._tcp.example.com",
        {{0, 1, 5060, "server1.example.com"}, {1, 2, 5060, "server2.example.com"}});
    address("server1.example.com", {"192.0.2.1"});
    address("server2.example.com", {"192.0.2.2"});
    srv("_sip._udp.example.com", {{0, 1, 5060, "server1.example.com"}});
    EXPECT_EQ(locate("sip:user@example.com"),
              (Texts{"TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060", "UDP 192.0.2.1:5060"}));
}

TEST_F(Location, WithoutNaptrEachTransportIsTriedAndWithoutSrvTheHost) {
    address("example.com", {"192.0.2.5"});
    EXPECT_EQ(locate("sip:example.com"), Texts{"UDP 192.0.2.5:5060"});
    EXPECT_EQ(asked_, (Texts{"example.com", "_sip._udp.example.com", "_sip._tcp.example.com",
                             "example.com"}));
    srv("_sip._tcp.example.com", {{0, 0, 5066, "example.com"}});
    EXPECT_EQ(locate("sip:example.com"), Texts{"TCP 192.0.2.5:5066"});
}

TEST_F(Location, AServiceThatIsNotThereAndOneThatWeLackLeadNowhere) {
    srv("_sip._tcp.example.com", {{0, 0, 5060, "."}});
    EXPECT_EQ(locate("sip:example.com;transport=tcp"), Texts{});
    address("example.com", {"192.0.2.5"});
    EXPECT_EQ(locate("sips:example.com"), Texts{});
    EXPECT_EQ(locate("sip:192.0.2.9;transport=tls"), Texts{});
    EXPECT_EQ(locate("sips:example.com", {Transport::Udp, Transport::Tls}),
              Texts{"TLS 192.0.2.5:5061"});
    EXPECT_EQ(locate("tel:+1"), Texts{"error"});
    EXPECT_EQ(locate("sip:" + std::string(kMaxHostBytes + 1, 'a')), Texts{"error"});
    EXPECT_EQ(locate("sip:" + std::string(kMaxHostBytes, 'a')), Texts{});
}

TEST_F(Location, TakesNoMoreTargetsAndQuestionsThanItsLimits) {
    std::vector<SrvRecord> many;
    for (std::uint16_t i = 0; i < 200; ++i) {
        many.push_back({i, 0, 5060, "h" + std::to_string(i)});
        address("h" + std::to_string(i), {"192.0.2.1", "192.0.2.2", "192.0.2.3"});
    }
    srv("_sip._udp.example.com", many);
    EXPECT_EQ(locate("sip:example.com;transport=udp").size(), 3U);  // each once
    std::vector<NaptrRecord> loops(500, {1, 1, "s", "SIP+D2U", "_sip._udp.nowhere"});
    naptr("example.net", loops);
    EXPECT_EQ(locate("sip:example.net"), Texts{});
    EXPECT_LE(asked_.size(), kMaxDnsQuestions + 1);

    address("big", {});
    for (int i = 0; i < 100; ++i) {
        const std::string host = "192.0.2." + std::to_string(i + 1);
        zone_[{Type::Address, "big"}].addresses.push_back(*base::parse_host(host, 0));
    }
    EXPECT_EQ(locate("sip:big:5060").size(), kMaxTargets);
}

TEST(SrvOrder, FollowsPriorityAndSharesByWeight) {
    base::SeededRandom random(3);
    int heavy_first = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto ordered = in_srv_order(
            {{1, 10, 1, "light"}, {1, 90, 1, "heavy"}, {0, 0, 1, "first"}, {2, 5, 1, "last"}},
            random);
        ASSERT_EQ(ordered.size(), 4U);
        EXPECT_EQ(ordered.front().target, "first");
        EXPECT_EQ(ordered.back().target, "last");
        heavy_first += ordered[1].target == "heavy" ? 1 : 0;
    }
    EXPECT_GT(heavy_first, 850);
    EXPECT_LT(heavy_first, 950);
}

}  // namespace
}  // namespace earshot::sip
