// Turns the journal's records of one ended recording into its stored form (design section 5): the
// packets, the signalling, the metadata documents, the events, a WAV a stream, the levels, and the
// signed manifest. docs/recording-format.md states the bytes. Runs on an archive thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "archive/record_source.h"
#include "archive/signing_key.h"
#include "archive/summary.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "crypto/key_wrap.h"
#include "objects/object_store.h"

namespace earshot::archive {

// How a recording is encrypted: under a new data key, drawn from `random`, that lies beside it
// wrapped by `keys`.
struct Encryption {
    const crypto::KeyWrapper& keys;
    base::Random& random;
};

struct BuildInput {
    base::Uuid recording;
    RecordSource& records;  // read once, to the end
    objects::ObjectStore& objects;
    const SigningKey& key;
    base::WallTime now;  // for the manifest
    // What the caller knows and the records do not: the process died ("interrupted"), packets were
    // not stored ("storage_full"). The state is then `partial` at best, with this reason.
    std::optional<base::Reason> failure;
    // The journal holds a Close record: nothing is missing at its end. Without it a recording
    // without a call_ended event is "interrupted".
    bool was_closed = true;
    std::chrono::milliseconds too_short{0};  // a call that lasted less gets a warning; 0: none does
    std::optional<Encryption> encryption{};  // absent: the parts are stored as they are
};

struct BuildOutput {
    Summary summary;  // state complete, partial or failed
    std::string
        directory;  // below DATA/recordings: "2026/03/02/<id>", as catalog::Recording has it
    std::uint64_t bytes = 0;        // of all parts
    objects::WrittenObject object;  // for ObjectStore::commit(): nothing is visible before it
};

// Writes the recording's parts. It is stored when `objects` has committed them, alone or with
// others. On an error nothing remains there, the journal is still needed, and trying again is
// right. Reason codes: "no_records", "storage_full", "storage_error".
base::Result<BuildOutput, base::Reason> build_recording(const BuildInput& input);

// The reason when a part of the recording, or its commit, met `error`.
base::Reason storage_reason(const base::Error& error, const std::string& part);

// The summary alone, by the same rules and without storing anything: for the recovery and `show`.
base::Result<Summary, base::Reason> summarise(const base::Uuid& recording, RecordSource& records,
                                              bool was_closed);

}  // namespace earshot::archive
