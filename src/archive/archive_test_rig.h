// A recording made in memory for the tests: records as capture and signalling would journal them, a
// sender of RTP whose every field can be bent, and a disk that exists nowhere.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/part_writer.h"
#include "archive/render.h"
#include "archive/stored_recording.h"
#include "archive/verify.h"
#include "audio/g711.h"
#include "audio/wav.h"
#include "base/net_address.h"
#include "io/faulty_file.h"
#include "objects/directory_store.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {

inline constexpr std::int64_t kStartNs = 1'772'442'900'120'000'000;  // 2026-03-02T09:15:00.120Z
inline constexpr std::int64_t kMs = 1'000'000;

inline const base::Uuid& test_id() {
    static const base::Uuid id = *base::parse_uuid("0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
    return id;
}

// Keeps records and gives them out as the journal would.
class RecordList : public RecordSource {
public:
    void add(journal::RecordType type, std::int64_t at_ms, std::uint16_t stream,
             base::Bytes payload) {
        journal::RecordHeader header;
        header.type = type;
        header.stream = stream;
        header.arrival_ns = kStartNs + at_ms * kMs;
        records_.push_back({header, std::move(payload)});
    }
    void event(std::int64_t at_ms, std::string_view json,
               std::uint16_t stream = journal::kNoStream) {
        const base::ByteView bytes = base::as_bytes(json);
        add(journal::RecordType::Event, at_ms, stream, {bytes.begin(), bytes.end()});
    }
    void started() {
        event(0,
              R"({"type":"recording_started","call_id":"c1@a","from":"sip:a@x","to":"sip:r@y"})");
    }
    void ended(std::int64_t at_ms, std::string_view code = "") {
        event(at_ms,
              fmt::format(R"({{"type":"call_ended","by":"client","code":"{}","text":"T"}})", code));
    }
    void stream_added(std::int64_t at_ms, std::uint16_t stream, std::string_view label,
                      std::string_view formats = kUsualFormats, std::string_view media = "audio") {
        event(at_ms,
              fmt::format(R"({{"type":"stream_added","stream":{},"label":"{}","media":"{}",)"
                          R"("direction":"sendonly","local_port":{},"payload_types":[{}]}})",
                          stream, label, media, 10'000 + 2 * stream, formats),
              stream);
    }
    void rtp(std::int64_t at_ns_after_start, std::uint16_t stream, const rtp::RtpHeader& header,
             base::ByteView payload) {
        base::Bytes packet;
        rtp::write_rtp(header, payload, packet);
        datagram(at_ns_after_start, stream, packet);
    }
    void datagram(std::int64_t at_ns_after_start, std::uint16_t stream, base::ByteView packet) {
        const base::NetAddress source = *base::parse_net_address("192.0.2.10:40000");
        base::Bytes bytes(source.ip.begin(), source.ip.end());
        base::append_u16(bytes, source.port);
        base::append(bytes, packet);
        add(journal::RecordType::Rtp, 0, stream, std::move(bytes));
        records_.back().first.arrival_ns = kStartNs + at_ns_after_start;
    }
    void metadata(std::int64_t at_ms, std::string_view xml) {
        const base::ByteView bytes = base::as_bytes(xml);
        add(journal::RecordType::Metadata, at_ms, journal::kNoStream, {bytes.begin(), bytes.end()});
    }
    void sip(std::int64_t at_ms, bool is_incoming, std::string_view message,
             bool over_tcp = false) {
        const base::NetAddress peer = *base::parse_net_address("192.0.2.7:5060");
        base::Bytes bytes{static_cast<std::uint8_t>(is_incoming ? 0 : 1),
                          static_cast<std::uint8_t>(over_tcp ? 1 : 0)};
        base::append(bytes, peer.ip);
        base::append_u16(bytes, peer.port);
        base::append(bytes, base::as_bytes(message));
        add(journal::RecordType::SipMessage, at_ms, journal::kNoStream, std::move(bytes));
    }
    void swap_last_two() { std::swap(records_.back(), records_[records_.size() - 2]); }
    std::size_t size() const { return records_.size(); }

    std::optional<journal::Record> next() override {
        if (at_ == records_.size()) return std::nullopt;
        const auto& [header, payload] = records_[at_++];
        return journal::Record{header, payload};
    }
    journal::Damage damage() const override { return damage_; }
    void rewind() { at_ = 0; }
    void clear() {  // for another recording
        records_.clear();
        at_ = 0;
    }
    void set_damage(journal::Damage damage) { damage_ = std::move(damage); }

    static constexpr std::string_view kUsualFormats =
        R"({"pt":0,"encoding":"PCMU","clock_rate":8000,"channels":1},)"
        R"({"pt":8,"encoding":"PCMA","clock_rate":8000,"channels":1},)"
        R"({"pt":9,"encoding":"G722","clock_rate":8000,"channels":1},)"
        R"({"pt":13,"encoding":"CN","clock_rate":8000,"channels":1},)"
        R"({"pt":97,"encoding":"opus","clock_rate":48000,"channels":2},)"
        R"({"pt":101,"encoding":"telephone-event","clock_rate":8000,"channels":1})";

private:
    std::vector<std::pair<journal::RecordHeader, base::Bytes>> records_;
    std::size_t at_ = 0;
    journal::Damage damage_;
};

// What a party says: a tone whose sample depends on its position alone.
inline std::int16_t spoken(std::int64_t sample, int hertz = 440) {
    const double phase = 2 * std::numbers::pi * hertz * static_cast<double>(sample) / 8000;
    return static_cast<std::int16_t>(std::lround(12'000 * std::sin(phase)));
}

// Sends 20 ms packets of G.711; its clock is `sent`, in samples since it began.
struct Sender {
    RecordList& records;
    std::uint16_t stream = 0;
    std::uint32_t ssrc = 0x1234;
    std::uint16_t sequence = 1000;
    std::uint32_t timestamp = 5000;
    std::uint8_t payload_type = 0;
    std::int64_t begin_ms = 100;  // arrival of the first packet
    int hertz = 440;
    std::int64_t sent = 0;

    // Counted, but sent or not: the network loses it.
    void packet(bool arrives = true, std::int64_t late_ms = 0) {
        base::Bytes payload(160);
        for (std::size_t i = 0; i < payload.size(); ++i) {
            const std::int16_t sample = spoken(sent + static_cast<std::int64_t>(i), hertz);
            payload[i] =
                payload_type == 8 ? audio::encode_a_law(sample) : audio::encode_mu_law(sample);
        }
        raw(payload, arrives, late_ms);
        sent += 160;
        timestamp += 160;
    }
    void raw(base::ByteView payload, bool arrives = true, std::int64_t late_ms = 0) {
        rtp::RtpHeader header;
        header.payload_type = payload_type;
        header.sequence = sequence++;
        header.timestamp = timestamp;
        header.ssrc = ssrc;
        if (arrives) records.rtp((begin_ms + sent / 8 + late_ms) * kMs, stream, header, payload);
    }
    void packets(int count) {
        for (int i = 0; i < count; ++i) packet();
    }
    void silence(int packets) {  // DTX: time goes on, nothing is sent
        sent += 160 * packets;
        timestamp += 160U * static_cast<std::uint32_t>(packets);
    }
};

class ArchiveTest : public testing::Test {
protected:
    ArchiveTest() : store_(files_, "data"), key_(Ed25519Bytes{1, 2, 3}) {}

    Summary build() {
        records_.rewind();
        auto built = build_recording({.recording = id_,
                                      .records = records_,
                                      .objects = store_,
                                      .key = key_,
                                      .now = base::wall_from_ns(kStartNs),
                                      .failure = failure_,
                                      .was_closed = was_closed_,
                                      .encryption = encryption_});
        EXPECT_TRUE(built) << (built ? "" : built.error().text);
        if (!built) return {};
        EXPECT_TRUE(store_.commit({&built->object, 1}).front());
        directory_ = "data/" + built->directory;
        return built->summary;
    }
    std::string content_path() const { return directory_ + "/" + kContentName; }
    // Empty when there is none.
    std::string part(const std::string& name) {
        const auto text = StoredRecording(files_, directory_, &keys_).read(name, 1U << 24U);
        return text ? *text : "";
    }
    // Byte `at` of a part of a recording that is not encrypted; again: as it was.
    void corrupt_part(const std::string& name, std::uint64_t at, std::uint8_t flip) {
        const auto pack = StoredRecording(files_, directory_).open_pack();
        ASSERT_TRUE(pack);
        for (const PackPiece& piece : pack->pieces(name)) {
            if (at < piece.size) return files_.corrupt(content_path(), piece.offset + at, flip);
            at -= piece.size;
        }
        FAIL() << name << " has no such byte";
    }
    audio::WavAudio track(const std::string& label) {
        const auto audio = audio::parse_wav(base::as_bytes(part("tracks/" + label + ".wav")));
        EXPECT_TRUE(audio) << label;
        return audio ? *audio : audio::WavAudio{};
    }
    std::string render_all(Format format) {
        auto rendering = render(files_, directory_, format, &keys_);
        EXPECT_TRUE(rendering) << (rendering ? "" : rendering.error().text);
        if (!rendering) return {};
        std::string all;
        std::string chunk;
        while (true) {
            const auto more = (*rendering)->next(chunk);
            EXPECT_TRUE(more) << (more ? "" : more.error().text);
            if (!more || !*more) break;
            all += chunk;
        }
        if (const auto size = (*rendering)->size()) {
            EXPECT_EQ(all.size(), *size);
        }
        return all;
    }
    // Samples of a track that do not hold what was said at that place; `from` and `to` in ms of
    // the recording, the speaker began at `begin_ms`.
    static int count_wrong(const audio::WavAudio& audio, std::int64_t from_ms, std::int64_t to_ms,
                           std::int64_t begin_ms, bool is_a_law = false, int hertz = 440) {
        int wrong = 0;
        for (std::int64_t i = from_ms * 8; i < to_ms * 8; ++i) {
            const std::int16_t sample = spoken(i - begin_ms * 8, hertz);
            const std::int16_t expected = is_a_law
                                              ? audio::decode_a_law(audio::encode_a_law(sample))
                                              : audio::decode_mu_law(audio::encode_mu_law(sample));
            const auto at = static_cast<std::size_t>(i);
            if (at >= audio.samples.size() || audio.samples[at] != expected) ++wrong;
        }
        return wrong;
    }
    static int count_sounds(const audio::WavAudio& audio, std::int64_t from_ms,
                            std::int64_t to_ms) {
        int sounds = 0;
        for (std::int64_t i = from_ms * 8; i < to_ms * 8; ++i) {
            if (audio.samples.at(static_cast<std::size_t>(i)) != 0) ++sounds;
        }
        return sounds;
    }

    base::Uuid id_ = test_id();
    io::FaultyFileSystem files_;
    objects::DirectoryStore store_;
    SigningKey key_;
    RecordList records_;
    base::SeededRandom random_{1};
    crypto::KeyRing keys_{base::Uuid{}, crypto::SecretKey::generate(random_)};
    std::optional<Encryption> encryption_;  // absent: as it is
    std::optional<base::Reason> failure_;
    bool was_closed_ = true;
    std::string directory_;
};

}  // namespace earshot::archive
