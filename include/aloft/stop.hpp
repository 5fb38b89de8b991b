// SPDX-License-Identifier: MIT
// stop_source, stop_token, stop_callback: asking work to stop, without any allocation.
// Layer: L1 coro
//
// The state lives in the source. Who is told when, and why nothing is told twice or too late:
// detail/coro/stop_state.hpp.
#pragma once

#include <aloft/detail/coro/stop_state.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

class stop_token;

namespace detail {
struct stop_access;
}

/// Purpose: asks work to stop. Tasks see it through with_stop(source.get_token(), task), and every
/// awaitable inside honours it; other code through stop_callback or stop_requested().
///
/// Thread safety: every member may be called on any thread.
/// Lifetime: must outlive its tokens' uses, its callbacks, and the awaitables that it is to stop. It
/// does not move. The destructor waits for a request_stop() that is under way on another thread.
/// Errors: none. Cancellation: it is what cancels.
/// Cost: 72 bytes, no allocation; requesting takes a short lock and calls what is registered.
class stop_source {
public:
    stop_source() noexcept = default;
    /// One that also stops when `parent` does.
    explicit stop_source(const stop_token& parent) noexcept;
    stop_source(const stop_source&) = delete;
    stop_source& operator=(const stop_source&) = delete;

    [[nodiscard]] stop_token get_token() noexcept;

    [[nodiscard]] bool stop_requested() const noexcept { return state_.stop_requested(); }
    [[nodiscard]] static constexpr bool stop_possible() noexcept { return true; }

    /// Calls what is registered, on this thread. True for the first call; later ones do nothing.
    bool request_stop() noexcept { return state_.request_stop(); }

private:
    detail::stop_state state_;
};

/// Purpose: tells whether somebody asked to stop; what stop_source hands out. A default-constructed
/// one is never stopped.
///
/// Thread safety: a plain value; different threads may use copies. Lifetime: refers to its source.
/// Errors: none. Cancellation: none. Cost: a pointer; asking reads one word for each source that
/// stands above another.
class stop_token {
public:
    stop_token() noexcept = default;

    [[nodiscard]] bool stop_requested() const noexcept {
        return state_ != nullptr && state_->stop_requested();
    }
    /// Whether there is a source.
    [[nodiscard]] bool stop_possible() const noexcept { return state_ != nullptr; }

    friend bool operator==(const stop_token&, const stop_token&) noexcept = default;

private:
    friend detail::stop_access;
    explicit stop_token(detail::stop_state* state) noexcept : state_(state) {}
    detail::stop_state* state_ = nullptr;
};

namespace detail {

/// How the rest of the library reaches the state behind a token.
struct stop_access {
    [[nodiscard]] static stop_state* state_of(const stop_token& token) noexcept {
        return token.state_;
    }
    [[nodiscard]] static stop_token token_of(stop_state* state) noexcept {
        return stop_token(state);
    }
};

} // namespace detail

inline stop_source::stop_source(const stop_token& parent) noexcept
    : state_(detail::stop_access::state_of(parent)) {}

inline stop_token stop_source::get_token() noexcept {
    return detail::stop_access::token_of(&state_);
}

/// Purpose: calls a function once when stop is requested: `stop_callback on_stop(token, [&] { ... });`
///
/// Thread safety: the function runs on the thread that requests, or in the constructor if stop was
/// requested before. The destructor waits for a function that runs on another thread.
/// Lifetime: shorter than the source's. The function may destroy the callback itself.
/// Errors: the function must not throw. Cancellation: none.
/// Cost: no allocation; a short lock at either end.
template <class Function>
class [[nodiscard]] stop_callback : detail::stop_node {
public:
    template <class F>
        requires std::constructible_from<Function, F>
    stop_callback(const stop_token& token,
                  F&& function) noexcept(std::is_nothrow_constructible_v<Function, F>)
        : state_(detail::stop_access::state_of(token)), function_(std::forward<F>(function)) {
        this->run = [](detail::stop_node& node) noexcept {
            static_cast<stop_callback&>(node).function_();
        };
        if (state_ != nullptr && !state_->add(*this)) {
            state_ = nullptr;
            function_();
        }
    }
    stop_callback(const stop_callback&) = delete;
    stop_callback& operator=(const stop_callback&) = delete;
    ~stop_callback() {
        if (state_ != nullptr) {
            state_->remove(*this);
        }
    }

private:
    detail::stop_state* state_;
    Function function_;
};

template <class Function>
stop_callback(stop_token, Function) -> stop_callback<Function>;

} // namespace aloft::inline ALOFT_ABI
