// SPDX-License-Identifier: MIT
// What a model program does: explores what its arguments name.
#pragma once

#include "explorer.hpp"

#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

namespace model {

struct entry {
    std::string_view name;
    explorer::result (*explore)();
    int bug = 0;
};

/// One program, or several variants of it.
template <class... Programs>
explorer::result explore() {
    explorer::result all;
    const auto add = [&all](explorer::result one) {
        all.executions += one.executions;
        all.steps += one.steps;
        all.states += one.states;
        all.failure = std::move(one.failure);
        all.trace = std::move(one.trace);
        return all.failure.empty();
    };
    (void)(add(explorer::instance().explore<Programs>()) && ...);
    return all;
}

inline int run(const entry& chosen, bool must_fail) {
    const auto begin = std::chrono::steady_clock::now();
    bug = chosen.bug;
    const explorer::result found = chosen.explore();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%.*s: %zu executions, %zu steps, %zu states, %.1f s\n",
                static_cast<int>(chosen.name.size()), chosen.name.data(), found.executions,
                found.steps, found.states, took.count());
    if (!found.failure.empty()) {
        std::printf("%s\n%s", found.failure.c_str(), found.trace.c_str());
    }
    if (must_fail && found.failure.empty()) {
        std::printf("the bug was not found\n");
    }
    return found.failure.empty() != must_fail ? 0 : 1;
}

/// What main returns.
inline int run_model(std::span<const entry> programs, int argc, char** argv) {
    const bool must_fail = argc > 2 && argv[1] == std::string_view("--must-fail");
    const std::string_view name = argc > 1 ? argv[must_fail ? 2 : 1] : "";
    for (const entry& each : programs) {
        if (name == each.name) {
            return run(each, must_fail);
        }
        if (name == "--list") {
            std::printf("%.*s\n", static_cast<int>(each.name.size()), each.name.data());
        }
    }
    if (name != "--list") {
        std::fprintf(stderr, "model_check [--must-fail] <program> | --list\n");
        return 2;
    }
    return 0;
}

} // namespace model
