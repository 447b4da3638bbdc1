#include "archive/speaker_log.h"

#include <algorithm>

#include "archive/limits.h"
#include "rtp/header_extension.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;
constexpr std::int64_t kPauseNs = 500 * kMsNs;  // between words: still the same turn
constexpr std::int64_t kPacketNs = 20 * kMsNs;  // a packet lasts about so long
// Who does not say by V whether it is speech: louder than this, in -dBov (as kSilenceLevel is).
constexpr std::uint8_t kQuiet = 50;

bool speaks(const rtp::AudioLevel& level, bool has_voice_flag) {
    // Some senders never set V: a loud one speaks all the same.
    return (has_voice_flag && level.is_voice) || level.below_dbov < kQuiet;
}

}  // namespace

void SpeakerLog::add(const StreamFacts& facts, std::int64_t arrival_ns, base::ByteView packet,
                     const rtp::RtpHeader& header) {
    constexpr std::size_t kFixedHeader = 12;
    const AudioLevelIds& ids = facts.level_ids;
    if (header.csrc_count == 0 && (ids.client == 0 || !header.has_extension)) return;
    const rtp::RtpExtension extension = rtp::rtp_extension(packet, header);
    if (header.csrc_count == 0) {
        const auto level = rtp::find_element(extension, ids.client);
        if (level && !level->empty() &&
            speaks(rtp::read_audio_level((*level)[0]), ids.has_voice_flag))
            speak({facts.stream, std::nullopt}, arrival_ns);
        return;
    }
    // RFC 6465 section 3: a byte a CSRC, in the order of the list.
    const auto levels = ids.mixer == 0 ? std::nullopt : rtp::find_element(extension, ids.mixer);
    for (std::size_t i = 0; i < header.csrc_count; ++i) {
        const bool is_told = levels && i < levels->size();
        // Without levels: whom the mixer names has contributed to this packet.
        if (is_told && !speaks(rtp::read_audio_level((*levels)[i]), false)) continue;
        speak({facts.stream, base::load_u32(packet, kFixedHeader + 4 * i)}, arrival_ns);
    }
}

void SpeakerLog::speak(const Key& key, std::int64_t arrival_ns) {
    const auto known = speakers_.find(key);
    if (known == speakers_.end() && speakers_.size() >= kMaxSpeakers) return;
    History& history = known != speakers_.end() ? known->second : speakers_[key];
    if (history.tolerance_ns == 0) history.tolerance_ns = kPauseNs;
    std::vector<Spoken>& spans = history.spans;
    if (!spans.empty() && arrival_ns - spans.back().to_ns <= history.tolerance_ns) {
        spans.back().to_ns = std::max(spans.back().to_ns, arrival_ns + kPacketNs);
        return;
    }
    if (spans.size() == kMaxSpeakerSpans) {  // coarser from now on, and nothing is left out
        history.tolerance_ns *= 2;
        std::vector<Spoken> merged;
        for (const Spoken& span : spans) {
            if (!merged.empty() && span.from_ns - merged.back().to_ns <= history.tolerance_ns)
                merged.back().to_ns = span.to_ns;
            else
                merged.push_back(span);
        }
        // All pauses are longer: it goes on as one with the last.
        if (merged.size() == kMaxSpeakerSpans) {
            merged.back().to_ns = arrival_ns + kPacketNs;
            spans = std::move(merged);
            return;
        }
        spans = std::move(merged);
    }
    spans.push_back({.from_ns = arrival_ns, .to_ns = arrival_ns + kPacketNs});
}

std::vector<std::pair<std::uint16_t, Speaker>> SpeakerLog::finish(std::int64_t start_ns,
                                                                  std::int64_t end_ns) const {
    std::vector<std::pair<std::uint16_t, Speaker>> all;
    for (const auto& [key, history] : speakers_) {
        Speaker speaker{.label = {}, .csrc = key.second, .name = {}, .spans = {}};
        for (const Spoken& span : history.spans) {
            const std::int64_t from = std::clamp(span.from_ns, start_ns, end_ns) - start_ns;
            const std::int64_t to = std::clamp(span.to_ns, start_ns, end_ns) - start_ns;
            if (to > from)
                speaker.spans.push_back(
                    {.start_ms = from / kMsNs, .duration_ms = to / kMsNs - from / kMsNs});
        }
        if (!speaker.spans.empty()) all.emplace_back(key.first, std::move(speaker));
    }
    return all;
}

}  // namespace earshot::archive
