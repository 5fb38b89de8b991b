// SPDX-License-Identifier: MIT
// What simulate() needs of the executor of a simulated world: the same in both build modes, as
// entrance.hpp is for a runtime.
// Layer: L3 runtime
#pragma once

#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/runtime/entrance.hpp>

#include <cstdint>
#include <exception>

namespace aloft::inline ALOFT_ABI {

class simulation_options;

namespace detail {

class simulated_executor : public operation_executor {
public:
    enum class outcome : unsigned char { done, stands_still, too_many_steps };

    virtual ~simulated_executor() = default;

    [[nodiscard]] virtual outcome run_until(const bool& ended) = 0;
    /// Until there is no task left.
    [[nodiscard]] virtual outcome run_to_the_end() = 0;
    /// Everything that waits is stopped, and whatever is begun later, too.
    virtual void stop() = 0;

    [[nodiscard]] virtual std::uint64_t tasks() const noexcept = 0;
    [[nodiscard]] virtual std::uint64_t digest() const noexcept = 0;
    [[nodiscard]] virtual clock_ns passed() const noexcept = 0;
    /// What nobody collected, or nullptr.
    [[nodiscard]] virtual std::exception_ptr uncollected() const noexcept = 0;
};

/// Makes a world; the caller destroys it. Throws std::system_error for options that are out of range.
/// Where it is in the headers it is a template, so that files that simulate nothing do not compile it.
#if !ALOFT_SEPARATE
template <class Nothing = void>
#endif
[[nodiscard]] simulated_executor* open_simulation(std::uint64_t seed,
                                                  const simulation_options& options);

} // namespace detail
} // namespace aloft::inline ALOFT_ABI
