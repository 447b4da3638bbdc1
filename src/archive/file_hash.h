// The hashes of a file that is transferred: SHA-256 for us, and SHA-1, which RFC 5547 announces.
#pragma once

#include <memory>
#include <string>

#include "archive/sha256.h"
#include "base/bytes.h"

namespace earshot::archive {

struct FileHashes {
    std::string sha256;  // lower-case hex
    std::string sha1;    // the same
};

// Hashes octets that come in pieces. Ends the process when OpenSSL has no SHA-1.
class FileHash {
public:
    FileHash();
    FileHash(const FileHash&) = delete;
    FileHash& operator=(const FileHash&) = delete;
    ~FileHash();

    void add(base::ByteView bytes);
    FileHashes finish();  // once

private:
    struct State;
    std::unique_ptr<State> state_;
    Sha256Stream sha256_;
};

}  // namespace earshot::archive
