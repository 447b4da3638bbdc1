#include "archive/transcript.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/text_export.h"
#include "base/printable.h"
#include "base/text.h"
#include "siprec/participant_watch.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kIndent = "    ";

struct Line {
    std::int64_t at_ms = 0;
    std::string text;
};

std::string single_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
    return base::printable(text);
}

// Each line of it after the first one indented.
std::string indented(std::string_view text) {
    std::string out;
    while (true) {
        const std::size_t end = text.find_first_of("\r\n");
        out += base::printable(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
        if (text.empty()) return out;
        out += '\n';
        out += kIndent;
    }
}

std::string_view text_of(GapReason reason) {
    switch (reason) {
        case GapReason::Paused:
            return "recording paused";
        case GapReason::Held:
            return "on hold";
        case GapReason::Storage:
            return "what came could not be stored";
        case GapReason::Dropped:
            return "dropped by an operator or a rule";
        default:
            return "";  // lost text has its mark in the text; not negotiated is no gap of it
    }
}

std::string length_text(std::int64_t ms) {
    if (ms >= 60'000) return fmt::format("{}:{:02} min", ms / 60'000, ms / 1000 % 60);
    return ms % 1000 < 100 ? fmt::format("{} s", ms / 1000)
                           : fmt::format("{}.{} s", ms / 1000, ms / 100 % 10);
}

std::string name_of(const siprec::MetadataObjects& metadata, const siprec::MetadataId& id) {
    for (const siprec::Participant& participant : metadata.participants) {
        if (!(participant.id == id) || participant.names.empty()) continue;
        if (siprec::is_placeholder(participant)) return {};
        for (const siprec::NameId& one : participant.names)
            if (!one.name.empty()) return short_name(one.name, one.aor);
        return short_address(participant.names.front().aor);
    }
    return {};
}

std::string presenter_of(const TranscriptHead& head, const std::string& aor) {
    for (const ParticipantSummary& participant : head.participants)
        if (participant.aor == aor) return short_name(participant.name, aor);
    return short_address(aor);
}

void add_sharing(std::vector<Line>& lines, const TranscriptHead& head, const Sharing& sharing) {
    if (sharing.kind == "picture") return;  // a file of the chat: it has its line
    const std::string who =
        sharing.presenter.empty() ? "somebody" : presenter_of(head, sharing.presenter);
    const std::string what = sharing.kind.empty() ? "content" : sharing.kind;
    std::string begins = fmt::format("[{} shares {}", who, what);
    if (!sharing.title.empty()) begins += fmt::format(" \"{}\"", sharing.title);
    lines.push_back({.at_ms = sharing.start_ms, .text = single_line(begins) + "]"});
    lines.push_back({.at_ms = sharing.start_ms + sharing.duration_ms,
                     .text = single_line(fmt::format("[{} stops sharing {}", who, what)) + "]"});
}

std::string heading(const TranscriptHead& head) {
    const std::string start =
        base::to_rfc3339(head.start + head.utc_offset);  // 2026-03-02T09:15:00.120Z
    const std::string zone = utc_offset_text(head.utc_offset);
    std::string out = fmt::format("# Recording    {}\n# Start        {} {} {}\n", head.id,
                                  start.substr(0, 10), start.substr(11, 8), zone);
    for (const ParticipantSummary& participant : head.participants) {
        const std::string aor = participant.name.empty()
                                    ? participant.aor
                                    : fmt::format("{} <{}>", participant.name, participant.aor);
        out += fmt::format("# Participant  {}{}\n", single_line(aor),
                           participant.is_seen_in_messages ? ", seen in messages" : "");
    }
    return out +
           fmt::format("# Times        of day in {}, then since the recording's start\n\n", zone);
}

}  // namespace

std::optional<std::chrono::minutes> parse_utc_offset(std::string_view text) {
    constexpr std::chrono::hours kMost{14};  // Kiribati
    if (base::iequals(text, "UTC") || base::iequals(text, "Z")) return std::chrono::minutes{0};
    if (text.size() < 5 || (text.front() != '+' && text.front() != '-')) return std::nullopt;
    const bool is_west = text.front() == '-';
    std::string digits(text.substr(1));
    if (digits.size() == 5 && digits[2] == ':') digits.erase(2, 1);
    const bool is_number =
        digits.size() == 4 && digits.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) return std::nullopt;
    const auto number = base::parse_number<int>(digits);
    const std::chrono::minutes offset =
        std::chrono::hours{*number / 100} + std::chrono::minutes{*number % 100};
    if (*number % 100 >= 60 || offset > kMost) return std::nullopt;
    return is_west ? -offset : offset;
}

std::string utc_offset_text(std::chrono::minutes offset) {
    if (offset == offset.zero()) return "UTC";
    const auto minutes = offset < offset.zero() ? -offset.count() : offset.count();
    return fmt::format("{}{:02}:{:02}", offset < offset.zero() ? '-' : '+', minutes / 60,
                       minutes % 60);
}

std::vector<TranscriptNote> notes_of_gaps(const StreamSummary& stream, bool has_others) {
    std::vector<TranscriptNote> notes;
    if (stream.media != "message" && stream.media != "text") return notes;
    for (const Gap& gap : stream.gaps) {
        const std::string_view what = text_of(gap.reason);
        if (what.empty()) continue;
        const std::string of =
            has_others ? fmt::format("{} {}: ", stream.media == "text" ? "text" : "chat",
                                     single_line(stream.label))
                       : "";
        notes.push_back(
            {.at_ms = gap.start_ms,
             .text = fmt::format("{}{} for {}", of, what, length_text(gap.duration_ms))});
    }
    return notes;
}

std::vector<TranscriptNote> notes_of_people(const siprec::MetadataObjects& metadata,
                                            base::WallTime start, base::WallTime end) {
    std::vector<TranscriptNote> notes;
    const auto add = [&](const siprec::OptionalTime& time, const std::string& text) {
        if (!time || *time <= start || *time > end) return;
        const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(*time - start);
        TranscriptNote note{.at_ms = at.count(), .text = text};
        if (std::find(notes.begin(), notes.end(), note) == notes.end())
            notes.push_back(std::move(note));
    };
    for (const siprec::ParticipantSessionAssoc& assoc : metadata.participant_sessions) {
        const std::string name = name_of(metadata, assoc.participant);
        if (name.empty() || siprec::is_focus(assoc)) continue;
        for (const siprec::Period& period : assoc.periods) {
            add(period.associate, name + " joined");
            add(period.disassociate, name + " left");
        }
    }
    return notes;
}

std::string write_transcript(const TranscriptHead& head, const CallTimeline& timeline,
                             std::span<const ChatLine> written,
                             std::span<const TranscriptNote> notes) {
    std::vector<Line> lines;
    for (const TranscriptNote& note : notes)
        lines.push_back({.at_ms = note.at_ms, .text = "[" + single_line(note.text) + "]"});
    for (const Sharing& sharing : timeline.sharing) add_sharing(lines, head, sharing);
    for (const ChatLine& line : written)
        lines.push_back(
            {.at_ms = line.at_ms, .text = single_line(line.by) + ": " + indented(line.text)});
    for (const TextTrack& track : timeline.texts)
        for (const TimedLine& line : track.lines)
            lines.push_back(
                {.at_ms = std::max<std::int64_t>(line.start_ms, 0),
                 .text = single_line(typist_of(track, line)) + ": " + indented(line.text)});
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Line& a, const Line& b) { return a.at_ms < b.at_ms; });
    std::string out = heading(head);
    for (const Line& line : lines) {
        const auto at = head.start + head.utc_offset + std::chrono::milliseconds(line.at_ms);
        out += fmt::format("{} [{}] {}\n", base::to_rfc3339(at).substr(11, 8),
                           clock_text(line.at_ms, '.'), line.text);
    }
    return out;
}

}  // namespace earshot::archive
