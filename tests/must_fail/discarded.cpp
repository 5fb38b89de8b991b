// SPDX-License-Identifier: MIT
// Each statement makes something that does nothing unless it is awaited, or joined, or held, and drops
// it. Exactly one warning each.
#include <aloft/aloft.hpp>

#include <array>
#include <chrono>
#include <span>
#include <vector>

using namespace std::chrono_literals;
using namespace aloft;

task<int> work();
shared_task<int> shared();
generator<int> numbers();
async_generator<int> numbers_later();

// Coroutines and what joins them: 20.
void drops(runtime& rt, strand& s, stop_token token, std::vector<task<int>> several) {
    work();
    shared();
    numbers();
    numbers_later();
    when_all(work(), work());
    when_all(std::move(several));
    when_any(work(), work());
    when_all_settled(work(), work());
    when_each(std::vector<task<int>>());
    parallel_for_each(std::array<int, 1>(), 1, [](int) -> task<> { co_return; });
    with_task_group([](task_group&) -> task<> { co_return; });
    as_result(work());
    retry(retry_options{}, [] { return work(); });
    with_timeout(1s, work());
    with_stop(token, work());
    with_priority(priority::high, work());
    run_on(s, work());
    resume_on(rt);
    spawn(rt, work());
    spawn(rt, [] { return 1; });
}

// What tasks wait for, and hold: 21.
void drops(mutex& m, shared_mutex& sm, semaphore& sem, event& e, auto_event& a, latch& l,
           barrier<>& b, condition_variable& c, mutex::guard& guard, once& o, channel<int>& ch,
           broadcast_channel<int>::subscription& news, watch_channel<int>::subscription& state,
           completion_source<int>& source, periodic_timer& timer) {
    m.lock();
    m.try_lock();
    sm.lock();
    sm.lock_shared();
    sem.acquire();
    e.wait();
    a.wait();
    l.wait();
    b.arrive_and_wait();
    c.wait(guard);
    o.call([] {});
    ch.send(1);
    ch.recv();
    select(ch.recv(), after(1s));
    news.recv();
    state.changed();
    source.get();
    timer.tick();
    sleep_for(1s);
    sleep_until(std::chrono::steady_clock::now());
    yield();
}

// What the system does: 18.
void drops(tcp_stream& stream, tcp_listener& listener, file& f, signal_set& signals,
           pipe_reader& reader, pipe_writer& writer, std::span<char> to, std::span<const char> from,
           std::span<std::byte> bytes) {
    stream.read_some(to);
    stream.read_exact(to);
    stream.write_some(from);
    stream.write_all(from);
    tcp_stream::connect(endpoint("127.0.0.1", 1));
    listener.accept();
    file::open("name", open_mode::read);
    f.read_some(to);
    f.read_at(0, bytes);
    f.write_all(from);
    reader.read_some(to);
    reader.read_exact(to);
    writer.write_some(from);
    writer.write_all(from);
    resolve("localhost", 1);
    poll(0, poll_events::in);
    signals.wait();
    offload([] { return 1; });
}
