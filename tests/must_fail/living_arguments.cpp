// SPDX-License-Identifier: MIT
// Nothing dangles here: no warning, and nothing is refused.
#include <aloft/aloft.hpp>
#include <aloft/to_future.hpp>
#include <vector>
using namespace aloft;
using namespace std::chrono_literals;
task<int> one() {
    co_return 1;
}
struct fn {
    task<void> operator()(int&) const { co_return; }
};
task<void> uses() {
    co_await when_all(one(), one(), sleep_for(1ms));
    std::vector<task<int>> v;
    co_await when_all(std::move(v));
    std::vector<task<int>> w;
    auto r = co_await when_any(std::move(w));
    (void)r;
    co_await when_any(one(), sleep_for(1s));
    co_await when_all_settled(one(), one());
    std::vector<int> ints{1, 2};
    co_await parallel_for_each(ints, 2, fn{});
    co_await with_timeout(1s, one());
    stop_source s;
    co_await with_stop(s.get_token(), one());
    co_await with_task_group([](task_group& g) -> task<void> {
        g.spawn(one());
        co_return;
    });
    co_await spawn(one());
    co_await spawn([]() -> task<int> { co_return 1; });
    std::vector<task<int>> z;
    auto e = when_each(std::move(z));
    co_await e.next();
    co_await retry(retry_options{}, []() -> task<int> { co_return 1; });
    shared_task<int> sh = one();
    co_await sh;
    (void)co_await as_result(one());
    (void)to_future(one());
}
int main() {
    sync_wait(uses());
}
