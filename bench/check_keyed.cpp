// Reads the finished recordings of a load run and compares them with what the client says it sent:
// check_keyed CALLS.json DATA, where CALLS.json is the output of `earshot call --keyed-payload
// --json` and DATA the server's directory. Every packet must be in the recording of its call
// exactly once, with the audio, SSRC, sequence number and timestamp that belong to its number.
// Prints JSON; exit 0 only when nothing is lost, doubled, foreign or damaged.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "archive/stored_recording.h"
#include "io/linux_file.h"
#include "keys/key_store.h"
#include "loadgen/keyed_payload.h"
#include "loadgen/voice.h"
#include "rtp/rtp_packet.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kParties = 2;
constexpr std::uint8_t kPcma = 8;

struct Findings {
    std::uint64_t calls = 0;
    std::uint64_t refused_calls = 0;  // no 2xx: nothing to find
    std::uint64_t recordings = 0;     // of our calls
    std::uint64_t incomplete = 0;     // recordings whose state is not "complete"
    std::uint64_t missing = 0;        // calls without a recording
    std::uint64_t sent = 0;
    std::uint64_t found = 0;
    std::uint64_t lost = 0;
    std::uint64_t doubled = 0;
    std::uint64_t foreign = 0;  // of another call or stream, unmarked, or past the last one sent
    std::uint64_t wrong = 0;    // its place is right, its audio or header is not
    std::uint64_t damaged = 0;  // recordings that could not be read to the end

    bool is_clean() const {
        return refused_calls + incomplete + missing + lost + doubled + foreign + wrong + damaged ==
               0;
    }
};

nlohmann::json to_json(const Findings& f) {
    return {{"calls", f.calls},           {"refused_calls", f.refused_calls},
            {"recordings", f.recordings}, {"incomplete", f.incomplete},
            {"missing", f.missing},       {"sent", f.sent},
            {"found", f.found},           {"lost", f.lost},
            {"doubled", f.doubled},       {"foreign", f.foreign},
            {"wrong", f.wrong},           {"damaged", f.damaged},
            {"clean", f.is_clean()}};
}

// What is known of one stream after its first packet.
struct SentStream {
    std::vector<std::uint8_t> times_found;  // by packet number
    bool has_first = false;
    std::uint32_t ssrc = 0;
    std::uint16_t first_sequence = 0;
    std::uint32_t first_timestamp = 0;
};

struct SentCall {
    std::uint32_t index = 0;
    bool has_recording = false;
    std::array<SentStream, kParties> streams;
};

class Checker {
public:
    explicit Checker(const nlohmann::json& calls) {
        std::uint32_t index = 0;
        for (const nlohmann::json& call : calls) {
            ++findings_.calls;
            SentCall& expected = calls_[call.at("call_id").get<std::string>()];
            expected.index = index++;
            const nlohmann::json& sent = call.at("sent");
            for (std::size_t party = 0; party < kParties && party < sent.size(); ++party) {
                const auto packets = sent[party].at("packets").get<std::uint64_t>();
                expected.streams[party].times_found.resize(packets);
                findings_.sent += packets;
            }
            if (call.at("sip_status").get<int>() / 100 != 2) {
                ++findings_.refused_calls;
                expected.has_recording = true;  // none is expected
            }
        }
    }

    // The folder of one recording; those of other calls are passed over.
    void read(io::FileSystem& files, const std::string& directory, const crypto::KeyWrapper* keys) {
        const archive::StoredRecording recording(files, directory, keys);
        const auto summary = recording.summary();
        if (!summary) {
            ++findings_.damaged;
            std::cerr << directory << ": " << summary.error().text << '\n';
            return;
        }
        const auto call =
            std::find_if(summary->call_ids.begin(), summary->call_ids.end(),
                         [this](const std::string& id) { return calls_.find(id) != calls_.end(); });
        if (call == summary->call_ids.end()) return;
        ++findings_.recordings;
        if (summary->state != archive::State::Complete) ++findings_.incomplete;
        SentCall& expected = calls_[*call];
        expected.has_recording = true;

        auto part = recording.open("packets");
        if (!part) {
            ++findings_.damaged;
            std::cerr << directory << ": " << part.error().text << '\n';
            return;
        }
        archive::PartRecords records(std::move(*part), "packets");
        while (true) {
            const auto record = records.next();
            if (!record) {
                ++findings_.damaged;
                std::cerr << directory << ": " << record.error().text << '\n';
                return;
            }
            if (!record->has_value()) return;
            if ((*record)->header.type == journal::RecordType::Rtp) check(**record, expected);
        }
    }

    const Findings& finish() {
        for (const auto& [id, call] : calls_) {
            if (!call.has_recording) ++findings_.missing;
            for (const SentStream& stream : call.streams) {
                const auto lost =
                    std::count(stream.times_found.begin(), stream.times_found.end(), 0);
                findings_.lost += static_cast<std::uint64_t>(lost);
            }
        }
        return findings_;
    }

private:
    void check(const journal::Record& record, SentCall& call) {
        if (record.payload.size() < journal::kSourceSize) {
            ++findings_.foreign;
            return;
        }
        const base::ByteView packet = record.payload.subspan(journal::kSourceSize);
        const auto header = rtp::parse_rtp(packet);
        const base::ByteView payload =
            header ? rtp::rtp_payload(packet, *header) : base::ByteView{};
        const auto key = loadgen::load_key(payload);
        if (!key || key->call != call.index || key->stream >= kParties ||
            key->stream != record.header.stream ||
            key->packet >= call.streams[key->stream].times_found.size()) {
            ++findings_.foreign;
            return;
        }
        SentStream& stream = call.streams[key->stream];
        std::uint8_t& times = stream.times_found[key->packet];
        if (times != 0) {
            ++findings_.doubled;
            return;
        }
        times = 1;
        if (is_as_sent(*header, payload, *key, stream)) {
            ++findings_.found;
        } else {
            ++findings_.wrong;
        }
    }

    // The numbers of a stream go with those of its packets: nothing is held or paused in these
    // runs.
    bool is_as_sent(const rtp::RtpHeader& header, base::ByteView payload,
                    const loadgen::PayloadKey& key, SentStream& stream) {
        const auto sequence = static_cast<std::uint16_t>(header.sequence - key.packet);
        const auto timestamp =
            static_cast<std::uint32_t>(header.timestamp - key.packet * loadgen::kSamplesPerPacket);
        if (!stream.has_first) {
            stream.has_first = true;
            stream.ssrc = header.ssrc;
            stream.first_sequence = sequence;
            stream.first_timestamp = timestamp;
        }
        if (header.ssrc != stream.ssrc || sequence != stream.first_sequence ||
            timestamp != stream.first_timestamp || payload.size() != loadgen::kSamplesPerPacket) {
            return false;
        }
        const audio::G711Law law =
            header.payload_type == kPcma ? audio::G711Law::A : audio::G711Law::Mu;
        voices_[key.stream].copy_packet(law, key.packet, audio_);
        return std::equal(payload.begin() + loadgen::kPayloadKeyBytes, payload.end(),
                          audio_.begin() + loadgen::kPayloadKeyBytes);
    }

    std::unordered_map<std::string, SentCall> calls_;  // by Call-ID
    Findings findings_;
    const std::array<loadgen::Voice, kParties> voices_{
        loadgen::Voice{loadgen::make_tone_speech(0), loadgen::Voice::AtEnd::Repeat},
        loadgen::Voice{loadgen::make_tone_speech(1), loadgen::Voice::AtEnd::Repeat}};
    std::array<std::uint8_t, loadgen::kSamplesPerPacket> audio_{};
};

int run(const std::string& calls_path, const std::filesystem::path& data) {
    std::ifstream calls(calls_path);
    Checker checker(nlohmann::json::parse(calls));
    io::LinuxFileSystem files;
    const auto keys =
        keys::KeyStore::open_for_reading(files, (data / "keys/kek").string(), nullptr);
    // recordings/YYYY/MM/DD/ID: a folder appears there whole or not at all.
    constexpr int kDepthOfIds = 3;
    std::filesystem::recursive_directory_iterator entry(data / "recordings");
    for (; entry != std::filesystem::recursive_directory_iterator(); ++entry) {
        if (entry.depth() != kDepthOfIds) continue;
        entry.disable_recursion_pending();
        checker.read(files, entry->path().string(), keys ? keys->get() : nullptr);
    }
    const Findings& findings = checker.finish();
    std::cout << to_json(findings).dump() << '\n';
    return findings.is_clean() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: check_keyed CALLS.json DATA\n";
        return 2;
    }
    try {
        return run(argv[1], argv[2]);
    } catch (const std::exception& e) {
        std::cerr << "error: " << e.what() << '\n';
        return 2;
    }
}
