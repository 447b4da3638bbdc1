// Erasing a recording: its keys are deleted, and with them all that they encrypt can no longer be
// read; then the rows forget the persons, and keep when it was, how long, and of which streams.
#pragma once

#include <optional>
#include <vector>

#include "api/recording_files.h"
#include "api/rendition_resources.h"
#include "base/log.h"
#include "base/reason.h"
#include "catalog/catalog.h"
#include "http/message.h"

namespace earshot::api {

class Erasure {
public:
    // All must outlive it; `renditions` may be null.
    Erasure(catalog::Catalog& catalog, const RecordingFiles& files, base::Log& log,
            const RenditionResources* renditions)
        : catalog_(catalog), files_(files), log_(log), renditions_(renditions) {}

    // Of all pieces; nothing is deleted where one of them cannot be (it still runs, its row or key
    // cannot be read). `reason` becomes that of the rows. nullopt: done. Logged, also when it broke
    // off: it is asked for again then.
    std::optional<http::Response> run(const catalog::Recording& recording,
                                      const base::Reason& reason) const;

private:
    std::optional<http::Response> plan(const catalog::Recording& piece, const base::Reason& reason,
                                       catalog::Change& change) const;
    std::optional<base::Reason> carry_out(const catalog::Recording& recording,
                                          const base::Reason& reason,
                                          std::vector<catalog::Change> plans) const;

    catalog::Catalog& catalog_;
    const RecordingFiles& files_;
    base::Log& log_;
    const RenditionResources* renditions_;
};

}  // namespace earshot::api
