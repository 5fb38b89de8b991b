// SPDX-License-Identifier: MIT
// Chooses the backend of a runtime and makes a reactor per worker, or says why it cannot.
// Layer: L3 runtime
#pragma once

#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/reactor/io_uring.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime_options.hpp>

#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

struct chosen_reactors {
    std::vector<std::unique_ptr<reactor>> reactors;
    std::string description;
    std::function<std::unique_ptr<reactor>()> make_another; // like the others; may throw
};

/// what() without the code's message, which the next what() appends again.
[[nodiscard]] inline std::string sentence_of(const std::system_error& error) {
    std::string text = error.what();
    const std::string message = ": " + error.code().message();
    if (text.ends_with(message)) {
        text.resize(text.size() - message.size());
    }
    return text;
}

[[nodiscard]] inline chosen_reactors make_reactors(const runtime_options& options,
                                                   std::size_t workers) {
    if (options.backend() != backend::automatic && options.backend() != backend::io_uring) {
        throw_error(std::make_error_code(std::errc::not_supported),
                    "runtime_options::backend: this build offers io_uring only");
    }
    chosen_reactors made;
    unsigned entries = options.ring_entries();
    try {
        for (std::size_t i = 0; i < workers; ++i) {
            auto each = std::make_unique<io_uring_reactor>(entries);
            if (i == 0) {
                each->trial_read();
            }
            entries = each->entries(); // if memory made one ring smaller, it does so to the rest
            made.reactors.push_back(std::move(each));
        }
    } catch (const ring_unavailable& refused) {
        throw std::system_error(refused.code(), "runtime: io_uring cannot be used here, and this "
                                                "build has no other backend: " +
                                                    sentence_of(refused));
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(),
                                "runtime: ring " + std::to_string(made.reactors.size() + 1) +
                                    " of " + std::to_string(workers) + ": " + sentence_of(error));
    }
    made.make_another = [entries] { return std::make_unique<io_uring_reactor>(entries); };
    made.description = "io_uring, " + std::to_string(entries) + " entries per worker";
    if (entries < options.ring_entries()) {
        made.description += " (locked memory does not allow " +
                            std::to_string(options.ring_entries()) + "; see ulimit -l)";
    }
    return made;
}

} // namespace aloft::inline ALOFT_ABI::detail
