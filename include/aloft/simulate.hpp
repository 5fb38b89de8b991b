// SPDX-License-Identifier: MIT
// simulate and explore: a program in a world whose time, network, disk and order a seed decides.
// Layer: L4 surface
//
// Life cycle of a simulation: made -> run until the main task has ended, or can never end -> stopped:
// whatever waits ends as canceled, as at a runtime's end -> the result, or what went wrong.
#pragma once

#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/runtime/simulated_entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime.hpp>
#include <aloft/simulation_options.hpp>
#include <aloft/task.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/runtime/simulated_scheduler.hpp>
#endif

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class Nothing = void>
class simulation {
public:
    simulation(std::uint64_t seed, const simulation_options& options)
        : seed_(seed),
          scheduler_(open_simulation(seed, options)),
          runtime_(*scheduler_, "simulated: seed " + std::to_string(seed)) {
        scheduler_->owner = &runtime_;
        scheduler_->root_stop = &runtime_.root_stop();
        runtime_.root_.exec = scheduler_.executor;
        scheduler_->root = &runtime_.root_;
    }
    simulation(const simulation&) = delete;
    simulation& operator=(const simulation&) = delete;

    /// `make` is called inside, so that what it does is part of the world.
    template <class T>
    T run(const std::function<task<T>()>& make) {
        if (current_environment() != nullptr) {
            throw_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                        "simulate: called on a worker of a pool, which it would block");
        }
        task<T> root = start(make);
        promise<T>& p = task_access::promise_of(root);
        adopt(p, this, &root_done, &runtime_.root_environment());
        scheduler_->task_started_outside();
        scheduler_->post(p);
        using outcome = simulated_executor::outcome;
        const outcome ended = scheduler_->run_until(ended_);
        const std::uint64_t waiting = scheduler_->tasks();
        scheduler_->stop();
        const outcome closed = scheduler_->run_to_the_end();
        if (ended == outcome::done && closed == outcome::done && !p.result.failed() &&
            scheduler_->uncollected() != nullptr) {
            std::rethrow_exception(scheduler_->uncollected());
        }
        if (ended == outcome::stands_still) {
            fail(std::errc::resource_deadlock_would_occur,
                 "nothing can happen any more, and the main task has not ended; tasks that wait: " +
                     std::to_string(waiting));
        }
        if (ended == outcome::too_many_steps) {
            fail(std::errc::timed_out, "the main task has not ended after most_steps()");
        }
        if (p.result.failed()) {
            return p.result.take();
        }
        if (closed != outcome::done) {
            fail(std::errc::resource_deadlock_would_occur,
                 "tasks wait for what nothing of the library stands behind: " +
                     std::to_string(scheduler_->tasks()));
        }
        return p.result.take();
    }

    [[nodiscard]] std::uint64_t digest() const noexcept { return scheduler_->digest(); }
    [[nodiscard]] std::chrono::nanoseconds passed() const noexcept {
        return std::chrono::nanoseconds(scheduler_->passed());
    }

private:
    template <class T>
    [[nodiscard]] task<T> start(const std::function<task<T>()>& make) {
        set_current_environment(&runtime_.root_environment());
        struct restore {
            ~restore() { set_current_environment(nullptr); }
        } const restored{};
        return make();
    }

    /// std::unique_ptr would bring <ostream> to whoever includes this (lean_memory.hpp).
    struct owned_executor {
        simulated_executor* executor;
        explicit owned_executor(simulated_executor* made) noexcept : executor(made) {}
        owned_executor(const owned_executor&) = delete;
        owned_executor& operator=(const owned_executor&) = delete;
        ~owned_executor() { delete executor; }
        simulated_executor* operator->() const noexcept { return executor; }
        simulated_executor& operator*() const noexcept { return *executor; }
    };

    [[noreturn]] void fail(std::errc code, const std::string& what) const {
        throw_error(std::make_error_code(code),
                    "simulate: seed " + std::to_string(seed_) + ": " + what);
    }

    static std::coroutine_handle<> root_done(promise_base& root) noexcept {
        auto& self = *static_cast<simulation*>(root.owner.load(std::memory_order_relaxed));
        self.ended_ = true;
        self.scheduler_->task_finished_outside();
        return std::noop_coroutine();
    }

    std::uint64_t seed_;
    bool ended_ = false;
    const owned_executor scheduler_; // outlives the runtime
    runtime runtime_;
};

/// What simulate() and explore() take: an awaitable, or a function that gives one, and that may want
/// to know the seed.
template <class Main>
concept simulated_function = std::invocable<Main&, std::uint64_t> || std::invocable<Main&>;

template <class Main>
[[nodiscard]] decltype(auto) call_main(Main& main, std::uint64_t seed) {
    if constexpr (std::invocable<Main&, std::uint64_t>) {
        return main(seed);
    } else {
        return main();
    }
}

template <class Main>
using main_result_t = typename decltype(as_task(call_main(std::declval<Main&>(), 0)))::value_type;

template <class World, class Main>
[[nodiscard]] main_result_t<Main> run_simulation(World& world, std::uint64_t seed, Main& main) {
    using value = main_result_t<Main>;
    return world.template run<value>([&] { return as_task(call_main(main, seed)); });
}

} // namespace detail

/// Purpose: `simulate(42, simulation_options{}, [] { return program(); });` runs a program in a world
/// of its own: one thread, a clock that jumps when nothing is ready, TCP and files in memory. The
/// seed decides the order of the tasks, how long everything takes, short transfers and faults. The
/// same seed gives the same run, so a failure that has been seen once can be looked at again.
///
/// Everything of the library goes on as it does elsewhere: tasks, spawn(), timers, sockets, files,
/// cancellation. What the world does not contain is refused: descriptors from outside give EBADF, as
/// do signals. offload() runs its function at some drawn time, on this thread. Code that asks the
/// machine itself (std::chrono clocks, random numbers, other threads) is not simulated: use
/// aloft::clock, and generators that are seeded with the seed, which `main` may take as its argument.
///
/// Thread safety: may be called on any thread that is no worker; several at once.
/// Lifetime: everything is over when it returns; the tasks that the main task left are stopped.
/// Errors: rethrows what the main task threw, or else what a task threw that nobody collected.
/// std::errc::resource_deadlock_would_occur if nothing can happen any more before the main task has
/// ended; std::errc::timed_out after most_steps(); std::errc::invalid_argument for options that are
/// out of range. All of these name the seed.
/// Cancellation: none. Cost: some hundred nanoseconds per step; memory for what is in flight.
template <detail::simulated_function Main>
decltype(auto) simulate(std::uint64_t seed, const simulation_options& options, Main&& main) {
    detail::simulation<> world(seed, options);
    return detail::run_simulation(world, seed, main);
}

/// The same for a task, or for anything else that can be awaited.
template <detail::awaitable Awaitable>
    requires(!detail::simulated_function<Awaitable>)
decltype(auto) simulate(std::uint64_t seed, const simulation_options& options, Awaitable&& main) {
    using value = typename decltype(detail::as_task(std::forward<Awaitable>(main)))::value_type;
    detail::simulation<> world(seed, options);
    return world.template run<value>(
        [&] { return detail::as_task(std::forward<Awaitable>(main)); });
}

namespace detail {
class exploration_access;
}

/// Purpose: what explore() found.
/// Thread safety, lifetime, cost: those of a plain value. Errors, cancellation: none.
class exploration {
public:
    /// Whether no seed failed.
    [[nodiscard]] bool passed() const noexcept { return error_ == nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return passed(); }

    /// How many seeds were run, the failing one included.
    [[nodiscard]] std::uint64_t runs() const noexcept { return runs_; }

    /// The seed that failed: simulate() with it and with the same options goes the same way.
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }
    /// What the exception says.
    [[nodiscard]] const std::string& what() const noexcept { return what_; }

    /// Whether the second run of that seed went the same way to the same failure. If not, the program
    /// asks something that the seed does not decide.
    [[nodiscard]] bool replayed() const noexcept { return replayed_; }
    /// The lines of that run: time, event, number, value.
    [[nodiscard]] const std::vector<std::string>& trace() const noexcept { return trace_; }

private:
    friend class detail::exploration_access;
    std::uint64_t runs_ = 0;
    std::uint64_t seed_ = 0;
    std::exception_ptr error_;
    std::string what_;
    bool replayed_ = false;
    std::vector<std::string> trace_;
};

namespace detail {

class exploration_access {
public:
    template <class Main>
    static exploration run(std::uint64_t first, std::uint64_t count,
                           const simulation_options& options, Main& main) {
        exploration found;
        while (found.passed() && found.runs_ < count) {
            found.seed_ = first + found.runs_++;
            std::uint64_t digest = 0;
            found.error_ = failure_of(found.seed_, options, main, digest);
            if (!found.passed()) {
                found.what_ = text_of(found.error_);
                replay(found, options, main, digest);
            }
        }
        return found;
    }

private:
    template <class Main>
    static std::exception_ptr failure_of(std::uint64_t seed, const simulation_options& options,
                                         Main& main, std::uint64_t& digest) {
        detail::simulation<> world(seed, options);
        std::exception_ptr error;
        try {
            (void)detail::run_simulation(world, seed, main);
        } catch (...) {
            error = std::current_exception();
        }
        digest = world.digest();
        return error;
    }

    template <class Main>
    static void replay(exploration& found, simulation_options options, Main& main,
                       std::uint64_t digest) {
        const std::function<void(std::string_view)> wanted = options.on_trace();
        options.on_trace([&](std::string_view line) {
            found.trace_.emplace_back(line);
            if (wanted) {
                wanted(line);
            }
        });
        std::uint64_t again = 0;
        const std::exception_ptr error = failure_of(found.seed_, options, main, again);
        found.replayed_ = error != nullptr && again == digest && text_of(error) == found.what_;
    }

    static std::string text_of(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            return e.what();
        } catch (...) {
            return "an exception that is no std::exception";
        }
    }
};

} // namespace detail

/// Purpose: which seeds explore() tries: `count` of them, from `first` on.
/// Thread safety, lifetime, errors, cancellation, cost: those of a plain value.
struct seeds {
    std::uint64_t count;
    std::uint64_t first = 0;
};

/// Purpose: `exploration found = explore(seeds{10'000}, options, [] { return program(); });` simulates
/// the program once per seed until one fails: throws, or can never end. That one is run again, with
/// its trace, to see that it goes the same way.
///
/// Thread safety, lifetime, cancellation: those of simulate(), for each seed. The function is called
/// anew for each.
/// Errors: those of the program are in the result; std::errc::invalid_argument for options, and
/// std::errc::resource_deadlock_would_occur on a worker, are thrown by the first run.
/// Cost: that of the runs.
template <detail::simulated_function Main>
[[nodiscard]] exploration explore(seeds which, const simulation_options& options, Main&& main) {
    return detail::exploration_access::run(which.first, which.count, options, main);
}

} // namespace aloft::inline ALOFT_ABI
