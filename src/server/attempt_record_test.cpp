#include "server/attempt_record.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace earshot::server {
namespace {

std::optional<catalog::Attempt> parse(std::string_view text) {
    return parse_attempt_record(base::as_bytes(text));
}

TEST(AttemptRecord, IsReadAsItWasWritten) {
    for (const bool is_ours : {false, true}) {
        const catalog::Attempt attempt{.id = "0199c0de-0000-7000-8000-000000000001",
                                       .recording_id = "0199c0de-0000-7000-8000-000000000002",
                                       .time = base::wall_from_ns(1'772'442'901'000'000'000),
                                       .call_id = "c1",
                                       .from = "<sip:a@x>",
                                       .to = "\"R\" <sip:r@y>",
                                       .peer = "192.0.2.1:5060",
                                       .transport = "udp",
                                       .headers = "{}",
                                       .is_ours = is_ours};
        const auto read = parse(to_record(attempt));
        ASSERT_TRUE(read);
        EXPECT_EQ(to_record(*read), to_record(attempt));
        EXPECT_EQ(read->is_ours, is_ours);
        EXPECT_EQ(read->time, attempt.time);
        EXPECT_EQ(read->recording_id, attempt.recording_id);
    }
}

TEST(AttemptRecord, OfAnOlderJournalTellsWhoseItWas) {
    std::string text = to_record({.id = "1", .is_ours = true});
    const std::string field = R"(,"is_ours":true)";
    const std::size_t at = text.find(field);
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, field.size(), R"(,"is_ours":1)");
    EXPECT_TRUE(parse(text)->is_ours);
    text.erase(at, text.size() - at - 1);
    EXPECT_FALSE(parse(text)->is_ours);
}

TEST(AttemptRecord, ThatIsTruncatedOrHasNoIdIsNone) {
    const std::string text = to_record({.id = "1"});
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(parse(std::string_view(text).substr(0, size))) << size;
    EXPECT_FALSE(parse(to_record({})));
}

}  // namespace
}  // namespace earshot::server
