// SPDX-License-Identifier: MIT
// Each statement hands something over that cannot be awaited, of a type of its own, because a
// compiler says a sentence once for each type. Exactly one error each.
#include <aloft/as_result.hpp>
#include <aloft/priority.hpp>
#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/std_stop_token.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/to_future.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_all_settled.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>

#include <chrono>
#include <stop_token>
#include <vector>

using namespace std::chrono_literals;
using namespace aloft;

template <int Line>
struct number {};

task<int> work();

void hand_over(runtime& rt, stop_token token, number<0> named) {
    (void)as_result(number<1>());
    sync_wait(42);
    sync_wait(rt, named);
    (void)to_future(number<2>());
    (void)to_future(rt, number<3>());
    (void)when_all(work(), number<4>());
    (void)when_all(std::vector<number<5>>());
    (void)when_all_settled(number<6>(), work());
    (void)when_any(work(), number<7>());
    (void)with_stop(token, number<8>());
    (void)with_stop(std::stop_token(), number<9>());
    (void)run_on(rt, number<10>());
    (void)with_priority(priority::high, number<11>());
    auto limited = with_timeout(1s, work());
    (void)with_timeout(1s, limited);
}
