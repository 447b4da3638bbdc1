#include "siprec/join_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<JoinKeySource> sources(std::initializer_list<const char*> texts) {
    std::vector<JoinKeySource> all;
    for (const char* text : texts) all.push_back(*parse_join_key_source(text));
    return all;
}

sip::Message invite_with(const std::string& headers, const std::string& from = "<sip:a@b>;tag=1") {
    return message_of(
        to_wire("INVITE sip:srs@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKk\n"
                "From: " +
                from + "\nTo: <sip:c@d>\nCall-ID: k\nCSeq: 1 INVITE\n" + headers + "\n"));
}

MetadataModel model_of(const std::string& inside) {
    MetadataModel model;
    const auto document = parse_metadata("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>" +
                                         inside + "</recording>");
    EXPECT_TRUE(document);
    if (document) model.apply(*document, base::WallTime{});
    return model;
}

TEST(JoinKeySource, IsReadAndWritten) {
    for (const char* text :
         {"session_id", "sip_session_id", "header:Cisco-Guid", "from:x-refci", "element:ucid"}) {
        const auto source = parse_join_key_source(text);
        ASSERT_TRUE(source) << text;
        EXPECT_EQ(to_string(*source), text);
    }
    for (const char* text :
         {"", "session", "header:", "header", "from:a b", "element:x:y", "from:;"})
        EXPECT_FALSE(parse_join_key_source(text)) << text;
}

TEST(JoinKeys, BothLegsOfACiscoPhoneShareOne) {
    const auto where = sources({"from:x-refci"});
    const auto near = find_join_keys(message_from("cucm-near.sip"), where);
    EXPECT_THAT(near, ElementsAre(JoinKey{"from:x-refci", "27298698"}));
    EXPECT_EQ(near, find_join_keys(message_from("cucm-far.sip"), where));
}

TEST(JoinKeys, ASessionIdIsOneHoweverItIsWritten) {
    const auto where = sources({"session_id"});
    const auto keys =
        find_join_keys(model_of("<session session_id='hVpd7YQgRW2nD22h7q60JQ=='/>"), where);
    EXPECT_THAT(keys, ElementsAre(JoinKey{"session_id", "855a5ded-8420-456d-a70f-6da1eeaeb425"}));
    EXPECT_EQ(keys,
              find_join_keys(
                  model_of("<session session_id='urn:uuid:855A5DED-8420-456D-A70F-6DA1EEAEB425'/>"),
                  where));
}

TEST(JoinKeys, ASessionIdThatManyCallsShareIsNone) {
    const auto where = sources({"session_id"});
    EXPECT_THAT(find_join_keys(model_of("<session session_id='1234567'/>"), where), IsEmpty());
    EXPECT_THAT(find_join_keys(model_of("<session session_id='AAAAAAAAAAAAAAAAAAAAAA=='/>"), where),
                IsEmpty());
    EXPECT_THAT(find_join_keys(model_of("<session session_id='12345678'/>"), where),
                ElementsAre(JoinKey{"session_id", "12345678"}));
}

constexpr const char* kHalfA = "ab30317f1a784dc48ff824d0d3715d86";
constexpr const char* kHalfB = "47755a9de7794ba387653f2099600ef2";
constexpr const char* kNilHalf = "00000000000000000000000000000000";

TEST(JoinKeys, ExampleFromRfc7989HasAKeyInEachHalfInEitherOrder) {
    const std::string one = std::string(kHalfA) + ";remote=" + kHalfB;
    const std::string other = std::string(kHalfB) + ";remote=" + kHalfA;
    EXPECT_THAT(session_id_halves(one), ElementsAre(kHalfA, kHalfB));
    EXPECT_THAT(session_id_halves(other), ElementsAre(kHalfB, kHalfA));
    const auto where = sources({"sip_session_id"});
    EXPECT_EQ(find_join_keys(invite_with("Session-ID: " + one + "\n"), where),
              find_join_keys(model_of("<session session_id='S'><sipSessionID>" + one +
                                      "</sipSessionID></session>"),
                             where));
}

TEST(JoinKeys, TheHalfOfZerosIsNone) {
    EXPECT_THAT(session_id_halves(std::string(kHalfA) + ";remote=" + kNilHalf),
                ElementsAre(kHalfA));
    EXPECT_THAT(session_id_halves(std::string(kNilHalf) + ";remote=" + kNilHalf), IsEmpty());
    EXPECT_THAT(session_id_halves("B2B.1.2.3"), IsEmpty());  // OpenSIPS: a Call-ID
    EXPECT_THAT(session_id_halves(""), IsEmpty());
    EXPECT_THAT(session_id_halves(";remote="), IsEmpty());
}

TEST(JoinKeys, HeadersAndParametersOfFromAreTakenWhereTheyStand) {
    const sip::Message invite =
        invite_with("Cisco-Guid: 12-34-56-78\nX-None:  \n", "<sip:a@b;call=77>;tag=1;leg=9");
    EXPECT_THAT(find_join_keys(invite, sources({"header:cisco-guid", "header:X-None", "from:call",
                                                "from:leg", "from:none"})),
                ElementsAre(JoinKey{"header:cisco-guid", "12-34-56-78"}, JoinKey{"from:call", "77"},
                            JoinKey{"from:leg", "9"}));
}

TEST(JoinKeys, AForeignElementIsFoundWhereverItStands) {
    const auto where = sources({"element:ucid"});
    const std::string inside =
        "<session session_id='S'><v:data xmlns:v='urn:v'><v:UCID>00FA08;encoding=hex</v:UCID>"
        "</v:data></session>";
    EXPECT_THAT(find_join_keys(model_of(inside), where),
                ElementsAre(JoinKey{"element:ucid", "00FA08"}));
    EXPECT_THAT(find_join_keys(model_of("<v:x xmlns:v='urn:v'>ucid</v:x>"), where), IsEmpty());
}

TEST(JoinKeys, AGroupIsNone) {
    const auto where = sources({"session_id", "sip_session_id", "element:ucid"});
    EXPECT_THAT(find_join_keys(model_of("<group group_id='hVpd7YQgRW2nD22h7q60JQ=='/>"), where),
                IsEmpty());
}

TEST(JoinKeys, LimitsHoldAtTheirEdges) {
    const auto where = sources({"header:X-Key"});
    const std::string longest(kMaxJoinKeyBytes, 'k');
    EXPECT_EQ(find_join_keys(invite_with("X-Key: " + longest + "\n"), where).size(), 1U);
    EXPECT_THAT(find_join_keys(invite_with("X-Key: " + longest + "k\n"), where), IsEmpty());
    std::string many;
    for (std::size_t i = 0; i <= kMaxJoinKeys; ++i) many += "X-Key: k" + std::to_string(i) + "\n";
    EXPECT_EQ(find_join_keys(invite_with(many), where).size(), kMaxJoinKeys);
    std::string elements;
    for (std::size_t i = 0; i <= kMaxJoinElements; ++i)
        elements += "<v:none xmlns:v='urn:v'>ucid</v:none>";
    EXPECT_THAT(find_join_keys(model_of(elements + "<v:ucid xmlns:v='urn:v'>late</v:ucid>"),
                               sources({"element:ucid"})),
                IsEmpty());
}

}  // namespace
}  // namespace earshot::siprec
