// The small parts: names of dialogs, places behind us, Session-ID, hold, what passes.
#include <gmock/gmock.h>

#include "b2bua/dialog_name.h"
#include "b2bua/hold.h"
#include "b2bua/limits.h"
#include "b2bua/own_names.h"
#include "b2bua/passing.h"
#include "b2bua/session_id.h"
#include "b2bua/switchboard_fixture.h"
#include "sip/parser.h"

namespace earshot::b2bua {
namespace {

using testing::ElementsAre;

// ---- dialog_name.h

TEST(DialogName, ReadsTheExamplesOfRfc3891Section6_1) {
    const auto name = parse_dialog_name("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff");
    ASSERT_TRUE(name.has_value());
    EXPECT_EQ(*name, (DialogName{"98732@sip.example.com", "ff87ff", "r33th4x0r", ""}));
    const auto early = parse_dialog_name("87134@171.161.34.23;to-tag=24796;from-tag=0;early-only");
    ASSERT_TRUE(early.has_value());
    EXPECT_EQ(early->params, ";early-only");
    EXPECT_EQ(to_string(*early), "87134@171.161.34.23;to-tag=24796;from-tag=0;early-only");
}

TEST(DialogName, TakesNoneThatLacksAPart) {
    const std::string whole = "c;to-tag=1;from-tag=2";
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_dialog_name(whole.substr(0, size)).has_value()) << size;
}

TEST(ReferTo, ReadsTheReplacesInsideAndKeepsTheRest) {
    const auto refer_to = parse_refer_to(
        "\"C\" <sip:c@x;u=1?a=b&Replaces=090459243588173445%3B"
        "to-tag%3D9m2n3wq%3Bfrom-tag%3D763231&c=d%20e>;p=q");
    ASSERT_TRUE(refer_to.has_value());
    EXPECT_EQ(refer_to->uri, "sip:c@x;u=1");
    ASSERT_TRUE(refer_to->replaces.has_value());
    EXPECT_EQ(refer_to->replaces->to_tag, "9m2n3wq");
    EXPECT_EQ(to_string(*refer_to),
              "\"C\" <sip:c@x;u=1?Replaces=090459243588173445%3Bto-tag%3D9m2n3wq%3B"
              "from-tag%3D763231&a=b&c=d%20e>;p=q");
}

TEST(ReferTo, SurvivesEachTruncation) {
    const std::string whole = "\"C\" <sip:c@x?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto refer_to = parse_refer_to(whole.substr(0, size));
        EXPECT_TRUE(!refer_to || !to_string(*refer_to).empty());
    }
}

// ---- own_names.h

TEST(OwnNames, KnowsListenersAndOtherNames) {
    const OwnNames names(Phone::config("192.0.2.1:5062").listeners,
                         {"Client.example.com", "10.0.0.1:5070"});
    for (const char* uri :
         {"sip:192.0.2.1:5062", "<sip:192.0.2.1:5062;lr>", "sip:x@192.0.2.1:5062;transport=tcp",
          "sip:bob@client.EXAMPLE.com", "sip:client.example.com:5060", "sip:10.0.0.1:5070"})
        EXPECT_TRUE(names.is_ours(uri)) << uri;
    for (const char* uri : {"sip:192.0.2.1", "sip:192.0.2.2:5062", "sips:client.example.com",
                            "sip:10.0.0.1", "tel:+49", "", "x"})
        EXPECT_FALSE(names.is_ours(uri)) << uri;
}

PlaceBehind place(std::string uri = "sip:alice@10.0.0.7:5071;ob") {
    return {
        std::move(uri),
        {.transport = sip::Transport::Tcp, .remote = *base::parse_net_address("[2001:db8::1]:9")}};
}

const Places kPlaces{PlaceSecret{1, 2, 3}};

TEST(Places, ComeBackFromTheirUserPart) {
    const std::string user = kPlaces.to_user_part(place());
    const auto parsed = kPlaces.parse_user_part(user);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->uri, place().uri);
    EXPECT_EQ(parsed->flow, place().flow);
    const std::string uri = kPlaces.to_uri("sip:192.0.2.1:5062;transport=tcp", place());
    EXPECT_EQ(uri, "sip:" + user + "@192.0.2.1:5062;transport=tcp");
    EXPECT_TRUE(sip::parse_uri(uri).has_value());
}

TEST(Places, TakeNoneThatIsCutForgedOrStrange) {
    const std::string user = kPlaces.to_user_part(place("sip:a@b"));
    for (std::size_t size = 0; size < user.size(); ++size)
        EXPECT_FALSE(kPlaces.parse_user_part(user.substr(0, size)).has_value()) << size;
    EXPECT_FALSE(Places(PlaceSecret{1, 2, 4}).parse_user_part(user).has_value());
    std::string forged = user;
    forged[20] = forged[20] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(kPlaces.parse_user_part(forged).has_value());
    for (const char* other : {"alice", "earshot-", "earshot-////", "earshot-%41"})
        EXPECT_FALSE(kPlaces.parse_user_part(other).has_value()) << other;
    const auto is_taken = [](const PlaceBehind& one) {
        return kPlaces.parse_user_part(kPlaces.to_user_part(one)).has_value();
    };
    EXPECT_FALSE(is_taken(place("tel:+49")));
    EXPECT_FALSE(is_taken(place("sip:a@b c")));
    EXPECT_FALSE(is_taken({"sip:a@b", {}}));
}

TEST(Places, HaveALimit) {
    const std::string uri = "sip:a@b;x=";
    const auto of_size = [&](std::size_t size) {
        return kPlaces.to_user_part(place(uri + std::string(size - uri.size(), 'x')));
    };
    EXPECT_TRUE(kPlaces.parse_user_part(of_size(kMaxContactBytes)).has_value());
    EXPECT_FALSE(kPlaces.parse_user_part(of_size(kMaxContactBytes + 1)).has_value());
}

// ---- session_id.h

TEST(SessionId, ReadsTheSendersHalf) {
    EXPECT_EQ(
        sender_uuid("AB30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2"),
        "ab30317f1a784dc48ff824d0d3715d86");
    EXPECT_EQ(sender_uuid(" ab30317f1a784dc48ff824d0d3715d86 "),  // RFC 7329's form
              "ab30317f1a784dc48ff824d0d3715d86");
    EXPECT_FALSE(sender_uuid("00000000000000000000000000000000;remote=1").has_value());
    EXPECT_FALSE(sender_uuid("ab30317f1a784dc48ff824d0d3715d8").has_value());
    EXPECT_FALSE(sender_uuid("ab30317f1a784dc48ff824d0d3715d8g").has_value());
    EXPECT_FALSE(sender_uuid("").has_value());
}

TEST(SessionId, MakesAVersion4Uuid) {  // RFC 7989 §4.1
    base::SeededRandom random(1);
    const std::string uuid = make_session_uuid(random);
    EXPECT_EQ(uuid.size(), 32U);
    EXPECT_EQ(uuid[12], '4');
    EXPECT_EQ(session_id(uuid, ""), uuid + ";remote=00000000000000000000000000000000");
}

// ---- hold.h

TEST(Hold, IsReadFromBothSidesOfAnExchange) {
    const auto line = [](const char* direction) { return sdp_of("192.0.2.9", 4000, direction); };
    EXPECT_EQ(offerer_holds(line("sendrecv")), false);
    EXPECT_EQ(offerer_holds(line("recvonly")), false);
    EXPECT_EQ(offerer_holds(line("sendonly")), true);
    EXPECT_EQ(offerer_holds(line("inactive")), true);
    EXPECT_EQ(offerer_holds(sdp_of("0.0.0.0", 4000)), true);  // the old form, RFC 3264 §8.4
    EXPECT_EQ(offerer_holds(sdp_of("192.0.2.9", 0)), std::nullopt);
    EXPECT_EQ(offerer_holds("no sdp"), std::nullopt);
    EXPECT_EQ(answerer_holds(line("sendrecv"), line("sendrecv")), false);
    EXPECT_EQ(answerer_holds(line("sendrecv"), line("sendonly")), true);
    EXPECT_EQ(answerer_holds(line("sendonly"), line("recvonly")), false);
    EXPECT_EQ(answerer_holds(line("sendonly"), line("inactive")), true);
    EXPECT_EQ(answerer_holds(line("inactive"), line("inactive")), std::nullopt);
    EXPECT_EQ(answerer_holds(line("recvonly"), line("sendonly")), std::nullopt);
}

// ---- passing.h

TEST(Passing, TakesTheTagAloneOffAnAddress) {
    EXPECT_EQ(without_tag("<sip:a@x>;tag=1"), "<sip:a@x>");
    EXPECT_EQ(without_tag("<sip:a@x;tag=9>;a=\"x;tag=2\";TAG = 1;b"),
              "<sip:a@x;tag=9>;a=\"x;tag=2\";b");
    EXPECT_EQ(without_tag("sip:a@x;tag=1;b=2"), "sip:a@x;b=2");
    EXPECT_EQ(without_tag("\"A\" <sip:a@x>"), "\"A\" <sip:a@x>");
    EXPECT_EQ(without_tag(""), "");
}

sip::Message message_of(const std::string& more, const std::string& body = "") {
    return sip::parse_message(
               std::string_view("INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n"
                                "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\n"
                                "CSeq: 1 INVITE\r\n" +
                                more + "Content-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body))
        .message;
}

TEST(Passing, CountsHops) {
    EXPECT_EQ(next_max_forwards(message_of("")), kMaxForwards);
    EXPECT_EQ(next_max_forwards(message_of("Max-Forwards: 70\r\n")), 69U);
    EXPECT_EQ(next_max_forwards(message_of("Max-Forwards: 1\r\n")), 0U);
    EXPECT_EQ(next_max_forwards(message_of("Max-Forwards: 0\r\n")), std::nullopt);
    EXPECT_EQ(next_max_forwards(message_of("Max-Forwards: 4000000000\r\n")), kMaxForwards);
    EXPECT_EQ(next_max_forwards(message_of("Max-Forwards: x\r\n")), kMaxForwards);
}

TEST(Passing, FindsTheDescriptionOfTheSessionAlone) {
    const std::string multipart =
        "--b\r\nContent-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=1\r\n"
        "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n";
    const sip::Message message =
        message_of("Content-Type: multipart/mixed;boundary=b\r\n", multipart);
    Content content = content_of(message);
    const auto at = find_sdp(message, content);
    ASSERT_TRUE(at.has_value());
    EXPECT_EQ(sdp_at(content, *at), "v=0");
    replace_sdp(content, *at, "v=longer");
    EXPECT_THAT(content.body, testing::HasSubstr("\r\n\r\nv=longer\r\n--b--"));
    const sip::Message text = message_of("Content-Type: text/plain\r\n", "v=0\r\n");
    EXPECT_FALSE(find_sdp(text, content_of(text)).has_value());
    const sip::Message broken = message_of("Content-Type: multipart/mixed;boundary=b\r\n", "x");
    EXPECT_FALSE(find_sdp(broken, content_of(broken)).has_value());
}

}  // namespace
}  // namespace earshot::b2bua
