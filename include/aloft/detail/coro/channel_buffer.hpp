// SPDX-License-Identifier: MIT
// What is in a channel: a queue of fixed capacity, or one that grows in segments.
// Layer: L1 coro
//
// 1. Not thread-safe: everything is touched under the channel's lock.
// 2. With a fixed capacity there is one segment, allocated in the constructor, that is used round
//    and round; pushing allocates nothing. Without one, segments hang together, an emptied one is
//    kept for the next that is needed, and others are given back.
// 3. Values are front_ .. back_, size_ of them. If moving a value throws, nothing has changed,
//    except what the move itself did to the value.
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_construct.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class channel_buffer {
public:
    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

    explicit channel_buffer(std::size_t capacity)
        : capacity_(capacity),
          cells_(capacity == unlimited ? std::max<std::size_t>(1, 2048 / sizeof(T)) : capacity) {
        if (capacity > 0 && capacity != unlimited) {
            front_segment_ = back_segment_ = make_segment();
        }
        back_ = capacity == unlimited ? cells_ : 0; // there is no segment yet
    }
    channel_buffer(const channel_buffer&) = delete;
    channel_buffer& operator=(const channel_buffer&) = delete;
    ~channel_buffer() {
        while (size_ > 0) {
            discard_front();
        }
        while (front_segment_ != nullptr) {
            free_segment(std::exchange(front_segment_, front_segment_->next));
        }
        if (spare_ != nullptr) {
            free_segment(spare_);
        }
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool full() const noexcept { return size_ == capacity_; }

    /// Unless it is full.
    void push(T&& value) {
        if (back_ == cells_) [[unlikely]] {
            begin_segment();
        }
        std::construct_at(cell(back_segment_, back_), std::move(value));
        ++back_;
        ++size_;
    }

    /// Unless it is empty.
    void pop(std::optional<T>& into) {
        skip_used_segment();
        into.emplace(std::move(*cell(front_segment_, front_)));
        discard_front();
    }

private:
    struct segment {
        segment* next = nullptr;
    };
    static constexpr std::size_t alignment = (std::max)(alignof(segment), alignof(T));
    static constexpr std::size_t first_cell =
        (sizeof(segment) + alignof(T) - 1) / alignof(T) * alignof(T);

    [[nodiscard]] static T* cell(segment* in, std::size_t index) noexcept {
        return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(in) + first_cell) + index;
    }

    [[nodiscard]] segment* make_segment() {
        if (cells_ > (static_cast<std::size_t>(-1) / 2 - first_cell) / sizeof(T)) {
            throw std::bad_array_new_length();
        }
        void* const memory =
            ::operator new(first_cell + cells_ * sizeof(T), std::align_val_t(alignment));
        return ::new (memory) segment;
    }

    static void free_segment(segment* s) noexcept {
        ::operator delete(s, std::align_val_t(alignment));
    }

    ALOFT_NOINLINE void begin_segment() {
        if (capacity_ == unlimited) {
            segment* const fresh =
                spare_ != nullptr ? std::exchange(spare_, nullptr) : make_segment();
            fresh->next = nullptr;
            if (back_segment_ == nullptr) {
                front_segment_ = fresh;
            } else {
                back_segment_->next = fresh;
            }
            back_segment_ = fresh;
        }
        back_ = 0;
    }

    void skip_used_segment() noexcept {
        if (front_ < cells_) [[likely]] {
            return;
        }
        front_ = 0;
        if (capacity_ == unlimited) {
            segment* const used = std::exchange(front_segment_, front_segment_->next);
            if (spare_ == nullptr) {
                spare_ = used;
            } else {
                free_segment(used);
            }
        }
    }

    void discard_front() noexcept {
        skip_used_segment();
        std::destroy_at(cell(front_segment_, front_));
        ++front_;
        --size_;
    }

    const std::size_t capacity_;
    const std::size_t cells_; // in each segment
    std::size_t size_ = 0;
    std::size_t front_ = 0; // in front_segment_; cells_: the next value is in the next segment
    std::size_t back_ = 0;  // in back_segment_; cells_: the next value goes to the next segment
    segment* front_segment_ = nullptr;
    segment* back_segment_ = nullptr;
    segment* spare_ = nullptr;
};

} // namespace aloft::inline ALOFT_ABI::detail
