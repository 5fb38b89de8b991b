// SPDX-License-Identifier: MIT
// hog_aloft <hogs> <threads>: 100 tasks that sleep 1 ms in a loop and 100 that echo what a plain
// thread sends, while tasks on the same pool compute for a second. How late are the others?
#include "measure.hpp"

#include <aloft/aloft.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct delays {
    std::atomic<bool> counts{false};
    std::atomic<bool> over{false};
    std::mutex mutex;
    std::vector<double> sleeps;
    std::vector<double> echoes;

    void add(std::vector<double>& to, double seconds) {
        if (counts.load()) {
            const std::scoped_lock lock(mutex);
            to.push_back(seconds * 1e3);
        }
    }
};

aloft::task<> sleeps(delays& seen) {
    while (!seen.over.load()) {
        const double due = field::seconds_now() + 1e-3;
        co_await aloft::sleep_for(1ms);
        seen.add(seen.sleeps, field::seconds_now() - due);
    }
}

aloft::task<> echoes(aloft::tcp_stream& stream, delays& seen) {
    std::array<std::byte, 64> buffer;
    for (;;) {
        const std::size_t got = co_await stream.read_some(buffer);
        if (got == 0) {
            co_return;
        }
        double sent = 0;
        std::memcpy(&sent, buffer.data(), sizeof sent);
        seen.add(seen.echoes, field::seconds_now() - sent);
        co_await stream.write_all(std::span<const std::byte>(buffer.data(), got));
    }
}

aloft::task<> computes(delays& seen) {
    seen.counts.store(true);
    const double end = field::seconds_now() + 1.0;
    while (field::seconds_now() < end) {
    }
    seen.counts.store(false);
    co_return;
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t hogs = field::argument(argc, argv, 1, 1);
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 2, 2)));
    delays seen;
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    std::vector<aloft::tcp_stream> clients;
    std::vector<aloft::tcp_stream> streams;
    for (int i = 0; i < 100; ++i) {
        auto pair = [&]() -> aloft::task<> {
            auto [client, served] = co_await aloft::when_all(
                aloft::tcp_stream::connect(listener.local_endpoint()), listener.accept());
            clients.push_back(std::move(client));
            streams.push_back(std::move(served));
        };
        aloft::sync_wait(rt, pair());
    }
    std::vector<aloft::join_handle<>> handles;
    for (aloft::tcp_stream& each : streams) {
        handles.push_back(aloft::spawn(rt, echoes(each, seen)));
        handles.push_back(aloft::spawn(rt, sleeps(seen)));
    }
    std::thread feeder([&] {
        std::array<char, 64> line{};
        while (!seen.over.load()) {
            for (const aloft::tcp_stream& each : clients) {
                const double now = field::seconds_now();
                std::memcpy(line.data(), &now, sizeof now);
                (void)!::send(each.native_handle(), line.data(), line.size(), MSG_NOSIGNAL);
            }
            std::this_thread::sleep_for(1ms);
            for (const aloft::tcp_stream& each : clients) {
                while (::recv(each.native_handle(), line.data(), line.size(), MSG_DONTWAIT) > 0) {
                }
            }
        }
    });
    std::this_thread::sleep_for(300ms);
    std::vector<aloft::join_handle<>> long_tasks;
    for (std::size_t i = 0; i < hogs; ++i) {
        long_tasks.push_back(aloft::spawn(rt, computes(seen)));
    }
    for (auto& each : long_tasks) {
        aloft::sync_wait(rt, each);
    }
    seen.over.store(true);
    feeder.join();
    for (aloft::tcp_stream& each : clients) {
        each.shutdown();
    }
    for (auto& each : handles) {
        aloft::sync_wait(rt, each);
    }
    field::report_delays("sleep", seen.sleeps);
    field::report_delays("echo", seen.echoes);
}
