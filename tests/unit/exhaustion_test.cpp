// SPDX-License-Identifier: MIT
// What the system runs out of, or refuses: descriptors, threads, locked memory, io_uring itself.
#include <aloft/detail/base/atomic.hpp>
#include <aloft/runtime.hpp>

#include <support/child_process.hpp>
#include <support/descriptor_limit.hpp>
#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>
#include <support/system_call_filter.hpp>

#include <aloft/file.hpp>
#include <aloft/offload.hpp>
#include <aloft/signal_set.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::runtime;
using aloft::sync_wait;
using aloft::task;

namespace {

/// "made: <backend>" or "<error number>: <sentence>".
[[nodiscard]] std::string attempt_to_make(const aloft::runtime_options& options) {
    try {
        runtime rt(options);
        sync_wait(rt, aloft::sleep_for(1us));
        return "made: " + std::string(rt.backend());
    } catch (const std::system_error& error) {
        return std::to_string(error.code().value()) + ": " + error.what();
    }
}

[[nodiscard]] aloft::runtime_options with_rings(std::size_t threads) {
    return workers(threads).backend(aloft::backend::io_uring);
}

/// This process's calls of io_uring_setup fail from now on.
[[nodiscard]] bool deny_io_uring(int error) {
    return answer_calls(SYS_io_uring_setup, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
}

/// Gives the privileges up that make limits meaningless.
[[nodiscard]] bool become_nobody() {
    constexpr unsigned nobody = 65534;
    return ::getuid() != 0 || ::setresuid(nobody, nobody, nobody) == 0;
}

[[nodiscard]] bool limit(int resource, rlim_t most) {
    const rlimit wanted{most, most};
    return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &wanted) == 0;
}

/// Keeps the workers busy for some rounds of the watcher, and then lets them pause, again and again.
task<> be_busy_and_pause(int times) {
    for (; times > 0; --times) {
        const auto until = std::chrono::steady_clock::now() + 5ms;
        while (std::chrono::steady_clock::now() < until) {
            co_await aloft::yield();
        }
        co_await aloft::sleep_for(1ms);
    }
}

} // namespace

// ---- descriptors ----

TEST_CASE("opening fails while descriptors are used up and works afterwards") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    {
        const descriptor_limit none;
        const ending result = ending_of(rt, [] { return aloft::file::open("/dev/null"); });
        CHECK(result.code == std::errc::too_many_files_open);
        CHECK(result.says("open /dev/null"));
    }
    CHECK(ending_of(rt, [] { return aloft::file::open("/dev/null"); }).succeeded);
}

TEST_CASE("connecting fails while descriptors are used up and works afterwards") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const auto listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    const aloft::endpoint local = listener.local_endpoint();
    const auto connect = [&] { return aloft::tcp_stream::connect(local); };
    {
        const descriptor_limit none;
        const ending result = ending_of(rt, connect);
        CHECK(result.code == std::errc::too_many_files_open);
        CHECK(result.says("connect"));
        CHECK(result.says(local.to_string()));
    }
    CHECK(ending_of(rt, connect).succeeded);
}

TEST_CASE("accepting fails while descriptors are used up, and the connection is not lost") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const auto listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    const auto accept = [&] { return listener.accept(); };
    SECTION("with a connection that waits") {
        const auto client = sync_wait(rt, aloft::tcp_stream::connect(listener.local_endpoint()));
        {
            const descriptor_limit none;
            const ending result = ending_of(rt, accept);
            CHECK(result.code == std::errc::too_many_files_open);
            CHECK(result.says("accept"));
        }
        CHECK(ending_of(rt, accept).succeeded);
    }
    SECTION("with an accept that waits") {
        std::atomic<int> begun{0};
        ending result;
        auto accepting = aloft::spawn(rt, run_and_record(accept, begun, result));
        sync_wait(rt, aloft::sleep_for(1ms));
        std::optional<aloft::tcp_stream> client;
        {
            const descriptor_limit one(1); // for the client
            client = sync_wait(rt, aloft::tcp_stream::connect(listener.local_endpoint()));
            sync_wait(rt, accepting);
        }
        // Some kernels have set a number aside when the accept began.
        if (!result.succeeded) {
            CHECK(result.code == std::errc::too_many_files_open);
            CHECK(ending_of(rt, accept).succeeded);
        }
    }
}

TEST_CASE("binding and signal sets name what is used up") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    const descriptor_limit none;
    try {
        (void)aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
        FAIL("a listener was made without a descriptor");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::too_many_files_open);
        CHECK(std::string(error.what()).find("127.0.0.1:0") != std::string::npos);
    }
    CHECK_THROWS_AS((aloft::signal_set{SIGUSR1}), std::system_error);
}

TEST_CASE("a runtime is made whole or not at all, whatever the number of descriptors") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    bool made = false;
    int further = 0;
    for (; !made && further < 40; ++further) {
        std::string answer;
        {
            const no_leaked_descriptors none_left_by_the_attempt;
            const descriptor_limit few(further);
            answer = attempt_to_make(workers(3));
        }
        INFO(further << " further descriptors: " << answer);
        made = answer.find("made: ") == 0;
        if (!made) {
            CHECK(answer.find(std::to_string(EMFILE) + ": ") == 0);
            CHECK(answer.find("runtime") != std::string::npos);
            CHECK((answer.find("descriptor") != std::string::npos ||
                   answer.find("eventfd") != std::string::npos ||
                   answer.find("pipe2") != std::string::npos));
        }
    }
    CHECK(made);
    CHECK(further > 3);
}

// ---- threads ----

TEST_CASE("a runtime whose threads cannot be started says so and leaves nothing behind") {
    const child_answer answer = run_in_child([]() -> std::string {
        if (!become_nobody() || !limit(RLIMIT_NPROC, 0)) {
            return "skip";
        }
        try {
            std::thread([] {}).join();
            return "skip"; // the limit does not bite here
        } catch (const std::system_error&) {
        }
        const std::size_t before = open_descriptors().size();
        const std::string said = attempt_to_make(workers(4).ring_entries(8));
        return open_descriptors().size() == before ? said : "leaked: " + said;
    });
    if (answer.says("skip") || !answer.exited()) {
        SKIP("threads cannot be limited here: " << answer.said << answer.errors);
    }
    INFO(answer.said);
    CHECK(answer.said.find(std::to_string(EAGAIN) + ": runtime: thread 1 of 5") == 0);
}

TEST_CASE("a call that finds no thread ends with an error instead of waiting for ever") {
    const child_answer answer = run_in_child([]() -> std::string {
        if (!become_nobody()) {
            return "skip";
        }
        runtime rt(workers(2).ring_entries(8));
        if (!limit(RLIMIT_NPROC, 0)) {
            return "skip";
        }
        try {
            std::thread([] {}).join();
            return "skip";
        } catch (const std::system_error&) {
        }
        const ending result = ending_of(rt, [] { return aloft::offload([] {}); });
        return result.code == std::errc::resource_unavailable_try_again
                   ? result.sentence
                   : "wrong: " + result.sentence;
    });
    if (answer.says("skip") || !answer.exited()) {
        SKIP("threads cannot be limited here: " << answer.said << answer.errors);
    }
    CHECK(answer.said.find("offload: no thread") == 0);
}

// ---- locked memory ----

TEST_CASE("little locked memory makes smaller rings, which the backend's description says") {
    const child_answer answer = run_in_child([]() -> std::string {
        if (!become_nobody() || !limit(RLIMIT_MEMLOCK, 256 * 1024)) {
            return "skip";
        }
        // The kernel gives a ring's memory back some time after its end, and others run as nobody, too.
        std::string said;
        for (int tries = 0; tries < 100 && said.find("made: ") != 0; ++tries) {
            std::this_thread::sleep_for(tries * 1ms);
            said = attempt_to_make(with_rings(2).ring_entries(32768));
        }
        return said;
    });
    INFO(answer.said);
    if (!answer.exited() || answer.says("skip") ||
        answer.said == "made: io_uring, 32768 entries per worker") {
        SKIP("locked memory is not limited here: " << answer.said << answer.errors);
    }
    CHECK(answer.said.find("made: io_uring") == 0);
    CHECK(answer.says("locked memory"));
    CHECK(answer.says("32768"));
}

TEST_CASE("too little locked memory for any ring is an error that says what to do") {
    const child_answer answer = run_in_child([]() -> std::string {
        if (!become_nobody() || !limit(RLIMIT_MEMLOCK, 4096)) {
            return "skip";
        }
        const std::size_t before = open_descriptors().size();
        const std::string said = attempt_to_make(with_rings(2));
        return open_descriptors().size() == before ? said : "leaked: " + said;
    });
    INFO(answer.said);
    if (!answer.exited() || answer.says("skip") || answer.says("made: io_uring")) {
        SKIP("locked memory is not limited here: " << answer.said << answer.errors);
    }
    CHECK(answer.said.find(std::to_string(ENOMEM) + ": ") == 0);
    CHECK(answer.says("runtime"));
    CHECK(answer.says("RLIMIT_MEMLOCK"));
}

// ---- fences ----

TEST_CASE("where membarrier has come to be refused a new runtime does without it") {
    const child_answer answer = run_in_child([]() -> std::string {
        {
            runtime before(workers(1));
            sync_wait(before, aloft::sleep_for(1us));
        }
        if (!test_support::answer_calls(SYS_membarrier, SECCOMP_RET_ERRNO | EPERM)) {
            return "skip";
        }
        runtime rt(workers(2));
        sync_wait(rt, aloft::when_all(be_busy_and_pause(20), be_busy_and_pause(20)));
        return "fine";
    });
    if (answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    INFO(answer.errors);
    CHECK(answer.said == "fine");
}

TEST_CASE("a worker whose own filter refuses membarrier ends the program with a sentence") {
    const child_answer answer = run_in_child([]() -> std::string {
        runtime rt(workers(1));
        if (!aloft::detail::asymmetric_fences()) {
            return "skip";
        }
        auto install = []() -> task<bool> {
            co_return test_support::answer_calls(SYS_membarrier, SECCOMP_RET_ERRNO | EPERM);
        };
        if (!sync_wait(rt, install())) {
            return "skip";
        }
        sync_wait(rt, be_busy_and_pause(1000)); // until the watcher has had the time
        return "survived";
    });
    if (answer.says("skip")) {
        SKIP("no such fences, or no system call filters: " << answer.errors);
    }
    CHECK(answer.aborted());
    CHECK(answer.errors.find("membarrier") != std::string::npos);
}

// ---- io_uring itself ----

TEST_CASE("where io_uring is denied the runtime says so and with which error") {
    const int error = GENERATE(EPERM, ENOSYS, EINVAL);
    const child_answer answer = run_in_child([error]() -> std::string {
        if (!deny_io_uring(error)) {
            return "skip";
        }
        const std::size_t before = open_descriptors().size();
        const std::string said = attempt_to_make(with_rings(2));
        return open_descriptors().size() == before ? said : "leaked: " + said;
    });
    INFO(answer.said);
    if (!answer.exited() || answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    CHECK(answer.said.find(std::to_string(error) + ": ") == 0);
    CHECK(answer.says("io_uring_setup"));
    CHECK(answer.says(std::system_category().message(error)));
}

TEST_CASE("an error that is no denial is reported as what it is") {
    const child_answer answer = run_in_child([]() -> std::string {
        return deny_io_uring(ENFILE) ? attempt_to_make(with_rings(2)) : "skip";
    });
    INFO(answer.said);
    if (!answer.exited() || answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    CHECK(answer.said.find(std::to_string(ENFILE) + ": ") == 0);
    CHECK(answer.says("runtime"));
}

TEST_CASE("backends that this build does not have are refused by name") {
    const auto wanted = GENERATE(aloft::backend::iocp, aloft::backend::simulated);
    const std::string answer = attempt_to_make(workers(1).backend(wanted));
    CHECK(answer.find("runtime_options::backend") != std::string::npos);
}

TEST_CASE("a runtime that is used in a forked child ends that child with a sentence") {
    runtime rt(workers(1));
    sync_wait(rt, aloft::sleep_for(1us));
    const child_answer answer = run_in_child([&]() -> std::string {
        sync_wait(rt, aloft::sleep_for(1us));
        return "survived";
    });
    CHECK(answer.aborted());
    CHECK(answer.errors.find("fork()") != std::string::npos);
    sync_wait(rt, aloft::sleep_for(1us)); // the parent's goes on
}
