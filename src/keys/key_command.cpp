#include "keys/key_command.h"

#include <fmt/format.h>

#include "base/text.h"
#include "io/child_process.h"
#include "keys/limits.h"

namespace earshot::keys {

using base::Bytes;
using base::ByteView;
using base::Reason;
using base::Result;
using crypto::SecretKey;

namespace {

void wipe(std::string& text) {
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

}  // namespace

Result<Bytes, Reason> KeyCommand::run(const char* verb, const base::Uuid& id,
                                      ByteView bytes) const {
    io::ChildCommand command{.arguments = arguments_,
                             .input = {},
                             .timeout = kCommandTime,
                             .max_output_bytes = kMaxCommandOutputBytes};
    command.arguments.emplace_back(verb);
    command.arguments.push_back(base::to_string(id));
    std::string input = base::to_base64(bytes) + "\n";
    command.input = input;
    auto output = io::run_child(command);
    wipe(input);
    const auto failed = [&](const std::string& why) {
        return Reason{"key_command_failed",
                      fmt::format("The key command failed ({}): {}. Try it by hand; it is "
                                  "storage.key_command of the configuration.",
                                  fmt::join(command.arguments, " "), why)};
    };
    if (!output) return failed(output.error().text);
    auto answer = base::parse_base64(base::trim(*output));
    wipe(*output);
    if (!answer || answer->empty()) return failed("it wrote no base64 to its standard output");
    return std::move(*answer);
}

Result<Bytes, Reason> KeyCommand::wrap(const base::Uuid& id, const SecretKey& key) const {
    auto blob = run("wrap", id, key.bytes());
    if (blob && blob->size() > kMaxSealedBytes)
        return Reason{"key_command_failed",
                      fmt::format("The key command ({}) made {} bytes of a key, more than {}.",
                                  fmt::join(arguments_, " "), blob->size(), kMaxSealedBytes)};
    return blob;
}

Result<SecretKey, Reason> KeyCommand::unwrap(const base::Uuid& id, ByteView blob) const {
    auto bytes = run("unwrap", id, blob);
    if (!bytes) return bytes.error();
    if (bytes->size() != crypto::kKeyBytes) {
        crypto::wipe(*bytes);
        return Reason{"key_command_failed",
                      fmt::format("The key command ({}) gave back {} bytes instead of a key of {}.",
                                  fmt::join(arguments_, " "), bytes->size(), crypto::kKeyBytes)};
    }
    SecretKey key = SecretKey::from(*bytes);
    crypto::wipe(*bytes);
    return key;
}

}  // namespace earshot::keys
