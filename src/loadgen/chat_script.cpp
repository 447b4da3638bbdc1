#include "loadgen/chat_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "io/linux_file.h"
#include "loadgen/limits.h"

namespace earshot::loadgen {
namespace {

using base::Reason;

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTypes{{
    {".txt", "text/plain"},
    {".csv", "text/csv"},
    {".html", "text/html"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".pdf", "application/pdf"},
    {".json", "application/json"},
}};

}  // namespace

std::vector<DialogueLine> usual_dialogue() {
    return {{0, "Good morning, my order 4711 has not come yet."},
            {1, "Good morning! One moment, I look where it is."},
            {1, "It left our house yesterday evening, you should have it by noon."},
            {0, "Thank you, that helps."},
            {1, "You are welcome. Is there anything else?"},
            {0, "No, good-bye."}};
}

base::Result<std::vector<DialogueLine>, Reason> parse_dialogue(std::string_view text) {
    std::vector<DialogueLine> lines;
    std::size_t number = 0;
    while (!text.empty()) {
        const std::string_view line = base::trim(base::take_until(text, '\n'));
        ++number;
        if (line.empty() || line.starts_with('#')) continue;
        const bool is_of_party = line.starts_with("A:") || line.starts_with("B:");
        const std::string_view said =
            base::trim(line.substr(std::min<std::size_t>(2, line.size())));
        if (!is_of_party || said.empty())
            return Reason{"bad_chat_lines",
                          fmt::format("Line {} is not 'A: text' or 'B: text'.", number)};
        if (said.size() > kMaxChatLineBytes || lines.size() == kMaxChatLines)
            return Reason{"bad_chat_lines",
                          fmt::format("Line {}: a chat has {} lines of {} octets at most.", number,
                                      kMaxChatLines, kMaxChatLineBytes)};
        lines.push_back({line.front() == 'A' ? 0U : 1U, base::to_valid_utf8(said)});
    }
    if (lines.empty()) return Reason{"bad_chat_lines", "There is no line in it."};
    return lines;
}

std::string_view type_of_file(std::string_view name) {
    const auto found = std::find_if(kTypes.begin(), kTypes.end(), [name](const auto& one) {
        return name.size() >= one.first.size() &&
               base::iequals(name.substr(name.size() - one.first.size()), one.first);
    });
    return found == kTypes.end() ? "application/octet-stream" : found->second;
}

base::Result<ChatFile, Reason> load_chat_file(const std::string& path) {
    io::LinuxFileSystem files;
    const auto bytes = files.read_file(path, kMaxChatFileBytes);
    if (!bytes || bytes->empty())
        return Reason{"bad_chat_file", path + " cannot be read, is empty or has more than 64 MiB."};
    ChatFile file;
    file.name = path.substr(path.rfind('/') + 1);
    file.type = type_of_file(file.name);
    file.content = std::make_shared<const std::string>(base::as_text(*bytes));
    return file;
}

base::Result<std::vector<DialogueLine>, Reason> load_dialogue(const std::string& path) {
    io::LinuxFileSystem files;
    const auto bytes = files.read_file(path, kMaxChatLines * kMaxChatLineBytes);
    if (!bytes) return Reason{"bad_chat_lines", path + " cannot be read."};
    auto lines = parse_dialogue(base::as_text(*bytes));
    if (!lines) return Reason{lines.error().code, path + ": " + lines.error().text};
    return lines;
}

base::Result<ChatScript, Reason> load_chat(const ChatOptions& options) {
    ChatScript script;
    if (options.has_chat && options.lines_path.empty()) script.lines = usual_dialogue();
    if (options.has_chat && !options.lines_path.empty()) {
        auto lines = load_dialogue(options.lines_path);
        if (!lines) return lines.error();
        script.lines = *std::move(lines);
    }
    if (options.file_path.empty()) return script;
    auto file = load_chat_file(options.file_path);
    if (!file) return file.error();
    script.file = *std::move(file);
    return script;
}

// RFC 5547 section 6: in quotes, with %-escapes for what may not stand there.
std::string file_selector(const ChatFile& file) {
    std::string name;
    for (const char c : file.name) {
        if (c == '"' || c == '%' || static_cast<unsigned char>(c) < 0x20) {
            name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        } else {
            name += c;
        }
    }
    return fmt::format("name:\"{}\" type:{} size:{}", name, file.type, file.content->size());
}

std::chrono::milliseconds time_of_line(std::size_t number, std::size_t lines,
                                       std::chrono::milliseconds duration) {
    using std::chrono::milliseconds;
    constexpr milliseconds kUsualPause{1500};
    const auto share = duration / static_cast<std::int64_t>(lines + 2);
    const milliseconds pause = std::min(kUsualPause, milliseconds{share});
    return pause / 2 + static_cast<std::int64_t>(number) * pause;
}

std::vector<ChatAct> dialogue_acts(const std::vector<DialogueLine>& lines,
                                   const ChatParties& parties, std::chrono::milliseconds duration) {
    std::vector<ChatAct> acts;
    acts.reserve(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const DialogueLine& line = lines[i];
        ChatAct& act = acts.emplace_back();
        act.after = time_of_line(i, lines.size(), duration);
        act.from = parties.at(line.party);
        act.to = parties.at(1 - line.party);
        act.content_type = "text/plain;charset=utf-8";
        act.content = std::make_shared<const std::string>(line.text);
        act.is_from_caller = line.party == 0;
    }
    return acts;
}

std::vector<ChatAct> dialogue_acts_of(std::size_t party, const std::vector<DialogueLine>& lines,
                                      const ChatParties& parties,
                                      std::chrono::milliseconds duration) {
    std::vector<ChatAct> acts = dialogue_acts(lines, parties, duration);
    std::erase_if(acts, [party](const ChatAct& act) { return act.is_from_caller != (party == 0); });
    return acts;
}

std::vector<ChatAct> room_acts(std::size_t number, const std::vector<std::string>& participants,
                               const std::string& room, std::chrono::milliseconds duration) {
    const std::size_t steps = participants.size() + 2;
    const auto say = [&](std::size_t step, const std::string& to, std::string text) {
        ChatAct act;
        act.after = time_of_line(step, steps, duration);
        act.from = participants.at(number);
        act.to = to;
        act.content_type = "text/plain;charset=utf-8";
        act.content = std::make_shared<const std::string>(std::move(text));
        return act;
    };
    std::vector<ChatAct> acts;
    if (number == 0) {
        ChatAct& act = acts.emplace_back();
        act.from = participants.front();
        act.to = room;
        act.nickname = "chair";
    }
    acts.push_back(say(number + 1, room, fmt::format("Hello from speaker {}.", number + 1)));
    if (number == 1)
        acts.push_back(say(steps - 1, participants.front(), "This is for the chair alone."));
    return acts;
}

ChatAct file_act(const ChatFile& file, const ChatParties& parties) {
    ChatAct act;
    act.from = parties[0];
    act.to = parties[1];
    act.content_type = file.type;
    act.content = file.content;
    return act;
}

}  // namespace earshot::loadgen
