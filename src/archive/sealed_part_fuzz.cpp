// Any bytes as a sealed part and as a key: refused, or read in bounds. And, as no fuzzer finds a
// tag, any way to write a part, to read it and to alter it: it reads as the plain bytes would, or
// says that it cannot.
#include <algorithm>
#include <cstdlib>

#include "archive/data_key.h"
#include "archive/sealed_part.h"
#include "io/faulty_file.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kMaxPlainBytes = 1U << 20U;

void require(bool holds) {
    if (!holds) std::abort();
}

crypto::SecretKey key() { return crypto::SecretKey::from(base::Bytes(crypto::kKeyBytes, 7)); }

// The recording and name of the golden file.
const base::Uuid& recording() {
    static const base::Uuid id = *base::parse_uuid("0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a01");
    return id;
}

std::optional<base::Bytes> read_all(io::FileSystem& files) {
    auto file = files.open_for_reading("part");
    if (!file) return std::nullopt;
    const auto reader = archive::SealedReader::open(std::move(*file), key(), recording(), "golden");
    if (!reader) return std::nullopt;
    base::Bytes bytes(std::min<std::uint64_t>(*(*reader)->size(), 2 * kMaxPlainBytes));
    const auto count = (*reader)->read_at(0, bytes);
    if (!count) return std::nullopt;
    bytes.resize(*count);
    return bytes;
}

// Writes as the script says, and the same into memory.
base::Bytes write_both(base::LeReader& script, archive::SealedWriter& writer) {
    base::Bytes plain;
    for (int step = 0; step < 20 && script.ok(); ++step) {
        const auto what = script.read<std::uint8_t>();
        const std::size_t gap = script.read<std::uint32_t>() % 200'000;
        const std::size_t size = script.read<std::uint32_t>() % 200'000;
        // From the start, from near the end, or beyond it: not all of it is allowed.
        const std::size_t at = what % 4 == 0   ? gap % 100
                               : what % 4 == 1 ? plain.size() - std::min(plain.size(), gap)
                                               : plain.size() + (what % 4 == 2 ? 0 : gap);
        if (at + size > kMaxPlainBytes) break;
        if (what >= 0xf0) {
            if (writer.truncate(at) && at > plain.size()) plain.resize(at, 0);
            continue;
        }
        const base::Bytes bytes(size, what);
        const bool can_be = writer.write_at(at, bytes).has_value();
        // Refused half-way it may have written a part: no longer to be compared.
        if (!can_be) return {};
        if (size == 0) continue;
        if (plain.size() < at + size) plain.resize(at + size, 0);
        std::copy(bytes.begin(), bytes.end(), plain.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return plain;
}

void compare_reads(base::LeReader& script, io::FileSystem& files, const base::Bytes& plain) {
    auto file = files.open_for_reading("part");
    const auto reader = archive::SealedReader::open(std::move(*file), key(), recording(), "golden");
    require(reader.has_value() && *(*reader)->size() == plain.size());
    for (int step = 0; step < 8; ++step) {
        const std::size_t at = script.read<std::uint32_t>() % (plain.size() + 10);
        base::Bytes out(script.read<std::uint32_t>() % 150'000);
        const auto count = (*reader)->read_at(at, out);
        require(count.has_value() &&
                *count == std::min(out.size(), plain.size() - std::min(at, plain.size())));
        require(
            std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*count),
                       plain.begin() + static_cast<std::ptrdiff_t>(std::min(at, plain.size()))));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const base::ByteView input(data, size);
    (void)archive::parse_key_part(input);
    {
        io::FaultyFileSystem files;
        files.put("part", input);
        (void)read_all(files);
    }
    base::LeReader script(input);
    io::FaultyFileSystem files;
    archive::SealedWriter writer(std::move(*files.create("part")), key(),
                                 {.recording = recording(), .number = 3, .name = "golden"});
    const base::Bytes plain = write_both(script, writer);
    require(writer.finish().has_value());
    if (plain.empty()) return 0;
    compare_reads(script, files, plain);
    const std::size_t stored = files.content("part").size();
    files.corrupt("part", script.read<std::uint32_t>() % stored, 1);
    require(!read_all(files).has_value());
    return 0;
}
