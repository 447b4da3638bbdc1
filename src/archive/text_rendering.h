// A rendering that is small enough to be made at once.
#pragma once

#include <string>
#include <utility>

#include "archive/render.h"

namespace earshot::archive {

class TextRendering : public Rendering {
public:
    explicit TextRendering(std::string text) : size_(text.size()), text_(std::move(text)) {}
    std::optional<std::uint64_t> size() const override { return size_; }
    base::Result<bool, base::Reason> next(std::string& chunk) override {
        if (is_done_) return false;
        is_done_ = true;
        chunk = std::move(text_);
        return true;
    }

private:
    std::uint64_t size_;
    std::string text_;
    bool is_done_ = false;
};

}  // namespace earshot::archive
