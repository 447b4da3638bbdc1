// Objects under numbers that are never reused: a vector of slots with a free list; a number is slot
// and generation. Finding is an index, not a hash. References live until the object is erased.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace earshot::sip {

template <class T>
class SlotTable {
public:
    std::uint64_t insert(std::unique_ptr<T> object) {
        std::uint32_t index = 0;
        if (free_.empty()) {
            index = static_cast<std::uint32_t>(slots_.size());
            slots_.emplace_back();
        } else {
            index = free_.back();
            free_.pop_back();
        }
        Slot& slot = slots_[index];
        slot.object = std::move(object);
        ++size_;
        return std::uint64_t{slot.generation} << 32 | (index + 1);
    }

    T* find(std::uint64_t id) const {
        const std::uint64_t index = (id & 0xffffffff) - 1;  // 0 wraps to past every end
        if (index >= slots_.size() || slots_[index].generation != id >> 32) return nullptr;
        return slots_[index].object.get();
    }

    void erase(std::uint64_t id) {
        if (find(id) == nullptr) return;
        const auto index = static_cast<std::uint32_t>((id & 0xffffffff) - 1);
        slots_[index].object.reset();
        --size_;
        // A slot whose generation would need bit 31 is left out for good: an id has 63 bits.
        if (++slots_[index].generation < 0x80000000) free_.push_back(index);
    }

    // `visit` must neither insert nor erase.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const Slot& slot : slots_)
            if (slot.object != nullptr) visit(*slot.object);
    }

    std::size_t size() const { return size_; }

private:
    struct Slot {
        std::uint32_t generation = 0;
        std::unique_ptr<T> object;
    };
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::size_t size_ = 0;
};

}  // namespace earshot::sip
