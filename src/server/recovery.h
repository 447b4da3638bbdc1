// At the start: what an earlier process left in the journal and in the catalogue.
#pragma once

#include "archive/archive.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "io/file.h"
#include "journal/journal.h"
#include "server/archiver.h"

namespace earshot::server {

// Hands each recording that the journal still holds to the archiver (`archiver` may not be started
// yet) or, when it had been stored before the end, only gives its journal space back. Rows in state
// `recording` of which the journal holds nothing become `failed`: their end was lost, and the row
// says so.
void recover_recordings(const journal::Recovery& found, journal::Journal& journal,
                        catalog::Catalog& catalogue, Archiver& archiver, base::Log& log);

}  // namespace earshot::server
