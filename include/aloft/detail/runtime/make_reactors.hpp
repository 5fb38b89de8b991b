// SPDX-License-Identifier: MIT
// Chooses the backend of a runtime and makes a reactor per worker, or says why it cannot.
// Layer: L3 runtime
//
// The program's choice comes first, then ALOFT_BACKEND, then what the kernel offers. Only a refusal
// of io_uring as such (ring_unavailable: denied, unknown, or incomplete) leads from `automatic` to
// epoll. What is merely used up, locked memory or descriptors, is an error that says what to raise:
// another backend would hide it. On Windows there is one, completion ports.
#pragma once

#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/iocp.hpp>
#else
#include <aloft/detail/reactor/epoll.hpp>
#include <aloft/detail/reactor/io_uring.hpp>
#endif
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime_options.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

struct chosen_reactors {
    std::vector<std::unique_ptr<reactor>> reactors;
    std::string description;
    std::function<std::unique_ptr<reactor>()> make_another; // like the others; may throw
};

/// what() without the code's message, which the next what() appends again.
[[nodiscard]] ALOFT_COLD inline std::string sentence_of(const std::system_error& error) {
    std::string text = error.what();
    const std::string message = ": " + error.code().message();
    if (text.ends_with(message)) {
        text.resize(text.size() - message.size());
    }
    return text;
}

/// What the program wants, or else the environment.
[[nodiscard]] ALOFT_COLD inline backend wanted_backend(const runtime_options& options) {
    if (options.backend() != backend::automatic) {
        return options.backend();
    }
    const char* const named = std::getenv("ALOFT_BACKEND");
    const std::string_view name = named == nullptr ? "" : named;
    if (name.empty() || name == "automatic") {
        return backend::automatic;
    }
#if defined(_WIN32)
    const char* const offered = "automatic or iocp";
    if (name == "iocp") {
        return backend::iocp;
    }
#else
    const char* const offered = "automatic, io_uring or epoll";
    if (name == "io_uring") {
        return backend::io_uring;
    }
    if (name == "epoll") {
        return backend::epoll;
    }
#endif
    throw_error(std::make_error_code(std::errc::invalid_argument),
                "the environment variable ALOFT_BACKEND is \"" + std::string(name) +
                    "\"; it may be " + offered);
}

#if defined(_WIN32)

[[nodiscard]] ALOFT_COLD inline chosen_reactors make_reactors(const runtime_options& options,
                                                              std::size_t workers) {
    const backend wanted = wanted_backend(options);
    if (wanted != backend::automatic && wanted != backend::iocp) {
        throw_error(std::make_error_code(std::errc::not_supported),
                    "runtime_options::backend: this build offers iocp");
    }
    chosen_reactors made;
    const std::shared_ptr<iocp_set> set = iocp_reactor::make_set();
    for (std::size_t i = 0; i < workers; ++i) {
        made.reactors.push_back(std::make_unique<iocp_reactor>(set));
    }
    made.make_another = [set] { return std::make_unique<iocp_reactor>(set); };
    made.description = "iocp";
    return made;
}

#else

/// `error` is why there can be no more than have been made.
[[noreturn]] ALOFT_COLD inline void refuse_reactors(const chosen_reactors& made,
                                                    std::size_t workers, const char* what,
                                                    const std::system_error& error) {
    throw_error(error.code(), std::string("runtime: ") + what + " " +
                                  std::to_string(made.reactors.size() + 1) + " of " +
                                  std::to_string(workers) + ": " + sentence_of(error));
}

/// Throws what make_one throws, with the number of the one that could not be had.
template <class Make>
ALOFT_COLD void make_each(chosen_reactors& made, std::size_t workers, const char* what,
                          Make&& make_one) {
    try {
        for (std::size_t i = 0; i < workers; ++i) {
            made.reactors.push_back(make_one(i));
        }
    } catch (const ring_unavailable&) {
        throw;
    } catch (const std::system_error& error) {
        refuse_reactors(made, workers, what, error);
    }
}

/// Throws ring_unavailable where io_uring cannot be used.
[[nodiscard]] ALOFT_COLD inline chosen_reactors make_rings(const runtime_options& options,
                                                           std::size_t workers) {
    chosen_reactors made;
    unsigned entries = options.ring_entries();
    make_each(made, workers, "ring", [&](std::size_t i) {
        auto each = std::make_unique<io_uring_reactor>(entries);
        if (i == 0) {
            each->trial_read();
        }
        entries = each->entries(); // if memory made one ring smaller, it does so to the rest
        return each;
    });
    made.make_another = [entries] { return std::make_unique<io_uring_reactor>(entries); };
    made.description = "io_uring, " + std::to_string(entries) + " entries per worker";
    if (entries < options.ring_entries()) {
        made.description += " (locked memory does not allow " +
                            std::to_string(options.ring_entries()) + "; see ulimit -l)";
    }
    return made;
}

[[nodiscard]] ALOFT_COLD inline chosen_reactors make_epolls(std::size_t workers,
                                                            std::string_view why) {
    chosen_reactors made;
    const std::shared_ptr<epoll_set> set = epoll_reactor::make_set();
    make_each(made, workers, "epoll instance",
              [&](std::size_t) { return std::make_unique<epoll_reactor>(set); });
    made.make_another = [set] { return std::make_unique<epoll_reactor>(set, true); };
    made.description = "epoll: " + std::string(why);
    return made;
}

/// The error's name, as in the manual; its message where it is another one.
[[nodiscard]] ALOFT_COLD inline std::string name_of(const std::error_code& code) {
    switch (code.value()) {
    case EPERM:
        return "EPERM";
    case EACCES:
        return "EACCES";
    case ENOSYS:
        return "ENOSYS";
    case EINVAL:
        return "EINVAL";
    default:
        return code.message();
    }
}

[[nodiscard]] ALOFT_COLD inline chosen_reactors make_reactors(const runtime_options& options,
                                                              std::size_t workers) {
    const backend wanted = wanted_backend(options);
    switch (wanted) {
    case backend::automatic:
    case backend::io_uring:
        break;
    case backend::epoll:
        return make_epolls(workers, options.backend() == backend::epoll
                                        ? "chosen by runtime_options"
                                        : "chosen by ALOFT_BACKEND");
    case backend::simulated:
        throw_error(std::make_error_code(std::errc::not_supported),
                    "runtime_options::backend: a simulated world has no threads; use simulate()");
    default:
        throw_error(std::make_error_code(std::errc::not_supported),
                    "runtime_options::backend: this build offers io_uring and epoll");
    }
    try {
        return make_rings(options, workers);
    } catch (const ring_unavailable& refused) {
        if (wanted == backend::automatic) {
            return make_epolls(workers, sentence_of(refused) + ": " + name_of(refused.code()));
        }
        throw_error(refused.code(),
                    "runtime: io_uring is demanded and cannot be used here (epoll could): " +
                        sentence_of(refused));
    }
}

#endif

} // namespace aloft::inline ALOFT_ABI::detail
