// SPDX-License-Identifier: MIT
// A short, stable label for the thread that runs now: "main", "worker 0", "blocking 1".
//
//     std::string where = support::this_thread_name();            // "worker 0", "main", "thread 1"
//     std::string where = support::this_thread_name("blocking");  // inside offload(): "blocking 1"
//     support::name_this_thread("client 7");                      // from now on "client 7"
//
// A worker of the pool is known by its index. Any other thread is entered into a registry of the
// process when it first asks, under the kind that it gives, with numbers from 1; the thread that
// ran main() is "main". Two runtimes in one process both have a "worker 0".
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <aloft/runtime.hpp>

namespace support {

namespace detail {

// Initialised before main(), on its thread.
inline const std::thread::id main_thread = std::this_thread::get_id();

class thread_registry {
public:
    static thread_registry& instance() {
        static thread_registry registry;
        return registry;
    }

    std::string next_label(std::string_view kind) {
        const std::lock_guard lock{mutex_};
        auto entry = counts_.try_emplace(std::string(kind), 0U).first;
        return entry->first + " " + std::to_string(++entry->second);
    }

private:
    std::mutex mutex_;
    std::map<std::string, unsigned> counts_;
};

// Not inlined: a coroutine that was resumed on another thread would otherwise be free to use the
// address that it computed on the first one.
[[gnu::noinline]] inline std::string& this_thread_label() {
    static thread_local std::string label;
    return label;
}

} // namespace detail

/// From now on the calling thread, if it is no worker of a pool, goes by `label`.
inline void name_this_thread(std::string_view label) {
    detail::this_thread_label().assign(label);
}

/// The label of the calling thread; `kind` is what a thread that has none yet is called.
/// Thread safety: any thread.
[[nodiscard]] inline std::string this_thread_name(std::string_view kind = "thread") {
    if (const int worker = aloft::this_worker::index(); worker >= 0) {
        return "worker " + std::to_string(worker);
    }
    std::string& label = detail::this_thread_label();
    if (label.empty()) {
        label = std::this_thread::get_id() == detail::main_thread
                    ? std::string("main")
                    : detail::thread_registry::instance().next_label(kind);
    }
    return label;
}

} // namespace support
