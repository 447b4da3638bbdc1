#include "api/access_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "io/file_descriptor.h"

namespace earshot::api {
namespace {

constexpr std::size_t kTokenBytes = 32;

std::string path_of(const std::string& data_dir) { return data_dir + "/cli.json"; }

base::Reason failed(const std::string& path, int code) {
    return {"unreadable", fmt::format("{}: {}.", path, std::generic_category().message(code))};
}

std::optional<base::Reason> write_file(const std::string& path, const std::string& text) {
    ::unlink(path.c_str());  // of a start that was cut off; its mode may be another
    io::FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return failed(path, errno);
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) return failed(path, ENOSPC);
    if (::fsync(file.get()) != 0) return failed(path, errno);
    return std::nullopt;
}

}  // namespace

base::Result<AccessFile, base::Reason> read_access_file(const std::string& data_dir) {
    const std::string path = path_of(data_dir);
    std::ifstream file(path);
    if (!file) {
        const int code = errno;
        if (code == ENOENT || code == ENOTDIR)
            return base::Reason{"no_access_file", fmt::format("There is no {}.", path)};
        return failed(path, code);
    }
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto json = nlohmann::json::parse(text, nullptr, false);
    const bool is_good = json.is_object() && json.contains("url") && json["url"].is_string() &&
                         json.contains("token") && json["token"].is_string();
    if (!is_good)
        return base::Reason{"bad_access_file", fmt::format("{} does not hold a URL and a token. "
                                                           "Restart the server: it writes it anew.",
                                                           path)};
    return AccessFile{json["url"].get<std::string>(), json["token"].get<std::string>()};
}

base::Result<AccessFile, base::Reason> write_access_file(const std::string& data_dir,
                                                         const std::string& url,
                                                         base::Random& random) {
    AccessFile access{url, {}};
    if (const auto existing = read_access_file(data_dir)) {
        if (existing->url == url && existing->token.size() >= 2 * kTokenBytes)
            return *existing;  // nothing to write: also on a full disk the server starts
        access.token = existing->token;
    }
    if (access.token.size() < 2 * kTokenBytes) access.token = random.token(kTokenBytes);

    const std::string path = path_of(data_dir);
    const nlohmann::json json{{"url", access.url}, {"token", access.token}};
    if (auto failure = write_file(path + ".new", json.dump() + "\n")) return *failure;
    if (::rename((path + ".new").c_str(), path.c_str()) != 0) return failed(path, errno);
    return access;
}

}  // namespace earshot::api
