#include "archive/media_job.h"

#include <gmock/gmock.h>

#include "archive/archive_test_rig.h"
#include "archive/rendition_file.h"
#include "rendition/packet_stream.h"

namespace earshot::archive {
namespace {

using rendition::Product;
using rendition::RecordType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Fed {
    rendition::RecordHeader header;
    std::uint16_t sequence = 0;
};

class MediaJobTest : public ArchiveTest {
protected:
    base::Result<MediaJob, base::Reason> make(Product product,
                                              std::optional<std::uint16_t> stream = {}) {
        const StoredRecording recording(files_, directory_, &keys_);
        return make_media_job({&recording, 1}, product, stream);
    }
    // All records, to the End.
    static std::vector<Fed> read(rendition::PacketSource& source) {
        base::Bytes bytes;
        for (bool more = true; more;) {
            const auto next = source.next(bytes);
            EXPECT_TRUE(next) << (next ? "" : next.error().text);
            more = next && *next;
        }
        std::vector<Fed> list;
        for (base::ByteView rest = bytes; !rest.empty();) {
            const auto header = rendition::parse_record_header(rest);
            if (!header) return list;
            const auto packet = rest.subspan(rendition::kRecordHeaderBytes, header->size);
            const auto rtp = rtp::parse_rtp(packet);
            list.push_back({*header, rtp ? rtp->sequence : std::uint16_t{0}});
            rest = rest.subspan(rendition::kRecordHeaderBytes + header->size);
        }
        return list;
    }
    // A picture of three packets each 40 ms.
    void add_video(std::uint16_t stream, int pictures) {
        std::uint16_t sequence = 100;
        for (int i = 0; i < pictures; ++i)
            for (int part = 0; part < 3; ++part) {
                rtp::RtpHeader header;
                header.payload_type = 96;
                header.sequence = sequence++;
                header.timestamp = 3600U * static_cast<std::uint32_t>(i);
                header.ssrc = 77;
                records_.rtp((100 + 40 * i) * kMs, stream, header, base::Bytes(1000));
            }
    }
    // Another piece of the recording, with a voice.
    void begin_another(std::int64_t at_ms) {
        records_.clear();
        id_ = *base::parse_uuid("0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c");
        records_.event(
            at_ms,
            R"({"type":"recording_started","call_id":"c2@a","from":"sip:a@x","to":"sip:r@y"})");
        records_.stream_added(at_ms, 0, "1");
    }
    static constexpr std::string_view kVideoFormats =
        R"({"pt":96,"encoding":"H264","clock_rate":90000,"channels":1,"fmtp":"packetization-mode=1"})";
};

TEST_F(MediaJobTest, TellsOfStreamsAndFeedsPacketsByTheirPlaces) {
    records_.started();
    records_.stream_added(0, 0, "1");
    records_.stream_added(0, 1, "2", kVideoFormats, "video");
    add_video(1, 10);
    Sender sender{records_, 0};
    sender.packets(20);
    records_.ended(600);
    build();
    const auto made = make(Product::Tracks);
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_THAT(made->job.streams, SizeIs(2));
    EXPECT_EQ(made->job.duration_ms, 600);
    const rendition::Stream& video = made->job.streams[1];
    EXPECT_EQ(video.media, "video");
    ASSERT_THAT(video.formats, SizeIs(1));
    EXPECT_EQ(video.formats[0].fmtp, "packetization-mode=1");
    EXPECT_TRUE(video.formats[0].is_used);
    EXPECT_TRUE(made->job.streams[0].formats[0].is_used);
    EXPECT_FALSE(made->job.streams[0].formats[1].is_used);

    const std::vector<Fed> fed = read(*made->packets);
    ASSERT_THAT(fed, SizeIs(30 + 30 + 20 + 1));
    EXPECT_EQ(fed.back().header.type, RecordType::End);
    for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(fed[i].header.type, RecordType::Preview);
    std::int64_t last_ns = INT64_MIN;
    for (std::size_t i = 30; i + 1 < fed.size(); ++i) {
        EXPECT_EQ(fed[i].header.type, RecordType::Packet);
        EXPECT_GE(fed[i].header.position_ns, last_ns);
        last_ns = fed[i].header.position_ns;
    }
    EXPECT_TRUE(fed[30].header.begins_segment);
    EXPECT_TRUE(fed[30].header.begins_piece);
    EXPECT_FALSE(fed[32].header.begins_piece);
}

TEST_F(MediaJobTest, FeedsALatePacketAtItsPlaceAndADuplicateOnce) {
    records_.started();
    records_.stream_added(0, 0, "1");
    Sender sender{records_, 0};
    sender.packets(5);
    sender.packet();
    sender.packet();
    records_.swap_last_two();
    sender.packets(5);
    records_.ended(400);
    build();
    const auto made = make(Product::Wav);
    ASSERT_TRUE(made);
    const std::vector<Fed> fed = read(*made->packets);
    ASSERT_THAT(fed, SizeIs(13));
    for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(fed[i].sequence, 1000 + i);
}

TEST_F(MediaJobTest, TakesWhatTheProductNeedsAlone) {
    records_.started();
    records_.stream_added(0, 0, "1");
    records_.stream_added(0, 1, "2", kVideoFormats, "video");
    add_video(1, 2);
    Sender{records_, 0}.packets(5);
    records_.ended(400);
    build();
    EXPECT_THAT(make(Product::Wav)->job.streams, SizeIs(1));
    EXPECT_THAT(make(Product::Webm)->job.streams, SizeIs(2));
    EXPECT_THAT(make(Product::Track, std::uint16_t{1})->job.streams, SizeIs(1));
    EXPECT_EQ(make(Product::Track, std::uint16_t{0}).error().code, "no_video");
}

TEST_F(MediaJobTest, KnowsWhichStreamShowsASharedScreen) {
    records_.started();
    records_.stream_added(0, 1, "2", kVideoFormats, "video");
    records_.event(10, R"({"type":"stream_role","stream":1,"role":"content"})", 1);
    add_video(1, 2);
    records_.ended(400);
    build();
    const auto made = make(Product::Webm);
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->job.streams.at(0).is_content);
}

// The same label in the next piece goes on; what lies between was not recorded.
TEST_F(MediaJobTest, PutsPiecesOneAfterTheOther) {
    records_.started();
    records_.stream_added(0, 0, "1");
    records_.stream_added(0, 1, "2", kVideoFormats, "video");
    add_video(1, 2);
    Sender{records_, 0}.packets(5);
    records_.ended(400);
    build();
    const StoredRecording one(files_, directory_, &keys_);
    begin_another(1000);
    Sender next{records_, 0};
    next.begin_ms = 1100;
    next.packets(3);
    records_.ended(1300);
    build();
    const std::vector<StoredRecording> pieces{one, StoredRecording(files_, directory_, &keys_)};
    const auto made = make_media_job(pieces, Product::Tracks);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->job.duration_ms, 1300);
    ASSERT_THAT(made->job.streams, SizeIs(2));
    EXPECT_EQ(made->job.streams[0].label, "1");
    EXPECT_THAT(made->job.streams[0].gaps,
                ::testing::Contains(rendition::Gap{400, 600, "not_recorded"}));
    EXPECT_THAT(made->job.streams[1].gaps,
                ::testing::Contains(rendition::Gap{400, 900, "not_recorded"}));
    std::vector<std::int64_t> sound;
    for (const Fed& fed : read(*made->packets)) {
        if (fed.header.type != RecordType::Packet || fed.header.stream != 0) continue;
        EXPECT_EQ(fed.header.begins_piece, sound.empty() || sound.size() == 5);
        sound.push_back(fed.header.position_ns);
    }
    ASSERT_THAT(sound, SizeIs(8));
    for (std::size_t i = 0; i < 5; ++i) EXPECT_LT(sound[i], 400 * kMs);
    for (std::size_t i = 5; i < 8; ++i) EXPECT_GE(sound[i], 1000 * kMs);
}

// Two calls at once (both legs of one): neither goes on from the other.
TEST_F(MediaJobTest, KeepsPiecesApartThatRanAtOnce) {
    records_.started();
    records_.stream_added(0, 0, "1");
    Sender{records_, 0}.packets(5);
    records_.ended(400);
    build();
    const StoredRecording one(files_, directory_, &keys_);
    begin_another(0);
    Sender{records_, 0}.packets(3);
    records_.ended(300);
    build();
    const auto made = make_media_job(
        std::vector<StoredRecording>{one, StoredRecording(files_, directory_, &keys_)},
        Product::Tracks);
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_THAT(made->job.streams, SizeIs(2));
    EXPECT_EQ(made->job.streams[0].number, 0);
    EXPECT_EQ(made->job.streams[1].number, 1);
    EXPECT_EQ(made->job.duration_ms, 400);
}

TEST_F(MediaJobTest, SaysThatThereIsNothing) {
    records_.started();
    records_.stream_added(0, 0, "1");
    records_.ended(400);
    build();
    EXPECT_EQ(make(Product::Wav).error().code, "no_audio");
    EXPECT_EQ(make(Product::Sheet).error().code, "no_video");
    EXPECT_EQ(make(Product::Mp4).error().code, "no_media");
}

TEST_F(MediaJobTest, ARenditionIsReadAsItWasWrittenAlsoWhileItGrows) {
    encryption_.emplace(Encryption{.keys = keys_, .random = random_});
    records_.started();
    records_.stream_added(0, 0, "1");
    Sender{records_, 0}.packets(5);
    records_.ended(400);
    build();
    const RenditionPlace place{.recording = directory_, .id = id_, .folder = "cache/id/mkv"};
    auto growing = GrowingRendition::create(files_, place, &keys_, random_);
    ASSERT_TRUE(growing) << growing.error().text;
    base::Bytes content(200'000);
    for (std::size_t i = 0; i < content.size(); ++i)
        content[i] = static_cast<std::uint8_t>(i * 7 / 3);
    const auto write = [&](std::size_t offset, std::size_t size) {
        return (*growing)->write(offset, base::ByteView(content).subspan(offset, size));
    };
    ASSERT_TRUE(write(0, 70'000));
    base::Bytes read(100);
    EXPECT_EQ(*(*growing)->read(65'500, read), 36U);  // to the end of the head
    EXPECT_EQ(*(*growing)->read(69'950, read), 50U);
    EXPECT_FALSE(StoredRendition::open(files_, place, &keys_));  // not whole yet
    ASSERT_TRUE(write(70'000, 130'000));
    content[10] = 99;
    ASSERT_TRUE(write(10, 1));  // a container's beginning, at its end
    EXPECT_EQ((*growing)->write(70'000, read).error().code, "media_malformed");
    EXPECT_EQ((*growing)->write(300'000, read).error().code, "media_malformed");
    const rendition::Report report{.tracks = {{.stream = 0, .codec = "PCMU", .state = "copied"}}};
    ASSERT_TRUE((*growing)->finish(report));
    EXPECT_EQ(*(*growing)->read(150'000, read), 100U);  // who read it while it grew reads on

    auto stored = StoredRendition::open(files_, place, &keys_);
    ASSERT_TRUE(stored) << stored.error().text;
    EXPECT_EQ((*stored)->size(), content.size());
    EXPECT_EQ((*stored)->report(), report);
    base::Bytes all;
    while (all.size() < content.size()) {
        base::Bytes piece(50'000);
        const auto count = (*stored)->read(all.size(), piece);
        ASSERT_TRUE(count && *count > 0);
        base::append(all, base::ByteView(piece).first(*count));
    }
    EXPECT_EQ(all, content);
    EXPECT_EQ(*(*stored)->read(content.size(), read), 0U);
    // Erased with its recording.
    ASSERT_TRUE(files_.remove(directory_ + "/" + kKeyName));
    EXPECT_EQ(StoredRendition::open(files_, place, &keys_).error().code, "erased");
}

}  // namespace
}  // namespace earshot::archive
