// Where the records of one recording come from: the journal after the call, the stored parts later,
// a vector in tests.
#pragma once

#include <optional>

#include "journal/reader.h"  // Damage
#include "journal/record.h"

namespace earshot::archive {

class RecordSource {
public:
    RecordSource() = default;
    RecordSource(const RecordSource&) = delete;
    RecordSource& operator=(const RecordSource&) = delete;
    virtual ~RecordSource() = default;

    // In the order in which they were journalled, which is not quite that of arrival. The payload
    // is valid until the next call; nullopt at the end.
    virtual std::optional<journal::Record> next() = 0;
    // What could not be read, complete after the last record.
    virtual journal::Damage damage() const = 0;
};

}  // namespace earshot::archive
