// What a part is known by, made of the bytes as they pass by, in order.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "objects/object_store.h"

namespace earshot::objects {

class PartDigest {
public:
    PartDigest();
    PartDigest(PartDigest&&) noexcept;
    PartDigest& operator=(PartDigest&&) noexcept;
    ~PartDigest();

    void add(base::ByteView bytes);
    void add_zeros(std::uint64_t count);
    std::uint64_t size() const { return size_; }
    PartInfo info(std::string name) const;  // of what was added so far

private:
    struct State;
    std::unique_ptr<State> state_;
    std::uint64_t size_ = 0;
    std::uint32_t crc32c_ = 0;
};

}  // namespace earshot::objects
