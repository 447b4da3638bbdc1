#include "archive/text_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "archive/limits.h"
#include "archive/text_rendering.h"
#include "archive/transcript.h"
#include "base/printable.h"

namespace earshot::archive {
namespace {

using RenderResult = base::Result<std::unique_ptr<Rendering>, base::Reason>;

// A line can be read for so long after its last key.
constexpr std::int64_t kLingerMs = 2000;

struct Cue {
    std::int64_t start_ms = 0;
    std::int64_t end_ms = 0;
    std::string by;
    std::string text;
};

std::vector<Cue> cues_of(const CallTimeline& timeline) {
    std::vector<Cue> cues;
    for (const TextTrack& track : timeline.texts)
        for (const TimedLine& line : track.lines) {
            const std::int64_t start_ms = std::max<std::int64_t>(line.start_ms, 0);
            cues.push_back({.start_ms = start_ms,
                            .end_ms = std::max(line.end_ms, start_ms) + kLingerMs,
                            .by = typist_of(track, line),
                            .text = line.text});
        }
    std::stable_sort(cues.begin(), cues.end(),
                     [](const Cue& a, const Cue& b) { return a.start_ms < b.start_ms; });
    return cues;
}

// WebVTT's cue text and annotations (W3C WebVTT section 4.2.2); a "-->" cannot stand in them then.
std::string vtt_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else {
            out += c == '\n' || c == '\r' ? ' ' : c;
        }
    }
    return out;
}

// One line for a terminal, whatever a name or a text of a peer holds.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
    return base::printable(text);
}

base::Result<CallTimeline, base::Reason> read_timeline(const StoredRecording& piece) {
    const auto text = piece.read(std::string(kTimelineName), kMaxTimelineBytes);
    if (!text && text.error().code == "not_found") return CallTimeline{};
    if (!text) return text.error();
    auto timeline = parse_call_timeline(*text);
    if (!timeline) return part_reason(timeline.error(), std::string(kTimelineName));
    return *std::move(timeline);
}

base::Result<CallTimeline, base::Reason> read_all(std::span<const StoredRecording> pieces) {
    std::vector<base::WallTime> starts;
    for (const StoredRecording& piece : pieces) {
        const auto summary = piece.summary();
        if (!summary) return summary.error();
        starts.push_back(summary->start);
    }
    const base::WallTime first = *std::min_element(starts.begin(), starts.end());
    CallTimeline all;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        auto timeline = read_timeline(pieces[i]);
        if (!timeline) return timeline.error();
        timeline->shift(
            std::chrono::duration_cast<std::chrono::milliseconds>(starts[i] - first).count());
        all.append(*std::move(timeline));
    }
    return all;
}

// Once, and by the metadata where any piece has it of there.
void add_participant(std::vector<ParticipantSummary>& all, const ParticipantSummary& participant) {
    const auto known = std::find_if(all.begin(), all.end(), [&](const ParticipantSummary& one) {
        return one.aor == participant.aor &&
               (one.name == participant.name || one.is_seen_in_messages ||
                participant.is_seen_in_messages);
    });
    if (known == all.end())
        all.push_back(participant);
    else if (known->is_seen_in_messages)
        *known = participant;
}

base::Result<People, base::Reason> read_people(std::span<const StoredRecording> pieces) {
    std::vector<Summary> summaries;
    for (const StoredRecording& piece : pieces) {
        auto summary = piece.summary();
        if (!summary) return summary.error();
        summaries.push_back(*std::move(summary));
    }
    const auto first =
        std::min_element(summaries.begin(), summaries.end(), [](const auto& a, const auto& b) {
            return a.start < b.start;
        })->start;
    People people;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto metadata = pieces[i].metadata();
        const auto offset =
            std::chrono::duration_cast<std::chrono::milliseconds>(summaries[i].start - first);
        people.add(metadata ? metadata->objects() : siprec::MetadataObjects{}, summaries[i],
                   offset.count(), pieces.size() > 1);
    }
    return people;
}

base::Result<std::string, base::Reason> make_transcript(std::span<const StoredRecording> pieces,
                                                        const CallTimeline& timeline,
                                                        const Chat& chat,
                                                        std::chrono::minutes utc_offset) {
    std::vector<Summary> summaries;
    for (const StoredRecording& piece : pieces) {
        auto summary = piece.summary();
        if (!summary) return summary.error();
        summaries.push_back(*std::move(summary));
    }
    TranscriptHead head{.id = summaries.front().id,
                        .start = summaries.front().start,
                        .participants = {},
                        .utc_offset = utc_offset};
    std::size_t writable = 0;
    for (const Summary& summary : summaries) {
        head.start = std::min(head.start, summary.start);
        for (const StreamSummary& stream : summary.streams)
            if (stream.media == "message" || stream.media == "text") ++writable;
        for (const ParticipantSummary& participant : summary.participants)
            add_participant(head.participants, participant);
    }
    std::vector<TranscriptNote> notes;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const Summary& summary = summaries[i];
        const auto offset_ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(summary.start - head.start);
        const auto add = [&](std::vector<TranscriptNote> more) {
            for (TranscriptNote& note : more) {
                note.at_ms += offset_ms.count();
                // Pieces tell the same of the people in them.
                if (std::find(notes.begin(), notes.end(), note) == notes.end())
                    notes.push_back(std::move(note));
            }
        };
        const auto end = summary.start + std::chrono::milliseconds(summary.duration_ms.value_or(0));
        if (const auto metadata = pieces[i].metadata())
            add(notes_of_people(metadata->objects(), summary.start, end));
        for (const StreamSummary& stream : summary.streams)
            add(notes_of_gaps(stream, writable > 1));
    }
    return write_transcript(head, timeline, lines_of(chat), notes);
}

}  // namespace

std::string clock_text(std::int64_t ms, char fraction_mark) {
    return fmt::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60,
                       fraction_mark, ms % 1000);
}

std::string typist_of(const TextTrack& track, const TimedLine& line) {
    if (!line.by.empty()) return line.by;
    return line.csrc ? fmt::format("{:08x}", *line.csrc) : fmt::format("Text {}", track.label);
}

std::string write_subtitles(const CallTimeline& timeline, Format format) {
    std::string out = format == Format::Vtt ? "WEBVTT\n\n" : "";
    std::size_t number = 0;
    for (const Cue& cue : cues_of(timeline)) {
        if (format == Format::Vtt)
            out +=
                fmt::format("{} --> {}\n<v {}>{}</v>\n\n", clock_text(cue.start_ms, '.'),
                            clock_text(cue.end_ms, '.'), vtt_escape(cue.by), vtt_escape(cue.text));
        else
            out += fmt::format("{}\n{} --> {}\n{}: {}\n\n", ++number, clock_text(cue.start_ms, ','),
                               clock_text(cue.end_ms, ','), one_line(cue.by), one_line(cue.text));
    }
    return out;
}

RenderResult render_text(std::span<const StoredRecording> pieces, Format format, Reading reading,
                         std::chrono::minutes utc_offset) {
    auto timeline = read_all(pieces);
    if (!timeline) return timeline.error();
    const auto make = [](std::string text) {
        return std::unique_ptr<Rendering>(std::make_unique<TextRendering>(std::move(text)));
    };
    if (format == Format::Timeline) {
        const auto people = read_people(pieces);
        if (!people) return people.error();
        return make(to_json(*timeline, &*people) + "\n");
    }
    auto chat = format == Format::Text ? read_chat(pieces, reading) : Chat{};
    if (!chat) return chat.error();
    const bool has_text = !lines_of(*chat).empty() ||
                          std::any_of(timeline->texts.begin(), timeline->texts.end(),
                                      [](const TextTrack& track) { return !track.lines.empty(); });
    if (!has_text)
        return base::Reason{"no_text",
                            format == Format::Text
                                ? "Nobody typed or wrote in this recording: it has no text."
                                : "Nobody typed in this recording: it has no real-time text. What "
                                  "was written in a chat is exported as txt or chat."};
    if (format != Format::Text) return make(write_subtitles(*timeline, format));
    auto transcript = make_transcript(pieces, *timeline, *chat, utc_offset);
    if (!transcript) return transcript.error();
    return make(*std::move(transcript));
}

}  // namespace earshot::archive
