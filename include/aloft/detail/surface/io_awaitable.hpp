// SPDX-License-Identifier: MIT
// Turns the description of one I/O operation into something that can be awaited.
// Layer: L4 surface
//
// Life cycle: io_awaitable (a plain description, movable) -> io_awaiter (holds the operation
// record, stays where it is) -> submitted -> finished -> await_resume.
//
// A description `Request` offers
//   using value_type;                      what co_await gives
//   int prepare(operation&)                fills in the arguments; an error number ends it there
//   value_type finish(std::int32_t)        makes the value of a non-negative answer
//   std::string name() const               for the error message: operation and object
// and may offer
//   std::optional<std::int32_t> attempt()  tries without waiting; an answer, or nothing
//   std::error_code refine(std::error_code) const   replaces an error by a truer one
//   std::int32_t judge(std::int32_t) const   makes an answer into the negated error that it means
//
// 1. An awaiter that is destroyed in flight cancels its operation and waits until the kernel is
//    done with it: buffers and record are never freed under the kernel's hands. If the operation
//    had succeeded, its value is made and destroyed: no descriptor is left open.
// 2. Where the task can be stopped, the awaiter is listed with its stop state from before the
//    operation is submitted until it is resumed. A stop that comes first ends it without the kernel.
#pragma once

#include <aloft/detail/coro/detour.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/stop_listener.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/result.hpp>
#include <aloft/runtime.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

template <class Request>
class [[nodiscard]] io_awaiter : stop_listener {
public:
    using value_type = typename Request::value_type;

    explicit io_awaiter(Request&& request) : request_(std::move(request)) {}
    io_awaiter(const io_awaiter&) = delete;
    io_awaiter& operator=(const io_awaiter&) = delete;
    ~io_awaiter() {
        if (in_flight_) [[unlikely]] {
            leave();
            abandon(operation_);
            detour::lift(operation_);
            give_back();
        }
    }

    /// What ends at once is found out behind the question whether the task is stopped, which needs
    /// the coroutine.
    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        const environment* const env = environment_of(self);
        stop_state* const stop = stop_of(env);
        if (stop != nullptr && stop->stop_requested()) [[unlikely]] {
            operation_.result = -canceled_number;
            return false;
        }
        operation_.coroutine = self;
        if constexpr (requires { request_.attempt(); }) {
            if (const attempt_turn turn = turn_of_attempt(); turn != attempt_turn::none) {
                if (const std::optional<std::int32_t> answer = request_.attempt()) {
                    operation_.result = *answer;
                    if (turn == attempt_turn::at_once) {
                        return false;
                    }
                    executor* const own = executor_of(env);
                    reschedule(own != nullptr ? *own : *current_executor(), operation_);
                    return true; // PUBLISHED
                }
            }
        }
        if (const int error = request_.prepare(operation_); error != 0) [[unlikely]] {
            operation_.result = -error;
            return false;
        }
        const start_place place(env);
        if (executor* const own = executor_of(env); takes_detours(own)) [[unlikely]] {
            detour::lay(operation_, *own);
        }
        if (stop != nullptr && !begin_listening(*stop)) {
            detour::lift(operation_);
            operation_.result = -canceled_number;
            return false;
        }
        in_flight_ = true;
        if (place.start(operation_)) { // PUBLISHED, unless it has ended
            detour::lift(operation_);
            return false;
        }
        return true;
    }

    value_type await_resume() {
        resumed();
        if (operation_.result < 0) [[unlikely]] {
            throw_error(error(), request_.name());
        }
        return request_.finish(operation_.result);
    }

    result<value_type> await_resume_as_result() {
        resumed();
        if (operation_.result < 0) [[unlikely]] {
            return failure(error());
        }
        if constexpr (std::is_void_v<value_type>) {
            request_.finish(operation_.result);
            return {};
        } else {
            return request_.finish(operation_.result);
        }
    }

private:
    [[nodiscard]] bool begin_listening(stop_state& stop) noexcept {
        operation_.stoppable = true;
        return listen(stop, [](stop_node& self) noexcept {
            request_stop(static_cast<io_awaiter&>(self).operation_);
        });
    }

    void resumed() noexcept {
        in_flight_ = false;
        leave();
        if constexpr (requires { request_.judge(operation_.result); }) {
            operation_.result = request_.judge(operation_.result);
        }
    }

    /// What an abandoned operation opened or accepted is closed again.
    void give_back() noexcept {
        if (operation_.result < 0) {
            (void)error();
        } else if constexpr (std::is_void_v<value_type>) {
            request_.finish(operation_.result);
        } else {
            [[maybe_unused]] const value_type dropped = request_.finish(operation_.result);
        }
    }

    [[nodiscard]] std::error_code error() {
        if (operation_.timed_out) {
            return std::make_error_code(std::errc::timed_out);
        }
        // A call that a kernel thread makes for us ends in this way when it is cancelled.
        const bool canceled =
            operation_.result == -interrupted_number &&
            (operation_.stop_wanted.load(std::memory_order_relaxed) || is_stopping_here());
        std::error_code code = canceled ? canceled_error() : system_error_code(-operation_.result);
        if constexpr (requires { request_.refine(code); }) {
            code = request_.refine(code);
        }
        return code;
    }

    Request request_;
    operation operation_;
    bool in_flight_ = false;
};

/// An operation that has not begun: it begins when it is awaited, and is awaited once.
template <class Request>
class [[nodiscard]] io_awaitable {
public:
    explicit io_awaitable(Request&& request) : request_(std::move(request)) {}

    [[nodiscard]] auto operator co_await() && { return io_awaiter<Request>(std::move(request_)); }

private:
    Request request_;
};

} // namespace aloft::inline ALOFT_ABI::detail
