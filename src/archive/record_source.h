// Where the records of one recording come from: the journal after the call, the stored parts later,
// a vector in tests.
#pragma once

#include <optional>

#include "journal/reader.h"
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

// Borrows the reader.
class JournalSource : public RecordSource {
public:
    explicit JournalSource(journal::RecordReader& reader) : reader_(reader) {}
    std::optional<journal::Record> next() override { return reader_.next(); }
    journal::Damage damage() const override { return reader_.damage(); }

private:
    journal::RecordReader& reader_;
};

}  // namespace earshot::archive
