// SPDX-License-Identifier: MIT
// The explorer over select, in programs that begin their search at either branch: see main.cpp.
#include "running.hpp"
#include "selecting.hpp"

#include <aloft/detail/base/throw_error_definitions.hpp>

namespace {

constexpr model::entry programs[] = {
    {"two_selects", &model::explore<model::two_selects<0>, model::two_selects<1>>},
    {"one_offers_two_want", &model::explore<model::one_offers_two_want<0>>},
    {"one_offers_two_want_reversed", &model::explore<model::one_offers_two_want<1>>},
    {"select_and_close", &model::explore<model::select_and_close<0>, model::select_and_close<1>>},
    {"select_and_stop", &model::explore<model::select_and_stop<0>>},
    {"select_and_timer", &model::explore<model::select_and_timer<0>, model::select_and_timer<1>>},
    // With a bug each, if the headers have them:
    {"two_ends_of_a_select", &model::explore<model::select_and_stop<0>>, 1},
    {"select_looks_once", &model::explore<model::two_selects<0>>, 2},
    {"select_locks_as_named", &model::explore<model::two_selects<0>>, 3},
    {"select_opens_when_ended", &model::explore<model::select_and_stop<0>>, 4},
    {"select_touches_what_it_sent_over", &model::explore<model::two_selects<0>>, 5},
};

} // namespace

int main(int argc, char** argv) {
    return model::run_model(programs, argc, argv);
}
