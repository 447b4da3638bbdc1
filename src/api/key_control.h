// What an operator may do to the key-encryption keys of the data directory, as the API sees it.
// Called on worker threads, several at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"

namespace earshot::api {

struct KeyView {
    std::string id{};
    base::WallTime made{};
    bool is_sealed = false;   // by the key command
    bool is_current = false;  // wraps what is stored from now on
    bool is_in_use = false;   // has wrapped since the start: what is not stored yet may need it
    std::uint64_t recordings = 0;  // that need it
    std::uint64_t segments = 0;    // of the journal that need it
};
struct KeyList {
    std::vector<KeyView> keys{};  // oldest first
    std::uint64_t unreadable =
        0;                      // recordings and segments of which nobody can tell which they need
    std::uint64_t missing = 0;  // recordings of the catalogue whose folder is not there
};

// One rotation, done by whoever pulls it; destroyed before its end it leaves the rest as it was.
class KeyRotationJob {
public:
    KeyRotationJob() = default;
    KeyRotationJob(const KeyRotationJob&) = delete;
    KeyRotationJob& operator=(const KeyRotationJob&) = delete;
    virtual ~KeyRotationJob() = default;

    struct Progress {
        std::string key{};  // the new one
        std::size_t done = 0;
        std::size_t total = 0;
        std::uint64_t wrapped = 0;
        std::uint64_t failed = 0;
        std::string failure{};
    };
    // A part of the work; nullopt when there is none left.
    virtual std::optional<Progress> step() = 0;
};

class KeyControl {
public:
    KeyControl() = default;
    KeyControl(const KeyControl&) = delete;
    KeyControl& operator=(const KeyControl&) = delete;
    virtual ~KeyControl() = default;

    virtual base::Result<KeyList, base::Reason> list() = 0;
    // The new key is made and wraps when this returns. Codes: "rotation_running", those of
    // keys::KeyStore::add().
    virtual base::Result<std::unique_ptr<KeyRotationJob>, base::Reason> rotate() = 0;
    // Deletes a key that nothing needs. Codes: "not_found", "key_in_use", "rotation_running".
    virtual std::optional<base::Reason> remove(const std::string& id) = 0;
};

}  // namespace earshot::api
