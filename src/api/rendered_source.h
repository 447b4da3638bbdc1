// Makes a rendering, which only goes forward, readable at any place: a read behind the current
// place starts it anew, one ahead of it skips. Players read forward from where one clicked, so the
// skip happens once a click. Belongs to one request.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "archive/render.h"
#include "http/message.h"

namespace earshot::api {

class RenderedSource : public http::ByteSource {
public:
    using Restart =
        std::function<base::Result<std::unique_ptr<archive::Rendering>, base::Reason>()>;

    RenderedSource(std::unique_ptr<archive::Rendering> rendering, std::uint64_t size,
                   Restart restart)
        : rendering_(std::move(rendering)), size_(size), restart_(std::move(restart)) {}

    std::uint64_t size() const override { return size_; }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                 std::span<std::uint8_t> out) override;

private:
    std::unique_ptr<archive::Rendering> rendering_;
    const std::uint64_t size_;
    const Restart restart_;
    std::string chunk_;              // the last piece of the rendering
    std::uint64_t chunk_start_ = 0;  // its place in the whole
};

}  // namespace earshot::api
