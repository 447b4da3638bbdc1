// What cannot be a call is said before anything is sent.
#include <gtest/gtest.h>

#include "loadgen/call_client.h"
#include "loadgen/phone_client.h"

namespace earshot::loadgen {
namespace {

std::string refusal(const CallOptions& options) {
    base::NullLog log;
    const std::atomic<bool> stop{true};
    const auto run = run_calls(options, log, {}, stop);
    return run ? "" : run.error().code;
}

std::string refusal(const PhoneOptions& options) {
    base::NullLog log;
    const std::atomic<bool> stop{true};
    const auto run = run_phones(options, log, {}, stop);
    return run ? "" : run.error().code;
}

TEST(Options, ACallWithoutVoiceNeedsSomethingElseFromItsBeginningOn) {
    CallOptions options;
    options.to = "sip:rec@127.0.0.1:9";
    options.has_audio = false;
    EXPECT_EQ(refusal(options), "no_media");
    options.share = Sharing::Screen;
    options.share_at = std::chrono::milliseconds{1000};
    EXPECT_EQ(refusal(options), "no_media");
    PhoneOptions phones;
    phones.has_audio = false;
    EXPECT_EQ(refusal(phones), "no_media");
}

TEST(Options, SharingBeginsWithinTheCall) {
    CallOptions options;
    options.to = "sip:rec@127.0.0.1:9";
    options.share_at = std::chrono::milliseconds{1000};
    EXPECT_EQ(refusal(options), "bad_share");
    options.share = Sharing::Screen;
    options.share_at = options.duration;
    EXPECT_EQ(refusal(options), "bad_share");
}

TEST(Options, APhoneThatRecordsItselfHasAVoiceAndNothingElse) {
    PhoneOptions options;
    options.record_to = "sip:rec@127.0.0.1:9";
    options.chat.has_chat = true;
    EXPECT_EQ(refusal(options), "bad_recording");
    options.chat.has_chat = false;
    options.share = Sharing::Document;
    EXPECT_EQ(refusal(options), "bad_recording");
}

TEST(Options, FilesThatCannotBeReadAreNamed) {
    CallOptions options;
    options.to = "sip:rec@127.0.0.1:9";
    options.chat.file_path = "/nowhere/offer.pdf";
    EXPECT_EQ(refusal(options), "bad_chat_file");
    options.chat.file_path.clear();
    options.chat.has_chat = true;
    options.chat.lines_path = "/nowhere/talk.txt";
    EXPECT_EQ(refusal(options), "bad_chat_lines");
    PhoneOptions room;
    room.is_conference = true;
    room.to = "sip:conf-1@127.0.0.1:9";
    room.chat.file_path = "/nowhere/offer.pdf";
    EXPECT_EQ(refusal(room), "bad_chat_file");
}

}  // namespace
}  // namespace earshot::loadgen
