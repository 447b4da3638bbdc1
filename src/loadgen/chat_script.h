// What is written in the chats of test calls: dialogues of a file or of ours, files that are handed
// over. Text in, lines out.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"

namespace earshot::loadgen {

// One thing that somebody does in a chat.
struct ChatAct {
    std::chrono::milliseconds after{0};  // the beginning of the session
    std::string from;                    // name-addr of who writes
    std::string to;                      // and of who is to read it: a party, or the room
    std::string content_type;
    std::shared_ptr<const std::string> content;  // null: a nickname is asked for (RFC 7701)
    std::string nickname{};                      // of who writes; empty: none
    bool is_from_caller = true;
};

struct DialogueLine {
    std::size_t party = 0;  // 0: A
    std::string text;
};

// A few sentences of a contact centre.
std::vector<DialogueLine> usual_dialogue();
// "A: text" or "B: text" in each line; empty ones and those that begin with # are passed over.
// Reasons: bad_chat_lines, with the number of the line.
base::Result<std::vector<DialogueLine>, base::Reason> parse_dialogue(std::string_view text);

// A file as it is handed over (RFC 5547).
struct ChatFile {
    std::string name;  // without its folder
    std::string type;  // by the name's end
    std::shared_ptr<const std::string> content;
};
// By the end of the name: text/plain, image/png, ...; application/octet-stream.
std::string_view type_of_file(std::string_view name);
// Reasons: bad_chat_file, bad_chat_lines; they name the file.
base::Result<ChatFile, base::Reason> load_chat_file(const std::string& path);
base::Result<std::vector<DialogueLine>, base::Reason> load_dialogue(const std::string& path);
// The value of a=file-selector: name, type, size.
std::string file_selector(const ChatFile& file);

// When the n-th of so many lines is written in a call of that length: the first soon, the last
// early enough to arrive.
std::chrono::milliseconds time_of_line(std::size_t number, std::size_t lines,
                                       std::chrono::milliseconds duration);

// What the chat of a call of two is made of.
struct ChatOptions {
    bool has_chat = false;
    std::string lines_path;  // of the dialogue; empty: usual_dialogue()
    std::string file_path;   // handed from A to B in a line of its own; empty: none

    bool is_wanted() const { return has_chat || !file_path.empty(); }
};
// The same, read.
struct ChatScript {
    std::vector<DialogueLine> lines;  // none: there is no chat
    std::optional<ChatFile> file;
};
base::Result<ChatScript, base::Reason> load_chat(const ChatOptions& options);

using ChatParties = std::array<std::string, 2>;  // name-addr
// Of both parties, as a recording client copies them.
std::vector<ChatAct> dialogue_acts(const std::vector<DialogueLine>& lines,
                                   const ChatParties& parties, std::chrono::milliseconds duration);
// Of one of them.
std::vector<ChatAct> dialogue_acts_of(std::size_t party, const std::vector<DialogueLine>& lines,
                                      const ChatParties& parties,
                                      std::chrono::milliseconds duration);
// Of one of several who are in a room (RFC 7701): each says hello, the first asks for a nickname,
// the second writes to the first alone.
std::vector<ChatAct> room_acts(std::size_t number, const std::vector<std::string>& participants,
                               const std::string& room, std::chrono::milliseconds duration);
ChatAct file_act(const ChatFile& file, const ChatParties& parties);

}  // namespace earshot::loadgen
