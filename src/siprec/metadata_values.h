// The small values that the objects of recording metadata are made of. A server keeps the model of
// each running call, some forty of these, so they are packed: one pointer for a list that is nearly
// always empty, no heap for a single period, eight bytes for a time that may be absent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"

namespace earshot::siprec {

// std::optional<base::WallTime> in half the bytes: the earliest of all times, in 1677, is none.
class OptionalTime {
public:
    constexpr OptionalTime() = default;
    // Implicit, as std::optional's own.
    constexpr OptionalTime(std::nullopt_t /*none*/) {}       // NOLINT(google-explicit-constructor)
    constexpr OptionalTime(base::WallTime t) : time_(t) {}   // NOLINT(google-explicit-constructor)
    OptionalTime(const std::optional<base::WallTime>& time)  // NOLINT(google-explicit-constructor)
        : time_(time.value_or(kNone)) {}

    bool has_value() const { return time_ != kNone; }
    explicit operator bool() const { return has_value(); }
    base::WallTime operator*() const { return time_; }
    void reset() { time_ = kNone; }
    friend bool operator==(const OptionalTime&, const OptionalTime&) = default;

private:
    static constexpr base::WallTime kNone = base::WallTime::min();
    base::WallTime time_ = kNone;
};

// A list that is nearly always empty.
template <class T>
class RareList {
public:
    RareList() = default;
    RareList(const RareList& other) { *this = other.all(); }
    RareList& operator=(const RareList& other) {
        *this = std::vector<T>(other.all());
        return *this;
    }
    RareList(RareList&&) noexcept = default;
    RareList& operator=(RareList&&) noexcept = default;
    ~RareList() = default;
    RareList& operator=(std::vector<T> items) {
        items_ = items.empty() ? nullptr : std::make_unique<std::vector<T>>(std::move(items));
        return *this;
    }

    const std::vector<T>& all() const {
        static const std::vector<T> kNone;
        return items_ == nullptr ? kNone : *items_;
    }
    // Implicit: it is read as the vector that it stands for.
    operator const std::vector<T>&() const { return all(); }  // NOLINT(google-explicit-constructor)
    auto begin() const { return all().begin(); }
    auto end() const { return all().end(); }
    bool empty() const { return items_ == nullptr; }
    std::size_t size() const { return all().size(); }
    const T& operator[](std::size_t index) const { return all()[index]; }
    void push_back(T item) {
        if (items_ == nullptr) items_ = std::make_unique<std::vector<T>>();
        items_->push_back(std::move(item));
    }
    friend bool operator==(const RareList& a, const RareList& b) { return a.all() == b.all(); }

private:
    std::unique_ptr<std::vector<T>> items_;  // null: none
};

struct Period {
    OptionalTime associate;
    OptionalTime disassociate;
    friend bool operator==(const Period&, const Period&) = default;
};

// Periods in their order; nearly always one. None of them lacks both times.
class Periods {
public:
    Periods() = default;
    Periods(std::initializer_list<Period> periods) {
        for (const Period& period : periods) push_back(period);
    }
    Periods(const Periods& other)
        : only_(other.only_),
          several_(other.several_ == nullptr
                       ? nullptr
                       : std::make_unique<std::vector<Period>>(*other.several_)) {}
    Periods& operator=(const Periods& other) {
        Periods copy{other};
        return *this = std::move(copy);
    }
    Periods(Periods&&) noexcept = default;
    Periods& operator=(Periods&&) noexcept = default;
    ~Periods() = default;

    bool empty() const { return size() == 0; }
    std::size_t size() const {
        if (several_ != nullptr) return several_->size();
        return only_ == Period{} ? 0 : 1;
    }
    const Period* begin() const { return several_ == nullptr ? &only_ : several_->data(); }
    const Period* end() const { return begin() + size(); }
    Period* begin() { return several_ == nullptr ? &only_ : several_->data(); }
    Period* end() { return begin() + size(); }
    const Period& operator[](std::size_t index) const { return begin()[index]; }
    const Period& front() const { return *begin(); }
    const Period& back() const { return end()[-1]; }
    Period& back() { return end()[-1]; }

    void push_back(const Period& period) { insert(end(), period); }
    void insert(const Period* before, const Period& period) {
        if (empty()) {
            only_ = period;
            return;
        }
        const auto place = before - begin();
        if (several_ == nullptr) several_ = std::make_unique<std::vector<Period>>(1, only_);
        several_->insert(several_->begin() + place, period);
    }
    // Heap bytes beside the object itself, for the limit of the merged model.
    std::size_t extra_bytes() const {
        if (several_ == nullptr) return 0;
        return sizeof(std::vector<Period>) + several_->capacity() * sizeof(Period);
    }
    friend bool operator==(const Periods& a, const Periods& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

private:
    Period only_;  // when there are several: unused
    std::unique_ptr<std::vector<Period>> several_;
};

}  // namespace earshot::siprec
