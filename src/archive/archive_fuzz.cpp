// Any bytes as the part `packets`: read to the end, or refused; also the manifest and the summary.
#include <string>

#include "archive/block_file.h"
#include "archive/manifest.h"
#include "archive/summary.h"
#include "io/faulty_file.h"

namespace {

void read_blocks(earshot::base::ByteView bytes) {
    earshot::io::FaultyFileSystem files;
    files.put("packets", bytes);
    const auto file = files.open_for_reading("packets");
    if (!file) return;
    earshot::archive::BlockReader reader(**file);
    (void)reader.open();  // blocks are tried behind a bad header, too
    while (true) {
        const auto block = reader.next(true);
        if (!block && !reader.can_go_on()) return;
        if (!block) continue;
        if (!block->has_value()) return;
        earshot::archive::BlockRecords records((*block)->raw);
        earshot::journal::Record record;
        while (true) {
            const auto more = records.next(record);
            if (!more || !*more) break;
        }
    }
}

// Its records alone: no fuzzer finds a CRC.
void read_records(earshot::base::ByteView bytes) {
    earshot::archive::BlockRecords records(bytes);
    earshot::journal::Record record;
    while (true) {
        const auto more = records.next(record);
        if (!more || !*more) return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const earshot::base::ByteView input(bytes, size);
    read_blocks(input);
    read_records(input);
    (void)earshot::archive::parse_manifest(earshot::base::as_text(input));
    (void)earshot::archive::parse_summary(earshot::base::as_text(input));
    return 0;
}
