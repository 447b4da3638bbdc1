// Renditions on demand: a few worker threads run earshot-media, one job each, in the order in which
// they were asked for; what was made is kept in DATA/cache until it is the oldest of too much. What
// was asked for and failed is remembered with its reason until it is asked for again. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive/rendition_file.h"
#include "archive/stored_recording.h"
#include "base/log.h"
#include "base/random.h"
#include "io/file.h"
#include "rendition/job.h"

namespace earshot::archive {

struct RenditionRequest {
    struct Piece {
        std::string id;         // a UUID
        std::string directory;  // its folder
    };
    std::vector<Piece> pieces{};  // in order, one at least; of Product::Track one
    rendition::Product product = rendition::Product::Tracks;
    std::string label{};  // of Product::Track: which stream

    const std::string& id() const { return pieces.front().id; }
};

struct RenditionStatus {
    enum class State { Waiting, Running, Ready, Failed };
    std::string name{};  // "mkv", "track-2"
    State state = State::Waiting;
    int percent = 0;
    std::uint64_t bytes = 0;
    std::string content_type{};
    std::string extension{};
    std::optional<base::Reason> reason{};       // of Failed
    std::optional<rendition::Report> report{};  // of Ready
};
std::string_view to_string(RenditionStatus::State state);

// The bytes of a rendition, also while it grows. One thread.
class RenditionContent {
public:
    RenditionContent() = default;
    RenditionContent(const RenditionContent&) = delete;
    RenditionContent& operator=(const RenditionContent&) = delete;
    virtual ~RenditionContent() = default;
    virtual std::optional<std::uint64_t> size() const = 0;  // nullopt: it grows
    // 0: the end. Does not wait: nullopt says that nothing more of one that grows is there yet.
    virtual base::Result<std::optional<std::size_t>, base::Reason> read(
        std::uint64_t offset, std::span<std::uint8_t> out) = 0;
};

struct DeskOptions {
    std::string cache;    // DATA/cache
    std::string program;  // earshot-media
    std::size_t workers = 1;
    std::uint64_t max_bytes = 10ULL << 30;
};

class RenditionDesk {
public:
    // Borrows all; `random` is the desk's own.
    RenditionDesk(DeskOptions options, io::FileSystem& files, const crypto::KeyWrapper& keys,
                  base::Random& random, base::Log& log);
    RenditionDesk(const RenditionDesk&) = delete;
    RenditionDesk& operator=(const RenditionDesk&) = delete;
    ~RenditionDesk();  // ends what runs

    // Starts it, unless it is there, under way or waits already. Codes: "busy", and what finds that
    // the recording has no such stream.
    base::Result<RenditionStatus, base::Reason> ask(const RenditionRequest& request);
    // "not_found": it was not asked for, or is there no more.
    base::Result<RenditionStatus, base::Reason> look(const RenditionRequest& request);
    // Ends the job, or removes what is there. False: there was none.
    bool drop(const RenditionRequest& request);
    base::Result<std::unique_ptr<RenditionContent>, base::Reason> open(
        const RenditionRequest& request);
    // The server's own WAV lacks some of this recording's sound (media_job.h).
    bool has_more_sound(const std::string& directory) const;
    // A piece that is erased. Of a recording with several each has to be named: what is made of all
    // lies with one of them.
    void forget(const std::string& id);

    void stop();  // takes no more, ends what runs

private:
    struct Work;
    struct Named;
    class GrowingContent;
    base::Result<Named, base::Reason> find_name(const RenditionRequest& request) const;
    RenditionPlace place_of(const RenditionRequest& request, const Named& named) const;
    std::vector<StoredRecording> open_pieces(const RenditionRequest& request) const;
    std::optional<RenditionStatus> look_on_disk(const RenditionRequest& request,
                                                const Named& named) const;
    RenditionStatus status_of(const Work& work) const;
    void serve();
    void make(Work& work);
    base::Result<base::Done, base::Reason> try_to_make(Work& work);
    void forget_old_states();
    void give_up(Work& work);
    void remove_halves();
    void tidy_cache();

    const DeskOptions options_;
    io::FileSystem& files_;
    const crypto::KeyWrapper& keys_;
    base::Random& random_;
    base::Log& log_;
    std::mutex mutex_;  // of what follows
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Work>> works_;  // by ID/NAME
    std::deque<std::shared_ptr<Work>> queue_;
    std::deque<std::string> over_;  // keys of works that failed, oldest first
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace earshot::archive
