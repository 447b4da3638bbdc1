// The file that `export -o` writes. A regular file appears only when it is whole: it is written
// beside its name and renamed at the end. Devices, FIFOs and sockets are written straight through:
// a rename would put a file in their place.
#pragma once

#include <string>
#include <string_view>

#include "app/rest_client.h"
#include "base/result.h"

namespace earshot::app {

class OutputFile {
public:
    enum class Existing { Keep, Replace };  // what becomes of a regular file of that name

    // Blocks on a FIFO until somebody reads it, as every writer does. With Keep it is refused when
    // there is such a file, now or, by somebody else, when it would be put there.
    static Outcome<OutputFile> open(const std::string& path, Existing existing);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    OutputFile& operator=(OutputFile&&) = delete;
    ~OutputFile();  // unless finished, no trace is left of a regular file

    bool write(std::string_view piece);  // false: see failure()
    bool finish();                       // the file is whole now
    bool has_failed() const { return error_ != 0; }
    Failure failure() const;
    bool is_regular() const { return !part_.empty(); }

private:
    OutputFile() = default;

    std::string path_{};    // as given, for messages
    std::string target_{};  // of the rename; links are resolved
    std::string part_{};    // what is written; empty: straight to path_
    Existing existing_ = Existing::Keep;
    int fd_ = -1;
    int error_ = 0;  // errno of the first failure
    bool is_finished_ = false;
};

}  // namespace earshot::app
