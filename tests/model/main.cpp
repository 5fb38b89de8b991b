// SPDX-License-Identifier: MIT
// Explores every order of a small program over the library's real headers.
//
//     model_check <program>                    every order must be right
//     model_check --must-fail <program>        some order must be wrong: a known bug is in it
//     model_check --list
#include "answers.hpp"
#include "places.hpp"
#include "queues.hpp"
#include "running.hpp"
#include "sleeping.hpp"
#include "stopping.hpp"
#include "strand.hpp"
#include "waiting.hpp"

namespace {

constexpr model::entry programs[] = {
    {"deque", &model::explore<model::deque_program<1>>},
    {"deque_two_thieves", &model::explore<model::deque_program<2>>},
    {"deque_by_tag", &model::explore<model::deque_program<1, true>>},
    {"deque_round", &model::explore<model::deque_round_program>},
    {"run_queue", &model::explore<model::run_queue_program<>>},
    {"run_queue_two_thieves", &model::explore<model::run_queue_program<true>>},
    {"fork_and_sleep", &model::explore<model::fork_and_sleep<>>},
    {"fork_to_sleepers", &model::explore<model::fork_to_sleepers<>>},
    {"inject_and_sleep", &model::explore<model::inject_and_sleep<>>},
    {"fork_with_light_fences", &model::explore<model::fork_with_light_fences<>>},
    {"light_fences_without_search",
     &model::explore<model::fork_with_light_fences<model::sleep_rules{.searches = false}>>},
    {"pop_with_light_fences", &model::explore<model::pop_with_light_fences>},
    {"pop_ready_lightly", &model::explore<model::pop_ready_lightly<>>},
    {"pop_ready_lightly_counted",
     &model::explore<model::pop_ready_lightly<model::sleep_rules{}, true>>},
    {"stolen_answers", &model::explore<model::stolen_answers<>>},
    {"guest_of_parked_owner", &model::explore<model::guest_of_parked_owner<>>},
    {"cancel_and_complete", &model::explore<model::cancel_and_complete<>>},
    {"abandon_and_complete",
     &model::explore<model::cancel_and_complete<model::ending_rules{.stoppable = false}>>},
    {"stop_and_leave", &model::explore<model::stop_and_leave>},
    {"stop_above", &model::explore<model::stop_above>},
    {"stop_twice", &model::explore<model::stop_twice>},
    {"strand_of_two", &model::explore<model::strand_of_two>},
    {"room_and_stop",
     &model::explore<model::room_and_stop<0>, model::room_and_stop<2>, model::room_and_stop<3>>},
    {"room_and_state_end", &model::explore<model::room_and_state_end>},
    {"two_at_a_place", &model::explore<model::two_at_a_place>},
    // With a bug each:
    {"sleeper_looks_once",
     &model::explore<model::fork_and_sleep<model::sleep_rules{.looks_again = false}>>},
    {"sleeper_sees_work_and_does_not_count",
     &model::explore<model::inject_and_sleep<model::sleep_rules{.counts_again = false}>>},
    {"searcher_keeps_to_itself",
     &model::explore<model::inject_and_sleep<model::sleep_rules{.hands_on = false}>>},
    {"wake_up_goes_unnoticed",
     &model::explore<model::fork_to_sleepers<model::sleep_rules{.learns_of_wake_up = false}>>},
    {"counted_searcher_passes_no_fence",
     &model::explore<
         model::pop_ready_lightly<model::sleep_rules{.fences_when_counted = false}, true>>},
    {"abandoning_without_lock", &model::explore<model::cancel_and_complete<model::ending_rules{
                                    .stoppable = false, .abandons_with_lock = false}>>},
    {"guest_wakes_nobody",
     &model::explore<model::guest_of_parked_owner<model::guest_rules{.wakes = false}>>},
    {"owner_parks_before_guests",
     &model::explore<model::guest_of_parked_owner<model::guest_rules{.owner_gives_way = false}>>},
    {"guest_lists_too_late",
     &model::explore<model::guest_of_parked_owner<model::guest_rules{.adds_with_lock = false}>>},
    {"reaping_without_lock",
     &model::explore<model::stolen_answers<model::reaping_rules{.with_lock = false}>>},
    {"wake_up_entry_forgotten",
     &model::explore<model::stolen_answers<model::reaping_rules{.notes_wake_ups = false}>>},
    {"owner_looks_before_it_asks", &model::explore<model::pop_ready_lightly<>>, 1},
    {"run_goes_on_over_a_gap", &model::explore<model::run_queue_program<true>>, 2},
    {"claim_is_never_late", &model::explore<model::run_queue_program<>>, 3},
    {"room_does_not_wait", &model::explore<model::room_and_state_end>, 1},
    {"room_stays_listed", &model::explore<model::room_and_stop<3>>, 2},
    {"state_tells_nobody", &model::explore<model::room_and_state_end>, 3},
    {"place_is_woken_without_its_mutex", &model::explore<model::two_at_a_place>, 1},
    {"place_compares_too_early", &model::explore<model::two_at_a_place>, 2},
    {"place_counts_too_late", &model::explore<model::two_at_a_place>, 3},
    {"place_is_notified_without_a_fence", &model::explore<model::two_at_a_place>, 4},
};

} // namespace

int main(int argc, char** argv) {
    return model::run_model(programs, argc, argv);
}
