#include "chat/replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chat/chat_test_rig.h"

namespace earshot::chat {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

msrp::Head request(const std::string& method, msrp::FailureReport wish = msrp::FailureReport::Yes) {
    msrp::Head head;
    head.transaction = "tid1abcd";
    head.method = method;
    head.to_path = {uri("msrp://us:1/u;tcp")};
    head.from_path = {uri("msrp://relay:1/r;tcp"), uri("msrp://them:1/t;tcp")};
    head.message_id = "msg00001";
    head.failure_report = wish;
    return head;
}

// RFC 4975 section 7.2.
TEST(Replies, AreGivenAsTheRequestWishes) {
    using Wish = msrp::FailureReport;
    EXPECT_TRUE(answer_to(request("SEND"), kOk, "OK"));
    EXPECT_TRUE(answer_to(request("NICKNAME"), kBadNickname, "No"));
    EXPECT_FALSE(answer_to(request("REPORT"), kNoSession, "No"));
    EXPECT_FALSE(answer_to(request("SEND", Wish::No), kNoSession, "No"));
    EXPECT_FALSE(answer_to(request("SEND", Wish::Partial), kOk, "OK"));
    EXPECT_TRUE(answer_to(request("SEND", Wish::Partial), kTooLarge, "No"));
    msrp::Head response = request({});
    response.status = kOk;
    EXPECT_FALSE(answer_to(response, kOk, "OK"));
    msrp::Head lost = request("SEND");
    lost.from_path.clear();
    EXPECT_FALSE(answer_to(lost, kBad, "No"));
}

// An answer goes to the hop before, a report the whole way back.
TEST(Replies, GoBackAsFarAsTheyAreMeant) {
    Wires wires;
    base::SeededRandom random{1};
    send_answer(wires, 1, request("SEND"), {kTooLarge, "Too large"});
    const std::string answer = wires.take(1);
    EXPECT_THAT(answer,
                StartsWith("MSRP tid1abcd 413 Too large\r\nTo-Path: msrp://relay:1/r;tcp\r\n"));
    send_success_report(wires, random, 1, request("SEND"), 7);
    const std::string report = wires.take(1);
    EXPECT_THAT(report,
                HasSubstr(" REPORT\r\nTo-Path: msrp://relay:1/r;tcp msrp://them:1/t;tcp\r\n"));
    EXPECT_THAT(report, HasSubstr("Byte-Range: 1-7/7\r\n"));
    EXPECT_THAT(report, HasSubstr("Status: 000 200 OK\r\n"));
    EXPECT_THAT(wires.take(2), IsEmpty());
}

}  // namespace
}  // namespace earshot::chat
