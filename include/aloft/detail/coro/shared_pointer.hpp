// SPDX-License-Identifier: MIT
// An object that everybody who refers to it owns, and the pointer that does. (<memory> takes long to
// compile, and std::shared_ptr is two words.)
// Layer: L1 coro
//
// 1. The object is born with one reference. Who drops the last one destroys it, behind all uses.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class reference_counted {
public:
    reference_counted() = default;
    reference_counted(const reference_counted&) = delete;
    reference_counted& operator=(const reference_counted&) = delete;

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

    /// The caller's reference is gone, and with the last one the object.
    void drop_reference() noexcept {
        // order(shared_pointer.references): acq_rel; all uses come before the destruction
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            delete this;
        }
    }

protected:
    virtual ~reference_counted() = default;

private:
    atomic<std::size_t> references_{1};
};

/// An owning pointer to what derives from reference_counted.
template <class State>
class shared_pointer {
public:
    shared_pointer() noexcept = default;
    /// Takes over the reference that the state was born with.
    explicit shared_pointer(State* born) noexcept : state_(born) {}
    shared_pointer(const shared_pointer& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) {
            state_->add_reference();
        }
    }
    shared_pointer(shared_pointer&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    shared_pointer& operator=(shared_pointer other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~shared_pointer() {
        if (state_ != nullptr) {
            state_->drop_reference();
        }
    }

    [[nodiscard]] State* get() const noexcept { return state_; }
    State* operator->() const noexcept { return state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    State* state_ = nullptr;
};

} // namespace aloft::inline ALOFT_ABI::detail
