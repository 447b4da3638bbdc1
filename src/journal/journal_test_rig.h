// For the journal's tests: a journal over a faulty disk, stepped by hand in one thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/faulty_file.h"
#include "journal/committer.h"
#include "journal/journal.h"

namespace earshot::journal {

inline base::Uuid test_uuid(std::uint8_t n) {
    base::Uuid uuid;
    uuid.bytes.fill(n);
    return uuid;
}

// Journals are encrypted in the tests as they are in the server.
inline const crypto::KeyRing& test_keys() {
    static const crypto::KeyRing keys = [] {
        base::SeededRandom random(1);
        return crypto::KeyRing(test_uuid(0xee), crypto::SecretKey::generate(random));
    }();
    return keys;
}

struct RecordedListener : Listener {
    void on_durable(std::uint64_t token) override { durable.insert(token); }
    void on_closed(ClosedRecording recording) override { closed.push_back(std::move(recording)); }

    std::set<std::uint64_t> durable;
    std::vector<ClosedRecording> closed;
};

struct Rig {
    static constexpr const char* kDirectory = "data/journal/0";

    static Options small_options() {
        return {.directories = {kDirectory},
                .worker = 0,
                .segment_bytes = 32 * 1024,
                .ring_bytes = 8 * kMaxFrameBytes,
                .run_id = 77,
                .boot_id = {},
                .keys = &test_keys()};
    }

    explicit Rig(io::FaultyFileSystem& disk, Options options = small_options())
        : files(disk),
          recovery(recover(disk, options.directories, &test_keys())),
          journal(disk, std::move(options), recovery, listener) {}

    base::Now now() const {
        return {base::TimePoint(elapsed), base::wall_from_ns(1'000'000'000) + elapsed};
    }
    // What the 200 ms timer and the committer thread do.
    void commit() {
        elapsed += std::chrono::milliseconds(200);
        journal.writer().commit(now());
        journal.committer().step(now());
    }
    // Late enough for a failed attempt to be repeated; twice, as behind a waiting frame the next is
    // left open.
    void commit_late() {
        elapsed += std::chrono::seconds(2);
        commit();
        commit();
    }
    bool append(RecordingHandle handle, base::ByteView payload, RecordType type = RecordType::Rtp) {
        const RecordHeader header{.type = type, .stream = 1, .arrival_ns = ++arrival_ns};
        return journal.writer().append(handle, header, payload).has_value();
    }

    io::FaultyFileSystem& files;
    RecordedListener listener;
    Recovery recovery;
    Journal journal;
    std::chrono::nanoseconds elapsed{0};
    std::int64_t arrival_ns = 0;
};

// A payload that no other (recording, count) has; sizes from 4 to some 1500 bytes.
inline base::Bytes test_payload(std::uint8_t recording, std::uint32_t count) {
    base::Bytes bytes(4 + (count * 37 + recording * 11) % 1500,
                      static_cast<std::uint8_t>(count * 7 + recording));
    base::store_le<std::uint32_t>(bytes, 0, count << 8 | recording);
    return bytes;
}

// Payloads of all records but the Close, in order.
inline std::vector<base::Bytes> read_payloads(io::FileSystem& files, const base::Uuid& recording,
                                              const ExtentList& extents, Damage* damage = nullptr,
                                              std::vector<std::string> directories = {
                                                  Rig::kDirectory}) {
    RecordReader reader(files, std::move(directories), recording, extents, &test_keys());
    std::vector<base::Bytes> payloads;
    while (const auto record = reader.next()) {
        if (record->header.type == RecordType::Close) continue;
        payloads.emplace_back(record->payload.begin(), record->payload.end());
    }
    if (damage != nullptr) *damage = reader.damage();
    return payloads;
}

inline const RecoveredRecording* find_recovered(const Recovery& recovery, const base::Uuid& id) {
    for (const RecoveredRecording& recording : recovery.recordings) {
        if (recording.recording == id) return &recording;
    }
    return nullptr;
}

}  // namespace earshot::journal
