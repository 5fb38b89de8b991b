// SPDX-License-Identifier: MIT
// The epoll reactor by itself: what waits at a descriptor, whoever else waits there, ends exactly once.
#include <aloft/detail/reactor/epoll.hpp>

#include <support/descriptors.hpp>
#include <support/operations.hpp>
#include <support/periodic_signal.hpp>
#include <support/sockets.hpp>
#include <support/stream_operations.hpp>
#include <support/temporary_directory.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::detail::epoll_reactor;
using aloft::detail::epoll_set;

namespace {

[[nodiscard]] std::unique_ptr<epoll_reactor> make_reactor() {
    return std::make_unique<epoll_reactor>(epoll_reactor::make_set());
}

/// What is finished now.
template <class Operation>
std::size_t look(aloft::detail::reactor& reactor) {
    work_list finished;
    reactor.poll(finished, 0);
    return count_finished<Operation>(finished);
}

void put_with_descriptor(int socket, std::string_view text) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = STDERR_FILENO;
    std::memcpy(CMSG_DATA(passed), &number, sizeof number);
    REQUIRE(::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

/// Whether a thread of this process is in a call that waits.
[[nodiscard]] bool is_asleep(pid_t thread) {
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string line;
    std::getline(status, line);
    const std::size_t name_end = line.rfind(") ");
    return name_end != std::string::npos && line.compare(name_end + 2, 1, "S") == 0;
}

/// Reads away what fill() has sent from the other end.
void drain(int socket) {
    std::vector<char> sink(1 << 20);
    while (::recv(socket, sink.data(), sink.size(), MSG_DONTWAIT) > 0) {
    }
}

/// Begins to wait for what comes to a socket.
void begin_waiting(aloft::detail::reactor& reactor, receiving& in, int socket) {
    in.prepare(socket);
    reactor.submit(in);
    REQUIRE(look<receiving>(reactor) == 0);
}

/// Sends from the other end: what waits gets it, and nothing else ends.
void send_to_waiting(aloft::detail::reactor& reactor, const receiving& in, int from,
                     std::string_view text) {
    put(from, text);
    REQUIRE(finish_all<receiving>(reactor, 1) == 1);
    REQUIRE(in.text() == text);
}

/// The processor's time that this thread spends in waiting while nothing happens.
[[nodiscard]] std::int64_t effort_of_waiting(aloft::detail::reactor& reactor) {
    const auto spent = [] {
        timespec time{};
        (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
    };
    const std::int64_t before = spent();
    const auto deadline = now_ns() + 50'000'000;
    while (now_ns() < deadline) {
        work_list finished;
        reactor.poll(finished, deadline);
        REQUIRE(finished.empty());
    }
    return spent() - before;
}

} // namespace

// ---- what waits at one descriptor ----

TEST_CASE("two reads of one descriptor are answered in their order, one per byte") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    reading first;
    reading second;
    first.prepare(pipe.read.get());
    second.prepare(pipe.read.get());
    reactor->submit(first);
    reactor->submit(second);
    CHECK(look<reading>(*reactor) == 0);
    CHECK(reactor->in_flight() == 2);
    pipe.put();
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    CHECK(first.result == 1);
    CHECK(second.finishes == 0);
    pipe.put();
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    CHECK(second.result == 1);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("a read and a write wait at one socket, and neither ends the other") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const bool tcp = GENERATE(true, false);
    const stream_pair pair = tcp ? tcp_pair() : unix_pair();
    const int near = pair.near.native_handle();
    fill(near);
    receiving in;
    in.prepare(near);
    sending out;
    out.prepare(near, "late");
    const bool reads_first = GENERATE(true, false);
    if (reads_first) {
        reactor->submit(in);
    }
    reactor->submit(out);
    CHECK(look<sending>(*reactor) == 0);
    if (!reads_first) {
        reactor->submit(in);
    }
    CHECK(look<receiving>(*reactor) == 0);
    put(pair.far.native_handle(), "hello");
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.text() == "hello");
    CHECK(out.phase.load() == operation_phase::in_flight);
    std::vector<char> sink(1 << 20);
    work_list finished;
    while (finished.empty()) {
        (void)::recv(pair.far.native_handle(), sink.data(), sink.size(), MSG_DONTWAIT);
        reactor->poll(finished, now_ns() + 1'000'000);
    }
    CHECK(count_finished<sending>(finished) == 1);
    CHECK(out.result == 4);
}

TEST_CASE("a write does not overtake one that waits, though there is room by now") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = unix_pair();
    const int near = pair.near.native_handle();
    const int far = pair.far.native_handle();
    fill(near);
    sending first;
    first.prepare(near, "first");
    reactor->submit(first);
    REQUIRE(look<sending>(*reactor) == 0);
    drain(far);
    sending second;
    second.prepare(near, "second");
    reactor->submit(second);
    CHECK(finish_all<sending>(*reactor, 2) == 2);
    std::array<char, 64> sink{};
    const ssize_t got = ::recv(far, sink.data(), sink.size(), MSG_DONTWAIT);
    CHECK(std::string_view(sink.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))) ==
          "firstsecond");
}

TEST_CASE("a read of nothing does not wait, though the pipe is known to be empty") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    reading op;
    op.prepare(pipe.read.get());
    reactor->submit(op);
    reactor->cancel(op);
    REQUIRE(finish_all<reading>(*reactor, 1) == 1);
    op.prepare(pipe.read.get());
    op.length = 0;
    op.result = -1;
    reactor->submit(op);
    CHECK(look<reading>(*reactor) == 1);
    CHECK(op.result == 0);
}

TEST_CASE("two numbers of one file wait independently") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    const descriptor twin(checked(::dup(pipe.read.get()), "dup"));
    reading one;
    one.prepare(pipe.read.get());
    reading other;
    other.prepare(twin.get());
    reactor->submit(one);
    reactor->submit(other);
    CHECK(look<reading>(*reactor) == 0);
    pipe.put();
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    pipe.put();
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    CHECK(one.result == 1);
    CHECK(other.result == 1);
}

TEST_CASE("polls with different wishes at one descriptor end with their own events") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = unix_pair();
    const int near = pair.near.native_handle();
    fill(near);
    polling in;
    in.prepare(near);
    polling out;
    out.prepare(near);
    out.flags = POLLOUT;
    reactor->submit(in);
    reactor->submit(out);
    CHECK(look<polling>(*reactor) == 0);
    put(pair.far.native_handle(), "x");
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(in.result == POLLIN);
    CHECK(out.finishes == 0);
    drain(pair.far.native_handle());
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(out.result == POLLOUT);
}

TEST_CASE("reads, polls and a registered socket mix at one descriptor") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const int near = pair.near.native_handle();
    for (int round = 1; round <= 100; ++round) {
        polling ready;
        ready.prepare(near);
        receiving in;
        in.prepare(near);
        if (round % 2 == 0) {
            reactor->submit(in);
            reactor->submit(ready);
        } else {
            reactor->submit(ready);
            reactor->submit(in);
        }
        REQUIRE(look<polling>(*reactor) == 0);
        put(pair.far.native_handle(), "x");
        REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
        REQUIRE(in.text() == "x");
        if (ready.phase.load() != operation_phase::finished) { // the read was quicker
            put(pair.far.native_handle(), "y");
            REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
            char byte = 0;
            REQUIRE(::recv(near, &byte, 1, MSG_DONTWAIT) == 1);
        }
        REQUIRE(ready.result == POLLIN);
    }
}

TEST_CASE("a poll that ends leaves awake what waits beside it") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = unix_pair();
    const int near = pair.near.native_handle();
    fill(near);
    receiving in;
    in.prepare(near);
    reactor->submit(in);
    polling out;
    out.prepare(near);
    out.flags = POLLOUT;
    reactor->submit(out);
    REQUIRE(look<operation_with_count>(*reactor) == 0);
    drain(pair.far.native_handle());
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(out.result == POLLOUT);
    put(pair.far.native_handle(), "hello");
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(in.text() == "hello");
}

// ---- numbers that are used again ----

TEST_CASE("a number that the library has closed means the next file") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    int number = -1;
    for (int round = 0; round < 200; ++round) {
        stream_pair pair = tcp_pair();
        const int near = pair.near.native_handle();
        REQUIRE((number == -1 || near == number)); // the same one, again and again
        number = near;
        receiving in;
        begin_waiting(*reactor, in, near);
        send_to_waiting(*reactor, in, pair.far.native_handle(), "hello");
    }
}

TEST_CASE("what waits at a number that the library closes ends when the number is used again") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair former = tcp_pair();
    const stream_pair next = tcp_pair();
    const int number = former.near.native_handle();
    receiving first;
    begin_waiting(*reactor, first, number);
    aloft::detail::end_descriptor_epoch(number);
    (void)checked(::dup2(next.near.native_handle(), number), "dup2"); // closes it, and uses it
    receiving second;
    second.prepare(number);
    reactor->submit(second);
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(first.result == -EBADF);
    put(next.far.native_handle(), "next");
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(second.text() == "next");
}

TEST_CASE("a number that a helper has closed means the next file") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair former = tcp_pair();
    const stream_pair next = tcp_pair();
    const int number = checked(::dup(former.near.native_handle()), "dup");
    receiving in;
    in.prepare(number);
    reactor->submit(in);
    put(former.far.native_handle(), "former");
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1); // registered, and known to be empty
    operation_with_count close;
    close.kind = operation_kind::close;
    close.fd = number;
    reactor->submit(close);
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    REQUIRE(close.result == 0);
    const descriptor again(checked(::dup2(next.near.native_handle(), number), "dup2"));
    put(next.far.native_handle(), "next");
    in.prepare(number);
    reactor->submit(in);
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.text() == "next");
}

TEST_CASE("a number goes on as before when one that shares its epoch is closed") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const int near = pair.near.native_handle();
    const int neighbour = near + static_cast<int>(aloft::detail::descriptor_epoch_count);
    receiving first;
    begin_waiting(*reactor, first, near);
    aloft::detail::end_descriptor_epoch(neighbour); // while something waits
    receiving second;
    begin_waiting(*reactor, second, near);
    send_to_waiting(*reactor, first, pair.far.native_handle(), "one");
    send_to_waiting(*reactor, second, pair.far.native_handle(), "two");
    aloft::detail::end_descriptor_epoch(neighbour); // while nothing waits: it is registered anew
    begin_waiting(*reactor, first, near);
    send_to_waiting(*reactor, first, pair.far.native_handle(), "three");
}

TEST_CASE("what was known of a number's file is not believed of its next one") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const auto use_again = [](int number, int next) {
        aloft::detail::end_descriptor_epoch(number);
        (void)checked(::dup2(next, number), "dup2");
    };
    SECTION("that it has no readiness") {
        const temporary_directory directory;
        const descriptor number(
            ::open((directory / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(number.valid());
        reading op;
        op.prepare(number.get());
        reactor->submit(op);
        REQUIRE(finish_all<reading>(*reactor, 1) == 1);
        const pipe_ends pipe;
        use_again(number.get(), pipe.read.get());
        op.prepare(number.get());
        reactor->submit(op);
        CHECK(op.answers == epoll_reactor::waiting); // no helper is blocked by it
        pipe.put();
        REQUIRE(finish_all<reading>(*reactor, 1) == 1);
        CHECK(op.result == 1);
    }
    SECTION("that a short read takes all there is") {
        const stream_pair former = tcp_pair();
        const stream_pair next = unix_pair();
        const descriptor number(checked(::dup(former.near.native_handle()), "dup"));
        receiving in;
        begin_waiting(*reactor, in, number.get());
        put(former.far.native_handle(), "short");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        use_again(number.get(), next.near.native_handle());
        begin_waiting(*reactor, in, number.get());
        put_with_descriptor(next.far.native_handle(), "with one");
        put(next.far.native_handle(), "last");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        CHECK(in.text() == "with one");
        in.prepare(number.get());
        reactor->submit(in);
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        CHECK(in.text() == "last");
    }
    SECTION("that it does not block") {
        const auto former = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
        const auto next = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
        const descriptor number(checked(::dup(former.native_handle()), "dup"));
        for (int round = 0; round < 2; ++round) {
            reading op;
            op.prepare(number.get());
            op.kind = operation_kind::accept;
            op.address = nullptr;
            op.length = 0;
            op.flags = SOCK_CLOEXEC;
            reactor->submit(op); // returns
            REQUIRE(look<reading>(*reactor) == 0);
            reactor->cancel(op);
            REQUIRE(finish_all<reading>(*reactor, 1) == 1);
            use_again(number.get(), next.native_handle());
        }
    }
}

TEST_CASE("neighbouring numbers have nothing to do with each other") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    std::vector<stream_pair> pairs;
    std::vector<receiving> operations(80);
    for (std::size_t i = 0; i < operations.size(); i += 2) {
        const stream_pair& pair = pairs.emplace_back(unix_pair());
        operations[i].prepare(pair.near.native_handle());
        operations[i + 1].prepare(pair.far.native_handle());
        reactor->submit(operations[i]);
        reactor->submit(operations[i + 1]);
    }
    REQUIRE(look<receiving>(*reactor) == 0);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const stream_pair& pair = pairs[i / 2];
        put((i % 2 == 0 ? pair.far : pair.near).native_handle(), std::to_string(i));
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        REQUIRE(operations[i].text() == std::to_string(i));
    }
    CHECK(each_finished_once(operations));
}

TEST_CASE("a number that other people have closed is polled anew") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    for (int round = 0; round < 200; ++round) {
        std::array<int, 2> ends{};
        (void)checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
        polling op;
        op.prepare(ends[0]);
        reactor->submit(op);
        REQUIRE(look<polling>(*reactor) == 0);
        REQUIRE(::write(ends[1], "x", 1) == 1);
        REQUIRE(finish_all<polling>(*reactor, 1) == 1);
        REQUIRE(op.result == POLLIN);
        ::close(ends[0]); // unknown to the library
        ::close(ends[1]);
    }
}

TEST_CASE("a number that the library had registered and other people have closed is polled anew") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    std::array<int, 2> sockets{};
    (void)checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()),
                  "socketpair");
    receiving in;
    in.prepare(sockets[0]);
    reactor->submit(in);
    CHECK(look<receiving>(*reactor) == 0);
    put(sockets[1], "x");
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    const pipe_ends pipe;
    (void)checked(::dup2(pipe.read.get(), sockets[0]), "dup2"); // unknown to the library
    polling op;
    op.prepare(sockets[0]);
    reactor->submit(op);
    CHECK(look<polling>(*reactor) == 0);
    pipe.put();
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(op.result == POLLIN);
    ::close(sockets[0]);
    ::close(sockets[1]);
}

TEST_CASE("accepting does not block when another takes the connection") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const auto listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    std::vector<reading> accepts(3);
    for (reading& op : accepts) {
        op.prepare(listener.native_handle());
        op.kind = operation_kind::accept;
        op.address = nullptr;
        op.length = 0;
        op.flags = SOCK_CLOEXEC;
        reactor->submit(op); // returns
    }
    CHECK(look<reading>(*reactor) == 0);
    const sockaddr_in address = loopback_address(listener.local_endpoint().port());
    const aloft::tcp_stream near =
        own_socket(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    (void)checked(::connect(near.native_handle(), reinterpret_cast<const sockaddr*>(&address),
                            sizeof address),
                  "connect");
    CHECK(finish_all<reading>(*reactor, 1) == 1); // one gets it, the others wait on
    REQUIRE(accepts[0].result >= 0);
    ::close(accepts[0].result);
    CHECK(reactor->in_flight() == 2);
    reactor->cancel(accepts[1]);
    reactor->cancel(accepts[2]);
    CHECK(finish_all<reading>(*reactor, 2) == 2);
}

TEST_CASE("what waits at a number that is closed under it does not get another file's events") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    std::array<int, 2> ends{};
    (void)checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    polling old;
    old.prepare(ends[0]);
    reactor->submit(old);
    CHECK(look<polling>(*reactor) == 0);
    const pipe_ends other;
    (void)checked(::dup2(other.read.get(), ends[0]), "dup2"); // closes it
    polling fresh;
    fresh.prepare(ends[0]);
    reactor->submit(fresh);
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(old.result == -EBADF);
    other.put();
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(fresh.result == POLLIN);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("a file that lives on under another number does not disturb the number's next file") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    stream_pair pair = unix_pair();
    const int near = pair.near.native_handle();
    const descriptor twin(checked(::dup(near), "dup"));
    receiving first;
    first.prepare(near);
    reactor->submit(first);
    put(pair.far.native_handle(), "one");
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    pair.near.close();
    const stream_pair next = unix_pair();
    REQUIRE(next.near.native_handle() == near);
    receiving second;
    second.prepare(near);
    reactor->submit(second);
    CHECK(look<receiving>(*reactor) == 0);
    put(pair.far.native_handle(), "for the twin");
    CHECK(look<receiving>(*reactor) == 0);
    put(next.far.native_handle(), "two");
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(second.text() == "two");
}

// ---- whose flags are whose ----

TEST_CASE("a pipe in blocking mode stays in it, and nobody is blocked by it") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    const int flags = ::fcntl(pipe.read.get(), F_GETFL);
    const int write_flags = ::fcntl(pipe.write.get(), F_GETFL);
    REQUIRE((flags & O_NONBLOCK) == 0);
    reading in;
    in.prepare(pipe.read.get());
    reactor->submit(in); // returns
    CHECK(look<reading>(*reactor) == 0);
    CHECK(::fcntl(pipe.read.get(), F_GETFL) == flags);
    pipe.put();
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    std::vector<char> much(1 << 20);
    operation_with_count out;
    out.kind = operation_kind::write;
    out.fd = pipe.write.get();
    out.address = much.data();
    out.length = static_cast<std::uint32_t>(much.size());
    out.offset = aloft::detail::current_position;
    reactor->submit(out); // takes what fits
    CHECK(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(out.result > 0);
    CHECK(out.result < static_cast<std::int32_t>(much.size()));
    CHECK(::fcntl(pipe.write.get(), F_GETFL) == write_flags);
}

TEST_CASE("sockets stay in blocking mode") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const int near = pair.near.native_handle();
    const int flags = ::fcntl(near, F_GETFL);
    receiving in;
    in.prepare(near);
    reactor->submit(in);
    sending out;
    out.prepare(near, "x");
    reactor->submit(out);
    CHECK(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(out.result == 1);
    CHECK(::fcntl(near, F_GETFL) == flags);
    reactor->cancel(in);
    CHECK(finish_all<operation_with_count>(*reactor, 1) == 1);
}

// ---- what has no readiness ----

TEST_CASE("a regular file is read and written by helpers, many operations at once") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const temporary_directory directory;
    const descriptor file(::open((directory / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(file.valid());
    constexpr std::size_t count = 1000;
    std::vector<char> text(count);
    std::vector<reading> operations(count);
    for (std::size_t i = 0; i < count; ++i) {
        operations[i].prepare(file.get());
        operations[i].kind = operation_kind::write;
        operations[i].byte = static_cast<char>('a' + i % 26);
        operations[i].offset = i;
        reactor->submit(operations[i]);
    }
    CHECK(finish_all<reading>(*reactor, count) == count);
    CHECK(each_finished_once(operations));
    for (std::size_t i = 0; i < count; ++i) {
        operations[i].prepare(file.get());
        operations[i].byte = 0;
        operations[i].offset = i;
        reactor->submit(operations[i]);
    }
    CHECK(finish_all<reading>(*reactor, count) == count);
    bool right = true;
    for (std::size_t i = 0; i < count; ++i) {
        right = right && operations[i].result == 1 &&
                operations[i].byte == static_cast<char>('a' + i % 26);
    }
    CHECK(right);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE(
    "a terminal, which cannot be tried, is read by a helper when there is something to read") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const descriptor terminal(checked(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "openpt"));
    (void)checked(::unlockpt(terminal.get()), "unlockpt");
    std::array<char, 64> path{};
    REQUIRE(::ptsname_r(terminal.get(), path.data(), path.size()) == 0);
    const descriptor program(checked(::open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC), "open"));
    reading op;
    for (int round = 1; round <= 3; ++round) {
        op.prepare(program.get());
        reactor->submit(op);
        REQUIRE(look<reading>(*reactor) == 0);
        REQUIRE(op.answers == epoll_reactor::waiting); // no helper is blocked by it
        REQUIRE(::write(terminal.get(), "\n", 1) == 1);
        REQUIRE(finish_all<reading>(*reactor, 1) == 1);
        REQUIRE(op.result == 1);
        REQUIRE(op.byte == '\n');
    }
    CHECK(op.finishes == 3);
}

TEST_CASE("a call that keeps a helper for long keeps no other call waiting") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const temporary_directory directory;
    const std::string path = (directory / "socket").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    const auto new_socket = [](int flags) {
        return descriptor(
            checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket"));
    };
    const descriptor listener = new_socket(0);
    (void)checked(::bind(listener.get(), name, sizeof address), "bind");
    (void)checked(::listen(listener.get(), 0), "listen");
    std::vector<descriptor> queued; // its queue is full: the next one has to wait for its turn
    do {
        queued.push_back(new_socket(SOCK_NONBLOCK));
    } while (::connect(queued.back().get(), name, sizeof address) == 0);

    const descriptor zero = open_zero();
    std::vector<reading> short_ones(3);
    const auto submit = [&](reading& op) {
        op.prepare(zero.get());
        reactor->submit(op);
    };
    submit(short_ones[0]); // two helpers begin, and wait again
    submit(short_ones[1]);
    REQUIRE(finish_all<reading>(*reactor, 2) == 2);
    const descriptor last = new_socket(0);
    operation_with_count long_one;
    long_one.kind = operation_kind::connect;
    long_one.fd = last.get();
    long_one.address = name;
    long_one.offset = sizeof address;
    reactor->submit(long_one);
    submit(short_ones[2]);
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(each_finished_once(short_ones));
    CHECK(long_one.finishes == 0);
    const descriptor accepted(plain_accept(listener.get())); // there is room for it
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(long_one.result == 0);
}

TEST_CASE("errors come back as negated numbers") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    reading none;
    none.prepare(-1);
    reading closed;
    closed.prepare(::dup(STDERR_FILENO));
    ::close(closed.fd);
    reactor->submit(none);
    reactor->submit(closed);
    CHECK(finish_all<reading>(*reactor, 2) == 2);
    CHECK(none.result == -EBADF);
    CHECK(closed.result == -EBADF);
    const pipe_ends pipe;
    receiving in;
    in.prepare(pipe.read.get());
    reactor->submit(in);
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.result == -ENOTSOCK);
    operation_with_count unknown;
    unknown.kind = operation_kind::open;
    std::string path = "/no/such/file";
    unknown.address = path.data();
    reactor->submit(unknown);
    CHECK(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(unknown.result == -ENOENT);
}

// ---- streams ----

TEST_CASE("no byte of a stream is stranded, however the pieces arrive") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    const bool tcp = GENERATE(true, false);
    const auto reactor = make_reactor();
    stream_pair pair = tcp ? tcp_pair() : unix_pair();
    constexpr std::size_t total = 200'000;
    std::thread sender([&] {
        std::mt19937 random(seed);
        const std::string piece(200, 's');
        std::size_t sent = 0;
        while (sent < total) {
            const std::size_t most = std::min<std::size_t>(1 + random() % 200, total - sent);
            sent += static_cast<std::size_t>(
                std::max<ssize_t>(::send(pair.far.native_handle(), piece.data(), most, 0), 0));
            spin(static_cast<unsigned>(random() % 400));
        }
        pair.far.close(); // behind the last bytes
    });
    std::size_t got = 0;
    receiving in;
    for (;;) {
        in.prepare(pair.near.native_handle());
        reactor->submit(in);
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        if (in.result <= 0) {
            break;
        }
        got += static_cast<std::size_t>(in.result);
    }
    sender.join();
    CHECK(in.result == 0);
    CHECK(got == total);
}

TEST_CASE("the end, or a reset, right behind a short read is seen") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const bool reset = GENERATE(false, true);
    for (int round = 0; round < 100; ++round) {
        stream_pair pair = tcp_pair();
        receiving in;
        begin_waiting(*reactor, in, pair.near.native_handle());
        put(pair.far.native_handle(), "short");
        if (round % 2 == 0) {
            REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        }
        reset ? close_with_reset(pair.far) : pair.far.close();
        if (round % 2 != 0) {
            REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        }
        if (in.result == 5) {
            in.prepare(pair.near.native_handle());
            reactor->submit(in);
            REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        }
        REQUIRE(in.result == (reset ? -ECONNRESET : 0));
    }
}

TEST_CASE("bytes behind urgent data are not stranded") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const int far = pair.far.native_handle();
    for (int round = 0; round < 50; ++round) {
        receiving in;
        begin_waiting(*reactor, in, pair.near.native_handle());
        put(far, "abc");
        REQUIRE(::send(far, "!", 1, MSG_OOB) == 1);
        put(far, "def");
        std::string got;
        while (got.size() < 6) {
            REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
            REQUIRE(in.result > 0);
            got += in.text();
            if (got.size() < 6) {
                in.prepare(pair.near.native_handle());
                reactor->submit(in);
            }
        }
        REQUIRE(got == "abcdef");
    }
}

TEST_CASE("bytes behind a passed descriptor are not stranded") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = unix_pair();
    const int far = pair.far.native_handle();
    receiving in;
    for (const std::string_view expected : {"with one", "last"}) {
        in.prepare(pair.near.native_handle());
        reactor->submit(in);
        if (expected == "with one") {
            REQUIRE(look<receiving>(*reactor) == 0);
            put_with_descriptor(far, "with one");
            put(far, "last");
        }
        // A read ends at a passed descriptor, however much there is behind it.
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        REQUIRE(in.text() == expected);
    }
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("datagrams are received one by one, and none waits for the next") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    std::array<int, 2> ends{};
    (void)checked(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    const descriptor near(ends[0]);
    const descriptor far(ends[1]);
    receiving in;
    for (int round = 0; round < 10; ++round) {
        begin_waiting(*reactor, in, near.get());
        put(far.get(), "one");
        put(far.get(), "two");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        REQUIRE(in.text() == "one");
        in.prepare(near.get());
        reactor->submit(in);
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        REQUIRE(in.text() == "two");
    }
}

TEST_CASE("an idle stream costs no system call but its reads and writes") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    receiving in;
    in.prepare(pair.near.native_handle());
    reactor->submit(in);
    put(pair.far.native_handle(), "short");
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    char peeked = 0;
    put(pair.far.native_handle(), "x"); // nobody has looked for its event yet
    in.prepare(pair.near.native_handle());
    reactor->submit(in); // known to be empty: it is not tried
    CHECK(::recv(pair.near.native_handle(), &peeked, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
    CHECK(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.text() == "x");
}

TEST_CASE(
    "bytes that come while nobody reads, and others' events are looked at, are not stranded") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const pipe_ends other;
    receiving in;
    reading waits;
    waits.prepare(other.read.get());
    reactor->submit(waits);
    in.prepare(pair.near.native_handle());
    reactor->submit(in);
    REQUIRE(look<operation_with_count>(*reactor) == 0);
    put(pair.far.native_handle(), "first");
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1); // a short read: nothing is left
    put(pair.far.native_handle(), "second");
    REQUIRE(look<operation_with_count>(*reactor) == 0); // takes the event, for nobody
    in.prepare(pair.near.native_handle());
    reactor->submit(in);
    REQUIRE(finish_all<operation_with_count>(*reactor, 1) == 1);
    CHECK(in.text() == "second");
    other.put();
    CHECK(finish_all<operation_with_count>(*reactor, 1) == 1);
}

TEST_CASE("bytes that were only peeked at are still there for the next read") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    receiving in;
    in.prepare(pair.near.native_handle());
    reactor->submit(in);
    put(pair.far.native_handle(), "registered");
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    in.prepare(pair.near.native_handle());
    in.flags = MSG_PEEK;
    reactor->submit(in);
    send_to_waiting(*reactor, in, pair.far.native_handle(), "bytes");
    in.prepare(pair.near.native_handle());
    in.flags = 0;
    reactor->submit(in);
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.text() == "bytes");
}

TEST_CASE("an end or an error that comes alone ends what waits") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    SECTION("a pipe's writer goes: the reader is told of the end") {
        pipe_ends pipe;
        reading in;
        in.prepare(pipe.read.get());
        reactor->submit(in);
        REQUIRE(look<reading>(*reactor) == 0);
        pipe.write.reset();
        REQUIRE(look<reading>(*reactor) == 1);
        CHECK(in.result == 0);
    }
    SECTION("a full pipe's reader goes: the writer is told of the error") {
        const auto before = std::signal(SIGPIPE, SIG_IGN);
        pipe_ends pipe;
        std::vector<char> much(1 << 20);
        operation_with_count out;
        for (int written = 0; written < 2; ++written) { // what fits, and what waits
            out.kind = operation_kind::write;
            out.fd = pipe.write.get();
            out.address = much.data();
            out.length = static_cast<std::uint32_t>(much.size());
            out.offset = aloft::detail::current_position;
            reactor->submit(out);
            REQUIRE(look<operation_with_count>(*reactor) == (written == 0 ? 1U : 0U));
        }
        pipe.read.reset();
        REQUIRE(look<operation_with_count>(*reactor) == 1);
        CHECK(out.result == -EPIPE);
        (void)std::signal(SIGPIPE, before);
    }
    SECTION("a datagram is answered with a refusal: the reader is told of it") {
        descriptor gone(checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        sockaddr_in nobody = loopback_address(0);
        socklen_t length = sizeof nobody;
        auto* const name = reinterpret_cast<sockaddr*>(&nobody);
        (void)checked(::bind(gone.get(), name, length), "bind");
        (void)checked(::getsockname(gone.get(), name, &length), "getsockname");
        const descriptor near(checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        (void)checked(::connect(near.get(), name, length), "connect");
        receiving in;
        begin_waiting(*reactor, in, near.get());
        gone.reset();
        put(near.get(), "anybody?");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        CHECK(in.result == -ECONNREFUSED);
    }
}

// ---- cancelling ----

TEST_CASE(
    "an operation that is cancelled while it waits ends as cancelled, its neighbours do not") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    std::vector<reading> operations(5);
    for (reading& op : operations) {
        op.prepare(pipe.read.get());
        reactor->submit(op);
    }
    const bool from_another_thread = GENERATE(false, true);
    const auto cancel = [&] {
        for (const std::size_t i : {2U, 0U, 4U}) {
            reactor->cancel(operations[i]);
            reactor->cancel(operations[i]); // asking twice is asking once
        }
    };
    if (from_another_thread) {
        std::thread(cancel).join();
    } else {
        cancel();
    }
    CHECK(finish_all<reading>(*reactor, 3) == 3);
    for (const std::size_t i : {0U, 2U, 4U}) {
        CHECK(operations[i].result == -ECANCELED);
    }
    for (const std::size_t i : {1U, 3U}) {
        pipe.put();
        CHECK(finish_all<reading>(*reactor, 1) == 1);
        CHECK(operations[i].result == 1);
        reactor->cancel(operations[i]); // finished: no effect
    }
    CHECK(look<reading>(*reactor) == 0);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("an operation whose stop came before it was submitted ends as cancelled") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    const temporary_directory directory;
    reading waits;
    waits.prepare(pipe.read.get());
    reading never_called;
    never_called.prepare(pipe.read.get());
    never_called.kind = operation_kind::sync;
    for (reading* const each : {&waits, &never_called}) {
        each->stoppable = true;
        each->stop_wanted = true;
        reactor->submit(*each);
    }
    CHECK(finish_all<reading>(*reactor, 2) == 2);
    CHECK(waits.result == -ECANCELED);
    CHECK(never_called.result == -ECANCELED);
}

TEST_CASE("a cancellation races the completion, and one of them ends the operation") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    reading op;
    constexpr int rounds = 2000;
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::thread other([&] {
        std::mt19937 random(seed);
        for (int round = 1; round <= rounds; ++round) {
            wait_closely([&] { return begun.load() >= round; });
            const bool cancel_first = random() % 2 == 0;
            spin(static_cast<unsigned>(random() % 200));
            cancel_first ? reactor->cancel(op) : pipe.put();
            spin(static_cast<unsigned>(random() % 200));
            cancel_first ? pipe.put() : reactor->cancel(op);
            ended.store(round);
        }
    });
    int completed = 0;
    int canceled = 0;
    bool conserved = true;
    for (int round = 1; round <= rounds; ++round) {
        op.prepare(pipe.read.get());
        reactor->submit(op);
        begun.store(round);
        (void)finish_all<reading>(*reactor, 1);
        const int result = op.result;
        wait_closely([&] { return ended.load() >= round; });
        completed += result == 1 ? 1 : 0;
        canceled += result == -ECANCELED ? 1 : 0;
        conserved = conserved && pipe.take_left_over() == (result != 1) && op.finishes == round;
    }
    other.join();
    CHECK(conserved);
    CHECK(completed + canceled == rounds);
    CHECK(reactor->in_flight() == 0);
}

// ---- abandoning ----

TEST_CASE("operations are abandoned while others complete, on the owner's thread and on others") {
    const no_leaked_descriptors descriptors;
    const bool on_owner = GENERATE(true, false);
    const auto reactor = make_reactor();
    constexpr std::size_t rounds = 500;
    const descriptor event = open_event();
    const descriptor zero = open_zero();
    std::vector<reading> short_ones(rounds);
    std::vector<std::unique_ptr<polling>> long_ones(rounds);
    std::size_t others = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        short_ones[i].prepare(zero.get()); // a helper does it
        reactor->submit(short_ones[i]);
        long_ones[i] = std::make_unique<polling>();
        long_ones[i]->prepare(event.get());
        reactor->submit(*long_ones[i]);
        if (i % 3 == 0) {
            others += look<reading>(*reactor);
        }
        if (on_owner) {
            reactor->abandon(*long_ones[i]);
            long_ones[i].reset(); // whoever still refers to it is seen by the address sanitizer
        }
    }
    std::thread abandoner([&] {
        for (auto& op : long_ones) {
            if (op != nullptr) {
                reactor->abandon(*op);
                op.reset();
            }
        }
    });
    others += finish_all<reading>(*reactor, rounds - others);
    abandoner.join();
    others += look<reading>(*reactor);
    CHECK(others == rounds);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("an operation that a helper makes, or has made, is abandoned and its memory goes") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const descriptor zero = open_zero();
    for (unsigned round = 0; round < 500; ++round) {
        auto op = std::make_unique<reading>();
        op->prepare(zero.get());
        reactor->submit(*op);
        spin(round * 10);
        reactor->abandon(*op);
        REQUIRE(op->phase.load() == operation_phase::released);
        op.reset();
    }
    CHECK(look<reading>(*reactor) == 0);
    CHECK(reactor->in_flight() == 0);
}

// ---- waking ----

TEST_CASE("a wake-up before, during or after parking is never lost") {
    const no_leaked_descriptors descriptors;
    const bool with_thief = GENERATE(false, true);
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed << ", with thief: " << with_thief);
    const auto reactor = make_reactor();
    const descriptor event = open_event();
    polling parked; // so that the thief has something to look for
    parked.prepare(event.get());
    reactor->submit(parked);
    constexpr long rounds = 5000;
    std::atomic<long> returns{0};
    std::atomic<bool> stop{false};
    std::thread owner([&] {
        std::mt19937 random(seed);
        while (!stop.load()) {
            work_list finished;
            if (random() % 4 == 0) { // must not use the wake-up up
                reactor->poll(finished, 0);
            }
            reactor->poll(finished, no_deadline);
            returns.fetch_add(1);
        }
    });
    std::thread thief([&] {
        while (with_thief && !stop.load()) {
            work_list finished;
            reactor->help(finished);
        }
    });
    for (long i = 0; i < rounds; ++i) {
        const long before = returns.load();
        reactor->wake();
        wait_closely([&] { return returns.load() > before; });
    }
    stop = true;
    reactor->wake();
    owner.join();
    thief.join();
    CHECK(returns.load() >= rounds);
    reactor->cancel(parked);
    CHECK(finish_all<polling>(*reactor, 1) == 1);
}

TEST_CASE("what has been seen, or what nobody waits for, does not keep the owner awake") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const descriptor event = open_event();
    SECTION("a wake-up that has ended one parking") {
        work_list finished;
        reactor->wake();
        reactor->poll(finished, no_deadline);
        CHECK(effort_of_waiting(*reactor) < 25'000'000);
    }
    SECTION("bytes that nobody reads") {
        receiving in;
        in.prepare(pair.near.native_handle());
        reactor->submit(in);
        put(pair.far.native_handle(), "for the one who reads");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        put(pair.far.native_handle(), "for nobody");
        CHECK(effort_of_waiting(*reactor) < 25'000'000);
    }
    SECTION("an event that a poll has been told of") {
        polling op;
        op.prepare(event.get());
        reactor->submit(op);
        raise_event(event);
        REQUIRE(finish_all<polling>(*reactor, 1) == 1);
        CHECK(effort_of_waiting(*reactor) < 25'000'000);
    }
}

TEST_CASE("parking ends at its deadline and not before, also when signals interrupt it") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const bool interrupted = GENERATE(false, true);
    std::unique_ptr<periodic_signal> signals;
    if (interrupted) {
        signals = std::make_unique<periodic_signal>(200'000);
    }
    work_list finished;
    const auto deadline = now_ns() + 5'000'000;
    int rounds = 0;
    while (now_ns() < deadline) {
        reactor->poll(finished, deadline);
        ++rounds;
    }
    CHECK(finished.empty());
    CHECK(rounds < 1000);       // it did not spin
    reactor->poll(finished, 1); // long past
}

// ---- limits ----

TEST_CASE("limits end operations in the order of their deadlines, and the others stay") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const descriptor event = open_event();
    const std::array<time_limit, 4> limits{time_limit{3600, 0}, time_limit{0, 3'000'000},
                                           time_limit{0, 1'000'000}, time_limit{0, 2'000'000}};
    std::vector<polling> operations(4);
    const auto begin = now_ns();
    for (std::size_t i = 0; i < operations.size(); ++i) {
        operations[i].prepare(event.get(), &limits[i]);
        reactor->submit(operations[i]);
    }
    std::vector<std::size_t> order;
    work_list finished;
    while (order.size() < 3) {
        reactor->poll(finished, no_deadline);
        while (work_node* const node = finished.pop()) {
            const auto& op = static_cast<polling&>(static_cast<operation&>(*node));
            CHECK(op.timed_out);
            CHECK(op.result == -ECANCELED);
            order.push_back(static_cast<std::size_t>(&op - operations.data()));
        }
    }
    CHECK(now_ns() - begin >= 3'000'000);
    CHECK(order == std::vector<std::size_t>{2, 3, 1});
    CHECK(reactor->in_flight() == 1);
    raise_event(event);
    CHECK(finish_all<polling>(*reactor, 1) == 1);
    CHECK(operations[0].result == POLLIN);
    CHECK_FALSE(operations[0].timed_out);
}

TEST_CASE("a limit whose operation has ended in time ends nothing later") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const descriptor event = open_event();
    const time_limit limit{0, 2'000'000};
    polling in_time;
    in_time.prepare(event.get(), &limit);
    reactor->submit(in_time);
    REQUIRE(look<polling>(*reactor) == 0);
    raise_event(event);
    REQUIRE(finish_all<polling>(*reactor, 1) == 1);
    work_list finished;
    reactor->poll(finished, now_ns() + 5'000'000);
    CHECK(finished.empty());
    CHECK(in_time.finishes == 1);
    CHECK_FALSE(in_time.timed_out);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("a limit, a cancellation and a completion race, and one of them ends the operation") {
    const no_leaked_descriptors descriptors;
    race_three_ends(*make_reactor(), 2000);
}

// ---- a busy owner, and several reactors ----

TEST_CASE("another thread harvests what a busy owner has, each answer exactly once") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    const descriptor zero = open_zero();
    const descriptor event = open_event();
    const time_limit soon{0, 1000};
    reading waits;
    waits.prepare(pipe.read.get());
    reading helped;
    helped.prepare(zero.get());
    reactor->submit(helped); // a helper begins, and then waits to be told of the next one
    REQUIRE(finish_all<reading>(*reactor, 1) == 1);
    helped.prepare(zero.get());
    polling limited;
    limited.prepare(event.get(), &soon);
    reactor->submit(waits);
    reactor->submit(helped);
    reactor->submit(limited);
    pipe.put();
    std::size_t count = 0;
    std::thread([&] {
        wait_until([&] {
            work_list finished;
            reactor->help(finished);
            count += count_finished<operation_with_count>(finished);
            return count == 3;
        });
    }).join();
    CHECK(waits.result == 1);
    CHECK(helped.result == 1);
    CHECK(limited.timed_out);
    CHECK(look<operation_with_count>(*reactor) == 0);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE(
    "a searching worker finds the event of a busy owner, looking at the kernel now and then") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    reading op;
    op.prepare(pipe.read.get());
    reactor->submit(op);
    pipe.put();
    std::thread([&] {
        std::size_t count = 0;
        wait_until([&] {
            work_list finished;
            reactor->try_reap(finished);
            count += count_finished<reading>(finished);
            return count == 1;
        });
    }).join();
    CHECK(op.result == 1);
}

TEST_CASE("a parked owner's answers are left to it") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const pipe_ends pipe;
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> stolen{0};
    std::thread thief([&] {
        while (!stop.load()) {
            work_list finished;
            reactor->try_reap(finished);
            stolen.fetch_add(count_finished<reading>(finished));
        }
    });
    std::size_t own = 0;
    reading op;
    for (int round = 1; round <= 2000; ++round) {
        op.prepare(pipe.read.get());
        reactor->submit(op);
        pipe.put();
        while (own + stolen.load() < static_cast<std::size_t>(round)) {
            work_list finished;
            reactor->poll(finished, now_ns() + 100'000);
            own += count_finished<reading>(finished);
        }
    }
    stop = true;
    thief.join();
    CHECK(own + stolen == 2000);
    CHECK(op.finishes == 2000);
}

TEST_CASE("operations of several reactors wait at one descriptor, registered with one of them") {
    const no_leaked_descriptors descriptors;
    const auto set = epoll_reactor::make_set();
    epoll_reactor home(set);
    epoll_reactor other(set);
    epoll_reactor spare(set, true);
    const pipe_ends pipe;
    const pipe_ends spares;
    reading first;
    first.prepare(pipe.read.get());
    reading second;
    second.prepare(pipe.read.get());
    reading third;
    third.prepare(spares.read.get());
    home.submit(first);
    other.submit(second);
    spare.submit(third);
    CHECK(look<reading>(other) == 0);
    pipe.put();
    pipe.put();
    CHECK(finish_all<reading>(home, 2) == 2);
    CHECK(first.result == 1);
    CHECK(second.result == 1);
    CHECK(spare.in_flight() == 0); // it may sleep for long
    reading at_once;
    at_once.prepare(pipe.read.get());
    pipe.put();
    other.submit(at_once);
    CHECK(finish_all<reading>(other, 1) == 1);
    spares.put();
    std::size_t count = 0;
    while (count == 0) {
        count = look<reading>(home) + look<reading>(other);
    }
    CHECK(third.result == 1);
}

TEST_CASE("a limit that another reactor has to watch wakes it") {
    const no_leaked_descriptors descriptors;
    const auto set = epoll_reactor::make_set();
    epoll_reactor home(set);
    epoll_reactor other(set);
    const descriptor event = open_event();
    polling parked;
    parked.prepare(event.get());
    home.submit(parked);
    std::atomic<bool> ended{false};
    std::atomic<std::size_t> count{0};
    std::atomic<pid_t> number{0};
    std::thread owner([&] {
        number = ::gettid();
        while (!ended.load()) {
            work_list finished;
            home.poll(finished, no_deadline);
            count.fetch_add(count_finished<polling>(finished));
        }
    });
    wait_until([&] { return number.load() != 0 && is_asleep(number.load()); }); // it is parked
    const time_limit soon{0, 1'000'000};
    polling limited;
    limited.prepare(event.get(), &soon);
    other.submit(limited);
    wait_until([&] { return count.load() == 1; });
    CHECK(limited.timed_out);
    ended = true;
    home.cancel(parked);
    owner.join();
    CHECK(count + look<polling>(home) == 2);
}

// ---- the end ----

TEST_CASE("refusing ends what waits and refuses what comes later") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const descriptor event = open_event();
    const descriptor zero = open_zero();
    const pipe_ends pipe;
    std::vector<polling> operations(100);
    std::vector<time_limit> limits(100);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        limits[i].seconds = 3600;
        operations[i].prepare(event.get(), i % 2 == 0 ? &limits[i] : nullptr);
        reactor->submit(operations[i]);
    }
    reading waits;
    waits.prepare(pipe.read.get());
    reactor->submit(waits);
    reactor->refuse_all();
    CHECK(finish_all<operation_with_count>(*reactor, 101) == 101);
    for (const polling& op : operations) {
        REQUIRE(op.result == -ECANCELED);
        REQUIRE_FALSE(op.timed_out);
    }
    CHECK(waits.result == -ECANCELED);
    reading late;
    late.prepare(zero.get());
    reactor->submit(late);
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    CHECK(late.result == -ECANCELED);
    reactor->refuse_all();
    reactor->cancel(late);
    CHECK(look<reading>(*reactor) == 0);
    CHECK(reactor->in_flight() == 0);
}

TEST_CASE("refusing leaves alone what another reactor has given to the helpers") {
    const no_leaked_descriptors descriptors;
    const auto set = epoll_reactor::make_set();
    epoll_reactor refuses(set);
    epoll_reactor other(set);
    const descriptor zero = open_zero();
    std::vector<reading> operations(5);
    for (reading& op : operations) {
        op.prepare(zero.get());
        other.submit(op);
    }
    reading own;
    own.prepare(zero.get());
    refuses.submit(own);
    refuses.refuse_all();
    CHECK(finish_all<reading>(refuses, 1) == 1);
    CHECK((own.result == -ECANCELED || own.result == 1)); // a helper may have been there first
    CHECK(finish_all<reading>(other, operations.size()) == operations.size());
    CHECK(each_finished_once(operations));
    for (const reading& op : operations) {
        CHECK(op.result == 1);
    }
}

TEST_CASE(
    "a number too large for the table, or memory that is missing, is an error of the operation") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    reading op;
    op.prepare(static_cast<int>(aloft::detail::descriptor_table::most_descriptors));
    reactor->submit(op);
    CHECK(finish_all<reading>(*reactor, 1) == 1);
    CHECK(op.result == -ENOMEM);
}
