// The decoders, and the child that has them, as it is run and after it died.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opus.h>

#include <cmath>
#include <csignal>
#include <numbers>
#include <random>

#include "opus/decoders.h"
#include "voice/decoder_child.h"
#include "voice/records.h"

namespace earshot::opus {
namespace {

using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;
using testing::Lt;
using voice::Record;
using voice::RecordKind;

constexpr std::size_t kTick = 320;

// A tone in Opus, 20 ms a packet.
class Voice {
public:
    explicit Voice(double hz, int channels = 1) : hz_(hz), channels_(channels) {
        int error = 0;
        encoder_ = ::opus_encoder_create(48'000, channels, OPUS_APPLICATION_VOIP, &error);
        ::opus_encoder_ctl(encoder_, OPUS_SET_INBAND_FEC(1));
        ::opus_encoder_ctl(encoder_, OPUS_SET_PACKET_LOSS_PERC(20));
        ::opus_encoder_ctl(encoder_, OPUS_SET_BITRATE(24'000));
    }
    ~Voice() { ::opus_encoder_destroy(encoder_); }
    Voice(const Voice&) = delete;
    Voice& operator=(const Voice&) = delete;

    base::Bytes next() {
        std::vector<std::int16_t> samples;
        for (int i = 0; i < 960; ++i, ++said_)
            for (int c = 0; c < channels_; ++c)
                samples.push_back(static_cast<std::int16_t>(
                    8000 *
                    std::sin(2 * std::numbers::pi * hz_ * static_cast<double>(said_) / 48'000)));
        base::Bytes packet(1500);
        const auto size = ::opus_encode(encoder_, samples.data(), 960, packet.data(), 1500);
        packet.resize(static_cast<std::size_t>(size));
        return packet;
    }

private:
    double hz_;
    int channels_;
    OpusEncoder* encoder_ = nullptr;
    std::size_t said_ = 0;
};

double amplitude_of(std::span<const std::int16_t> samples, double hz) {
    double real = 0;
    double imaginary = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / 16'000;
        real += samples[i] * std::cos(phase);
        imaginary += samples[i] * std::sin(phase);
    }
    return 2 * std::hypot(real, imaginary) / static_cast<double>(samples.size());
}

struct Answer {
    RecordKind kind;
    std::uint64_t ticket;
    std::vector<std::int16_t> samples;
};

Answer to_answer(const Record& record) {
    Answer answer{.kind = record.kind, .ticket = record.ticket, .samples = {}};
    voice::read_samples(record.body, answer.samples);
    return answer;
}

class DecodersTest : public testing::Test {
protected:
    std::vector<Answer> ask(std::vector<Record> records) {
        base::Bytes message;
        for (const Record& record : records) voice::append_record(record, message);
        std::vector<Answer> answers;
        is_message_ = decoders_.on_message(message, [&](base::ByteView out) {
            EXPECT_LE(out.size(), voice::kMaxMessageBytes);
            while (const auto answer = voice::take_record(out))
                answers.push_back(to_answer(*answer));
            EXPECT_TRUE(out.empty());
        });
        return answers;
    }
    Record packet(const base::Bytes& bytes, std::uint64_t member = 1) const {
        return {.kind = RecordKind::Decode,
                .samples = kTick,
                .stream = 1,
                .ticket = 7,
                .room = 1,
                .member = member,
                .body = bytes};
    }
    Decoders decoders_;
    bool is_message_ = true;
};

TEST_F(DecodersTest, DecodeATone) {
    Voice voice(1000);
    std::vector<std::int16_t> heard;
    for (int i = 0; i < 50; ++i) {
        const base::Bytes bytes = voice.next();
        const auto answers = ask({packet(bytes)});
        ASSERT_EQ(answers.size(), 1U);
        EXPECT_EQ(answers[0].kind, RecordKind::Decoded);
        EXPECT_EQ(answers[0].ticket, 7U);
        EXPECT_EQ(answers[0].samples.size(), kTick);
        if (i >= 25)
            heard.insert(heard.end(), answers[0].samples.begin(), answers[0].samples.end());
    }
    EXPECT_NEAR(amplitude_of(heard, 1000), 8000, 800);
}

TEST_F(DecodersTest, StereoIsHeardAsOne) {
    Voice voice(700, 2);
    std::vector<std::int16_t> heard;
    for (int i = 0; i < 50; ++i) {
        const base::Bytes bytes = voice.next();
        const auto answers = ask({packet(bytes)});
        ASSERT_EQ(answers.size(), 1U);
        if (i >= 25)
            heard.insert(heard.end(), answers[0].samples.begin(), answers[0].samples.end());
    }
    EXPECT_NEAR(amplitude_of(heard, 700), 8000, 800);
}

// What the next packet tells of the lost one is nearer to it than what a decoder makes up.
TEST_F(DecodersTest, ALostPacketIsRepairedByTheNext) {
    Voice voice(440);
    for (int i = 0; i < 25; ++i) {
        const base::Bytes bytes = voice.next();
        ask({packet(bytes)});
    }
    const base::Bytes lost = voice.next();
    const base::Bytes next = voice.next();
    Record repair = packet(next);
    repair.kind = RecordKind::Repair;
    const auto answers = ask({repair, packet(next)});
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers[0].kind, RecordKind::Decoded);
    EXPECT_EQ(answers[0].samples.size(), kTick);
    EXPECT_THAT(amplitude_of(answers[0].samples, 440), Gt(3000));
    EXPECT_THAT(amplitude_of(answers[1].samples, 440), Gt(3000));
}

TEST_F(DecodersTest, WhatIsLostIsConcealedAndFades) {
    Voice voice(440);
    for (int i = 0; i < 25; ++i) {
        const base::Bytes bytes = voice.next();
        ask({packet(bytes)});
    }
    const Record conceal{
        .kind = RecordKind::Conceal, .samples = kTick, .stream = 1, .room = 1, .member = 1};
    EXPECT_THAT(amplitude_of(ask({conceal}).at(0).samples, 440), Gt(2000));
    for (int i = 0; i < 20; ++i) ask({conceal});
    EXPECT_THAT(amplitude_of(ask({conceal}).at(0).samples, 440), Lt(500));
}

// RFC 6716 section 3.4: what a packet must not be.
TEST_F(DecodersTest, WhatIsNoOpusIsConcealedAndKillsNobody) {
    const std::vector<base::Bytes> bad{{},            // nothing
                                       {0xff},        // three or more frames, without their count
                                       {0xff, 0},     // none of them
                                       {0xff, 0x3f},  // 63 of 20 ms
                                       {0x79, 1},    // two of one length in an odd number of octets
                                       {0x7a, 252},  // the length of the first is cut
                                       {0x7a, 200, 1},           // longer than the packet
                                       {0x7b, 0xc1, 255},        // padding without end
                                       base::Bytes(1277, 0x78),  // a frame has 1,275 octets at most
                                       base::Bytes(voice::kMaxPacketBytes, 0xff),
                                       base::Bytes(voice::kMaxPacketBytes, 0x78)};
    std::vector<Record> records;
    for (const base::Bytes& bytes : bad) records.push_back(packet(bytes));
    const auto answers = ask(records);
    EXPECT_TRUE(is_message_);
    ASSERT_EQ(answers.size(), bad.size());
    for (std::size_t i = 0; i < bad.size(); ++i) {
        EXPECT_EQ(answers[i].kind, RecordKind::Concealed) << i;
        EXPECT_EQ(answers[i].samples.size(), kTick) << i;
    }
    Voice voice(1000);
    for (int i = 0; i < 30; ++i) {
        const base::Bytes bytes = voice.next();
        const auto good = ask({packet(bytes)});
        ASSERT_EQ(good.size(), 1U);
        if (i == 29) {
            EXPECT_THAT(amplitude_of(good[0].samples, 1000), Gt(6000));
        }
    }
}

TEST_F(DecodersTest, AnyOctetsAreSafe) {
    std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same each time
    for (int i = 0; i < 2'000; ++i) {
        base::Bytes bytes(random() % 300);
        for (std::uint8_t& octet : bytes) octet = static_cast<std::uint8_t>(random());
        Record record = packet(bytes, 1 + random() % 3);
        record.samples = static_cast<std::uint16_t>(random() % (voice::kMaxSamples + 1));
        record.kind = static_cast<RecordKind>(1 + random() % 3);
        const auto answers = ask({record});
        ASSERT_EQ(answers.size(), 1U);
        ASSERT_LE(answers[0].samples.size(), voice::kMaxSamples);
    }
}

TEST_F(DecodersTest, AMemberIsForgottenAloneOrWithItsRoom) {
    Voice voice(500);
    const base::Bytes bytes = voice.next();
    ask({packet(bytes, 1), packet(bytes, 2), packet(bytes, 3)});
    EXPECT_EQ(decoders_.size(), 3U);
    ask({{.kind = RecordKind::Forget, .room = 1, .member = 2}});
    EXPECT_EQ(decoders_.size(), 2U);
    ask({{.kind = RecordKind::Forget, .room = 2, .member = 0}});
    EXPECT_EQ(decoders_.size(), 2U);
    ask({{.kind = RecordKind::Forget, .room = 1, .member = 0}});
    EXPECT_EQ(decoders_.size(), 0U);
}

TEST_F(DecodersTest, WhatIsNoMessageIsSaid) {
    EXPECT_THAT(ask({{.kind = RecordKind::Decoded}}), IsEmpty());
    EXPECT_FALSE(is_message_);
    const base::Bytes cut(voice::kRecordHeaderBytes - 1, 1);
    EXPECT_FALSE(decoders_.on_message(cut, [](base::ByteView) { FAIL(); }));
}

// ---- the child ----------------------------------------------------------------------------------

class ChildTest : public testing::Test {
protected:
    using Milliseconds = std::chrono::milliseconds;

    // Asks, and waits for so many answers.
    std::vector<Answer> ask(const std::vector<Record>& records, std::size_t expected) {
        for (const Record& record : records) child_.ask(record, now_);
        child_.flush(now_);
        return answers(expected);
    }
    std::vector<Answer> answers(std::size_t expected) {
        std::vector<Answer> got;
        for (int i = 0; i < 500 && got.size() < expected && child_.owes(); ++i) {
            child_.wait(Milliseconds{20});
            child_.read(now_, [&](const Record& record) { got.push_back(to_answer(record)); });
        }
        return got;
    }
    Record packet(const base::Bytes& bytes, std::uint64_t ticket) const {
        return {.kind = RecordKind::Decode,
                .samples = kTick,
                .stream = 1,
                .ticket = ticket,
                .room = 1,
                .member = 1,
                .body = bytes};
    }

    base::TimePoint now_{std::chrono::seconds{100}};
    voice::DecoderChild child_{{.program = EARSHOT_OPUS_BINARY}};
};

TEST_F(ChildTest, DecodesBehindItsSandbox) {
    Voice voice(1000);
    std::vector<base::Bytes> packets;
    std::vector<Record> records;
    for (int i = 0; i < 100; ++i) packets.push_back(voice.next());
    for (std::size_t i = 0; i < packets.size(); ++i) records.push_back(packet(packets[i], i));
    const auto got = ask(records, 100);
    ASSERT_EQ(got.size(), 100U);
    std::vector<std::int16_t> heard;
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].ticket, i);
        if (i >= 50) heard.insert(heard.end(), got[i].samples.begin(), got[i].samples.end());
    }
    EXPECT_NEAR(amplitude_of(heard, 1000), 8000, 800);
    EXPECT_FALSE(child_.owes());
    EXPECT_EQ(child_.counters().asked, 100U);
    EXPECT_EQ(child_.counters().answered, 100U);
    EXPECT_EQ(child_.counters().starts, 1U);
    EXPECT_EQ(child_.take_fault(), std::nullopt);
}

TEST_F(ChildTest, OneThatDiesIsStartedAgainAndTold) {
    Voice voice(1000);
    const base::Bytes bytes = voice.next();
    ASSERT_EQ(ask({packet(bytes, 1)}, 1).size(), 1U);
    ::kill(child_.pid(), SIGKILL);
    while (child_.is_running()) {  // its end is seen when it is read
        child_.ask(packet(bytes, 2), now_);
        child_.flush(now_);
        child_.wait(Milliseconds{20});
        child_.read(now_, [](const Record&) {});
    }
    const auto fault = child_.take_fault();
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->code, "decoder_crashed");
    // Not at once: who kills it with each packet costs one start in a second.
    child_.ask(packet(bytes, 3), now_);
    child_.flush(now_);
    EXPECT_FALSE(child_.is_running());
    EXPECT_THAT(child_.counters().lost, Gt(0U));
    now_ += std::chrono::seconds{1};
    ASSERT_EQ(ask({packet(bytes, 4)}, 1).size(), 1U);
    EXPECT_EQ(child_.counters().starts, 2U);
    EXPECT_EQ(child_.take_fault(), std::nullopt);
}

TEST_F(ChildTest, OneThatDoesNotAnswerIsEnded) {
    Voice voice(1000);
    const base::Bytes bytes = voice.next();
    ASSERT_EQ(ask({packet(bytes, 1)}, 1).size(), 1U);
    ::kill(child_.pid(), SIGSTOP);
    child_.ask(packet(bytes, 2), now_);
    child_.flush(now_);
    child_.read(now_ + Milliseconds{1'000}, [](const Record&) { FAIL(); });
    EXPECT_TRUE(child_.is_running());
    child_.read(now_ + Milliseconds{1'001}, [](const Record&) { FAIL(); });
    EXPECT_FALSE(child_.is_running());
    EXPECT_EQ(child_.take_fault()->code, "decoder_stalled");
    EXPECT_EQ(child_.counters().lost, 1U);
}

TEST_F(ChildTest, OneThatIsBehindLosesWhatIsAskedAndBlocksNobody) {
    Voice voice(1000);
    const base::Bytes bytes = voice.next();
    child_.start(now_);
    ::kill(child_.pid(), SIGSTOP);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        child_.ask(packet(bytes, i), now_);
        child_.flush(now_);
    }
    EXPECT_THAT(child_.counters().lost, Gt(1000U));
    const std::uint64_t expected = child_.counters().asked - child_.counters().lost;
    ::kill(child_.pid(), SIGCONT);
    EXPECT_EQ(answers(expected).size(), expected);
}

TEST_F(ChildTest, AProgramThatIsNotThereIsSaid) {
    EXPECT_TRUE(voice::DecoderChild::is_there(EARSHOT_OPUS_BINARY));
    EXPECT_FALSE(voice::DecoderChild::is_there("/nonexistent/earshot-opus"));
    EXPECT_FALSE(voice::DecoderChild::is_there(""));
    voice::DecoderChild none({.program = "/nonexistent/earshot-opus"});
    none.start(now_);
    EXPECT_FALSE(none.is_running());
    EXPECT_EQ(none.take_fault()->code, "decoder_missing");
}

TEST_F(ChildTest, WhatItSaysIsNotBelieved) {
    // A child that echoes what it is asked: no answers.
    voice::DecoderChild echo({.program = "/bin/cat"});
    Voice voice(1000);
    const base::Bytes bytes = voice.next();
    echo.ask(packet(bytes, 1), now_);
    echo.flush(now_);
    for (int i = 0; i < 500 && echo.is_running(); ++i) {
        echo.wait(Milliseconds{20});
        echo.read(now_, [](const Record&) { FAIL(); });
    }
    EXPECT_EQ(echo.take_fault()->code, "decoder_crashed");
}

TEST(VoiceRecords, AreTakenOffOneByOne) {
    const base::Bytes body{1, 2, 3, 4};
    base::Bytes message;
    voice::append_record({.kind = RecordKind::Repair,
                          .samples = 320,
                          .stream = 5,
                          .ticket = 6,
                          .room = 7,
                          .member = 8,
                          .body = body},
                         message);
    voice::append_record({.kind = RecordKind::Conceal, .samples = voice::kMaxSamples}, message);
    base::ByteView rest(message);
    const auto first = voice::take_record(rest);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->kind, RecordKind::Repair);
    EXPECT_EQ(first->samples, 320);
    EXPECT_EQ(first->stream, 5U);
    EXPECT_EQ(first->ticket, 6U);
    EXPECT_EQ(first->room, 7U);
    EXPECT_EQ(first->member, 8U);
    EXPECT_THAT(first->body, ElementsAre(1, 2, 3, 4));
    EXPECT_TRUE(voice::take_record(rest));
    EXPECT_TRUE(rest.empty());

    const auto takes = [](base::Bytes bytes) {
        base::ByteView view(bytes);
        return voice::take_record(view).has_value();
    };
    base::Bytes one(voice::kRecordHeaderBytes, 0);
    EXPECT_FALSE(takes(one));  // no such kind
    one[0] = 2;
    EXPECT_TRUE(takes(one));
    one[4] = 1;  // an octet that is not there
    EXPECT_FALSE(takes(one));
    one[4] = 0;
    one[2] = static_cast<std::uint8_t>((voice::kMaxSamples + 1) & 0xffU);
    one[3] = static_cast<std::uint8_t>((voice::kMaxSamples + 1) >> 8U);
    EXPECT_FALSE(takes(one));
    base::Bytes largest;
    const base::Bytes full(voice::kMaxBodyBytes, 1);
    voice::append_record({.body = full}, largest);
    EXPECT_TRUE(takes(largest));
    const base::Bytes more(voice::kMaxBodyBytes + 1, 1);
    largest.clear();
    voice::append_record({.body = more}, largest);
    EXPECT_FALSE(takes(largest));
}

}  // namespace
}  // namespace earshot::opus
