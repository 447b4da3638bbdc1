#include "app/verify_folder.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <system_error>

#include "app/commands.h"
#include "app/tables.h"
#include "archive/signing_key.h"
#include "archive/verify.h"
#include "io/linux_file.h"
#include "keys/key_store.h"

namespace earshot::app {
namespace {

// DATA of DATA/recordings/YYYY/MM/DD/ID.
std::filesystem::path data_of(const std::filesystem::path& folder) {
    return folder.parent_path().parent_path().parent_path().parent_path().parent_path();
}

}  // namespace

bool is_folder(const std::string& text) { return text.find('/') != std::string::npos; }

Exit run_verify_folder(const std::string& folder, const std::string& data, bool as_json,
                       std::ostream& out, std::ostream& err) {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::canonical(folder, error);
    if (error || !std::filesystem::is_directory(path, error))
        return fail({Exit::NotFound, "There is no folder " + folder + "."}, err);
    io::LinuxFileSystem files;
    const std::filesystem::path directory =
        (data.empty() ? data_of(path) : std::filesystem::path(data)) / "keys";
    const auto trusted = archive::load_public_key(files, directory.string());
    const auto keys =
        keys::KeyStore::open_for_reading(files, (directory / "kek").string(), nullptr);
    const archive::Verification found = archive::verify_recording(
        files, path.string(), trusted ? std::optional(*trusted) : std::nullopt,
        keys ? keys->get() : nullptr);
    const nlohmann::json view = archive::to_json(found);
    if (as_json)
        print_json(out, view);
    else
        print_verification(out, view);
    // Their absence is no fault of the recording; but who signed it, nobody has looked at then.
    if (!trusted)
        err << "earshot: whose signature it is was not checked: " << printable(trusted.error().text)
            << '\n';
    if (!keys && found.contents == archive::Contents::NotChecked)
        err << "earshot: " << printable(keys.error().text) << '\n';
    return found.is_ok() ? Exit::Ok : Exit::FoundBad;
}

}  // namespace earshot::app
