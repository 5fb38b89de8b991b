// SPDX-License-Identifier: MIT
// Explores every order of a small program over the library's real headers.
//
//     model_check <program>                    every order must be right
//     model_check --must-fail <program>        some order must be wrong: a known bug is in it
//     model_check --list
#include "answers.hpp"
#include "explorer.hpp"
#include "queues.hpp"
#include "sleeping.hpp"
#include "stopping.hpp"
#include "strand.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

struct entry {
    std::string_view name;
    model::explorer::result (*explore)();
};

template <class Program>
model::explorer::result explore() {
    return model::explorer::instance().explore<Program>();
}

constexpr entry programs[] = {
    {"deque", &explore<model::deque_program<1>>},
    {"deque_two_thieves", &explore<model::deque_program<2>>},
    {"deque_round", &explore<model::deque_round_program>},
    {"run_queue", &explore<model::run_queue_program>},
    {"fork_and_sleep", &explore<model::fork_and_sleep<>>},
    {"fork_to_sleepers", &explore<model::fork_to_sleepers<>>},
    {"inject_and_sleep", &explore<model::inject_and_sleep<>>},
    {"fork_with_light_fences", &explore<model::fork_with_light_fences<>>},
    {"light_fences_without_search",
     &explore<model::fork_with_light_fences<model::sleep_rules{.searches = false}>>},
    {"pop_with_light_fences", &explore<model::pop_with_light_fences>},
    {"stolen_answers", &explore<model::stolen_answers<>>},
    {"cancel_and_complete", &explore<model::cancel_and_complete>},
    {"stop_and_leave", &explore<model::stop_and_leave>},
    {"stop_above", &explore<model::stop_above>},
    {"stop_twice", &explore<model::stop_twice>},
    {"strand_of_two", &explore<model::strand_of_two>},
    // With a bug each:
    {"sleeper_looks_once",
     &explore<model::fork_and_sleep<model::sleep_rules{.looks_again = false}>>},
    {"sleeper_sees_work_and_does_not_count",
     &explore<model::inject_and_sleep<model::sleep_rules{.counts_again = false}>>},
    {"searcher_keeps_to_itself",
     &explore<model::inject_and_sleep<model::sleep_rules{.hands_on = false}>>},
    {"wake_up_goes_unnoticed",
     &explore<model::fork_to_sleepers<model::sleep_rules{.learns_of_wake_up = false}>>},
    {"reaping_without_lock",
     &explore<model::stolen_answers<model::reaping_rules{.with_lock = false}>>},
    {"wake_up_entry_forgotten",
     &explore<model::stolen_answers<model::reaping_rules{.notes_wake_ups = false}>>},
};

int run(const entry& chosen, bool must_fail) {
    const auto begin = std::chrono::steady_clock::now();
    const model::explorer::result found = chosen.explore();
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

} // namespace

int main(int argc, char** argv) {
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
