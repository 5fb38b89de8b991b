// SPDX-License-Identifier: MIT
// What a simulated descriptor stands for, and what such objects use of the kernel they are in.
// Layer: L2 reactor
#pragma once

#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/base/lean_shared_memory.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/simulated_dice.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// An attempt that has to be made again when the object has changed.
inline constexpr std::int32_t not_yet = INT32_MIN;

class simulated_object {
public:
    simulated_object() = default;
    simulated_object(const simulated_object&) = delete;
    simulated_object& operator=(const simulated_object&) = delete;
    virtual ~simulated_object() = default;

    /// Carries an operation out: what it ends with, or not_yet, and then nothing has happened.
    [[nodiscard]] virtual std::int32_t attempt(operation& op) = 0;

    /// As the system's poll would say it.
    [[nodiscard]] virtual std::uint32_t readiness() const = 0;

    /// Its last descriptor has been closed.
    virtual void closed() {}

    /// The numbers of the operations that wait for a change, in the order in which they came.
    std::vector<std::uint64_t> waiting;
};

/// What an open asks for.
struct open_wish {
    std::string path;
    bool reads = false;
    bool writes = false;
    bool appends = false;
    bool creates = false;
    bool exclusive = false;
    bool truncates = false;
};

class simulated_surroundings {
public:
    [[nodiscard]] virtual simulated_dice& dice() noexcept = 0;
    virtual void at(clock_ns time, std::function<void()> event) = 0;
    /// What waits at the object is attempted again.
    virtual void changed(simulated_object& object) = 0;
    [[nodiscard]] virtual int give_descriptor(std::shared_ptr<simulated_object> object) = 0;
    /// The descriptor stands for that object from now on.
    virtual void replace(int fd, std::shared_ptr<simulated_object> object) = 0;

protected:
    ~simulated_surroundings() = default;
};

} // namespace aloft::inline ALOFT_ABI::detail
