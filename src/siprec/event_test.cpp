#include "siprec/event.h"

#include <gtest/gtest.h>

namespace earshot::siprec {
namespace {

TEST(Event, WritesEachKindOfField) {
    const Event event = make_event("some_type", 3,
                                   {{"text", std::string{"a"}},
                                    {"number", std::int64_t{-42}},
                                    {"truth", true},
                                    {"list", std::vector<std::string>{"x", "y"}},
                                    {"none", std::vector<std::string>{}}});
    EXPECT_EQ(event.type, "some_type");
    EXPECT_EQ(event.stream, 3);
    EXPECT_EQ(event.json, R"({"type":"some_type","stream":3,"text":"a","number":-42,"truth":true,)"
                          R"("list":["x","y"],"none":[]})");
}

TEST(Event, WithoutAStreamHasNoneInTheJson) {
    EXPECT_EQ(make_event("t", kNoStream).json, R"({"type":"t"})");
}

// RFC 8259 section 7. A slash stays as it is.
TEST(Event, EscapesWhatJsonNeedsEscaped) {
    const std::string text{"\"\\/\b\f\n\r\t\x01\x1f\x7f\0z", 13};
    EXPECT_EQ(
        make_event("t", kNoStream, {{"x", text}}).json,
        "{\"type\":\"t\",\"x\":\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\\u001f\\u007f\\u0000z\"}");
}

TEST(Event, KeepsUtf8AndReplacesWhatIsNone) {
    const Event event = make_event("t", kNoStream, {{"x", std::string{"J\xc3\xb6rg\xff."}}});
    EXPECT_EQ(event.json, "{\"type\":\"t\",\"x\":\"J\xc3\xb6rg\xef\xbf\xbd.\"}");
}

// After a text that ends in a bracket the next field needs its comma all the same.
TEST(Event, SeparatesFieldsWhateverTheTextsHold) {
    const Event event = make_event(
        "t", kNoStream, {{"a", std::string{"["}}, {"b", std::string{"{"}}, {"c", false}});
    EXPECT_EQ(event.json, R"({"type":"t","a":"[","b":"{","c":false})");
}

TEST(Event, TellsAllOfAStream) {
    StreamFacts facts;
    facts.stream = 1;
    facts.label = "2";
    facts.protocol = "RTP/AVP";
    facts.direction = "sendonly";
    facts.peer_rtp = *base::parse_net_address("192.0.2.9:20000");
    facts.payload_types = {{0, "PCMU", 8000, 1, ""}, {101, "telephone-event", 8000, 1, "0-15"}};
    EXPECT_EQ(make_stream_event("stream_added", facts, 10002).json,
              R"({"type":"stream_added","stream":1,"label":"2","media":"audio",)"
              R"("protocol":"RTP/AVP","direction":"sendonly","paused":false,"local_port":10002,)"
              R"("peer_address":"192.0.2.9:20000","payload_types":[)"
              R"({"pt":0,"encoding":"PCMU","clock_rate":8000,"channels":1,"fmtp":""},)"
              R"({"pt":101,"encoding":"telephone-event","clock_rate":8000,"channels":1,)"
              R"("fmtp":"0-15"}]})");
}

}  // namespace
}  // namespace earshot::siprec
