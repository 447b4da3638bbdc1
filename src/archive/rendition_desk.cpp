#include "archive/rendition_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "archive/data_key.h"
#include "archive/limits.h"
#include "archive/media_job.h"
#include "io/thread_name.h"

namespace earshot::archive {

using base::Reason;
using rendition::Product;
using Progress = RenditionStatus::State;

struct RenditionDesk::Named {
    std::string name;
    std::string folder{};                   // below that of its recording
    std::optional<std::uint16_t> stream{};  // of Product::Track
    rendition::Container container = rendition::Container::Matroska;
    bool has_video = false;
};

// One that was asked for. What others read of it is under the desk's mutex, but for `growing`.
struct RenditionDesk::Work {
    RenditionRequest request;
    Named named;
    Progress state = Progress::Waiting;
    std::optional<Reason> reason{};
    std::shared_ptr<GrowingRendition> growing{};
    std::int64_t duration_ms = 0;
    std::atomic<bool> is_cancelled{false};

    std::string key() const { return key_of(request, named); }
    static std::string key_of(const RenditionRequest& request, const Named& named) {
        return request.id() + "/" + named.folder;
    }
};

namespace {

class WholeContent : public RenditionContent {
public:
    explicit WholeContent(std::unique_ptr<StoredRendition> stored) : stored_(std::move(stored)) {}
    std::optional<std::uint64_t> size() const override { return stored_->size(); }
    base::Result<std::optional<std::size_t>, Reason> read(std::uint64_t offset,
                                                          std::span<std::uint8_t> out) override {
        const auto count = stored_->read(offset, out);
        if (!count) return count.error();
        return std::optional(*count);
    }

private:
    std::unique_ptr<StoredRendition> stored_;
};

}  // namespace

// Goes on reading the same files when the rendition has become whole.
class RenditionDesk::GrowingContent : public RenditionContent {
public:
    GrowingContent(RenditionDesk& desk, std::shared_ptr<Work> work)
        : desk_(desk), work_(std::move(work)) {}
    std::optional<std::uint64_t> size() const override { return std::nullopt; }
    base::Result<std::optional<std::size_t>, Reason> read(std::uint64_t offset,
                                                          std::span<std::uint8_t> out) override {
        using Count = std::optional<std::size_t>;
        std::unique_lock lock(desk_.mutex_);
        const bool is_whole = work_->state == Progress::Ready;
        if (work_->state == Progress::Failed) return *work_->reason;
        const auto growing = work_->growing;
        lock.unlock();
        if (!growing || growing->size() <= offset)
            return is_whole ? Count{std::size_t{0}} : Count{};
        const auto count = growing->read(offset, out);
        if (!count) return count.error();
        return Count{*count};
    }

private:
    RenditionDesk& desk_;
    const std::shared_ptr<Work> work_;
};

std::string_view to_string(Progress state) {
    switch (state) {
        case Progress::Waiting:
            return "waiting";
        case Progress::Running:
            return "running";
        case Progress::Ready:
            return "ready";
        case Progress::Failed:
            break;
    }
    return "failed";
}

RenditionDesk::RenditionDesk(DeskOptions options, io::FileSystem& files,
                             const crypto::KeyWrapper& keys, base::Random& random, base::Log& log)
    : options_(std::move(options)), files_(files), keys_(keys), random_(random), log_(log) {
    remove_halves();
    for (std::size_t i = 0; i < options_.workers; ++i)
        threads_.emplace_back([this] {
            io::set_thread_name("rendition");
            serve();
        });
}

// What a crash has left half made.
void RenditionDesk::remove_halves() {
    std::error_code error;
    for (const auto& recording : std::filesystem::directory_iterator(options_.cache, error)) {
        for (const auto& made : std::filesystem::directory_iterator(recording.path(), error))
            if (made.path().extension() == ".part")
                static_cast<void>(files_.remove_tree(made.path().string()));
    }
}

RenditionDesk::~RenditionDesk() { stop(); }

void RenditionDesk::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        for (auto& [key, work] : works_) work->is_cancelled = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

std::vector<StoredRecording> RenditionDesk::open_pieces(const RenditionRequest& request) const {
    std::vector<StoredRecording> pieces;
    pieces.reserve(request.pieces.size());
    for (const RenditionRequest::Piece& piece : request.pieces)
        pieces.emplace_back(files_, piece.directory, &keys_);
    return pieces;
}

base::Result<RenditionDesk::Named, Reason> RenditionDesk::find_name(
    const RenditionRequest& request) const {
    Named named{.name = std::string(rendition::to_string(request.product))};
    for (const StoredRecording& piece : open_pieces(request)) {
        const auto summary = piece.summary();
        if (!summary) return summary.error();
        for (const StreamSummary& stream : summary->streams) {
            if (stream.media != "video" || stream.packets == 0) continue;
            named.has_video = true;
            if (request.product != Product::Track || named.stream || stream.label != request.label)
                continue;
            const std::string_view codec = stream.codec;
            const auto container =
                rendition::container_of(request.product, codec.substr(0, codec.find('/')));
            if (!container)
                return Reason{"cannot_render",
                              fmt::format("No browser plays {} as it came; ask for webm.", codec)};
            named.container = *container;
            named.stream = stream.stream;
            named.name = fmt::format("track-{}", stream.stream);
        }
    }
    if (request.product != Product::Track) {
        named.container = *rendition::container_of(request.product);
    } else if (!named.stream) {
        return Reason{"not_found", fmt::format("Recording {} has no video of the label \"{}\".",
                                               request.id(), request.label)};
    }
    // One more piece makes another recording of it.
    named.folder = request.pieces.size() == 1
                       ? named.name
                       : fmt::format("{}-of-{}", named.name, request.pieces.size());
    return named;
}

// Under the key of the first piece that has one: of what is encrypted nothing is kept in the clear.
RenditionPlace RenditionDesk::place_of(const RenditionRequest& request, const Named& named) const {
    const RenditionRequest::Piece* keyed = &request.pieces.front();
    for (const RenditionRequest::Piece& piece : request.pieces)
        if (files_.open_for_reading(io::join_path(piece.directory, kKeyName))) {
            keyed = &piece;
            break;
        }
    return {.recording = keyed->directory,
            .id = base::parse_uuid(keyed->id).value_or(base::Uuid{}),
            .folder = io::join_path(io::join_path(options_.cache, keyed->id), named.folder)};
}

RenditionStatus RenditionDesk::status_of(const Work& work) const {
    RenditionStatus status{
        .name = work.named.name,
        .state = work.state,
        .content_type =
            std::string(rendition::content_type(work.named.container, work.named.has_video)),
        .extension = std::string(rendition::file_extension(work.request.product)),
        .reason = work.reason};
    if (work.named.container == rendition::Container::Mp4) status.extension = "mp4";
    if (work.growing) {
        status.bytes = work.growing->size();
        if (work.duration_ms > 0)
            status.percent = static_cast<int>(
                std::min<std::int64_t>(99, 100 * work.growing->at_ms() / work.duration_ms));
    }
    return status;
}

std::optional<RenditionStatus> RenditionDesk::look_on_disk(const RenditionRequest& request,
                                                           const Named& named) const {
    const auto stored = StoredRendition::open(files_, place_of(request, named), &keys_);
    if (!stored) return std::nullopt;
    Work work{.request = request, .named = named, .state = Progress::Ready};
    RenditionStatus status = status_of(work);
    status.bytes = (*stored)->size();
    status.percent = 100;
    status.report = (*stored)->report();
    return status;
}

base::Result<RenditionStatus, Reason> RenditionDesk::look(const RenditionRequest& request) {
    const auto named = find_name(request);
    if (!named) return named.error();
    {
        const std::lock_guard lock(mutex_);
        const auto found = works_.find(Work::key_of(request, *named));
        if (found != works_.end()) return status_of(*found->second);
    }
    if (auto status = look_on_disk(request, *named)) return *std::move(status);
    return Reason{"not_found", "It was not asked for: POST does that."};
}

base::Result<RenditionStatus, Reason> RenditionDesk::ask(const RenditionRequest& request) {
    auto named = find_name(request);
    if (!named) return named.error();
    if (auto status = look_on_disk(request, *named)) return *std::move(status);
    const std::lock_guard lock(mutex_);
    auto& work = works_[Work::key_of(request, *named)];
    if (work && work->state != Progress::Failed && !work->is_cancelled) return status_of(*work);
    if (is_stopping_ || queue_.size() >= kMaxRenditionJobs) {
        if (!work) works_.erase(Work::key_of(request, *named));
        return Reason{"busy", fmt::format("{} renditions wait already.", queue_.size())};
    }
    work = std::make_shared<Work>();
    work->request = request;
    work->named = *std::move(named);
    queue_.push_back(work);
    changed_.notify_all();
    return status_of(*work);
}

// Under the mutex. Nobody will make what still waits: its readers are told.
void RenditionDesk::give_up(Work& work) {
    work.is_cancelled = true;
    const auto is_it = [&](const std::shared_ptr<Work>& waiting) { return waiting.get() == &work; };
    if (std::erase_if(queue_, is_it) == 0) return;
    work.state = Progress::Failed;
    work.reason = Reason{"cancelled", "It was given up."};
}

bool RenditionDesk::drop(const RenditionRequest& request) {
    const auto named = find_name(request);
    if (!named) return false;
    const std::string key = Work::key_of(request, *named);
    {
        const std::lock_guard lock(mutex_);
        const auto found = works_.find(key);
        if (found != works_.end()) {
            give_up(*found->second);
            if (found->second->state != Progress::Running) works_.erase(found);
            changed_.notify_all();
            return true;
        }
    }
    const std::string folder = place_of(request, *named).folder;
    const bool is_there = std::filesystem::is_directory(folder);
    return is_there && files_.remove_tree(folder).has_value();
}

bool RenditionDesk::has_more_sound(const std::string& directory) const {
    const auto summary = StoredRecording(files_, directory, &keys_).summary();
    return summary && has_sound_beyond_tracks(*summary);
}

void RenditionDesk::forget(const std::string& id) {
    const std::lock_guard lock(mutex_);
    for (auto work = works_.lower_bound(id + "/");
         work != works_.end() && work->first.starts_with(id + "/");) {
        give_up(*work->second);
        work = work->second->state == Progress::Running ? std::next(work) : works_.erase(work);
    }
    changed_.notify_all();
    static_cast<void>(files_.remove_tree(io::join_path(options_.cache, id)));
}

base::Result<std::unique_ptr<RenditionContent>, Reason> RenditionDesk::open(
    const RenditionRequest& request) {
    const auto named = find_name(request);
    if (!named) return named.error();
    {
        const std::lock_guard lock(mutex_);
        const auto found = works_.find(Work::key_of(request, *named));
        if (found != works_.end()) {
            if (found->second->state == Progress::Failed) return *found->second->reason;
            return std::unique_ptr<RenditionContent>(
                std::make_unique<GrowingContent>(*this, found->second));
        }
    }
    auto stored = StoredRendition::open(files_, place_of(request, *named), &keys_);
    if (!stored) return stored.error();
    return std::unique_ptr<RenditionContent>(std::make_unique<WholeContent>(std::move(*stored)));
}

void RenditionDesk::serve() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
        if (is_stopping_) return;
        const std::shared_ptr<Work> work = queue_.front();
        queue_.pop_front();
        work->state = Progress::Running;
        lock.unlock();
        make(*work);
        lock.lock();
        forget_old_states();
        changed_.notify_all();
    }
}

void RenditionDesk::make(Work& work) {
    const auto done = try_to_make(work);
    if (!done) {
        if (work.growing) work.growing->discard();
        log_.warning("a rendition could not be made", {{"recording", work.request.id()},
                                                       {"rendition", work.named.name},
                                                       {"code", done.error().code},
                                                       {"text", done.error().text}});
    }
    {
        const std::lock_guard lock(mutex_);
        work.state = done ? Progress::Ready : Progress::Failed;
        if (!done) work.reason = done.error();
        // What is whole is found on the disk; what was cancelled was never asked for.
        const auto found = works_.find(work.key());
        const bool is_ours = found != works_.end() && found->second.get() == &work;
        if (is_ours && (done || work.is_cancelled)) works_.erase(found);
        if (is_ours && !done && !work.is_cancelled) over_.push_back(work.key());
    }
    tidy_cache();
}

base::Result<base::Done, Reason> RenditionDesk::try_to_make(Work& work) {
    auto job = make_media_job(open_pieces(work.request), work.request.product, work.named.stream);
    if (!job) return job.error();
    auto growing = [&] {
        const std::lock_guard lock(mutex_);  // its random numbers are shared
        return GrowingRendition::create(files_, place_of(work.request, work.named), &keys_,
                                        random_);
    }();
    if (!growing) return growing.error();
    {
        const std::lock_guard lock(mutex_);
        work.growing = *growing;
        work.duration_ms = job->job.duration_ms;
    }
    const auto report = rendition::run_worker({.program = options_.program}, job->job,
                                              *job->packets, **growing, work.is_cancelled);
    if (!report) return report.error();
    return (*growing)->finish(*report);
}

void RenditionDesk::forget_old_states() {
    while (over_.size() > kMaxRenditionStates) {
        const auto found = works_.find(over_.front());
        if (found != works_.end() && found->second->state == Progress::Failed) works_.erase(found);
        over_.pop_front();
    }
}

// The oldest go first; what is being made is not counted.
void RenditionDesk::tidy_cache() {
    namespace fs = std::filesystem;
    struct Kept {
        fs::file_time_type time;
        std::uint64_t bytes = 0;
        fs::path folder;
    };
    std::vector<Kept> kept;
    std::uint64_t total = 0;
    std::error_code error;
    for (const auto& recording : fs::directory_iterator(options_.cache, error)) {
        for (const auto& rendition : fs::directory_iterator(recording.path(), error)) {
            if (rendition.path().extension() == ".part") continue;
            Kept one{
                .time = rendition.last_write_time(error), .bytes = 0, .folder = rendition.path()};
            for (const auto& file : fs::directory_iterator(rendition.path(), error))
                one.bytes += file.file_size(error);
            total += one.bytes;
            kept.push_back(std::move(one));
        }
    }
    if (total <= options_.max_bytes) return;
    std::sort(kept.begin(), kept.end(),
              [](const Kept& a, const Kept& b) { return a.time < b.time; });
    for (const Kept& one : kept) {
        if (total <= options_.max_bytes) return;
        if (files_.remove_tree(one.folder.string())) total -= one.bytes;
    }
}

}  // namespace earshot::archive
