// Any bytes as the part `packets` and as the file of all parts: read to the end, or refused; also
// the manifest and the summary.
#include <string>

#include "archive/block_file.h"
#include "archive/manifest.h"
#include "archive/pack.h"
#include "archive/summary.h"
#include "base/crc32c.h"
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

void read_pack(std::unique_ptr<earshot::io::File> file) {
    auto pack = earshot::archive::PackReader::open(std::move(file));
    if (!pack || pack->names().empty()) return;
    auto part = std::move(*pack).take(pack->names().back());
    if (!part) return;
    earshot::base::Bytes out(4096);
    (void)(*part)->read_at(0, out);
    (void)(*part)->read_at(3, out);
}

// As they are, and with the checksum that no fuzzer finds.
void read_packs(earshot::base::ByteView bytes) {
    earshot::io::FaultyFileSystem files;
    files.put("pack", bytes);
    if (auto file = files.open_for_reading("pack")) read_pack(std::move(*file));
    constexpr std::size_t kTrailerBytes = 32;
    if (bytes.size() < kTrailerBytes) return;
    earshot::base::Bytes mended(bytes.begin(), bytes.end());
    const std::size_t trailer = mended.size() - kTrailerBytes;
    const std::size_t begin = earshot::base::load_le<std::uint64_t>(mended, trailer);
    if (begin > trailer) return;
    earshot::base::store_le<std::uint32_t>(
        mended, trailer + 12,
        earshot::base::crc32c(earshot::base::ByteView(mended).subspan(begin, trailer - begin)));
    files.put("mended", mended);
    if (auto file = files.open_for_reading("mended")) read_pack(std::move(*file));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const earshot::base::ByteView input(bytes, size);
    read_blocks(input);
    read_records(input);
    read_packs(input);
    (void)earshot::archive::parse_manifest(earshot::base::as_text(input));
    (void)earshot::archive::parse_summary(earshot::base::as_text(input));
    return 0;
}
