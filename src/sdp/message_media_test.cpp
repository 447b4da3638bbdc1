#include "sdp/message_media.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::sdp {
namespace {

using testing::ElementsAre;

TEST(MessageMedia, IsReadAsItWasWritten) {
    const auto sdp = KeptDescription::parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        "m=message 7654 TCP/TLS/MSRP *\r\n"
        "a=path:msrps://relay.example:9000/h;tcp msrps://192.0.2.10:7654/jshA7;tcp\r\n"
        "a=setup:actpass\r\na=accept-types:message/cpim text/plain\r\n"
        "a=accept-wrapped-types:*\r\na=max-size:50000\r\na=msrp-cema\r\n"
        "a=chatroom:nickname private-messages\r\n");
    ASSERT_TRUE(sdp);
    ASSERT_TRUE(is_message_media((*sdp)->media[0]));
    const MessageMedia media = message_media_of(**sdp, (*sdp)->media[0]);
    EXPECT_TRUE(media.is_secure);
    EXPECT_EQ(media.path, "msrps://relay.example:9000/h;tcp msrps://192.0.2.10:7654/jshA7;tcp");
    EXPECT_EQ(media.setup, Setup::ActPass);
    EXPECT_EQ(media.accept_types, "message/cpim text/plain");
    EXPECT_EQ(media.accept_wrapped_types, "*");
    EXPECT_EQ(media.max_size, 50000U);
    EXPECT_TRUE(media.has_cema);
    EXPECT_EQ(media.chatroom, "nickname private-messages");
    EXPECT_TRUE(media.file_selector.empty());
}

TEST(FileSelector, ExampleFromRfc5547Section9_1) {
    const FileSelector file = parse_file_selector(
        "name:\"My cool picture.jpg\" type:image/jpeg size:4092 "
        "hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E");
    EXPECT_EQ(file.name, "My cool picture.jpg");
    EXPECT_EQ(file.type, "image/jpeg");
    EXPECT_EQ(file.size, 4092U);
    EXPECT_THAT(file.hashes,
                ElementsAre(FileSelector::Hash{
                    "sha-1", "72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E"}));
}

TEST(FileSelector, EscapesOfANameAreUndoneAndNoneIsAPath) {
    EXPECT_EQ(parse_file_selector("name:\"a%22b%0Ac\"").name, "a\"b\nc");
    EXPECT_EQ(parse_file_selector("name:\"100%\"").name, "100%");
    EXPECT_EQ(parse_file_selector("name:\"..%2F..%2Fetc%2Fpasswd\"").name, "../../etc/passwd");
}

TEST(FileSelector, WhatCannotBeReadIsPassedOver) {
    for (const char* text : {"", " ", "name", "name:", "name:\"open", "name:\"x\\", "size:-1",
                             "size:99999999999999999999", "hash:", "::::", "\"\"\""})
        EXPECT_FALSE(parse_file_selector(text).size) << text;
    EXPECT_EQ(parse_file_selector("odd:1 size:7 name:bare").size, 7U);
}

TEST(FileSelector, AnAnswerRepeatsAllButTheHashes) {
    EXPECT_EQ(selector_without_hashes("hash:sha-1:AA name:\"a b\" hash:sha-256:BB size:1"),
              "name:\"a b\" size:1");
}

}  // namespace
}  // namespace earshot::sdp
