// What the API reads of stored recordings, as one interface: the disk is a seam. Called on worker
// threads, several at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive/render.h"
#include "archive/verify.h"
#include "base/reason.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "crypto/key_wrap.h"
#include "http/message.h"
#include "objects/directory_store.h"

namespace earshot::api {

// Reason codes as archive/render.h lists them, and "not_archived": it still runs, or it was never
// written.
class RecordingFiles {
public:
    RecordingFiles() = default;
    RecordingFiles(const RecordingFiles&) = delete;
    RecordingFiles& operator=(const RecordingFiles&) = delete;
    virtual ~RecordingFiles() = default;

    // Of a recording with several pieces: archive::render_whole.
    virtual base::Result<std::unique_ptr<archive::Rendering>, base::Reason> render(
        const catalog::Recording& recording, archive::Format format, archive::Reading reading,
        std::chrono::minutes utc_offset) const = 0;
    virtual base::Result<std::unique_ptr<http::ByteSource>, base::Reason> open_track(
        const catalog::Recording& recording, std::string_view label) const = 0;
    // The content of a message (MSRP) by its number in the chat: a file, or text.
    struct Message {
        std::unique_ptr<http::ByteSource> content;
        std::string name;  // as it was announced: never a path; empty: none
    };
    virtual base::Result<Message, base::Reason> open_message(const catalog::Recording& /*piece*/,
                                                             std::uint64_t /*number*/,
                                                             archive::Reading /*reading*/) const {
        return base::Reason{"not_archived", "There are no messages here."};
    }
    // The object of archive::read_peaks.
    virtual base::Result<std::string, base::Reason> read_peaks(
        const catalog::Recording& recording) const = 0;
    // The folder of one piece, for what reads more of it than this interface has.
    virtual base::Result<std::string, base::Reason> find_directory(
        const catalog::Recording& /*piece*/) const {
        return base::Reason{"not_archived", "There are no folders here."};
    }
    virtual base::Result<archive::Verification, base::Reason> verify(
        const catalog::Recording& recording) const = 0;
    // Why erase() would refuse; nullopt: the key of this piece can be deleted, or is gone already.
    // "not_encrypted": what is not encrypted cannot be erased so.
    virtual std::optional<base::Reason> find_obstacle(const catalog::Recording& piece) const = 0;
    // Deletes the key of one piece, for ever; nullopt: it is gone, durably, or was before.
    virtual std::optional<base::Reason> erase(const catalog::Recording& piece) const = 0;
};

// Those below DATA/recordings; verified with DATA/keys/signing.pub where it is there. `objects` is
// the store of that folder, by which keys are deleted; it and `keys` are borrowed.
std::unique_ptr<RecordingFiles> make_recording_files(std::string data_dir,
                                                     objects::DirectoryStore& objects,
                                                     const crypto::KeyWrapper& keys);

}  // namespace earshot::api
