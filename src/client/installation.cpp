#include "client/installation.h"

#include <fmt/format.h>

#include "base/text.h"

namespace earshot::client {

base::Result<base::Uuid, base::Reason> load_or_make_installation_id(io::FileSystem& files,
                                                                    const std::string& data,
                                                                    base::Random& random) {
    constexpr std::uint64_t kMaxFileBytes = 4096;
    const std::string path = io::join_path(data, "installation");
    const auto unusable = [&](std::string_view what) {
        return base::Reason{"storage_error", fmt::format("{} {}.", path, what)};
    };
    const auto content = files.read_file(path, kMaxFileBytes);
    if (content) {
        const auto id = base::parse_uuid(base::trim(base::as_text(*content)));
        if (!id) return unusable("does not hold a UUID; remove it to have a new one made");
        return *id;
    }
    if (content.error().code != base::Errc::NotFound) return unusable("cannot be read");
    const base::Uuid id = base::make_uuid_v4(random);
    if (!files.write_file(path, base::as_bytes(base::to_string(id) + "\n")))
        return unusable("cannot be written");
    return id;
}

}  // namespace earshot::client
