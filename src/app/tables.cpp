#include "app/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

namespace earshot::app {
namespace {

using nlohmann::json;

// Code points, which is what a terminal's columns mostly are.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

bool is_number(std::string_view text) {
    return text == "-" ||
           (!text.empty() && text.find_first_not_of("0123456789.:") == std::string_view::npos);
}

// A member, or null: the answer of another server may lack it or not be an object at all.
const json& member_of(const json& object, const char* name) {
    static const json kNull;
    return object.is_object() && object.contains(name) ? object[name] : kNull;
}

std::string text_of(const json& object, const char* name) {
    const json& value = member_of(object, name);
    if (value.is_null()) return "";
    return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

const json& array_of(const json& object, const char* name) {
    static const json kEmpty = json::array();
    const json& member = member_of(object, name);
    return member.is_array() ? member : kEmpty;
}

std::string time_text(const json& object, const char* name) {
    std::string text = text_of(object, name);  // 2026-03-02T09:15:00.120Z
    if (text.size() < 19) return text;
    text[10] = ' ';
    return text.substr(0, 19);
}

std::string speakers_of(const json& recording) {
    std::vector<std::string> names;
    for (const json& participant : array_of(recording, "participants")) {
        std::string name = text_of(participant, "name");
        if (name.empty()) name = text_of(participant, "aor");
        if (std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(std::move(name));
    }
    return names.empty() ? "-" : fmt::format("{}", fmt::join(names, ", "));
}

std::string reason_of(const json& object) { return text_of(member_of(object, "reason"), "text"); }

void print_field(std::ostream& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out << fmt::format("{:<12} {}\n", name, value);
}

// An INVITE of ours: by `earshot start`.
bool is_outgoing(const json& object) { return text_of(object, "direction") == "outgoing"; }

std::string joined(const json& texts) {
    std::string all;
    for (const json& text : texts) {
        if (!text.is_string() && !text.is_number()) continue;
        all += (all.empty() ? "" : ", ") +
               printable(text.is_string() ? text.get<std::string>() : text.dump());
    }
    return all;
}

// An erased one is no sound one, whatever its state was.
std::string state_of(const json& recording) {
    if (text_of(member_of(recording, "reason"), "code") == "erased") return "erased";
    std::string state = text_of(recording, "state");
    if (state == "recording" && member_of(recording, "operator_pause").is_object())
        state = "paused";  // by an operator: nothing is stored
    return state;
}

// "voice, screen, chat": what is in it; of one that runs what has been agreed on, since its media
// may come yet.
std::string contents_of(const json& recording) {
    const bool runs = text_of(recording, "state") == "recording";
    bool has_voice = false;
    bool has_video = false;
    bool has_screen = false;
    bool has_text = false;
    bool has_chat = false;
    for (const json& stream : array_of(recording, "streams")) {
        const std::string media = text_of(stream, "media");
        const std::string count = text_of(stream, media == "message" ? "messages" : "packets");
        if (!runs && (count.empty() || count == "0")) continue;
        const bool is_screen = text_of(stream, "role") == "content" ||
                               text_of(stream, "content").find("slides") != std::string::npos;
        has_voice |= media == "audio";
        has_screen |= media == "video" && is_screen;
        has_video |= media == "video" && !is_screen;
        has_text |= media == "text";
        has_chat |= media == "message";
    }
    std::string all;
    const auto add = [&](bool is_there, const char* name) {
        if (is_there) all += (all.empty() ? "" : ", ") + std::string(name);
    };
    add(has_voice, "voice");
    add(has_video, "video");
    add(has_screen, "screen");
    add(has_text, "text");
    add(has_chat, "chat");
    return all.empty() ? "-" : all;
}

// "one_sided, silent": each code once.
std::string warning_codes(const json& recording) {
    std::string all;
    for (const json& warning : array_of(recording, "warnings")) {
        const std::string code = text_of(warning, "code");
        if (all.find(code) == std::string::npos) all += (all.empty() ? "" : ", ") + code;
    }
    return all.empty() ? "-" : all;
}

// "video (content)": with its role, where one was told.
std::string media_of(const json& stream) {
    std::string media = text_of(stream, "media");
    if (stream.contains("role")) media += " (" + text_of(stream, "role") + ")";
    return media;
}

// "AEAD_AES_256_GCM (DTLS, passive)": the role is ours.
std::string protection_of(const json& stream) {
    const std::string suite = text_of(stream, "suite");
    if (!stream.contains("dtls_role")) return suite;
    return (suite.empty() ? "no keys yet" : suite) + " (DTLS, " + text_of(stream, "dtls_role") +
           ")";
}

void print_streams(std::ostream& out, const json& recording) {
    std::vector<std::vector<std::string>> rows{
        {"LABEL", "MEDIA", "CODEC", "PACKETS", "LOST", "GAPS"}};
    const bool has_pieces = !array_of(recording, "pieces").empty();
    const bool runs = text_of(recording, "state") == "recording";
    if (has_pieces) rows.front().insert(rows.front().begin(), "PIECE");
    if (runs) rows.front().emplace_back("STATE");
    const json& streams = array_of(recording, "streams");
    const bool is_secure = std::any_of(streams.begin(), streams.end(), [](const json& stream) {
        return !protection_of(stream).empty();
    });
    if (is_secure) rows.front().emplace_back("SRTP");
    const bool has_chat = std::any_of(streams.begin(), streams.end(), [](const json& stream) {
        return stream.contains("messages");
    });
    if (has_chat) rows.front().emplace_back("MESSAGES");
    for (const json& stream : streams) {
        rows.push_back({text_of(stream, "label"), media_of(stream), text_of(stream, "codec"),
                        text_of(stream, "packets"), text_of(stream, "lost"),
                        std::to_string(array_of(stream, "gaps").size())});
        if (has_pieces) rows.back().insert(rows.back().begin(), text_of(stream, "piece"));
        if (runs) rows.back().push_back(text_of(stream, "state"));
        if (is_secure) rows.back().push_back(protection_of(stream));
        if (has_chat) rows.back().push_back(text_of(stream, "messages"));
    }
    if (rows.size() == 1) return;
    out << '\n';
    print_table(out, rows);
}

// "176x144, 640x480 from 12.4 s on".
std::string sizes_of(const json& video) {
    std::string all;
    for (const json& change : array_of(video, "changes")) {
        if (!all.empty()) {
            const json& at_ms = member_of(change, "at_ms");
            const double at_s = at_ms.is_number() ? at_ms.get<double>() / 1000 : 0;
            all += fmt::format(", from {:.1f} s on ", at_s);
        }
        const std::string width = text_of(change, "width");
        all += text_of(change, "codec");
        if (width != "0") all += " " + width + "x" + text_of(change, "height");
    }
    return all;
}

void print_video(std::ostream& out, const json& recording) {
    std::vector<std::vector<std::string>> rows{{"LABEL", "PICTURES", "KEY", "DAMAGED", "SIZE"}};
    for (const json& stream : array_of(recording, "streams")) {
        const json& video = member_of(stream, "video");
        if (!video.is_object()) continue;
        rows.push_back({text_of(stream, "label"), text_of(video, "pictures"),
                        text_of(video, "key_pictures"), text_of(video, "damaged"),
                        sizes_of(video)});
    }
    if (rows.size() == 1) return;
    out << '\n';
    print_table(out, rows);
}

// "session_id 855a5ded-... of piece 1": what ties it to the others.
std::string joined_by(const json& recording, const json& piece) {
    std::string all;
    for (const json& join : array_of(piece, "joined")) {
        std::string with = text_of(join, "with");
        for (const json& other : array_of(recording, "pieces"))
            if (text_of(other, "id") == with) with = text_of(other, "piece");
        all += (all.empty() ? "" : "; ") + text_of(join, "key") + " " + text_of(join, "value") +
               " of piece " + with;
    }
    return all.empty() ? "-" : all;
}

void print_pieces(std::ostream& out, const json& recording) {
    std::vector<std::vector<std::string>> rows{
        {"PIECE", "ID", "AT", "DURATION", "STATE", "PEER", "JOINED BY"}};
    for (const json& piece : array_of(recording, "pieces"))
        rows.push_back({text_of(piece, "piece"), short_id(text_of(piece, "id")),
                        duration_text(member_of(piece, "offset_ms")),
                        duration_text(member_of(piece, "duration_ms")), text_of(piece, "state"),
                        text_of(piece, "peer"), joined_by(recording, piece)});
    if (rows.size() == 1) return;
    out << '\n';
    print_table(out, rows);
}

void print_related(std::ostream& out, const json& recording) {
    std::vector<std::vector<std::string>> rows{{"RELATED", "START (UTC)", "STATE", "SPEAKERS"}};
    for (const json& other : array_of(recording, "related"))
        rows.push_back({short_id(text_of(other, "id")), time_text(other, "start"),
                        text_of(other, "state"), speakers_of(other)});
    if (rows.size() == 1) return;
    out << '\n';
    print_table(out, rows);
}

void print_gaps(std::ostream& out, const json& recording) {
    std::vector<std::vector<std::string>> rows{{"GAP IN", "AT", "LASTS", "REASON"}};
    const bool has_pieces = !array_of(recording, "pieces").empty();
    if (has_pieces) rows.front().insert(rows.front().begin(), "PIECE");
    for (const json& stream : array_of(recording, "streams"))
        for (const json& gap : array_of(stream, "gaps")) {
            rows.push_back({text_of(stream, "label"), duration_text(member_of(gap, "start_ms")),
                            duration_text(member_of(gap, "duration_ms")), text_of(gap, "reason")});
            if (has_pieces) rows.back().insert(rows.back().begin(), text_of(stream, "piece"));
        }
    if (rows.size() == 1) return;
    out << '\n';
    print_table(out, rows);
}

void print_operator_pause(std::ostream& out, const json& pause) {
    if (!pause.is_object()) return;
    const std::string who = text_of(pause, "who");
    const std::string reason = text_of(pause, "reason");
    std::string text = "by " + (who.empty() ? "an operator" : who);
    if (!reason.empty()) text += ": " + reason;
    const std::string client = text_of(pause, "client");
    if (client == "refused")
        text += " (the client refused it with " + text_of(pause, "sip_status") +
                "; what it sends is discarded)";
    print_field(out, "Paused", text);
}

// What an event tells beside its type, time and stream: the sentence first, then what was done,
// then the other facts by name.
std::string event_text(const json& event) {
    constexpr std::array<std::string_view, 13> kShownElsewhere{
        "type", "time", "arrival_ns", "stream", "label",   "piece",      "what",
        "text", "code", "done",       "peer",   "call_id", "session_ids"};
    std::string text;
    const auto add = [&](std::string_view separator, const std::string& more) {
        if (!more.empty()) text += (text.empty() ? "" : std::string(separator)) + more;
    };
    add("", text_of(event, "code"));
    add(": ", text_of(event, "what"));
    add(": ", text_of(event, "text"));
    add("; ", text_of(event, "done"));
    for (const auto& [name, value] : event.items()) {
        const bool is_shown = std::find(kShownElsewhere.begin(), kShownElsewhere.end(), name) !=
                              kShownElsewhere.end();
        // Objects and lists of them are for the JSON export.
        if (is_shown || value.is_object() || value == json(false) || value == json("")) continue;
        const bool is_list = value.is_array();
        const std::string told = is_list ? joined(value) : text_of(event, name.c_str());
        if (!told.empty()) add(", ", printable(name) + " " + told);
    }
    return text;
}

// "2 (#1)": the label, by which people and metadata know it, and the number, which tells streams of
// one label apart.
std::string stream_name(const json& event) {
    const std::string label = text_of(event, "label");
    const std::string number = text_of(event, "stream");
    if (number.empty()) return label;
    return label.empty() ? "#" + number : fmt::format("{} (#{})", label, number);
}

}  // namespace

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
    if (rows.empty()) return;
    const std::size_t columns = rows.front().size();
    std::vector<std::size_t> widths(columns, 0);
    std::vector<bool> is_right(columns, rows.size() > 1);
    for (std::size_t row = 0; row < rows.size(); ++row)
        for (std::size_t i = 0; i < columns; ++i) {
            widths[i] = std::max(widths[i], width_of(rows[row][i]));
            if (row > 0 && !is_number(rows[row][i])) is_right[i] = false;
        }
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            const std::string padding(widths[i] - width_of(row[i]), ' ');
            if (i > 0) line += "  ";
            line += is_right[i] ? padding + row[i] : row[i] + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    }
}

std::string duration_text(const json& duration_ms) {
    if (!duration_ms.is_number_integer()) return "-";
    const auto milliseconds = duration_ms.get<std::int64_t>();
    if (milliseconds > 0 && milliseconds < 1000) return fmt::format("{} ms", milliseconds);
    const auto tenths = milliseconds / 100;  // reached, as players count; never rounded up
    const auto seconds = tenths / 10;
    if (seconds >= 3600)
        return fmt::format("{}:{:02}:{:02}.{}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                           tenths % 10);
    return fmt::format("{}:{:02}.{}", seconds / 60, seconds % 60, tenths % 10);
}

std::string short_id(std::string_view id) { return printable(id.substr(0, 18)); }

void print_recordings(std::ostream& out, const json& recordings) {
    if (recordings.empty()) {
        out << "No recordings.\n";
        return;
    }
    std::vector<std::vector<std::string>> rows{{"ID", "START (UTC)", "DURATION", "STATE",
                                                "SPEAKERS", "HAS", "CODECS", "LOST", "GAPS",
                                                "WARNINGS"}};
    const bool any_pieces =
        std::any_of(recordings.begin(), recordings.end(),
                    [](const json& recording) { return !array_of(recording, "pieces").empty(); });
    if (any_pieces) rows.front().push_back("PIECES");
    for (const json& recording : recordings) {
        std::string codecs;
        std::uint64_t lost = 0;
        std::size_t gaps = 0;
        for (const json& stream : array_of(recording, "streams")) {
            const std::string codec = text_of(stream, "codec");
            if (codecs.find(codec) == std::string::npos)
                codecs += (codecs.empty() ? "" : ", ") + codec;
            if (const json& count = member_of(stream, "lost"); count.is_number_unsigned())
                lost += count.get<std::uint64_t>();
            gaps += array_of(stream, "gaps").size();
        }
        rows.push_back({short_id(text_of(recording, "id")), time_text(recording, "start"),
                        duration_text(member_of(recording, "duration_ms")), state_of(recording),
                        speakers_of(recording), contents_of(recording),
                        codecs.empty() ? "-" : codecs, std::to_string(lost), std::to_string(gaps),
                        warning_codes(recording)});
        if (any_pieces)
            rows.back().push_back(
                std::to_string(std::max<std::size_t>(array_of(recording, "pieces").size(), 1)));
    }
    print_table(out, rows);
}

void print_attempts(std::ostream& out, const json& attempts) {
    if (attempts.empty()) {
        out << "No calls were offered yet.\n";
        return;
    }
    std::vector<std::vector<std::string>> rows{
        {"TIME (UTC)", "OUTCOME", "SIP", "FROM", "PEER", "RECORDING", "REASON"}};
    const auto client_of = [](const json& attempt) {
        return is_outgoing(attempt) ? "us, to " + text_of(attempt, "to") : text_of(attempt, "from");
    };
    for (const json& attempt : attempts) {
        const std::string recording = text_of(attempt, "recording_id");
        rows.push_back({time_text(attempt, "time"), text_of(attempt, "outcome"),
                        text_of(attempt, "sip_status"), client_of(attempt),
                        text_of(attempt, "peer"), recording.empty() ? "-" : short_id(recording),
                        reason_of(attempt)});
    }
    print_table(out, rows);
}

void print_recording(std::ostream& out, const json& recording) {
    print_field(out, "Recording", text_of(recording, "id"));
    print_field(out, "State", state_of(recording));
    print_field(out, "Reason", reason_of(recording));
    print_field(out, "Start (UTC)", time_text(recording, "start"));
    print_field(out, "Duration", duration_text(member_of(recording, "duration_ms")));
    for (const json& participant : array_of(recording, "participants")) {
        const std::string name = text_of(participant, "name");
        const std::string aor = text_of(participant, "aor");
        print_field(out, "Speaker",
                    (name.empty() ? aor : fmt::format("{} <{}>", name, aor)) +
                        (participant.value("seen_in_messages", false) ? ", seen in messages" : ""));
    }
    print_field(out, "Call ids", joined(array_of(recording, "call_ids")));
    print_field(out, "Session ids", joined(array_of(recording, "session_ids")));
    print_field(out, "Group", text_of(recording, "group"));
    print_field(out, "Profile", text_of(recording, "profile"));
    print_field(out, "Peer", text_of(recording, "peer"));
    print_field(out, "Begun by", is_outgoing(recording) ? "us (earshot start)" : "");
    print_field(out, "Folder", text_of(recording, "directory"));
    if (recording.contains("headers") && recording["headers"].is_object())
        for (const auto& [name, value] : recording["headers"].items())
            print_field(out, "Header",
                        printable(name) + ": " + text_of(recording["headers"], name.c_str()));
    for (const json& warning : array_of(recording, "warnings"))
        print_field(out, "Warning", text_of(warning, "code") + ": " + text_of(warning, "text"));
    print_operator_pause(out, member_of(recording, "operator_pause"));
    print_pieces(out, recording);
    print_streams(out, recording);
    print_video(out, recording);
    print_gaps(out, recording);
    print_related(out, recording);
}

void print_events(std::ostream& out, const json& events) {
    constexpr std::size_t kMaxShown = 200;
    std::vector<json> sorted;
    for (const json& event : array_of(events, "events")) {
        const std::string type = text_of(event, "type");
        // The row of the attempt and the packet counts are told elsewhere.
        if (!type.empty() && type != "attempt" && type != "stream_counters")
            sorted.push_back(event);
    }
    if (sorted.empty()) return;
    std::stable_sort(sorted.begin(), sorted.end(), [](const json& a, const json& b) {
        return text_of(a, "time") < text_of(b, "time");
    });
    // Whose voice is in a mix changes with each word: of a row of them the last one is shown.
    const auto is_flood = [](const json& event) {
        return text_of(event, "type") == "contributors";
    };
    const auto first =
        std::unique(sorted.rbegin(), sorted.rend(),
                    [&](const json& a, const json& b) { return is_flood(a) && is_flood(b); });
    sorted.erase(sorted.begin(), first.base());
    std::vector<std::vector<std::string>> rows{{"TIME (UTC)", "EVENT", "STREAM", "WHAT"}};
    const bool has_pieces = std::any_of(sorted.begin(), sorted.end(), [](const json& event) {
        return !member_of(event, "piece").is_null();
    });
    if (has_pieces) rows.front().insert(rows.front().begin() + 2, "PIECE");
    for (std::size_t i = 0; i < std::min(sorted.size(), kMaxShown); ++i) {
        const std::string time = text_of(sorted[i], "time");  // 2026-03-02T09:15:00.120Z
        rows.push_back({time.size() < 23 ? time : time.substr(11, 12), text_of(sorted[i], "type"),
                        stream_name(sorted[i]), event_text(sorted[i])});
        if (has_pieces) rows.back().insert(rows.back().begin() + 2, text_of(sorted[i], "piece"));
    }
    out << '\n';
    print_table(out, rows);
    if (sorted.size() > kMaxShown)
        out << fmt::format("and {} more; `earshot export --format json` has all of them.\n",
                           sorted.size() - kMaxShown);
}

void print_peers(std::ostream& out, const json& peers) {
    const auto counts = [](const json& peer, const char* what) {
        std::string all;
        const json& object = member_of(peer, what);
        if (object.is_object())
            for (const auto& [name, count] : object.items())
                all += (all.empty() ? "" : ", ") + printable(name) + " " + printable(count.dump());
        return all.empty() ? std::string("-") : all;
    };
    std::vector<std::vector<std::string>> rows{
        {"PEER", "ATTEMPTS", "OUTCOMES", "REASONS", "WARNINGS"}};
    for (const json& peer : array_of(peers, "peers"))
        rows.push_back({text_of(peer, "peer"), text_of(peer, "attempts"), counts(peer, "outcomes"),
                        counts(peer, "reasons"), counts(peer, "warnings")});
    if (rows.size() == 1) return;
    out << "\nSince " << time_text(peers, "since") << " UTC, by peer:\n";
    print_table(out, rows);
}

void print_verification(std::ostream& out, const json& verification) {
    if (member_of(verification, "ok") == json(true)) {
        out << fmt::format("ok: {} parts, {} bytes, as they were signed.\n",
                           text_of(verification, "parts"), text_of(verification, "bytes"));
        // Not looked into is not bad; but nobody shall think that it was.
        const std::string contents = text_of(verification, "contents");
        if (!contents.empty() && contents != "checked")
            out << fmt::format("What is in them was not checked. {}\n",
                               text_of(verification, "contents_text"));
        return;
    }
    out << "BAD: this recording is not as it was signed.\n";
    for (const json& fault : array_of(verification, "faults")) {
        const std::string part = text_of(fault, "part");
        const std::string piece = text_of(fault, "piece");
        out << fmt::format("  {}{}: {}\n", piece.empty() ? "" : "piece " + piece + ", ",
                           part.empty() ? "recording" : part, text_of(fault, "text"));
    }
}

std::string more_rows_note(const json& rows) {
    if (rows.empty()) return "";
    return fmt::format("There may be more: the same again with --after {}\n",
                       text_of(rows.back(), "id"));
}

namespace {

// "recording", "spare: failed: no server takes it"; none: no rule says so.
std::string recording_text(const json& recording) {
    const std::string instance = text_of(recording, "instance");
    const std::string reason = reason_of(recording);
    return (instance.empty() || instance == "default" ? "" : instance + ": ") +
           text_of(recording, "state") + (reason.empty() ? "" : ": " + reason);
}

// A row for each recording of it, `last` in the last column; one without any.
void append_rows(const json& recordings, const std::vector<std::string>& first,
                 const std::string& last, std::vector<std::vector<std::string>>& rows) {
    const auto append = [&](std::string state, std::string server) {
        std::vector<std::string>& row = rows.emplace_back(first);
        row.push_back(std::move(state));
        row.push_back(std::move(server));
        row.push_back(last);
    };
    if (recordings.empty()) append("none", "");
    for (const json& recording : recordings)
        append(recording_text(recording), text_of(recording, "server"));
}

// "Ada (muted), Bo (presents)".
std::string people_of(const json& conference) {
    std::string all;
    for (const json& one : array_of(conference, "participants")) {
        const std::string name = text_of(one, "name");
        std::string marks;
        for (const auto& [member, mark] :
             {std::pair{"muted", "muted"}, {"held", "held"}, {"presenter", "presents"}})
            if (member_of(one, member) == json(true))
                marks += (marks.empty() ? "" : ", ") + std::string(mark);
        all += fmt::format("{}{} {}", all.empty() ? "" : "; ", text_of(one, "number"),
                           name.empty() ? text_of(one, "uri") : name);
        if (!marks.empty()) all += " (" + marks + ")";
    }
    return all.empty() ? "-" : all;
}

}  // namespace

void print_calls(std::ostream& out, const json& calls) {
    std::vector<std::vector<std::string>> rows{
        {"SINCE (UTC)", "STATE", "FROM", "TO", "RECORDING", "SERVER", "CALL-ID"}};
    for (const json& call : calls) {
        const std::string state =
            text_of(call, "state") + (member_of(call, "held") == json(true) ? ", held" : "");
        append_rows(array_of(call, "recordings"),
                    {time_text(call, "arrived"), state, text_of(call, "from"), text_of(call, "to")},
                    text_of(call, "call_id"), rows);
    }
    print_table(out, rows);
}

void print_rooms(std::ostream& out, const json& conferences) {
    std::vector<std::vector<std::string>> rows{
        {"ROOM", "SINCE (UTC)", "IN IT", "RECORDING", "SERVER", "PARTICIPANTS"}};
    for (const json& conference : conferences)
        append_rows(array_of(conference, "recordings"),
                    {text_of(conference, "room"), time_text(conference, "begun"),
                     std::to_string(array_of(conference, "participants").size())},
                    people_of(conference), rows);
    print_table(out, rows);
}

void print_attendances(std::ostream& out, const json& attendances) {
    std::vector<std::vector<std::string>> rows{
        {"ATTENDANCE", "SINCE (UTC)", "STATE", "CHAT", "RECORDING", "SERVER", "CONFERENCE"}};
    for (const json& one : attendances)
        append_rows(json::array({member_of(one, "recording")}),
                    {text_of(one, "id"), time_text(one, "begun"), text_of(one, "state"),
                     text_of(one, "chat")},
                    text_of(one, "uri"), rows);
    print_table(out, rows);
}

void print_health(std::ostream& out, const json& health) {
    std::vector<std::vector<std::string>> rows{{"CHECK", "STATE", ""}};
    for (const json& check : array_of(health, "checks"))
        rows.push_back({text_of(check, "name"), text_of(check, "state"), text_of(check, "text")});
    print_table(out, rows);
    out << "\nIn all: " << text_of(health, "state") << " (earshot " << text_of(health, "version")
        << ")\n";
}

void print_clients(std::ostream& out, const json& clients) {
    std::vector<std::vector<std::string>> rows{
        {"CLIENT", "CALLS", "WHAT IT SENDS", "WHAT WAS DONE"}};
    for (const json& client : array_of(clients, "clients")) {
        const std::string agent = text_of(client, "user_agent");
        const std::string name = text_of(client, "peer") + (agent.empty() ? "" : " " + agent);
        const json faults = array_of(client, "faults");
        if (faults.empty()) rows.push_back({name, text_of(client, "calls"), "nothing wrong", ""});
        for (const json& fault : faults)
            rows.push_back({name, text_of(fault, "count") + " of " + text_of(client, "calls"),
                            text_of(fault, "fault"), text_of(fault, "done")});
    }
    if (rows.size() == 1) return;
    out << "\nClients since " << text_of(clients, "since") << ":\n";
    print_table(out, rows);
}

}  // namespace earshot::app
