// SPDX-License-Identifier: MIT
// fork_join_tbb <fib n> <skynet depth> <threads>: the same as fork_join_aloft with task_group.
#include "measure.hpp"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <array>
#include <cstdint>
#include <utility>

namespace {

std::uint64_t fib(std::uint64_t n) {
    if (n < 2) {
        return n;
    }
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    tbb::task_group group;
    group.run([&] { a = fib(n - 1); });
    b = fib(n - 2);
    group.wait();
    return a + b;
}

std::uint64_t skynet(std::uint64_t number, std::size_t depth) {
    if (depth == 0) {
        return number;
    }
    std::array<std::uint64_t, 10> sums{};
    tbb::task_group group;
    for (std::uint64_t i = 0; i < 9; ++i) {
        group.run([&, i] { sums[i] = skynet(number * 10 + i, depth - 1); });
    }
    sums[9] = skynet(number * 10 + 9, depth - 1);
    group.wait();
    std::uint64_t sum = 0;
    for (const std::uint64_t each : sums) {
        sum += each;
    }
    return sum;
}

std::uint64_t plain_fib(std::size_t n) {
    std::uint64_t a = 0;
    std::uint64_t b = 1;
    for (; n > 0; --n) {
        a = std::exchange(b, a + b);
    }
    return a;
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t n = field::argument(argc, argv, 1, 32);
    const std::size_t depth = field::argument(argc, argv, 2, 6);
    const std::size_t threads = field::argument(argc, argv, 3, 2);
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(static_cast<int>(threads));
    arena.execute([] { (void)fib(20); });

    double begin = field::seconds_now();
    std::uint64_t sum = 0;
    arena.execute([&] { sum = fib(n); });
    const double fib_took = field::seconds_now() - begin;
    field::must_be(sum == plain_fib(n), "fib");
    field::report("fib_s", fib_took);
    field::report("fib_ns_per_call",
                  fib_took * 1e9 / static_cast<double>(2 * plain_fib(n + 1) - 1));

    begin = field::seconds_now();
    std::uint64_t total = 0;
    arena.execute([&] { total = skynet(0, depth); });
    const double skynet_took = field::seconds_now() - begin;
    std::uint64_t leaves = 1;
    for (std::size_t i = 0; i < depth; ++i) {
        leaves *= 10;
    }
    field::must_be(total == leaves * (leaves - 1) / 2, "skynet");
    field::report("skynet_s", skynet_took);
    field::report("skynet_ns_per_leaf", skynet_took * 1e9 / static_cast<double>(leaves));
}
