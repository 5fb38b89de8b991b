// SPDX-License-Identifier: MIT
// Where coroutine frames come from, and through which threads pass them to each other.
// Layer: L0 base
//
// Frames of one size class are cut from slabs: aligned blocks whose first bytes are the slab's own
// record, so that the slab of a frame follows from its address, and a frame has no header. Threads
// take and give batches of frames (frame_allocator.hpp).
//
//   frame:  in use -> in a thread's list -> in a batch here -> in its slab -> in use ...
//   slab:   made when there is no frame; when all of its frames have come home it is given back, or
//           is a spare
//
// 1. Everything is touched under the shelf's lock, but for a slab that is being made or given back: a
//    thread comes here once per batch.
// 2. At most kept_bytes of batches are kept per class; what is over goes home to the slabs, so what a
//    burst has used goes back. While there is a trimmer, who calls begin_trim() every second or so,
//    whole slabs are kept as spares, and what lay here unused between two of its calls is given back.
//    So bursts that follow each other find their memory, in the order of its addresses. The number
//    of trimmers is read under a shelf's lock: whoever comes there behind the last trimmer's trim sees
//    that there is none, and keeps nothing.
// 3. A slab's record counts the frames that are at home. Slabs with any at home are in a list.
// 4. Slabs come from operator new, or, when a runtime has offered them, from slab_memory: then those
//    behind the first one of a class are in large pages, where the system has them, and are made
//    present in pieces that are many small ones. Whoever uses so many frames would pay a fault for
//    every page otherwise, which can be more than all the rest of a task. The first piece, which may
//    be all of a large page, is made present outside of the lock.
// 5. Frames are handed out in the order of their addresses, which is the fastest for a burst. Only the
//    first few of a class are not: where there are few tasks, and two of them run on two workers for
//    long, they do not share a cache line.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/free_frame.hpp>
#include <aloft/detail/base/spin_lock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// The system as a source of slabs.
struct slab_source {
    /// A block that is aligned to its size, in large pages or in small ones; nullptr: there is none,
    /// and operator new is asked.
    void* (*take)(std::size_t bytes, bool large_pages) noexcept;
    void (*give_back)(void* block, std::size_t bytes) noexcept;
    /// Makes all pages present, as far as that can be done with one system call.
    void (*populate)(void* begin, std::size_t bytes) noexcept;
};
constinit inline atomic<const slab_source*> slab_memory{nullptr}; // what it points to stays

class frame_depot {
public:
    /// A batch of frame_batch frames that are linked by `next`, or fewer; throws std::bad_alloc if
    /// there is none.
    [[nodiscard]] free_frame* take(std::size_t size_class) {
        shelf& s = shelves_[size_class];
        bool is_first = false;
        if (free_frame* const batch = take_present(s, size_class, is_first)) {
            return batch;
        }
        slab* made = make_slab(size_class, is_first);
        free_frame* const batch = [&] {
            const spin_guard guard(s.lock);
            if (s.slabs == nullptr) {
                link(s, *std::exchange(made, nullptr));
                ++s.made;
            } else if (trimmers_.load(memory_order_relaxed) > 0) { // somebody else was faster
                add_spare(s, *std::exchange(made, nullptr));
            }
            return cut_batch(s, size_class);
        }();
        if (made != nullptr) {
            give_back(*made);
        }
        return batch;
    }

    /// Takes a full batch.
    void put(std::size_t size_class, free_frame* batch) noexcept {
        shelf& s = shelves_[size_class];
        const spin_guard guard(s.lock);
        if (s.count * frame_batch * frame_size(size_class) < kept_bytes) {
            batch->next_batch = s.batches;
            s.batches = batch;
            ++s.count;
        } else {
            send_home(s, size_class, batch);
        }
    }

    /// Takes any number of frames, of a thread that ends.
    void put_back(std::size_t size_class, free_frame* frames) noexcept {
        shelf& s = shelves_[size_class];
        const spin_guard guard(s.lock);
        send_home(s, size_class, frames);
    }

    /// Until remove_trimmer(), somebody calls begin_trim() and trim().
    void add_trimmer() noexcept { trimmers_.fetch_add(1, memory_order_relaxed); }
    void remove_trimmer() noexcept {
        if (trimmers_.fetch_sub(1, memory_order_relaxed) == 1) {
            begin_trim();
            begin_trim(); // nothing is used in between
            while (trim()) {
            }
        }
    }

    /// What was not used since the last call is to be given back.
    void begin_trim() noexcept {
        for (shelf& s : shelves_) {
            const spin_guard guard(s.lock);
            s.leaving = s.unused;
            s.unused = s.spare_count;
        }
    }

    /// Gives some of it back, for some tenths of a millisecond. False: there is no more.
    bool trim() noexcept {
        auto most = static_cast<int>(trim_bytes / slab_bytes);
        for (shelf& s : shelves_) {
            while (slab* const leaving = take_leaving(s)) {
                give_back(*leaving);
                if (--most == 0) {
                    return true;
                }
            }
        }
        return false;
    }

    /// Whether a begin_trim() will find something, unless it is used before.
    [[nodiscard]] bool has_spares() noexcept {
        for (shelf& s : shelves_) {
            const spin_guard guard(s.lock);
            if (s.spare_count > 0) {
                return true;
            }
        }
        return false;
    }

private:
    // A large page. What is never cut of a class's first slab is never touched; where the system
    // counts that too, as Windows does, a slab is smaller.
#if defined(_WIN32)
    static constexpr std::size_t slab_bytes = std::size_t{1} << 18;
#else
    static constexpr std::size_t slab_bytes = std::size_t{1} << 21;
#endif
    static constexpr std::align_val_t slab_alignment{slab_bytes};
    static constexpr std::size_t piece_bytes = std::size_t{1} << 18; // is made present at once
    static constexpr std::size_t trim_bytes = std::size_t{1} << 23;
    static constexpr std::size_t kept_bytes = std::size_t{4} << 20;

    // Of a batch that is spread, every frame is used once; neighbours are 19 frames apart in time.
    static constexpr std::uint32_t spread_frames = 4 * frame_batch;
    static constexpr std::uint32_t spread_step = 27;
    static_assert(spread_step % 2 != 0 && (frame_batch & (frame_batch - 1)) == 0);

    [[nodiscard]] static constexpr std::size_t frame_size(std::size_t size_class) noexcept {
        return (size_class + 1) * frame_class_bytes;
    }

    struct slab {
        slab* next = nullptr;
        slab* previous = nullptr;
        free_frame* frames = nullptr;        // that came home
        std::uint32_t home = 0;              // those, and those that have never left
        std::uint32_t cut = 0;               // frames that have left at least once
        std::size_t present = 0;             // bytes that need not be made present any more
        const slab_source* source = nullptr; // nullptr: operator new

        [[nodiscard]] void* take(std::size_t size_class) noexcept {
            --home;
            if (free_frame* const frame = frames) {
                frames = frame->next;
                return frame;
            }
            return reinterpret_cast<std::byte*>(this) + first_frame +
                   frame_size(size_class) * cut++;
        }
    };
    static constexpr std::size_t first_frame = 64;
    static_assert(sizeof(slab) <= first_frame);

    /// Leaves room for the record of operator new itself, so that slabs lie side by side.
    [[nodiscard]] static constexpr std::uint32_t capacity(std::size_t size_class) noexcept {
        return static_cast<std::uint32_t>((slab_bytes - 2 * first_frame) / frame_size(size_class));
    }

    [[nodiscard]] static slab* make_slab(std::size_t size_class, bool is_first) {
        // order(depot.slab_memory): acquire; its functions
        const slab_source* source = slab_memory.load(memory_order_acquire);
        void* memory = source != nullptr ? source->take(slab_bytes, !is_first) : nullptr;
        if (memory == nullptr) {
            source = nullptr;
            memory = ::operator new(slab_bytes - first_frame, slab_alignment);
        }
        auto* const made = ::new (memory) slab;
        made->home = capacity(size_class);
        made->source = source;
        made->present = is_first || source == nullptr ? slab_bytes : 0;
        make_present(*made, size_class);
        return made;
    }

    /// What the next batch is cut from.
    static void make_present(slab& from, std::size_t size_class) noexcept {
        const std::size_t end = first_frame + (from.cut + frame_batch) * frame_size(size_class);
        while (from.present < end && from.present < slab_bytes) {
            from.source->populate(reinterpret_cast<std::byte*>(&from) + from.present, piece_bytes);
            from.present += piece_bytes;
        }
    }

    struct alignas(cacheline_bytes) shelf {
        spin_lock lock;
        free_frame* batches = nullptr;
        std::size_t count = 0;
        slab* slabs = nullptr;  // with frames at home
        std::uint32_t made = 0; // slabs that are in use
        std::uint32_t spare_count = 0;
        std::uint32_t unused = 0;  // spares that have been here since the last begin_trim()
        std::uint32_t leaving = 0; // spares that trim() is to give back
        slab* spares = nullptr;
    };

    /// nullptr: there is none without a new slab.
    [[nodiscard]] static free_frame* take_present(shelf& s, std::size_t size_class,
                                                  bool& is_first) noexcept {
        const spin_guard guard(s.lock);
        if (free_frame* const batch = s.batches) {
            s.batches = batch->next_batch;
            --s.count;
            batch->depth = batch->next == nullptr ? 1 : batch->next->depth + 1;
            return batch;
        }
        if (s.slabs == nullptr) {
            if (s.spares == nullptr) {
                is_first = s.made == 0;
                return nullptr;
            }
            link(s, *take_spare(s));
            ++s.made;
        }
        return cut_batch(s, size_class);
    }

    /// From a slab that there is.
    [[nodiscard]] static free_frame* cut_batch(shelf& s, std::size_t size_class) noexcept {
        slab& from = *s.slabs;
        const bool spread = s.made == 1 && from.cut < spread_frames;
        make_present(from, size_class);
        std::array<void*, frame_batch> frames;
        std::uint32_t count = 0;
        while (count < frame_batch && from.home > 0) {
            frames[count++] = from.take(size_class);
        }
        free_frame* batch = nullptr;
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t at =
                spread && count == frame_batch ? i * spread_step % frame_batch : i;
            batch = ::new (frames[at]) free_frame{batch, {std::size_t{i} + 1}};
        }
        if (from.home == 0) {
            unlink(s, from);
        }
        return batch;
    }

    static void link(shelf& s, slab& added) noexcept {
        added.previous = nullptr;
        added.next = s.slabs;
        if (s.slabs != nullptr) {
            s.slabs->previous = &added;
        }
        s.slabs = &added;
    }

    static void unlink(shelf& s, slab& taken) noexcept {
        (taken.previous == nullptr ? s.slabs : taken.previous->next) = taken.next;
        if (taken.next != nullptr) {
            taken.next->previous = taken.previous;
        }
    }

    ALOFT_NOINLINE void send_home(shelf& s, std::size_t size_class, free_frame* frame) noexcept {
        while (frame != nullptr) {
            free_frame* const next = frame->next;
            auto& home = *reinterpret_cast<slab*>(reinterpret_cast<std::uintptr_t>(frame) &
                                                  ~(slab_bytes - 1));
            frame->next = home.frames;
            home.frames = frame;
            if (home.home++ == 0) {
                link(s, home);
            }
            if (home.home == capacity(size_class)) {
                unlink(s, home);
                --s.made;
                if (trimmers_.load(memory_order_relaxed) > 0) {
                    add_spare(s, home);
                } else {
                    give_back(home);
                }
            }
            frame = next;
        }
    }

    static void give_back(slab& whole) noexcept {
        if (const slab_source* const source = whole.source) {
            source->give_back(&whole, slab_bytes);
        } else {
            ::operator delete(&whole, slab_alignment);
        }
    }

    /// Its frames will be cut anew, one behind the other.
    static void add_spare(shelf& s, slab& whole) noexcept {
        whole.frames = nullptr;
        whole.cut = 0;
        whole.next = s.spares;
        s.spares = &whole;
        ++s.spare_count;
    }

    [[nodiscard]] static slab* take_spare(shelf& s) noexcept {
        slab* const taken = s.spares;
        s.spares = taken->next;
        --s.spare_count;
        s.unused = s.spare_count < s.unused ? s.spare_count : s.unused;
        s.leaving = s.spare_count < s.leaving ? s.spare_count : s.leaving;
        return taken;
    }

    [[nodiscard]] static slab* take_leaving(shelf& s) noexcept {
        const spin_guard guard(s.lock);
        return s.leaving > 0 ? take_spare(s) : nullptr;
    }

    std::array<shelf, frame_classes> shelves_{};
    atomic<int> trimmers_{0};
};

constinit inline frame_depot depot{};

} // namespace aloft::inline ALOFT_ABI::detail
