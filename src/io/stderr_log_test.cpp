#include "io/stderr_log.h"

#include <gtest/gtest.h>

namespace earshot::io {
namespace {

using base::LogLevel;
constexpr std::string_view kTime = "2026-03-02T09:15:00.120Z";

TEST(LogLine, IsTextWithFields) {
    EXPECT_EQ(format_text_line(kTime, LogLevel::Info, "Call recorded", {{"call_id", "abc@host"}}),
              "2026-03-02T09:15:00.120Z info    Call recorded call_id=abc@host");
}

TEST(LogLine, QuotesWhatCouldBeMisread) {
    EXPECT_EQ(format_text_line(kTime, LogLevel::Error, "x\ny", {{"a", "b c"}, {"d", ""}}),
              "2026-03-02T09:15:00.120Z error   x\\ny a=\"b c\" d=\"\"");
    EXPECT_EQ(format_text_line(kTime, LogLevel::Error, "x", {{"a", "1\x1b[2J level=info"}}),
              "2026-03-02T09:15:00.120Z error   x a=\"1\\u001b[2J level=info\"");
}

TEST(LogLine, IsOneJsonObjectWhateverPeersSend) {
    EXPECT_EQ(format_json_line(kTime, LogLevel::Warning, "a \"b\"\\\n",
                               {{"peer", "1\t\x01"}, {"name", "\xff\xc3\xa9"}}),
              "{\"time\":\"2026-03-02T09:15:00.120Z\",\"level\":\"warning\","
              "\"message\":\"a \\\"b\\\"\\\\\\n\",\"peer\":\"1\\t\\u0001\","
              "\"name\":\"\xef\xbf\xbd\xc3\xa9\"}");
}

TEST(StderrLog, WritesWhatWaitsBeforeItEndsAndObeysItsLevel) {
    testing::internal::CaptureStderr();
    {
        StderrLog log({.level = LogLevel::Warning, .format = LogFormat::Json});
        log.info("not shown");
        log.warning("shown");
        log.set_level(LogLevel::Debug);
        log.debug("shown too", {{"key", "value"}});
        EXPECT_EQ(log.dropped_lines(), 0U);
    }
    const std::string written = testing::internal::GetCapturedStderr();
    EXPECT_EQ(written.find("not shown"), std::string::npos);
    EXPECT_NE(written.find("\"message\":\"shown\"}\n"), std::string::npos);
    EXPECT_NE(written.find("\"message\":\"shown too\",\"key\":\"value\"}\n"), std::string::npos);
}

}  // namespace
}  // namespace earshot::io
