#include "base/certificate_fingerprint.h"

#include <array>

#include "base/text.h"

namespace earshot::base {

namespace {

struct HashFacts {
    std::string_view name;
    std::size_t bytes;
};
constexpr std::array<HashFacts, 5> kHashes{
    {{"sha-1", 20}, {"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}}};

const HashFacts& facts_of(HashFunction function) {
    return kHashes.at(static_cast<std::size_t>(function));
}

}  // namespace

std::string_view to_string(HashFunction function) { return facts_of(function).name; }

std::optional<HashFunction> find_hash_function(std::string_view name) {
    for (std::size_t i = 0; i < kHashes.size(); ++i)
        if (iequals(kHashes.at(i).name, name)) return static_cast<HashFunction>(i);
    return std::nullopt;
}

std::size_t digest_bytes(HashFunction function) { return facts_of(function).bytes; }

}  // namespace earshot::base
