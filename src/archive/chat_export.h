// Chats of stored recordings: as JSON, as lines for people, and the files that were sent.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "archive/chat.h"
#include "archive/render.h"
#include "archive/stored_recording.h"
#include "io/file.h"

namespace earshot::archive {

// Of all pieces on one time; empty where nothing was written. Reasons as archive/render.h has them.
base::Result<Chat, base::Reason> read_chat(std::span<const StoredRecording> pieces,
                                           Reading reading);

// The object of docs/msrp-recording.md. Reasons: "no_chat" where nothing was written.
base::Result<std::unique_ptr<Rendering>, base::Reason> render_chat(
    std::span<const StoredRecording> pieces, Reading reading);

// What people read: text, files, what was dropped or cut; not who is composing.
struct ChatLine {
    std::int64_t at_ms = 0;
    std::string by;
    std::string text;  // of one line or several
};
// Names are short ones, `Ana "chair"`: with the URI where several URIs have that name here. What
// became of a message stands beside its sender, where its text cannot forge it.
std::vector<ChatLine> lines_of(const Chat& chat);

// What a person is called: the display name, with the address where it reads as one itself; else
// the short address.
std::string short_name(const std::string& name, const std::string& uri);

// The part of an address that a person reads: the user of a SIP or tel URI, else all of it.
std::string short_address(std::string_view uri);

// The content of one message, behind its layers, as a file that is read at any place.
struct MessageFile {
    std::unique_ptr<io::File> file;
    std::uint64_t size = 0;
    std::string name;          // as announced: never a path; empty: none
    std::string content_type;  // as its sender said; empty: not told
};
// `number`: ChatMessage::message. "not_found": there is no such message; "private_message": it is
// not for this reader.
base::Result<MessageFile, base::Reason> open_message(io::FileSystem& files,
                                                     const std::string& directory,
                                                     std::uint64_t number,
                                                     const crypto::KeyWrapper* keys,
                                                     Reading reading);

}  // namespace earshot::archive
