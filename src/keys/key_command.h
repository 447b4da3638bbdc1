// The external program that seals key-encryption keys: the client of a KMS, an HSM, a TPM. It is
// run as `ARGUMENTS... wrap ID` or `ARGUMENTS... unwrap ID`, reads base64 from its standard input
// and writes base64 to its standard output (docs/configuration.md).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/secret_key.h"

namespace earshot::keys {

// Made of plain values; any thread. Interface, so that tests need no program.
class KeySealer {
public:
    KeySealer() = default;
    KeySealer(const KeySealer&) = delete;
    KeySealer& operator=(const KeySealer&) = delete;
    virtual ~KeySealer() = default;

    // Reason code of both: "key_command_failed"; the text names the command and what it said.
    virtual base::Result<base::Bytes, base::Reason> wrap(const base::Uuid& id,
                                                         const crypto::SecretKey& key) const = 0;
    virtual base::Result<crypto::SecretKey, base::Reason> unwrap(const base::Uuid& id,
                                                                 base::ByteView blob) const = 0;
};

class KeyCommand : public KeySealer {
public:
    explicit KeyCommand(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {}

    base::Result<base::Bytes, base::Reason> wrap(const base::Uuid& id,
                                                 const crypto::SecretKey& key) const override;
    base::Result<crypto::SecretKey, base::Reason> unwrap(const base::Uuid& id,
                                                         base::ByteView blob) const override;

private:
    base::Result<base::Bytes, base::Reason> run(const char* verb, const base::Uuid& id,
                                                base::ByteView bytes) const;

    const std::vector<std::string> arguments_;
};

}  // namespace earshot::keys
