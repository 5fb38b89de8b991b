// SPDX-License-Identifier: MIT
// The frame allocator: frames are recycled, move between threads in batches, and do not pile up.
#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/frame_depot.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>

#include "helpers/scale.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using aloft::detail::allocate_frame;
using aloft::detail::deallocate_frame;
using aloft::detail::release_thread_frames;

// Every allocation of this program is counted, so that what is not recycled shows.
namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<long> living{0};

} // namespace

void* operator new(std::size_t bytes) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    living.fetch_add(1, std::memory_order_relaxed);
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) {
        return memory;
    }
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    if (memory != nullptr) {
        living.fetch_sub(1, std::memory_order_relaxed);
        std::free(memory);
    }
}
void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    living.fetch_add(1, std::memory_order_relaxed);
    // Where the block begins is kept in front of what is given out.
    const std::size_t room = static_cast<std::size_t>(alignment) + sizeof(void*);
    void* const block = std::malloc(bytes + room);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    void* aligned = static_cast<char*>(block) + sizeof(void*);
    std::size_t space = bytes + room - sizeof(void*);
    aligned = std::align(static_cast<std::size_t>(alignment), bytes, aligned, space);
    static_cast<void**>(aligned)[-1] = block;
    return aligned;
}
void operator delete(void* memory, std::align_val_t) noexcept {
    if (memory != nullptr) {
        operator delete(static_cast<void**>(memory)[-1]);
    }
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    operator delete(memory, alignment);
}

namespace {

/// Runs `function` on a thread whose cache is empty at the start.
template <class Function>
void on_fresh_thread(Function&& function) {
    std::thread(std::forward<Function>(function)).join();
}

/// Hands vectors of frames from one thread to another, one at a time.
class hand_over {
public:
    void put(std::vector<void*> frames) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !full_; });
        frames_ = std::move(frames);
        full_ = true;
        changed_.notify_all();
    }

    [[nodiscard]] std::vector<void*> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return full_; });
        full_ = false;
        changed_.notify_all();
        return std::move(frames_);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<void*> frames_;
    bool full_ = false;
};

constexpr bool recycles = !ALOFT_ASAN; // so that a use after free is seen

const aloft::detail::slab_source* system_slabs = nullptr;
constexpr aloft::detail::slab_source counted_slabs{
    [](std::size_t bytes, bool large_pages) noexcept {
        allocations.fetch_add(1, std::memory_order_relaxed);
        living.fetch_add(1, std::memory_order_relaxed);
        return system_slabs->take(bytes, large_pages);
    },
    [](void* block, std::size_t bytes) noexcept {
        living.fetch_sub(1, std::memory_order_relaxed);
        system_slabs->give_back(block, bytes);
    },
    [](void* begin, std::size_t bytes) noexcept { system_slabs->populate(begin, bytes); },
};

/// What a runtime has offered is counted too.
void count_slabs() {
    const auto* const now = aloft::detail::slab_memory.load();
    if (now != nullptr && now != &counted_slabs) {
        if (system_slabs == nullptr) {
            system_slabs = now;
        }
        aloft::detail::slab_memory.store(&counted_slabs);
    }
}

} // namespace

TEST_CASE("the first frames of a size do not share cache lines with those just before and after") {
    if (!recycles) {
        SKIP("nothing is recycled");
    }
    on_fresh_thread([] {
        constexpr std::size_t bytes = 17 * 16; // a size that nothing else here has
        std::vector<std::uintptr_t> frames;
        for (int i = 0; i < 64; ++i) {
            frames.push_back(reinterpret_cast<std::uintptr_t>(allocate_frame(bytes)));
        }
        std::size_t neighbours = 0;
        for (std::size_t i = 0; i < frames.size(); ++i) {
            for (std::size_t j = i + 1; j < frames.size() && j < i + 8; ++j) {
                const auto apart =
                    frames[i] < frames[j] ? frames[j] - frames[i] : frames[i] - frames[j];
                neighbours += apart < bytes + 64 ? 1 : 0;
            }
        }
        CHECK(neighbours == 0);
        CHECK(std::set(frames.begin(), frames.end()).size() == frames.size());
        for (const std::uintptr_t each : frames) {
            deallocate_frame(reinterpret_cast<void*>(each), bytes);
        }
    });
}

TEST_CASE("frames of every size can be written from end to end") {
    std::vector<std::pair<void*, std::size_t>> frames;
    for (std::size_t bytes = 1; bytes <= 3000; bytes += 7) {
        void* const frame = allocate_frame(bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(frame) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
        std::memset(frame, static_cast<int>(bytes % 251), bytes);
        frames.emplace_back(frame, bytes);
    }
    bool untouched = true;
    for (const auto& [frame, bytes] : frames) {
        const auto* const first = static_cast<const unsigned char*>(frame);
        untouched = untouched && std::all_of(first, first + bytes,
                                             [b = bytes](unsigned char c) { return c == b % 251; });
        deallocate_frame(frame, bytes);
    }
    CHECK(untouched);
}

TEST_CASE("a frame that was given back is the next one of its size class") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    void* const first = allocate_frame(100);
    deallocate_frame(first, 100);
    void* const other_class = allocate_frame(200);
    void* const second = allocate_frame(110); // both are of the class of 97 to 112 bytes
    CHECK(second == first);
    CHECK(other_class != first);
    deallocate_frame(second, 110);
    deallocate_frame(other_class, 200);
}

TEST_CASE("a frame that was given back is the next one, wherever the rest of its list came from") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    on_fresh_thread([] {
        constexpr std::size_t size = 416;
        constexpr std::size_t many =
            500; // several batches, which lie in the depot between the rounds
        bool same = true;
        for (int round = 0; round < 3; ++round) {
            std::set<void*> frames;
            for (std::size_t i = 0; i < many; ++i) {
                void* const frame = allocate_frame(size);
                deallocate_frame(frame, size);
                void* const again = allocate_frame(size);
                same = same && again == frame;
                frames.insert(again);
            }
            CHECK(frames.size() == many);
            for (void* const frame : frames) {
                deallocate_frame(frame, size);
            }
        }
        CHECK(same);
    });
}

TEST_CASE("frames that are in use at once are all different") {
    std::set<void*> frames;
    for (int i = 0; i < 1000; ++i) {
        CHECK(frames.insert(allocate_frame(96)).second);
    }
    for (void* const frame : frames) {
        deallocate_frame(frame, 96);
    }
}

TEST_CASE("a thread that allocates and frees in turns asks for memory once") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    count_slabs();
    on_fresh_thread([] {
        deallocate_frame(allocate_frame(64), 64);
        const std::size_t before = allocations.load();
        for (int i = 0; i < 100'000; ++i) {
            deallocate_frame(allocate_frame(64), 64);
        }
        CHECK(allocations.load() == before);
    });
}

TEST_CASE("big frames go straight to the system and back") {
    const long before = living.load();
    for (const std::size_t bytes : {1025u, 4096u, 1'000'000u}) {
        void* const frame = allocate_frame(bytes);
        CHECK(living.load() == before + 1);
        deallocate_frame(frame, bytes);
        CHECK(living.load() == before);
    }
}

TEST_CASE("what one thread allocates and another frees comes back in batches") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    count_slabs();
    // The consumer's frees must reach the producer again: memory stays bounded.
    constexpr std::size_t size = 500;
    constexpr std::size_t at_once = 1000;
    const std::size_t rounds = testing::scaled(500);
    hand_over forth;
    std::atomic<std::size_t> asked_for{0};
    std::thread consumer([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            for (void* const frame : forth.take()) {
                deallocate_frame(frame, size);
            }
        }
    });
    std::thread producer([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            std::vector<void*> frames;
            frames.reserve(at_once);
            const std::size_t before = allocations.load();
            for (std::size_t n = 0; n < at_once; ++n) {
                frames.push_back(allocate_frame(size));
            }
            asked_for.fetch_add(allocations.load() - before);
            forth.put(std::move(frames));
        }
    });
    producer.join();
    consumer.join();
    // Slabs. At most three hand-overs hold frames, and the depot and both caches some; if nothing came
    // back, it would be 125 of 2 MiB.
    CHECK(asked_for.load() <= 32);
}

TEST_CASE("of two slabs that two threads make at once, one is kept or goes back") {
    using namespace aloft::detail;
    static std::atomic<int> taken{0};
    static std::atomic<int> given_back{0};
    static constexpr slab_source slow{
        [](std::size_t bytes, bool) noexcept {
            taken.fetch_add(1);
            test_support::wait_until([] { return taken.load() >= 2; });
            const std::align_val_t alignment{bytes};
            void* const block = ::operator new(bytes, alignment);
            return block;
        },
        [](void* block, std::size_t bytes) noexcept {
            given_back.fetch_add(1);
            const std::align_val_t alignment{bytes};
            ::operator delete(block, alignment);
        },
        [](void*, std::size_t) noexcept {},
    };
    constexpr std::size_t size_class = 20;
    const slab_source* const before = slab_memory.exchange(&slow);
    for (const bool trims : {false, true}) {
        static frame_depot own; // nobody else's
        taken = 0;
        given_back = 0;
        if (trims) {
            own.add_trimmer();
        }
        std::array<free_frame*, 2> batches{};
        std::thread other([&] { batches[0] = own.take(size_class); });
        batches[1] = own.take(size_class);
        other.join();
        CHECK(taken.load() == 2);
        CHECK(batches[0] != batches[1]);
        CHECK(own.has_spares() == trims);
        CHECK(given_back.load() == (trims ? 0 : 1));
        for (free_frame* const each : batches) {
            own.put_back(size_class, each);
        }
        if (trims) {
            own.remove_trimmer();
        }
        CHECK_FALSE(own.has_spares());
        CHECK(given_back.load() == 2);
    }
    slab_memory.store(before);
}

TEST_CASE("where a source has no slab, operator new has one") {
    using namespace aloft::detail;
    static constexpr slab_source empty{
        [](std::size_t, bool) noexcept -> void* { return nullptr; },
        [](void*, std::size_t) noexcept { std::abort(); },
        [](void*, std::size_t) noexcept { std::abort(); },
    };
    constexpr std::size_t size_class = 20;
    static frame_depot own;
    const slab_source* const before = slab_memory.exchange(&empty);
    const long living_before = living.load();
    std::array<free_frame*, 200> batches{}; // several slabs
    for (free_frame*& each : batches) {
        each = own.take(size_class);
    }
    CHECK(living.load() > living_before);
    for (free_frame* const each : batches) {
        own.put_back(size_class, each);
    }
    CHECK(living.load() == living_before);
    slab_memory.store(before);
}

TEST_CASE("the system's slabs are aligned, can be written, and go back") {
    using namespace aloft::detail;
    const aloft::runtime rt(aloft::runtime_options{}.threads(1)); // offers them
    const slab_source* const source = slab_memory.load();
    if (source == nullptr) {
        SKIP("slabs come from operator new here");
    }
    constexpr std::size_t bytes = std::size_t{1} << 21;
    constexpr std::size_t rounds = 500;
    const auto mapped_pages = [] {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        return pages;
    };
    const std::size_t pages_before = mapped_pages();
    for (std::size_t round = 0; round < rounds; ++round) {
        void* const block = source->take(bytes, round % 2 == 0);
        REQUIRE(block != nullptr);
        REQUIRE(reinterpret_cast<std::uintptr_t>(block) % bytes == 0);
        if (round < 4) {
            source->populate(block, bytes / 2);
            std::memset(block, 1, bytes);
        }
        source->give_back(block, bytes);
    }
    CHECK(mapped_pages() < pages_before + rounds * bytes / 4096 / 4);
}

TEST_CASE("frames in the depot are bounded") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    count_slabs();
    constexpr std::size_t size = 700;
    constexpr std::size_t kept = 8u << 20; // more than the depot keeps of one class
#if defined(_WIN32)
    constexpr long slabs = 2 * static_cast<long>(kept >> 18) + 2;
#else
    constexpr long slabs = 2 * static_cast<long>(kept >> 21) + 2;
#endif
    const long before = living.load();
    {
        std::vector<void*> frames(8 * kept / size);
        for (void*& frame : frames) {
            frame = allocate_frame(size);
        }
        on_fresh_thread([&] {
            for (void* const frame : frames) {
                deallocate_frame(frame, size);
            }
        });
    }
    release_thread_frames();
    CHECK(living.load() - before <= slabs);
    // What is there is used before the system is asked.
    const std::size_t asked = allocations.load();
    std::vector<void*> again;
    again.reserve(kept / 4 / size);
    const std::size_t for_the_vector = allocations.load() - asked;
    for (std::size_t i = 0; i < kept / 4 / size; ++i) {
        again.push_back(allocate_frame(size));
    }
    CHECK(allocations.load() - asked == for_the_vector);
    for (void* const frame : again) {
        deallocate_frame(frame, size);
    }
}

TEST_CASE("where somebody trims, a burst finds the memory of the last one, and then it goes back") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    count_slabs();
    using aloft::detail::depot;
    constexpr std::size_t size = 650;
    constexpr std::size_t frames_of_a_burst = (std::size_t{32} << 20) / size;
    std::vector<void*> frames(frames_of_a_burst);
    const auto burst = [&] {
        for (void*& frame : frames) {
            frame = allocate_frame(size);
        }
        for (void* const frame : frames) {
            deallocate_frame(frame, size);
        }
    };
    const auto trim = [] {
        depot.begin_trim();
        while (depot.trim()) {
        }
    };
    const long before = living.load();
    depot.add_trimmer();
    burst();
    const std::size_t asked = allocations.load();
    for (int again = 0; again < 3; ++again) {
        trim();
        burst();
    }
    CHECK(allocations.load() == asked);
    CHECK(depot.has_spares());
    const long used = living.load() - before;
    trim(); // ends the second in which there was a burst
    CHECK(living.load() - before == used);
    trim();
    CHECK_FALSE(depot.has_spares());
    CHECK(living.load() - before < used / 2);
    burst();
    depot.remove_trimmer();
    CHECK_FALSE(depot.has_spares());
    CHECK(living.load() - before < used / 2);
    release_thread_frames();
}

TEST_CASE("what a plain thread gives back while every worker sleeps does not stay") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    aloft::runtime rt(aloft::runtime_options{}.threads(1));
    count_slabs();
    aloft::sync_wait(rt, aloft::sleep_for(std::chrono::milliseconds(50))); // then all are asleep
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    constexpr std::size_t size = 600;
    const long before = living.load();
    std::vector<void*> frames((std::size_t{32} << 20) / size);
    for (void*& frame : frames) {
        frame = allocate_frame(size);
    }
    const long used = living.load() - before;
    for (void* const frame : frames) {
        deallocate_frame(frame, size);
    }
    test_support::wait_until([&] { return living.load() - before < used / 2; });
    release_thread_frames();
}

TEST_CASE("a thread that ends gives its cached frames back") {
#if defined(__MINGW32__)
    SKIP("such a thread cannot tell that it ends: frame_allocator.hpp, 3");
#endif
    constexpr std::size_t size = 900; // nobody else here uses its class
    const long before = living.load();
    for (int i = 0; i < 100; ++i) {
        on_fresh_thread([] {
            std::array<void*, 50> frames{};
            for (void*& frame : frames) {
                frame = allocate_frame(size);
            }
            for (void* const frame : frames) {
                deallocate_frame(frame, size);
            }
        });
    }
    CHECK(living.load() == before);
}

namespace {

/// Frees a frame when its thread's thread_local objects are destroyed.
struct late {
    void* frame = nullptr;
    ~late() {
        if (frame != nullptr) {
            deallocate_frame(frame, 930);
        }
    }
};

} // namespace

TEST_CASE("a frame that is freed while its thread ends is not kept by the dead thread") {
#if defined(__MINGW32__)
    SKIP("such a thread cannot tell that it ends: frame_allocator.hpp, 3");
#endif
    const long before = living.load();
    on_fresh_thread([] {
        static thread_local late holder; // made first, so destroyed after the cache was retired
        holder.frame = allocate_frame(930);
        deallocate_frame(allocate_frame(930), 930);
    });
    CHECK(living.load() == before);
}

TEST_CASE("tasks recycle their frames") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    auto child = [](int value) -> aloft::task<int> { co_return value; };
    std::size_t asked_for = 0;
    auto parent = [&]() -> aloft::task<long> {
        long sum = 0;
        for (int i = 0; i < 2;
             ++i) { // in a loop, because clang may do without a single one's frame
            sum += co_await child(0);
        }
        const std::size_t before = allocations.load();
        for (int i = 0; i < 10'000; ++i) {
            sum += co_await child(1);
        }
        asked_for = allocations.load() - before;
        co_return sum;
    };
    aloft::runtime rt(aloft::runtime_options{}.threads(1).spare_workers(0)); // which would allocate
    CHECK(aloft::sync_wait(rt, parent()) == 10'000);
    CHECK(asked_for == 0);
}

TEST_CASE("tasks that begin on one thread and end on another do not use up memory") {
    if (!recycles) {
        SKIP("nothing is recycled under the address sanitizer");
    }
    aloft::runtime rt(aloft::runtime_options{}.threads(2));
    count_slabs();
    auto job = [](std::atomic<std::size_t>& done) -> aloft::task<> {
        done.fetch_add(1);
        co_return;
    };
    std::atomic<std::size_t> done{0};
    const std::size_t rounds = testing::scaled(200);
    constexpr std::size_t burst = 500;
    auto rush = [&](std::size_t times) {
        const std::size_t before = allocations.load();
        for (std::size_t i = 0; i < times; ++i) {
            const std::size_t until = done.load() + burst;
            for (std::size_t n = 0; n < burst; ++n) {
                aloft::spawn(rt, job(done)).detach(); // made here, destroyed on a worker
            }
            while (done.load() < until) {
                std::this_thread::yield();
            }
        }
        return allocations.load() - before;
    };
    (void)rush(10); // fills the caches
    const std::size_t asked_for = rush(rounds);
    CHECK(asked_for < rounds * burst / 4);
}
