// SPDX-License-Identifier: MIT
// What the reactors of one runtime know about each descriptor, by its number.
// Layer: L2 reactor
//
// Entries come in blocks that are made when a number of theirs is used first and stay until the
// table goes, so an entry's address may be kept and used on any thread. Everything in an entry
// belongs to the holder of its lock.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/epoll_calls.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace aloft::inline ALOFT_ABI::detail {

class epoll_home;

struct descriptor_entry {
    spin_lock lock;
    std::uint32_t generation = 0; // of the registration; events carry it
    std::uint32_t epoch = 0;      // descriptor_epoch.hpp, from before the registration
    std::uint32_t events = 0;     // that are registered
    bool registered = false;
    bool kept = false;         // edge-triggered until it is closed; else for one event
    bool plain = false;        // has no readiness: a file or a directory
    bool drained = false;      // nothing to read since the last event
    bool always_try = false;   // a short read does not prove that nothing is left
    bool short_is_all = false; // a short read does prove it
    bool asked = false;        // whether it does
    bool filled = false;       // the last read left no room
    bool tells_rest = false;   // tcp_rest.hpp
    bool asked_for_rest = false;
    bool never_blocks = false;     // O_NONBLOCK is set
    std::uint32_t poll_events = 0; // what those in polls wait for
    epoll_home* home = nullptr;    // where it is registered, or was the last time
    work_list readers;             // operations that wait, in their order
    work_list writers;
    work_list polls;

    [[nodiscard]] work_list& waiting(operation_kind kind) noexcept {
        return kind == operation_kind::poll ? polls : is_writer(kind) ? writers : readers;
    }
    [[nodiscard]] bool has_waiting() const noexcept {
        return !readers.empty() || !writers.empty() || !polls.empty();
    }

    /// The registration is gone, or not to be relied on; the entry knows nothing about the file.
    void forget() noexcept {
        events = 0;
        registered = kept = plain = drained = always_try = short_is_all = asked = filled =
            tells_rest = asked_for_rest = never_blocks = false;
    }
};

class descriptor_table {
public:
    static constexpr std::size_t entries_per_block = 256;
    static constexpr std::size_t most_blocks = 8192;
    /// Numbers from here on are refused.
    static constexpr std::size_t most_descriptors = entries_per_block * most_blocks;

    descriptor_table() : blocks_(std::make_unique<atomic<block*>[]>(most_blocks)) {}
    descriptor_table(const descriptor_table&) = delete;
    descriptor_table& operator=(const descriptor_table&) = delete;
    ~descriptor_table() {
        for (std::size_t i = 0; i < most_blocks; ++i) {
            delete blocks_[i].load(std::memory_order_relaxed);
        }
    }

    /// nullptr: nobody has asked for it with make(), or there is no such number.
    [[nodiscard]] descriptor_entry* find(int fd) noexcept {
        if (fd < 0 || static_cast<std::size_t>(fd) >= most_descriptors) {
            return nullptr;
        }
        const auto number = static_cast<std::size_t>(fd);
        // order(descriptor_table.block): acquire; the entries are constructed
        block* const found = blocks_[number / entries_per_block].load(std::memory_order_acquire);
        return found == nullptr ? nullptr : &(*found)[number % entries_per_block];
    }

    /// nullptr: no memory, or no such number.
    [[nodiscard]] descriptor_entry* make(int fd) noexcept {
        if (descriptor_entry* const found = find(fd)) [[likely]] {
            return found;
        }
        if (fd < 0 || static_cast<std::size_t>(fd) >= most_descriptors) {
            return nullptr;
        }
        auto* const made = new (std::nothrow) block();
        if (made == nullptr) {
            return nullptr;
        }
        block* expected = nullptr;
        // order(descriptor_table.block): release; the entries become visible
        if (!blocks_[static_cast<std::size_t>(fd) / entries_per_block].compare_exchange_strong(
                expected, made, std::memory_order_release, std::memory_order_relaxed)) {
            delete made;
        }
        return find(fd);
    }

    /// Calls visit(entry) for every entry that there is.
    template <class Visit>
    void for_each(Visit&& visit) noexcept {
        for (std::size_t i = 0; i < most_blocks; ++i) {
            // order(descriptor_table.block): acquire; as in find
            if (block* const present = blocks_[i].load(std::memory_order_acquire)) {
                for (descriptor_entry& each : *present) {
                    visit(each);
                }
            }
        }
    }

private:
    using block = std::array<descriptor_entry, entries_per_block>;

    std::unique_ptr<atomic<block*>[]> blocks_;
};

} // namespace aloft::inline ALOFT_ABI::detail
