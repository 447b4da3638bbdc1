// A rendition in DATA/cache, while it is made and after: encrypted as its recording is, under a key
// of its own that lies beside it, wrapped under the recording's data key. Whoever erases the
// recording has erased its renditions. One folder, CACHE/ID/NAME/:
//
//   key      as the part `key` of a recording (data_key.h); not there where nothing is encrypted
//   head     the first 64 KiB at most, which containers write again when they end
//   body     the rest
//   report   what became of the streams (rendition/report.h)
//
// Made as NAME.part and renamed; not synced: what a crash leaves fails its seals, and is made anew.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "archive/sealed_part.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "crypto/key_wrap.h"
#include "io/file.h"
#include "rendition/report.h"
#include "rendition/worker.h"

namespace earshot::archive {

// Where a rendition belongs.
struct RenditionPlace {
    std::string recording;  // the recording's folder, with its `key`
    base::Uuid id;
    std::string folder;  // CACHE/ID/NAME
};

// The thread that makes it writes; any other reads what is there.
class GrowingRendition : public rendition::Sink {
public:
    static base::Result<std::shared_ptr<GrowingRendition>, base::Reason> create(
        io::FileSystem& files, RenditionPlace place, const crypto::KeyWrapper* keys,
        base::Random& random);

    base::Result<base::Done, base::Reason> write(std::uint64_t offset,
                                                 base::ByteView bytes) override;
    void on_progress(std::int64_t at_ms) override { at_ms_ = at_ms; }
    // Makes it whole, and visible.
    base::Result<base::Done, base::Reason> finish(const rendition::Report& report);
    void discard();  // nothing remains on the disk

    std::int64_t at_ms() const { return at_ms_; }
    std::uint64_t size() const { return size_; }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset, std::span<std::uint8_t> out);

private:
    GrowingRendition(io::FileSystem& files, RenditionPlace place)
        : files_(files), place_(std::move(place)) {}
    base::Result<std::unique_ptr<io::File>> create_part(const std::string& name,
                                                        std::uint32_t number);
    base::Result<base::Done> store(const std::string& name, std::uint32_t number,
                                   base::ByteView bytes);
    base::Result<base::Done> store_all(const rendition::Report& report);

    io::FileSystem& files_;
    const RenditionPlace place_;
    std::string made_in_;  // NAME.part
    std::optional<crypto::SecretKey> key_;
    std::mutex mutex_;  // of what follows
    base::Bytes head_;
    std::unique_ptr<io::File> body_;
    std::atomic<std::uint64_t> size_{0};
    std::atomic<std::int64_t> at_ms_{0};
};

// A whole one. One thread.
class StoredRendition {
public:
    // "not_found": there is none that can be read; else as load_data_key().
    static base::Result<std::unique_ptr<StoredRendition>, base::Reason> open(
        io::FileSystem& files, const RenditionPlace& place, const crypto::KeyWrapper* keys);

    std::uint64_t size() const { return head_.size() + body_size_; }
    const rendition::Report& report() const { return report_; }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset, std::span<std::uint8_t> out);

private:
    StoredRendition() = default;
    base::Bytes head_;
    std::unique_ptr<io::File> body_;
    std::uint64_t body_size_ = 0;
    rendition::Report report_;
};

}  // namespace earshot::archive
