// SPDX-License-Identifier: MIT
// Where exceptions go that nobody collects, shared by a runtime and its failed tasks.
// Layer: L1 coro
//
// A handle may outlive the runtime, so the sink lives until the last sink_pointer to it is gone.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <cstddef>
#include <exception>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class unhandled_sink {
public:
    virtual void report(std::exception_ptr error, const char* task_name) noexcept = 0;

    unhandled_sink(const unhandled_sink&) = delete;
    unhandled_sink& operator=(const unhandled_sink&) = delete;

protected:
    unhandled_sink() = default;
    virtual ~unhandled_sink() = default;

private:
    friend class sink_pointer;
    atomic<std::size_t> pointers_{0};
};

class sink_pointer {
public:
    sink_pointer() noexcept = default;
    explicit sink_pointer(unhandled_sink* sink) noexcept : sink_(sink) { share(); }
    sink_pointer(const sink_pointer& other) noexcept : sink_(other.sink_) { share(); }
    sink_pointer(sink_pointer&& other) noexcept : sink_(std::exchange(other.sink_, nullptr)) {}
    sink_pointer& operator=(sink_pointer other) noexcept {
        std::swap(sink_, other.sink_);
        return *this;
    }
    ~sink_pointer() {
        // order(sink.pointers): acq_rel; what the others did with it is over before it is destroyed
        if (sink_ != nullptr && sink_->pointers_.fetch_sub(1, memory_order_acq_rel) == 1) {
            delete sink_;
        }
    }

    explicit operator bool() const noexcept { return sink_ != nullptr; }
    [[nodiscard]] unhandled_sink* operator->() const noexcept { return sink_; }

private:
    void share() noexcept {
        if (sink_ != nullptr) {
            sink_->pointers_.fetch_add(1, memory_order_relaxed);
        }
    }

    unhandled_sink* sink_ = nullptr;
};

} // namespace aloft::inline ALOFT_ABI::detail
