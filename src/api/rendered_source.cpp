#include "api/rendered_source.h"

#include <algorithm>

namespace earshot::api {

base::Result<std::size_t, base::Reason> RenderedSource::read(std::uint64_t offset,
                                                             std::span<std::uint8_t> out) {
    if (offset < chunk_start_) {
        auto again = restart_();
        if (!again) return again.error();
        rendering_ = std::move(*again);
        chunk_.clear();
        chunk_start_ = 0;
    }
    while (offset >= chunk_start_ + chunk_.size()) {
        chunk_start_ += chunk_.size();
        chunk_.clear();
        auto more = rendering_->next(chunk_);
        if (!more) return more.error();
        if (!*more) return std::size_t{0};
    }
    const auto from = static_cast<std::size_t>(offset - chunk_start_);
    const std::size_t count = std::min(out.size(), chunk_.size() - from);
    std::copy_n(chunk_.begin() + static_cast<std::ptrdiff_t>(from), count, out.begin());
    return count;
}

}  // namespace earshot::api
