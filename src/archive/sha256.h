// SHA-256 by OpenSSL, and the lower-case hex that manifests hold.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace earshot::archive {

using Sha256 = std::array<std::uint8_t, 32>;

// Hashes bytes that come in pieces. Ends the process when OpenSSL has no SHA-256.
class Sha256Stream {
public:
    Sha256Stream();
    Sha256Stream(const Sha256Stream&) = delete;
    Sha256Stream& operator=(const Sha256Stream&) = delete;
    ~Sha256Stream();

    void add(base::ByteView bytes);
    Sha256 finish();  // once

private:
    struct State;
    std::unique_ptr<State> state_;
};

Sha256 sha256(base::ByteView bytes);

}  // namespace earshot::archive
