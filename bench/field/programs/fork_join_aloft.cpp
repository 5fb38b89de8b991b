// SPDX-License-Identifier: MIT
// fork_join_aloft <fib n> <skynet depth> <threads>: every call a task; forked by when_all.
#include "measure.hpp"

#include <aloft/aloft.hpp>

#include <array>
#include <cstdint>

namespace {

aloft::task<std::uint64_t> fib(std::uint64_t n) {
    if (n < 2) {
        co_return n;
    }
    auto [a, b] = co_await aloft::when_all(fib(n - 1), fib(n - 2));
    co_return a + b;
}

aloft::task<std::uint64_t> skynet(std::uint64_t number, std::size_t depth) {
    if (depth == 0) {
        co_return number;
    }
    const auto child = [&](std::uint64_t i) { return skynet(number * 10 + i, depth - 1); };
    auto children = aloft::when_all(std::array{child(0), child(1), child(2), child(3), child(4),
                                               child(5), child(6), child(7), child(8), child(9)});
    const auto sums = co_await children;
    std::uint64_t sum = 0;
    for (const std::uint64_t each : sums) {
        sum += each;
    }
    co_return sum;
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
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 3, 2)));
    (void)aloft::sync_wait(rt, fib(20)); // the threads are there, and warm

    double begin = field::seconds_now();
    const std::uint64_t sum = aloft::sync_wait(rt, fib(n));
    const double fib_took = field::seconds_now() - begin;
    field::must_be(sum == plain_fib(n), "fib");
    field::report("fib_s", fib_took);
    field::report("fib_ns_per_call",
                  fib_took * 1e9 / static_cast<double>(2 * plain_fib(n + 1) - 1));

    begin = field::seconds_now();
    const std::uint64_t total = aloft::sync_wait(rt, skynet(0, depth));
    const double skynet_took = field::seconds_now() - begin;
    std::uint64_t leaves = 1;
    for (std::size_t i = 0; i < depth; ++i) {
        leaves *= 10;
    }
    field::must_be(total == leaves * (leaves - 1) / 2, "skynet");
    field::report("skynet_s", skynet_took);
    field::report("skynet_ns_per_leaf", skynet_took * 1e9 / static_cast<double>(leaves));
}
