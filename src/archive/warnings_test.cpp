// Why a call cannot be heard, told apart; the state stays what it is.
#include "archive/archive.h"
#include "archive/archive_test_rig.h"
#include "archive/summary_builder.h"

namespace earshot::archive {
namespace {

class Warnings : public ArchiveTest {
protected:
    Warnings() {
        records_.started();
        records_.stream_added(5, 0, "1");
        records_.stream_added(6, 1, "2");
    }
    // "one_sided 2, too_short": codes and labels in their order.
    std::string warnings() {
        summary_ = build();
        std::string all;
        for (const Warning& warning : summary_.warnings) {
            EXPECT_FALSE(warning.text.empty());
            all += (all.empty() ? "" : ", ") + warning.code +
                   (warning.label.empty() ? "" : " " + warning.label);
        }
        return all;
    }
    void rejected(std::string_view cause, std::uint64_t total) {
        records_.event(500, fmt::format(R"({{"type":"packets_rejected","stream":1,"cause":"{}",)"
                                        R"("total":{},"source":"203.0.113.9:4000"}})",
                                        cause, total));
    }
    // Packets of mu-law whose octets are all the same.
    static void monotone(Sender& sender, std::uint8_t octet, int packets = 50) {
        for (int i = 0; i < packets; ++i) {
            sender.raw(base::Bytes(160, octet));
            sender.silence(1);
        }
    }

    Summary summary_;
};

TEST_F(Warnings, ThereAreNoneWhenBothAreHeard) {
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    a.packets(50);
    b.packets(50);
    records_.ended(2000);
    EXPECT_EQ(warnings(), "");
    EXPECT_EQ(summary_.state, State::Complete);
}

TEST_F(Warnings, NoRtpAtAllIsNoMedia) {
    records_.ended(5000);
    EXPECT_EQ(warnings(), "no_media");
    EXPECT_EQ(summary_.state, State::Failed);
}

TEST_F(Warnings, OneSidedNamesTheLabelThatHadNone) {
    Sender a{.records = records_, .stream = 0};
    a.packets(50);
    records_.ended(3000);
    EXPECT_EQ(warnings(), "one_sided 2");
    EXPECT_EQ(summary_.state, State::Partial);
    EXPECT_EQ(summary_.reason->code, "stream_without_media");
}

// A shared screen that could not be recorded, a camera that is broken: the call is whole without.
TEST_F(Warnings, AVideoThatBroughtNothingIsToldAndTextIsNot) {
    records_.stream_added(7, 2, "3", RecordList::kUsualFormats, "video");
    records_.stream_added(8, 3, "4", RecordList::kUsualFormats, "text");
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    a.packets(50);
    b.packets(50);
    records_.ended(3000);
    EXPECT_EQ(warnings(), "one_sided 3");
    EXPECT_EQ(summary_.state, State::Complete);
}

TEST_F(Warnings, AStreamThatNeedNotSendIsNotMissed) {
    records_.event(7, R"({"type":"stream_paused","stream":1})");
    Sender a{.records = records_, .stream = 0};
    a.packets(50);
    records_.ended(3000);
    EXPECT_EQ(warnings(), "");
}

TEST_F(Warnings, PacketsOfAStrangerAloneAreAWrongSourceAndSayWhere) {
    Sender a{.records = records_, .stream = 0};
    a.packets(50);
    rejected("ssrc", 7);
    rejected("source", 312);
    records_.ended(3000);
    EXPECT_EQ(warnings(), "wrong_source 2, one_sided 2");
    EXPECT_NE(summary_.warnings[0].text.find("203.0.113.9:4000 (312"), std::string::npos)
        << summary_.warnings[0].text;
}

TEST_F(Warnings, AStrangerBesideTheRightSourceIsNone) {
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    a.packets(50);
    b.packets(50);
    rejected("source", 312);
    records_.ended(2000);
    EXPECT_EQ(warnings(), "");
}

TEST_F(Warnings, SilenceThroughoutIsToldOfEachStream) {
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    monotone(a, 0xff);  // mu-law zero
    monotone(b, 0xff);
    b.packets(1);  // 20 ms of speech at the end
    records_.ended(2000);
    EXPECT_EQ(warnings(), "silent 1");
    EXPECT_EQ(summary_.state, State::Complete);
}

TEST_F(Warnings, SilenceIsWhatIsNoLouderThanTheLimit) {
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    monotone(a, audio::encode_mu_law(kSilenceLevel - 8));
    monotone(b, audio::encode_mu_law(kSilenceLevel + 16));
    records_.ended(2000);
    EXPECT_EQ(warnings(), "silent 1");
}

TEST_F(Warnings, TooShortIsLessThanTheLimit) {
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1};
    a.packets(40);
    b.packets(40);
    records_.ended(1000);
    for (const auto& [limit, is_short] : {std::pair{1000, false}, std::pair{1001, true}}) {
        records_.rewind();
        SummaryBuilder builder(test_id());
        while (const auto record = records_.next()) builder.add(*record);
        const Summary summary = builder.finish(
            {.damage = {}, .failure = {}, .too_short = std::chrono::milliseconds{limit}});
        const bool is_told = !summary.warnings.empty() && summary.warnings[0].code == "too_short";
        EXPECT_EQ(is_told, is_short) << limit;
    }
}

TEST_F(Warnings, AreReadBackFromTheStoredSummary) {
    records_.ended(5000);
    ASSERT_EQ(warnings(), "no_media");
    const auto read = parse_summary(to_stored_json(summary_));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, summary_);
    std::string older = to_json(summary_);
    older.resize(older.find(",\"warnings\""));  // a summary that an earlier version wrote
    const auto old = parse_summary(older + "}");
    ASSERT_TRUE(old);
    EXPECT_TRUE(old->warnings.empty());
    EXPECT_FALSE(parse_summary(older + R"(,"warnings":[{"code":1,"text":""}]})"));
}

}  // namespace
}  // namespace earshot::archive
