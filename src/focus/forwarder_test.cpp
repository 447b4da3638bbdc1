#include "focus/forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {
namespace {

using namespace std::chrono_literals;
using payload::VideoCodec;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t kType = 97;
constexpr std::uint32_t kFrameTicks = 3000;  // 30 a second

// A camera: packets of VP8, two of each picture.
class Camera {
public:
    explicit Camera(std::uint32_t ssrc, std::uint16_t sequence = 65'530,
                    std::uint32_t timestamp = 0xfffff000)
        : ssrc_(ssrc), sequence_(sequence), timestamp_(timestamp) {}

    base::Bytes packet(bool begins, bool is_key, bool ends) {
        // X with a picture number of 15 bits and TL0PICIDX; S; then the frame tag.
        base::Bytes payload{static_cast<std::uint8_t>(begins ? 0x90 : 0x80), 0xc0};
        base::append_u16(payload, static_cast<std::uint16_t>(0x8000 | (picture_ & 0x7fff)));
        payload.push_back(layer_);
        payload.push_back(begins && is_key ? 0x10 : 0x11);
        payload.insert(payload.end(), {7, 7, static_cast<std::uint8_t>(ssrc_)});
        base::Bytes out;
        rtp::write_rtp({.payload_type = kType,
                        .marker = ends,
                        .sequence = sequence_++,
                        .timestamp = timestamp_,
                        .ssrc = ssrc_},
                       payload, out);
        return out;
    }
    std::vector<base::Bytes> frame(bool is_key) {
        std::vector<base::Bytes> packets{packet(true, is_key, false), packet(false, is_key, true)};
        timestamp_ += kFrameTicks;
        ++picture_;
        ++layer_;
        return packets;
    }
    void lose() { ++sequence_; }
    void restart(std::uint32_t ssrc) { ssrc_ = ssrc; }
    std::uint32_t ssrc() const { return ssrc_; }

private:
    std::uint32_t ssrc_;
    std::uint16_t sequence_;
    std::uint32_t timestamp_;
    std::uint16_t picture_ = 0x7ff0;
    std::uint8_t layer_ = 250;
};

struct Seen {
    rtp::RtpHeader header{};
    std::uint32_t csrc = 0;
    std::uint8_t from = 0;  // the last octet of what the camera sent
    std::uint16_t picture = 0;
    std::uint8_t layer = 0;
    bool is_key = false;
};

class Room : public testing::Test {
protected:
    void join(MemberId id, PictureLine line = {.types = {{.payload_type = kType,
                                                          .format = {.codec = VideoCodec::Vp8}}},
                                               .shows = true,
                                               .sees = true,
                                               .takes_pli = true,
                                               .takes_fir = true}) {
        ASSERT_TRUE(forwarder_.add(id, static_cast<std::uint32_t>(1000 + id),
                                   {.ssrc = static_cast<std::uint32_t>(2000 + id),
                                    .sequence = 65'533,
                                    .timestamp = 0xffffff00}));
        forwarder_.change(id, line);
    }
    void send(MemberId from, const base::Bytes& packet) {
        for (const Forwarder::Packet& out : forwarder_.on_packet(now_, from, packet)) {
            const auto header = rtp::parse_rtp(out.bytes);
            ASSERT_TRUE(header);
            ASSERT_EQ(header->csrc_count, 1);
            const base::ByteView payload = rtp::rtp_payload(out.bytes, *header);
            Seen one{.header = *header,
                     .csrc = base::load_u32(out.bytes, 12),
                     .from = payload.back(),
                     .is_key = payload::begins_key_frame(VideoCodec::Vp8, payload)};
            if (payload.size() > 5) {
                one.picture = base::load_u16(payload, 2) & 0x7fff;
                one.layer = payload[4];
            }
            seen_[out.to].push_back(one);
        }
    }
    void show(MemberId from, Camera& camera, bool is_key) {
        for (const base::Bytes& packet : camera.frame(is_key)) send(from, packet);
    }
    void later(std::chrono::milliseconds time) { now_ += time; }
    std::vector<MemberId> asked() {
        std::vector<MemberId> all;
        while (const auto request = forwarder_.poll_request(now_)) all.push_back(request->to);
        return all;
    }
    // Of one receiver since the last call: each number once, none left out.
    void expect_continuous(MemberId to, std::size_t count) {
        const std::vector<Seen>& all = seen_[to];
        ASSERT_EQ(all.size(), count);
        for (std::size_t i = 1; i < all.size(); ++i) {
            ASSERT_EQ(
                static_cast<std::uint16_t>(all[i].header.sequence - all[i - 1].header.sequence), 1)
                << i;
            ASSERT_EQ(all[i].header.ssrc, all[0].header.ssrc);
            const std::uint32_t ticks = all[i].header.timestamp - all[i - 1].header.timestamp;
            const bool is_same_picture = !all[i - 1].header.marker;
            ASSERT_EQ(ticks == 0, is_same_picture) << i;
            ASSERT_LT(ticks, 90'000U) << i;
            ASSERT_EQ((all[i].picture - all[i - 1].picture) & 0x7fff, is_same_picture ? 0 : 1) << i;
            ASSERT_EQ((all[i].layer - all[i - 1].layer) & 0xff, is_same_picture ? 0 : 1) << i;
        }
    }
    static base::Bytes feedback(std::uint32_t media) {
        base::Bytes compound;
        rtp::append_receiver_report({.ssrc = 1, .reports = {}}, compound);
        rtp::append_pli(1, media, compound);
        return compound;
    }

    Forwarder forwarder_;
    base::TimePoint now_{100s};
    std::map<MemberId, std::vector<Seen>> seen_;
};

TEST_F(Room, PicturesBeginWithAKeyFrameAndTellWhoseTheyAre) {
    join(1);
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, false);
    EXPECT_THAT(seen_[2], IsEmpty());
    EXPECT_THAT(asked(), ElementsAre(1));
    show(1, camera, true);
    show(1, camera, false);
    expect_continuous(2, 4);
    EXPECT_EQ(seen_[2][0].header.ssrc, 2002U);
    EXPECT_EQ(seen_[2][0].header.payload_type, kType);
    EXPECT_EQ(seen_[2][0].csrc, 1001U);
    EXPECT_TRUE(seen_[2][0].is_key);
    EXPECT_THAT(seen_[1], IsEmpty());
    later(2s);
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(Room, TheOldOneIsSeenUntilTheNewOnesKeyFrame) {
    for (MemberId id = 1; id <= 3; ++id) join(id);
    Camera one(11);
    Camera two(22, 7, 9);
    forwarder_.show(1, 2);
    show(1, one, true);
    show(2, two, true);
    EXPECT_EQ(forwarder_.seen_by(1), 2U);
    forwarder_.show(2, 1);
    later(33ms);
    show(1, one, false);
    show(2, two, false);
    EXPECT_EQ(forwarder_.seen_by(3), 1U);
    EXPECT_THAT(asked(), ElementsAre(2));  // 2 sees 1 already
    show(2, two, true);
    show(1, one, false);
    show(2, two, false);
    EXPECT_EQ(forwarder_.seen_by(3), 2U);
    expect_continuous(3, 8);
    EXPECT_EQ(seen_[3][3].from, 11);
    EXPECT_EQ(seen_[3][4].from, 22);
    // Who speaks sees who did before, and has seen nobody else meanwhile.
    expect_continuous(1, 8);
    EXPECT_EQ(seen_[1][0].from, 22);
    expect_continuous(2, 6);
    EXPECT_EQ(seen_[2].back().from, 11);
}

TEST_F(Room, NoKeyFrameEverMeansTheOldOneForEverAndFewerRequests) {
    for (MemberId id = 1; id <= 3; ++id) join(id);
    Camera one(11);
    Camera two(22);
    forwarder_.show(1, 0);
    show(1, one, true);
    forwarder_.show(2, 0);
    std::size_t requests = 0;
    for (int i = 0; i < 1000; ++i) {  // 100 s
        later(100ms);
        show(1, one, false);
        show(2, two, false);
        requests += asked().size();
    }
    EXPECT_EQ(forwarder_.seen_by(3), 1U);
    expect_continuous(3, 2002);
    // Ten of them a second apart, then every ten seconds.
    EXPECT_EQ(requests, 10U + 9U);
    EXPECT_EQ(forwarder_.counters().vain, requests);
    show(2, two, true);
    EXPECT_EQ(forwarder_.seen_by(3), 2U);
    EXPECT_EQ(forwarder_.counters().vain, 0U);
}

TEST_F(Room, LossAndReorderingArePassedOnAsTheyAre) {
    join(1);
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, true);
    camera.lose();
    const auto first = camera.frame(false);
    const auto second = camera.frame(false);
    send(1, second[0]);
    send(1, first[1]);
    send(1, first[1]);  // twice
    send(1, first[0]);
    send(1, second[1]);
    std::vector<int> numbers;
    for (const Seen& one : seen_[2])
        numbers.push_back(
            static_cast<std::uint16_t>(one.header.sequence - seen_[2][0].header.sequence));
    EXPECT_THAT(numbers, ElementsAre(0, 1, 5, 4, 3, 6));
    EXPECT_EQ(forwarder_.counters().passed_over, 1U);
    EXPECT_EQ(seen_[2][2].header.timestamp - seen_[2][3].header.timestamp, kFrameTicks);
}

TEST_F(Room, WhatComesLateFromBeforeTheSwitchStaysOut) {
    for (MemberId id = 1; id <= 3; ++id) join(id);
    Camera one(11);
    Camera two(22);
    forwarder_.show(1, 0);
    show(1, one, true);
    forwarder_.show(2, 0);
    show(2, two, false);
    const auto late = two.frame(false);
    send(2, late[0]);
    show(2, two, true);
    send(2, late[1]);
    show(1, one, false);
    expect_continuous(3, 4);
}

TEST_F(Room, AnotherSsrcIsBelievedWithItsSecondPacketAndSeenWithItsKeyFrame) {
    join(1);
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11);
    Camera stranger(66);
    show(1, camera, true);
    send(1, stranger.packet(true, true, true));
    show(1, camera, false);
    EXPECT_EQ(seen_[2].size(), 4U);
    camera.restart(12);
    show(1, camera, true);  // its first packet is not believed yet
    EXPECT_EQ(seen_[2].size(), 4U);
    EXPECT_THAT(asked(), ElementsAre(1));
    show(1, camera, true);
    show(1, camera, false);
    expect_continuous(2, 8);
    EXPECT_EQ(seen_[2].back().from, 12);
}

TEST_F(Room, ASequenceThatBeginsAnewWaitsForItsKeyFrame) {
    join(1);
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11, 100);
    show(1, camera, true);
    Camera again(11, 40'000);
    show(1, again, false);  // far off, then believed
    show(1, again, false);
    EXPECT_EQ(seen_[2].size(), 2U);
    show(1, again, true);
    EXPECT_EQ(seen_[2].size(), 4U);
    EXPECT_EQ(static_cast<std::uint16_t>(seen_[2][2].header.sequence - seen_[2][1].header.sequence),
              1);
}

TEST_F(Room, ReceiversRequestsArePassedOnOnceASecond) {
    for (MemberId id = 1; id <= 4; ++id) join(id);
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, true);
    EXPECT_THAT(asked(), IsEmpty());
    std::size_t requests = 0;
    for (int i = 0; i < 50; ++i) {  // 5 s
        for (MemberId id = 2; id <= 4; ++id)
            forwarder_.on_rtcp(id, feedback(static_cast<std::uint32_t>(2000 + id)));
        requests += asked().size();
        show(1, camera, false);
        later(100ms);
    }
    EXPECT_EQ(requests, 5U);
    forwarder_.on_rtcp(2, feedback(2002));
    show(1, camera, true);  // came by itself
    later(2s);
    EXPECT_THAT(asked(), IsEmpty());
    forwarder_.on_rtcp(2, base::Bytes{0x81, 206});
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(Room, ARequestIsAFirWhereOnlyThatWasOfferedAndNoneWhereNeitherWas) {
    join(1, {.types = {{.payload_type = kType, .format = {.codec = VideoCodec::Vp8}}},
             .shows = true,
             .sees = true,
             .takes_fir = true});
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, false);
    const auto first = forwarder_.poll_request(now_);
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->is_fir);
    EXPECT_EQ(first->media, 11U);
    EXPECT_EQ(first->ours, 2001U);
    later(1s);
    const auto second = forwarder_.poll_request(now_);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->number, first->number + 1);
    forwarder_.change(1, {.types = {{.payload_type = kType, .format = {.codec = VideoCodec::Vp8}}},
                          .shows = true});
    show(1, camera, false);
    later(1s);
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(Room, WhoIsOnHoldIsSentNothingAndBeginsAnewWithAKeyFrame) {
    join(1);
    join(2);
    PictureLine line{.types = {{.payload_type = kType, .format = {.codec = VideoCodec::Vp8}}},
                     .shows = true,
                     .sees = true};
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, true);
    line.sees = false;
    forwarder_.change(2, line);
    show(1, camera, true);
    EXPECT_EQ(seen_[2].size(), 2U);
    line.sees = true;
    forwarder_.change(2, line);
    show(1, camera, false);
    EXPECT_EQ(seen_[2].size(), 2U);
    EXPECT_THAT(asked(), ElementsAre(1));
    later(500ms);
    show(1, camera, true);
    ASSERT_EQ(seen_[2].size(), 4U);
    // As much later as it is.
    EXPECT_EQ(seen_[2][2].header.timestamp - seen_[2][1].header.timestamp, 45'000U);
}

TEST_F(Room, WhatIsOfAnotherFormatOrOfNobodyStaysOut) {
    join(1);
    join(2);
    forwarder_.show(1, 0);
    Camera camera(11);
    base::Bytes other = camera.frame(true)[0];
    other[1] = 99;
    send(1, other);
    send(9, camera.frame(true)[0]);
    send(1, base::Bytes{0x80, kType, 0});
    EXPECT_THAT(seen_[2], IsEmpty());
    EXPECT_EQ(forwarder_.counters().passed_over, 1U);
    EXPECT_FALSE(forwarder_.add(1, 1, {}));
    EXPECT_FALSE(forwarder_.add(0, 1, {}));
}

TEST_F(Room, WhoSaysGoodbyeShowsNothingMoreUntilItDoes) {
    join(1);
    join(2);
    Camera camera(11);
    show(1, camera, true);
    EXPECT_THAT(forwarder_.sources(now_), ElementsAre(1));
    base::Bytes goodbye;
    rtp::append_receiver_report({.ssrc = 11, .reports = {}}, goodbye);
    rtp::append_goodbye(11, "", goodbye);
    forwarder_.on_rtcp(1, goodbye);
    EXPECT_THAT(forwarder_.sources(now_), IsEmpty());
    show(1, camera, true);
    later(4s);
    EXPECT_THAT(forwarder_.sources(now_), ElementsAre(1));
    EXPECT_THAT(forwarder_.sources(now_, 3s), IsEmpty());
}

TEST_F(Room, OfH264AKeyFrameBeginsWithItsParameterSets) {
    for (MemberId id = 1; id <= 2; ++id)
        join(id, {.types = {{.payload_type = kType, .format = {.codec = VideoCodec::H264}}},
                  .shows = true,
                  .sees = true,
                  .takes_pli = true});
    forwarder_.show(1, 0);
    std::uint16_t sequence = 5;
    const auto nal = [&](std::uint8_t type, std::uint32_t timestamp) {
        base::Bytes out;
        rtp::write_rtp(
            {.payload_type = kType, .sequence = sequence++, .timestamp = timestamp, .ssrc = 11},
            base::Bytes{type, 1, 2}, out);
        send(1, out);
    };
    nal(0x41, 0);
    EXPECT_THAT(seen_[2], IsEmpty());
    nal(0x67, 3000);
    nal(0x68, 3000);
    nal(0x65, 3000);
    nal(0x41, 6000);
    ASSERT_EQ(seen_[2].size(), 4U);
    for (std::size_t i = 1; i < 4; ++i)
        EXPECT_EQ(
            static_cast<std::uint16_t>(seen_[2][i].header.sequence - seen_[2][0].header.sequence),
            i);
}

// Each by its own number for the format; who does not take it is sent nothing, and asks for
// nothing.
TEST_F(Room, WhoOnlySeesIsSentWhatItTakes) {
    const PictureFormat vp8{.codec = VideoCodec::Vp8};
    const PictureFormat h264{.codec = VideoCodec::H264, .profile = 0x42};
    join(1);
    join(2, {.types = {{.payload_type = 99, .format = h264}, {.payload_type = 100, .format = vp8}},
             .sees = true});
    join(3, {.types = {{.payload_type = 99, .format = h264}}, .sees = true});
    forwarder_.show(1, 0);
    Camera camera(11);
    show(1, camera, false);
    EXPECT_THAT(asked(), ElementsAre(1));
    show(1, camera, true);
    show(1, camera, false);
    expect_continuous(2, 4);
    EXPECT_EQ(seen_[2][0].header.payload_type, 100);
    EXPECT_THAT(seen_[3], IsEmpty());
    later(2s);
    EXPECT_THAT(asked(), IsEmpty());
    // It shows another format: who saw it sees no more, who did not does.
    forwarder_.change(1, {.types = {{.payload_type = kType, .format = h264}}, .shows = true});
    base::Bytes key;
    rtp::write_rtp({.payload_type = kType, .sequence = 9, .timestamp = 1, .ssrc = 12},
                   base::Bytes{0x67, 1, 2}, key);
    send(1, key);
    ASSERT_EQ(seen_[3].size(), 1U);
    EXPECT_EQ(seen_[3][0].header.payload_type, 99);
    EXPECT_EQ(seen_[2].size(), 5U);
    EXPECT_EQ(seen_[2].back().header.payload_type, 99);
}

TEST_F(Room, FiftyMembersAreEachSentOneStreamHoweverOftenTheSpeakerChanges) {
    constexpr MemberId kMembers = 50;
    std::vector<Camera> cameras;
    for (MemberId id = 1; id <= kMembers; ++id) {
        join(id);
        cameras.emplace_back(static_cast<std::uint32_t>(100 + id),
                             static_cast<std::uint16_t>(id * 1311));
    }
    MemberId before = 0;
    for (int turn = 0; turn < 200; ++turn) {
        const MemberId speaker = 1 + static_cast<MemberId>(turn * 7) % kMembers;
        forwarder_.show(speaker, before);
        for (int frame = 0; frame < 3; ++frame) {
            later(33ms);
            for (MemberId id = 1; id <= kMembers; ++id)
                show(id, cameras[id - 1], frame == 1 && (id == speaker || id == before));
        }
        before = speaker;
    }
    for (MemberId id = 1; id <= kMembers; ++id) {
        SCOPED_TRACE(id);
        const std::size_t count = seen_[id].size();
        EXPECT_GT(count, 1100U);  // 200 turns of 3 pictures of 2 packets, but the very first
        expect_continuous(id, count);
    }
    EXPECT_GT(forwarder_.counters().switches, 9'000U);
}

TEST_F(Room, ThereIsALimitOfMembers) {
    for (MemberId id = 1; id <= kMaxMembers; ++id) EXPECT_TRUE(forwarder_.add(id, 1, {}));
    EXPECT_FALSE(forwarder_.add(kMaxMembers + 1, 1, {}));
    forwarder_.remove(1);
    EXPECT_TRUE(forwarder_.add(kMaxMembers + 1, 1, {}));
}

}  // namespace
}  // namespace earshot::focus
