// SPDX-License-Identifier: MIT
// runtime_options: how large a runtime is and which backend it uses.
// Layer: L3 runtime
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/base/lean_function.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// How a runtime talks to the operating system. `automatic` takes io_uring where the kernel offers it
/// and whoever confines the process allows it, else epoll; runtime::backend() says which, and why.
/// The environment variable ALOFT_BACKEND (automatic, io_uring or epoll) replaces `automatic`, and
/// only that: a backend that the program names is the one that it gets, or an error. On Windows there
/// is iocp alone.
enum class backend { automatic, io_uring, epoll, iocp, simulated };

/// Purpose: what a runtime is made of; pass it to the constructor.
/// `runtime rt{runtime_options{}.threads(4).blocking_threads(64)};`
///
/// Thread safety: a plain value. Errors: none here; the runtime's constructor checks the values and
/// names the option that is out of range.
class runtime_options {
public:
    using unhandled_handler = std::function<void(std::exception_ptr, std::string_view)>;

    static constexpr std::size_t most_threads = 1024;
    static constexpr std::size_t most_blocking_threads = 32768;
    static constexpr unsigned most_ring_entries = 32768;
    static constexpr std::size_t most_spare_workers = 64;
    static constexpr std::chrono::nanoseconds most_spin{10'000'000};

    /// Workers, 1 to 1024. Default: one per hardware thread.
    runtime_options& threads(std::size_t count) noexcept {
        threads_ = count;
        return *this;
    }

    runtime_options& backend(aloft::backend choice) noexcept {
        backend_ = choice;
        return *this;
    }

    /// Entries of each worker's submission queue, 1 to 32768, rounded up to a power of two. Default
    /// 256. It bounds batches, not the number of operations in flight. Without rings it has no effect.
    runtime_options& ring_entries(unsigned count) noexcept {
        ring_entries_ = count;
        return *this;
    }

    /// The most threads that offload(), resolve() and the like may use at once, 1 to 32768. Default
    /// 512. They are started on demand and end after ten idle seconds.
    runtime_options& blocking_threads(std::size_t count) noexcept {
        blocking_threads_ = count;
        return *this;
    }

    /// After how long inside one task a worker is taken for a hog. When all workers are hogs and work
    /// waits, spare workers join in until that is over, so that the operating system shares the
    /// processors between the long tasks and all others. Default 1 ms.
    runtime_options& hog_after(std::chrono::nanoseconds duration) noexcept {
        hog_after_ = duration;
        return *this;
    }

    /// The most spare workers, 0 to 64. Default 4. Their threads are started when they are first
    /// needed, and sleep when they are not; 0: none. A runtime of one worker runs one task at a
    /// time, in an order that can be foreseen, only with 0: a busy machine alone may make it a hog.
    runtime_options& spare_workers(std::size_t count) noexcept {
        spare_workers_ = count;
        return *this;
    }

    /// For how long a worker that has run out of work looks on before it parks, at most; 0 to 10 ms.
    /// What arrives meanwhile is taken up without the microseconds that waking a thread costs. It
    /// adapts: the time halves when it was in vain, down to a sixteenth, and doubles when it was
    /// not. It costs processor time that others may need, so the default is 0: no spinning.
    runtime_options& spin(std::chrono::nanoseconds duration) noexcept {
        spin_ = duration;
        return *this;
    }

    /// Whether workers and the watcher ask the system for short turns on a processor, so that one which
    /// wakes for I/O goes before threads that compute for long, be it a task of this runtime or
    /// another program; nobody's share of the processors changes. Linux 6.12 and later; elsewhere
    /// nothing happens. Threads and processes that a task starts inherit the short turns. Default:
    /// unless the process is under a seccomp filter, which might end it for that call
    /// (sched_setattr): true says that the filter allows or refuses it, as those of containers do.
    runtime_options& short_turns(bool wanted) noexcept {
        short_turns_ = wanted;
        return *this;
    }

    /// The processors on which the workers stay, by the system's numbers: worker i on processor
    /// i modulo their count. Spare workers, the watcher and the blocking pool's threads are left to
    /// the system. Default: none stays anywhere.
    runtime_options& affinity(std::vector<unsigned> processors) {
        affinity_ = std::move(processors);
        return *this;
    }

    /// Called with an exception that nobody collected and the name of the coroutine that let it
    /// out, on the thread where that was found: on several at once, and after the runtime's end if
    /// a handle outlives it. Not for a task that ends as cancelled because the runtime is destroyed.
    /// Default: print both and terminate.
    runtime_options& on_unhandled(unhandled_handler handler) {
        unhandled_ = std::move(handler);
        return *this;
    }

    [[nodiscard]] std::optional<std::size_t> threads() const noexcept { return threads_; }
    [[nodiscard]] aloft::backend backend() const noexcept { return backend_; }
    [[nodiscard]] unsigned ring_entries() const noexcept { return ring_entries_; }
    [[nodiscard]] std::size_t blocking_threads() const noexcept { return blocking_threads_; }
    [[nodiscard]] std::chrono::nanoseconds hog_after() const noexcept { return hog_after_; }
    [[nodiscard]] std::size_t spare_workers() const noexcept { return spare_workers_; }
    [[nodiscard]] std::chrono::nanoseconds spin() const noexcept { return spin_; }
    [[nodiscard]] std::optional<bool> short_turns() const noexcept { return short_turns_; }
    [[nodiscard]] const std::vector<unsigned>& affinity() const noexcept { return affinity_; }
    [[nodiscard]] const unhandled_handler& on_unhandled() const noexcept { return unhandled_; }

private:
    std::optional<std::size_t> threads_;
    aloft::backend backend_ = aloft::backend::automatic;
    unsigned ring_entries_ = 256;
    std::size_t blocking_threads_ = 512;
    std::chrono::nanoseconds hog_after_{1'000'000};
    std::size_t spare_workers_ = 4;
    std::chrono::nanoseconds spin_{0};
    std::optional<bool> short_turns_;
    std::vector<unsigned> affinity_;
    unhandled_handler unhandled_;
};

} // namespace aloft::inline ALOFT_ABI
