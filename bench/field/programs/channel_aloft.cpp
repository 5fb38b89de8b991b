// SPDX-License-Identifier: MIT
// channel_aloft <round trips> <items>: two tasks on two threads that ask and answer over two
// channels, and one that sends many items to another.
#include "measure.hpp"

#include <aloft/aloft.hpp>
#include <aloft/channel.hpp>

#include <cstddef>

namespace {

using channel = aloft::channel<std::size_t>;

aloft::task<> answers(channel& from, channel& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = co_await from.recv();
        co_await to.send(*value + 1);
    }
}

aloft::task<> asks(channel& to, channel& from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await to.send(i);
        const auto answer = co_await from.recv();
        field::must_be(answer == i + 1, "an answer");
    }
}

aloft::task<> produces(channel& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await to.send(i);
    }
}

aloft::task<> consumes(channel& from, std::size_t count) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = co_await from.recv();
        sum += *value;
    }
    field::must_be(sum == count * (count - 1) / 2, "the sum");
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t trips = field::argument(argc, argv, 1, 100'000);
    const std::size_t items = field::argument(argc, argv, 2, 1'000'000);
    aloft::runtime rt(aloft::runtime_options{}.threads(2));
    channel there(64);
    channel back(64);

    double begin = field::seconds_now();
    aloft::sync_wait(rt, aloft::when_all(answers(there, back, trips), asks(there, back, trips)));
    field::report("round_trip_ns",
                  (field::seconds_now() - begin) * 1e9 / static_cast<double>(trips));

    begin = field::seconds_now();
    aloft::sync_wait(rt, aloft::when_all(produces(there, items), consumes(there, items)));
    field::report("item_ns", (field::seconds_now() - begin) * 1e9 / static_cast<double>(items));
}
