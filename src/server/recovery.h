// At the start: what an earlier process left in the journal and in the catalogue.
#pragma once

#include "archive/archive.h"
#include "base/log.h"
#include "capture/capture_engine.h"
#include "catalog/catalog.h"
#include "io/file.h"
#include "server/archiver.h"

namespace earshot::server {

// Hands each recording that the journals still hold to the archiver (`archiver` may not be started
// yet) or, when it had been stored before the end, only gives its journal space back. Rows in state
// `recording` of which no journal holds anything become `failed`, and say so: their end was lost,
// or may lie in a journal that cannot be read now (kJournalUnread).
void recover_recordings(const std::vector<capture::CaptureEngine::Found>& found,
                        catalog::Catalog& catalogue, Archiver& archiver, base::Log& log);

}  // namespace earshot::server
