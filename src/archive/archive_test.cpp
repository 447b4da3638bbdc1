#include "archive/archive.h"

#include <nlohmann/json.hpp>

#include "archive/archive_test_rig.h"
#include "audio/g722.h"

namespace earshot::archive {
namespace {

using Gaps = std::vector<Gap>;

TEST_F(ArchiveTest, PlacesTwoPartiesSampleBySample) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.stream_added(6, 1, "2");
    Sender a{.records = records_, .stream = 0};
    Sender b{.records = records_, .stream = 1, .payload_type = 8, .begin_ms = 350, .hertz = 700};
    for (int i = 0; i < 50; ++i) {
        a.packet();
        b.packet();
    }
    records_.ended(2000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_FALSE(summary.reason);
    EXPECT_EQ(summary.duration_ms, 2000);
    EXPECT_EQ(summary.call_ids, std::vector<std::string>{"c1@a"});
    ASSERT_EQ(summary.streams.size(), 2U);
    EXPECT_EQ(summary.streams[0].codec, "PCMU/8000");
    EXPECT_EQ(summary.streams[1].codec, "PCMA/8000");
    EXPECT_EQ(summary.streams[0].packets, 50U);
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(summary.streams[0].gaps, Gaps{});
    const audio::WavAudio one = track("1");
    EXPECT_EQ(one.samples.size(), 16'000U);
    EXPECT_EQ(count_sounds(one, 0, 100), 0);
    EXPECT_EQ(count_wrong(one, 100, 1100, 100), 0);
    EXPECT_EQ(count_sounds(one, 1100, 2000), 0);
    EXPECT_EQ(count_wrong(track("2"), 350, 1350, 350, true, 700), 0);
    EXPECT_TRUE(verify_recording(files_, directory_).is_ok());
}

TEST_F(ArchiveTest, CountsLossBySequenceAndMergesIt) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_, .sequence = 65'530};  // wraps soon
    a.packets(10);
    for (int i = 0; i < 3; ++i) a.packet(false);
    a.packets(10);
    a.packet(false);
    a.packets(10);
    records_.ended(1000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_EQ(summary.streams[0].lost, 4U);
    EXPECT_EQ(summary.streams[0].packets, 30U);
    EXPECT_EQ(summary.streams[0].gaps,
              (Gaps{{300, 60, GapReason::Lost}, {560, 20, GapReason::Lost}}));
    const audio::WavAudio one = track("1");
    EXPECT_EQ(count_wrong(one, 100, 300, 100), 0);
    EXPECT_EQ(count_sounds(one, 300, 360), 0);
    EXPECT_EQ(count_wrong(one, 360, 560, 100), 0);
    EXPECT_EQ(count_wrong(one, 580, 780, 100), 0);
}

TEST_F(ArchiveTest, PutsLateAndRepeatedPacketsWhereTheyBelong) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_, .timestamp = 0xffffff00};  // the timestamp wraps, too
    for (int i = 0; i < 40; ++i) {
        a.packet(true, i % 7 == 3 ? 90 : i % 3);
        if (i % 5 == 1) records_.swap_last_two();
        if (i == 20) {  // sent twice
            Sender again = a;
            again.sent -= 160;
            again.timestamp -= 160;
            --again.sequence;
            again.packet(true, 3);
        }
    }
    records_.ended(1200);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].packets, 40U);
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(count_wrong(track("1"), 100, 900, 100), 0);
}

TEST_F(ArchiveTest, TakesSilenceOfTheSenderForNoLoss) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    Sender noise = a;
    noise.payload_type = 13;
    noise.raw(base::Bytes{40});
    a.sequence = noise.sequence;
    a.silence(100);
    a.packets(10);
    records_.ended(3000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].codec, "PCMU/8000");
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(summary.streams[0].gaps, Gaps{});
    const audio::WavAudio one = track("1");
    EXPECT_EQ(count_sounds(one, 300, 2300), 0);
    EXPECT_EQ(count_wrong(one, 2300, 2500, 100), 0);
    const auto peaks = nlohmann::json::parse(part("peaks.json"));
    EXPECT_EQ(peaks["tracks"][0]["comfort_noise"], nlohmann::json::parse("[[300,2000]]"));
}

TEST_F(ArchiveTest, G711OfOneLawStaysAsItCame) {
    records_.started();
    records_.stream_added(5, 0, "mu");
    records_.stream_added(5, 1, "a");
    records_.stream_added(5, 2, "both");
    Sender mu{.records = records_};
    Sender a{.records = records_, .stream = 1, .ssrc = 2, .payload_type = 8};
    Sender both{.records = records_, .stream = 2, .ssrc = 3};
    for (Sender* sender : {&mu, &a, &both}) {
        sender->packets(10);
        sender->silence(10);
        if (sender == &both) both.payload_type = 8;
        sender->packets(10);
    }
    records_.ended(805);
    build();
    EXPECT_EQ(track("mu").format.law, audio::G711Law::Mu);
    EXPECT_EQ(track("a").format.law, audio::G711Law::A);
    EXPECT_FALSE(track("both").format.law);
    for (const char* label : {"mu", "a", "both"}) {
        const audio::WavAudio heard = track(label);
        EXPECT_EQ(heard.samples.size(), 805U * 8) << label;
        EXPECT_EQ(count_wrong(heard, 100, 300, 100, *label == 'a'), 0) << label;
        EXPECT_EQ(count_wrong(heard, 500, 700, 100, *label != 'm'), 0) << label;
        // A-law has no zero.
        const std::int16_t silence = *label == 'a' ? 8 : 0;
        for (const std::size_t at : {0U, 300U * 8, 400U * 8, 700U * 8, 805U * 8 - 1})
            EXPECT_EQ(heard.samples.at(at), silence) << label << " " << at;
    }
    EXPECT_TRUE(verify_recording(files_, directory_).is_ok());
}

TEST_F(ArchiveTest, AnchorsAnotherSourceByItsArrival) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    Sender b{.records = records_, .ssrc = 0x9999, .sequence = 7, .timestamp = 77, .begin_ms = 900};
    b.packets(10);
    records_.ended(1500);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(summary.streams[0].packets, 20U);
    EXPECT_EQ(count_wrong(track("1"), 100, 300, 100), 0);
    EXPECT_EQ(count_wrong(track("1"), 900, 1100, 900), 0);
}

TEST_F(ArchiveTest, PutsATimestampJumpWhereThePacketsArrived) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    a.timestamp += 3'000'000'000;  // 104 h: no relation to arrival
    a.packets(10);
    records_.ended(1000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(count_wrong(track("1"), 100, 500, 100), 0);
    EXPECT_EQ(track("1").samples.size(), 8000U);
}

TEST_F(ArchiveTest, TellsPausesAndHoldsAndDoesNotCallThemLoss) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    records_.event(300, R"({"type":"stream_paused","stream":0})");
    for (int i = 0; i < 10; ++i) a.packet(false);  // discarded while paused
    records_.event(500, R"({"type":"stream_resumed","stream":0})");
    a.packets(10);
    records_.event(700, R"({"type":"stream_held","stream":0})");
    records_.event(900, R"({"type":"stream_unheld","stream":0})");
    a.silence(10);
    a.packets(5);
    records_.ended(1500);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(summary.streams[0].gaps,
              (Gaps{{300, 200, GapReason::Paused}, {700, 200, GapReason::Held}}));
    EXPECT_EQ(count_wrong(track("1"), 500, 700, 100), 0);
}

TEST_F(ArchiveTest, TellsWhenAStreamWasNotNegotiated) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(100);
    records_.stream_added(2100, 1, "2");
    Sender b{.records = records_, .stream = 1, .begin_ms = 2150};
    b.packets(20);
    records_.event(2600, R"({"type":"stream_removed","stream":1})");
    records_.ended(4000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_EQ(summary.streams[1].gaps,
              (Gaps{{0, 2100, GapReason::NotNegotiated}, {2600, 1400, GapReason::NotNegotiated}}));
    EXPECT_EQ(count_wrong(track("2"), 2150, 2550, 2150), 0);
}

TEST_F(ArchiveTest, FollowsCodecChangesAtTheHighestRate) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    a.payload_type = 8;
    a.packets(10);
    a.payload_type = 9;
    audio::G722Encoder encoder;
    for (int i = 0; i < 20; ++i) {
        std::vector<std::int16_t> wide(320);
        for (std::size_t k = 0; k < wide.size(); ++k) {
            const double at = static_cast<double>(2 * a.sent) + static_cast<double>(k);
            wide[k] = static_cast<std::int16_t>(
                std::lround(12'000 * std::sin(2 * std::numbers::pi * 440 * at / 16'000)));
        }
        base::Bytes payload;
        encoder.encode(wide, payload);
        a.raw(payload);
        a.sent += 160;
        a.timestamp += 160;
    }
    records_.ended(1200);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].codec, "G722/8000");
    const audio::WavAudio one = track("1");
    EXPECT_EQ(one.format.rate, 16'000U);
    ASSERT_EQ(one.samples.size(), 19'200U);
    for (std::int64_t i = 1620; i < 14'300; ++i) {
        if (i > 7980 && i < 8500) continue;            // the filters begin anew
        const std::int64_t delay = i > 8000 ? 22 : 0;  // G.722's own
        const double phase = 2 * std::numbers::pi * 440 * static_cast<double>(i - 1600 - delay);
        ASSERT_NEAR(one.samples[static_cast<std::size_t>(i)], 12'000 * std::sin(phase / 16'000),
                    700)
            << i;
    }
}

TEST_F(ArchiveTest, KeepsPacketsOfACodecThatItDoesNotDecode) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_, .payload_type = 97};
    for (int i = 0; i < 20; ++i) {
        a.raw(base::Bytes{1, 2, 3});
        a.sent += 160;
        a.timestamp += 960;
        if (i == 9) {
            ++a.sequence;
            a.sent += 160;
            a.timestamp += 960;
        }
    }
    records_.ended(1000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_EQ(summary.streams[0].codec, "opus/48000/2");
    EXPECT_EQ(summary.streams[0].packets, 20U);
    EXPECT_EQ(summary.streams[0].lost, 1U);
    EXPECT_EQ(summary.streams[0].gaps, (Gaps{{300, 20, GapReason::Lost}}));
    EXPECT_TRUE(part("tracks/1.wav").empty());
    EXPECT_TRUE(verify_recording(files_, directory_).is_ok());
    const auto rendered = render(files_, directory_, Format::Wav);
    ASSERT_FALSE(rendered);
    EXPECT_EQ(rendered.error().code, "no_audio");
}

TEST_F(ArchiveTest, DoesNotCallALongDigitAnotherSegment) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(10);
    a.payload_type = 101;
    for (int i = 0; i < 200; ++i) {  // held for four seconds: one timestamp
        a.raw(base::Bytes{5, 10, 0, 160});
        a.sent += 160;
    }
    a.payload_type = 0;
    a.timestamp += 200 * 160;
    a.packets(10);
    records_.ended(5000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(count_wrong(track("1"), 100, 300, 100), 0);
    EXPECT_EQ(count_wrong(track("1"), 4300, 4500, 100), 0);
}

TEST_F(ArchiveTest, IsNotStretchedByHostileTimestamps) {
    records_.started();
    records_.stream_added(5, 0, "1");
    base::SeededRandom random(7);
    for (int i = 0; i < 2000; ++i) {
        rtp::RtpHeader header;
        header.sequence = static_cast<std::uint16_t>(random.u32());
        header.timestamp = random.u32();
        header.ssrc = random.u32() % 100;
        header.payload_type = static_cast<std::uint8_t>(random.u32() % 128);
        records_.rtp(i * kMs, 0, header, base::Bytes(random.u32() % 200));
    }
    records_.ended(2000);
    build();
    EXPECT_LE(track("1").samples.size() * 1000 / track("1").format.rate, 2000U);
    EXPECT_TRUE(verify_recording(files_, directory_).is_ok());
}

TEST_F(ArchiveTest, SurvivesHostileEvents) {
    records_.started();
    for (
        const char* json :
        {"", "{", "null", "[1]", R"({"type":7})", R"({"type":"stream_added","stream":-1})",
         R"({"type":"stream_added","stream":99999999999})",
         R"({"type":"stream_added","stream":0,"label":9,"payload_types":[1,{"pt":300},{"pt":0,"clock_rate":0}]})",
         R"({"type":"storage_gap","stream":0,"from_ns":"x","to_ns":18446744073709551615})",
         "\xff\xfe", R"({"type":"call_ended","code":[]})"}) {
        records_.event(10, json);
    }
    records_.stream_added(20, 1, "../../etc");
    Sender a{.records = records_, .stream = 1};
    a.packets(10);
    records_.ended(1000);
    const Summary summary = build();
    ASSERT_EQ(summary.streams.size(), 2U);
    EXPECT_EQ(summary.streams[1].track, "______etc");
    EXPECT_TRUE(verify_recording(files_, directory_).is_ok());
    EXPECT_NE(part("events").find("unreadable_event"), std::string::npos);
}

// What stood still for a while and then came at once: `stalls` are {from, to} in ms of the call.
class StallTest : public ArchiveTest {
protected:
    struct Stall {
        std::int64_t from_ms;
        std::int64_t to_ms;
    };
    void send(const std::vector<Stall>& stalls, int packets) {
        records_.started();
        records_.stream_added(5, 0, "1");
        Sender a{.records = records_};
        for (int i = 0; i < packets; ++i) {
            const std::int64_t due_ms = a.begin_ms + a.sent / 8;
            std::int64_t late_ms = i % 9 == 4 ? 70 : 0;  // jitter all the time
            for (const Stall& stall : stalls) {
                if (due_ms >= stall.from_ms) {
                    late_ms = std::max(late_ms, stall.to_ms - due_ms);
                }
            }
            a.packet(true, late_ms);
        }
        end_ms_ = a.begin_ms + a.sent / 8;
        records_.ended(end_ms_ + 100);
    }
    void expect_whole() {
        const Summary summary = build();
        EXPECT_EQ(summary.streams[0].lost, 0U);
        EXPECT_EQ(summary.streams[0].gaps, Gaps{});
        EXPECT_EQ(count_wrong(track("1"), 100, end_ms_, 100), 0);
    }
    std::int64_t end_ms_ = 0;
};

TEST_F(StallTest, LosesNothingWhenTheSenderCatchesUp) {
    send({{2000, 4058}, {4200, 5900}, {6500, 8700}, {9000, 10'300}}, 1500);
    expect_whole();
}

TEST_F(StallTest, LosesNothingInALongStall) {
    send({{2000, 7000}}, 1000);
    expect_whole();
}

TEST_F(StallTest, LosesNothingInTwoStallsInARow) {
    send({{2000, 4100}, {4100, 6300}, {6320, 9000}}, 1000);
    expect_whole();
}

TEST_F(StallTest, PlacesAStreamByTheCatchingUpWhenItsFirstPacketsWereLate) {
    send({{100, 3400}}, 500);
    expect_whole();
}

TEST_F(StallTest, CountsOnceWhatWasLostInAStall) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(100);
    for (int i = 0; i < 125; ++i) a.packet(i != 50, 2500 - 20 * i);
    a.packets(100);
    records_.ended(7000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].lost, 1U);
    EXPECT_EQ(summary.streams[0].gaps, (Gaps{{3100, 20, GapReason::Lost}}));
}

// A recording client that had kept three seconds when its server died gives them to the next one,
// beside the live packets.
class KeptMediaTest : public ArchiveTest {
protected:
    // Live packets from 100 ms on, said since `kept_ms` before; the kept ones follow the first live
    // one, one every 4 ms.
    void send(std::int64_t kept_ms, int live, bool ends_with_kept = false) {
        records_.started();
        records_.stream_added(5, 0, "1");
        const Sender first{.records = records_, .begin_ms = 100 - kept_ms};
        Sender a = first;
        const int kept = static_cast<int>(kept_ms / 20);
        for (int i = 0; i < kept; ++i) a.packet(false);
        a.packets(live);
        Sender old = first;
        const std::int64_t from_ms = ends_with_kept ? 100 + 20 * live : 104;
        for (int i = 0; i < kept; ++i)
            old.packet(true, from_ms + 4 * i - (old.begin_ms + old.sent / 8));
        records_.ended(100 + 20 * live + 700);
    }
};

TEST_F(KeptMediaTest, BeginsTheRecordingWhereItWasSaid) {
    send(3000, 200);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].packets, 350U);
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(summary.streams[0].gaps, Gaps{});
    EXPECT_EQ(summary.start, base::wall_from_ns(kStartNs - 2900 * kMs));
    EXPECT_EQ(summary.duration_ms, 2900 + 100 + 4000 + 700);
    EXPECT_EQ(count_wrong(track("1"), 0, 7000, 0), 0);
}

TEST_F(KeptMediaTest, IsPlacedAlsoWhereNothingLiveFollows) {
    send(3000, 5, true);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].packets, 155U);
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(count_wrong(track("1"), 0, 3100, 0), 0);
}

TEST_F(KeptMediaTest, WithinTheRecordingMovesNothing) {
    send(80, 50);
    const Summary summary = build();
    EXPECT_EQ(summary.start, base::wall_from_ns(kStartNs));
    EXPECT_EQ(summary.streams[0].lost, 0U);
    EXPECT_EQ(count_wrong(track("1"), 20, 1100, 20), 0);
}

TEST_F(ArchiveTest, PutsASenderWhoseClockStoodStillWhereItsPacketsArrived) {
    records_.started();
    records_.stream_added(5, 0, "1");
    Sender a{.records = records_};
    a.packets(50);
    a.begin_ms += 3000;  // neither sequence nor timestamp went on meanwhile
    a.packets(50);
    a.timestamp -= 100'000;  // backwards
    a.packet(false);
    a.packets(50);
    records_.ended(7000);
    const Summary summary = build();
    EXPECT_EQ(summary.streams[0].lost, 1U);
    EXPECT_EQ(summary.streams[0].gaps, (Gaps{{5100, 20, GapReason::Lost}}));
    EXPECT_EQ(count_wrong(track("1"), 100, 1100, 100), 0);
    EXPECT_EQ(count_sounds(track("1"), 1100, 4100), 0);
    EXPECT_EQ(count_wrong(track("1"), 4100, 5100, 3100), 0);
    EXPECT_EQ(count_wrong(track("1"), 5120, 6120, 3100), 0);
}

// ---- states

TEST_F(ArchiveTest, FailsWithoutAnyPacket) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.ended(5000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Failed);
    EXPECT_EQ(summary.reason->code, "no_media");
}

TEST_F(ArchiveTest, FailsWithTheReasonOfTheCallsEnd) {
    records_.started();
    records_.ended(5000, "no_ack");
    EXPECT_EQ(build().reason->code, "no_ack");
}

class StateTest : public ArchiveTest {
protected:
    void add_call(bool with_end = true, std::string_view code = "") {
        records_.started();
        records_.stream_added(5, 0, "1");
        Sender a{.records = records_};
        a.packets(100);
        if (with_end) records_.ended(2200, code);
    }
    void expect_partial(std::string_view code) {
        const Summary summary = build();
        EXPECT_EQ(summary.state, State::Partial);
        ASSERT_TRUE(summary.reason);
        EXPECT_EQ(summary.reason->code, code);
    }
};

TEST_F(StateTest, IsPartialWhenOneOfTheStreamsBroughtNothing) {
    add_call(false);
    records_.stream_added(8, 1, "2");
    records_.ended(2200);
    expect_partial("stream_without_media");
}

TEST_F(StateTest, IsCompleteWhenTheEmptyStreamWasHeldAllTheTime) {
    add_call(false);
    records_.stream_added(8, 1, "2");
    records_.event(9, R"({"type":"stream_held","stream":1})");
    records_.ended(2200);
    EXPECT_EQ(build().state, State::Complete);
}

TEST_F(StateTest, IsPartialWithoutAnEnd) {
    add_call(false);
    expect_partial("interrupted");
}

TEST_F(StateTest, IsPartialAfterRecoveryAndNoLongerThanItWas) {
    add_call(false);
    records_.event(9'000'000, R"({"type":"recovered","text":"The server was killed."})");
    expect_partial("interrupted");
    EXPECT_LT(build().duration_ms.value_or(0), 2200);
}

TEST_F(StateTest, IsPartialWhenTheJournalWasDamaged) {
    add_call();
    journal::Damage damage;
    damage.bad_records = 1;
    records_.set_damage(damage);
    expect_partial("journal_damaged");
}

TEST_F(StateTest, IsPartialWhenMediaCouldNotBeStored) {
    add_call(false);
    records_.event(
        1500,
        fmt::format(R"({{"type":"storage_gap","stream":0,"packets":9,"from_ns":{},"to_ns":{}}})",
                    kStartNs + 1000 * kMs, kStartNs + 1200 * kMs));
    records_.ended(2200);
    expect_partial("storage");
    EXPECT_EQ(build().streams[0].gaps, (Gaps{{1000, 200, GapReason::Storage}}));
}

TEST_F(StateTest, IsPartialWhenTheCallerSaysSo) {
    add_call();
    failure_ = base::Reason{"storage_full", "Full."};
    expect_partial("storage_full");
}

TEST_F(StateTest, IsPartialWhenTheCallDidNotEndByItself) {
    add_call(true, "dialog_lost");
    expect_partial("dialog_lost");
}

TEST_F(StateTest, SummarisesTheSameWithoutStoring) {
    add_call();
    const Summary stored = build();
    records_.rewind();
    auto summary = summarise(test_id(), records_, true);
    ASSERT_TRUE(summary);
    for (StreamSummary& stream : summary->streams) stream.track = "1";
    EXPECT_EQ(*summary, stored);
}

TEST_F(ArchiveTest, RefusesARecordingWithoutRecords) {
    const auto built = build_recording({.recording = test_id(),
                                        .records = records_,
                                        .objects = store_,
                                        .key = key_,
                                        .now = base::wall_from_ns(0),
                                        .failure = std::nullopt});
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error().code, "no_records");
}

// Whatever call to the disk fails, either nothing is visible or all of it is right.
TEST_F(StateTest, ShowsNothingUnlessAllIsStored) {
    add_call();
    build();
    const std::uint64_t calls = files_.calls();
    ASSERT_TRUE(store_.remove({test_id(), base::wall_from_ns(kStartNs)}));
    int failed = 0;
    for (std::uint64_t n = 1; n <= calls; ++n) {
        io::FaultyFileSystem files;
        objects::DirectoryStore store(files, "data");
        files.fail_call(n, ENOSPC);
        records_.rewind();
        const auto built = build_recording({.recording = test_id(),
                                            .records = records_,
                                            .objects = store,
                                            .key = key_,
                                            .now = base::wall_from_ns(kStartNs),
                                            .failure = std::nullopt});
        if (!built) {
            ++failed;
            EXPECT_EQ(built.error().code, "storage_full");
            continue;
        }
        if (!store.commit({&built->object, 1}).front()) {
            ++failed;
            continue;
        }
        EXPECT_TRUE(verify_recording(files, "data/" + built->directory).is_ok()) << n;
    }
    EXPECT_GT(failed, 5);
}

TEST_F(ArchiveTest, KeepsWhatMayJoinItToOtherPiecesAndPrintsItNot) {
    records_.started();
    records_.event(0, R"({"type":"join_keys","group":"sbc1","names":["session_id","header:X"],)"
                      R"("values":["s","x"]})");
    records_.event(1, R"({"type":"join_keys","group":"sbc1","names":["session_id","late"],)"
                      R"("values":["s","y","without a name"]})");
    records_.event(2, R"({"type":"join_keys","names":[7],"values":"none"})");
    records_.ended(2000);
    const Summary summary = build();
    EXPECT_EQ(summary.join_group, "sbc1");
    EXPECT_EQ(summary.join_keys, (std::vector<catalog::JoinKey>{
                                     {"session_id", "s"}, {"header:X", "x"}, {"late", "y"}}));
    const auto stored = parse_summary(part("summary.json"));
    ASSERT_TRUE(stored);
    EXPECT_EQ(*stored, summary);
    EXPECT_EQ(to_json(summary).find("sbc1"), std::string::npos);
}

TEST_F(ArchiveTest, AGroupIdThatIsNoUuidIsTheNameOfAProfile) {
    const auto told = [&](const char* id) {
        records_.clear();
        records_.started();
        records_.metadata(1, std::string("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>"
                                         "<group group_id='") +
                                 id + "'/></recording>");
        records_.ended(2000);
        id_.bytes[15] ^= 1;
        return build();
    };
    const Summary profile = told("inbound");
    EXPECT_EQ(profile.profile, "inbound");
    EXPECT_EQ(profile.group, "");
    EXPECT_NE(search_text(profile).find("inbound"), std::string::npos);
    const Summary group = told("qEbCRn6VSyiBFRWXA50jzA==");
    EXPECT_EQ(group.profile, "");
    EXPECT_EQ(group.group, "qEbCRn6VSyiBFRWXA50jzA==");
}

TEST_F(ArchiveTest, ALineThatWasRefusedIsAStreamThatWasNotNegotiated) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.event(6,
                   R"({"type":"stream_refused","stream":1,"media_line":1,"label":"2",)"
                   R"("media":"audio","reason":"srtp_not_supported"})",
                   1);
    records_.event(7, R"({"type":"stream_refused","media_line":2,"reason":"of before"})");
    records_.event(8, R"({"type":"stream_refused","stream":2,"reason":"too_many_streams"})", 2);
    Sender{.records = records_}.packets(95);
    records_.ended(2000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    ASSERT_EQ(summary.streams.size(), 3U);
    EXPECT_EQ(summary.streams[1].label, "2");
    EXPECT_EQ(summary.streams[1].packets, 0U);
    for (const std::size_t refused : {1U, 2U})
        EXPECT_EQ(summary.streams[refused].gaps,
                  (std::vector<Gap>{{0, *summary.duration_ms, GapReason::NotNegotiated}}));
    for (const Warning& warning : summary.warnings) EXPECT_NE(warning.label, "2");
}

TEST_F(ArchiveTest, P43_AStreamThatAnOperatorStoppedIsDroppedFromThenOn) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.stream_added(5, 1, "2");
    Sender{.records = records_}.packets(150);
    Sender{.records = records_, .stream = 1}.packets(50);
    records_.event(1000, R"({"type":"stream_stopped","stream":1,"by":"operator","who":"ada"})", 1);
    records_.event(1500, R"({"type":"stream_removed","stream":1})", 1);
    records_.ended(3000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete);
    EXPECT_EQ(summary.streams[1].lost, 0U);
    EXPECT_EQ(summary.streams[1].gaps.back(),
              (Gap{1000, *summary.duration_ms - 1000, GapReason::Dropped}));
}

TEST_F(ArchiveTest, ALineThatARuleRefusedIsDroppedAndNotMissed) {
    records_.started();
    records_.stream_added(5, 0, "1");
    records_.event(6,
                   R"({"type":"stream_refused","stream":1,"media_line":1,"label":"2",)"
                   R"("media":"audio","reason":"by_decision"})",
                   1);
    records_.stream_added(1000, 1, "2");
    Sender{.records = records_}.packets(150);
    Sender{.records = records_, .stream = 1, .begin_ms = 1000}.packets(100);
    records_.ended(3000);
    const Summary summary = build();
    ASSERT_EQ(summary.streams.size(), 2U);
    EXPECT_EQ(summary.streams[1].gaps, (std::vector<Gap>{{0, 1000, GapReason::Dropped}}));
}

TEST_F(ArchiveTest, ARefusedLineThatIsTakenLaterIsTheSameStream) {
    records_.started();
    records_.event(5, R"({"type":"stream_refused","stream":0,"label":"1","media":"audio"})", 0);
    records_.stream_added(3000, 0, "1");
    Sender{.records = records_, .begin_ms = 3100}.packets(90);
    records_.ended(5000);
    const Summary summary = build();
    ASSERT_EQ(summary.streams.size(), 1U);
    EXPECT_EQ(summary.streams[0].gaps, (std::vector<Gap>{{0, 3000, GapReason::NotNegotiated}}));
}

}  // namespace
}  // namespace earshot::archive
