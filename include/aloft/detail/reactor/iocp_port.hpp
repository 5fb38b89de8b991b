// SPDX-License-Identifier: MIT
// The completion port of a runtime, and which handles belong to which port.
// Layer: L2 reactor
//
// 1. Windows ties a handle to the first port that it is given to, until it is closed. So ports are not
//    closed: when a runtime ends, its port is kept for the next one, which thereby can use the handles
//    that are tied to it. The packets of a port that nobody owns would never be seen: an operation on
//    a handle that is tied to such a one is refused.
// 2. What is known of a handle is kept under its number and epoch (descriptor_epoch.hpp). Where numbers
//    share a place, the one that came last is known; of the others the system is asked again, which
//    refuses a second tie and changes nothing.
// 3. A port lets any number of threads run: with a limit, threads that compute would keep a waiting
//    one from taking the answers of the others.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/reactor/windows_handle.hpp>
#include <aloft/error.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

struct completion_port {
    HANDLE handle = nullptr;
    completion_port* next = nullptr;
    std::uint32_t number = 0;
    atomic<bool> owned{true};
};

class port_registry {
public:
    /// Throws std::system_error.
    [[nodiscard]] completion_port& acquire() {
        const spin_guard guard(lock_);
        for (completion_port* each = first_; each != nullptr; each = each->next) {
            if (!each->owned.load(std::memory_order_relaxed)) {
                each->owned.store(true, std::memory_order_relaxed);
                return *each;
            }
        }
        const HANDLE made = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0x7fff);
        if (made == nullptr) {
            throw_errno(static_cast<int>(::GetLastError()), "CreateIoCompletionPort");
        }
        auto* const port = new completion_port;
        port->handle = made;
        port->number = first_ == nullptr ? 1 : first_->number + 1;
        port->next = first_;
        first_ = port;
        return *port;
    }

    static void release(completion_port& port) noexcept {
        port.owned.store(false, std::memory_order_relaxed);
    }

    /// Sees to it that answers of `number` come to a port that somebody owns, to `port` if it is not
    /// tied yet. 0, or the negated error.
    [[nodiscard]] std::int32_t tie(int number, completion_port& port) noexcept {
        atomic<std::uint64_t>& place =
            ties_[(static_cast<std::size_t>(static_cast<unsigned>(number)) >> 2) % ties_.size()];
        const std::uint64_t key = std::uint64_t{static_cast<unsigned>(number)} << 32 |
                                  std::uint64_t{descriptor_epoch(number) & 0xffffu} << 16;
        const std::uint64_t known = place.load(std::memory_order_relaxed);
        if ((known & ~std::uint64_t{0xffff}) == key) [[likely]] {
            const auto its_port = static_cast<std::uint32_t>(known & 0xffff);
            return its_port == port.number || its_port == unknown || is_owned(its_port)
                       ? 0
                       : -ERROR_NOT_SUPPORTED;
        }
        std::uint32_t tied_to = port.number;
        if (::CreateIoCompletionPort(handle_of(number), port.handle, 0, 0) == nullptr) {
            const DWORD error = ::GetLastError();
            if (error != ERROR_INVALID_PARAMETER) {
                return -static_cast<std::int32_t>(error);
            }
            tied_to = unknown;
        }
        place.store(key | (tied_to & 0xffffu), std::memory_order_relaxed);
        return 0;
    }

private:
    static constexpr std::uint32_t unknown = 0;

    [[nodiscard]] bool is_owned(std::uint32_t number) noexcept {
        const spin_guard guard(lock_);
        for (completion_port* each = first_; each != nullptr; each = each->next) {
            if (each->number == number) {
                return each->owned.load(std::memory_order_relaxed);
            }
        }
        return false;
    }

    spin_lock lock_;
    completion_port* first_ = nullptr;
    std::array<atomic<std::uint64_t>, std::size_t{1} << 14> ties_{};
};

constinit inline port_registry completion_ports{};

} // namespace aloft::inline ALOFT_ABI::detail

#endif
