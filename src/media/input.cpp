#include "media/input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace earshot::media {
namespace {

constexpr std::size_t kPieceBytes = 256UL * 1024;

base::Reason cut() { return {"input_cut", "The packets ended before their end."}; }

}  // namespace

Outcome Input::fill(std::size_t size) {
    while (buffer_.size() - at_ < size) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
        at_ = 0;
        const std::size_t before = buffer_.size();
        buffer_.resize(before + kPieceBytes);
        ssize_t count = 0;
        do count = ::read(descriptor_, buffer_.data() + before, kPieceBytes);
        while (count < 0 && errno == EINTR);
        buffer_.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
        if (count <= 0) return cut();
    }
    return base::Done{};
}

Expected<std::string> Input::read_line(std::size_t limit) {
    for (std::size_t looked = 0;;) {
        const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(at_);
        const auto end = std::find(begin + static_cast<std::ptrdiff_t>(looked), buffer_.end(),
                                   std::uint8_t{'\n'});
        if (end != buffer_.end()) {
            std::string line(begin, end);
            at_ += line.size() + 1;
            return line;
        }
        looked = buffer_.size() - at_;
        if (looked > limit) return base::Reason{"media_malformed", "The job line is too long."};
        if (auto filled = fill(looked + 1); !filled) return filled.error();
    }
}

Expected<std::optional<InputRecord>> Input::next() {
    if (auto filled = fill(rendition::kRecordHeaderBytes); !filled) return filled.error();
    const auto header = rendition::parse_record_header(base::ByteView(buffer_).subspan(at_));
    if (!header) return base::Reason{"media_malformed", std::string(header.error().what) + "."};
    if (header->type == rendition::RecordType::End) return std::optional<InputRecord>{};
    if (auto filled = fill(rendition::kRecordHeaderBytes + header->size); !filled)
        return filled.error();
    const base::ByteView payload =
        base::ByteView(buffer_).subspan(at_ + rendition::kRecordHeaderBytes, header->size);
    at_ += rendition::kRecordHeaderBytes + header->size;
    return std::optional<InputRecord>(InputRecord{*header, payload});
}

}  // namespace earshot::media
