// SPDX-License-Identifier: MIT
// Which backend a runtime gets, what it says about that, and what is refused.
#include <support/child_process.hpp>
#include <support/descriptor_limit.hpp>
#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/refusing_kernel.hpp>
#include <support/sockets.hpp>
#include <support/system_call_filter.hpp>

#include <aloft/file.hpp>
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::backend;
using aloft::runtime;
using aloft::sync_wait;

namespace {

/// Sets ALOFT_BACKEND, or unsets it, and puts it back.
class environment_backend {
public:
    explicit environment_backend(const char* value) {
        if (const char* const old = std::getenv("ALOFT_BACKEND")) {
            before_ = old;
        }
        set(value);
    }
    environment_backend(const environment_backend&) = delete;
    environment_backend& operator=(const environment_backend&) = delete;
    ~environment_backend() { set(before_ ? before_->c_str() : nullptr); }

private:
    static void set(const char* value) {
        value == nullptr ? ::unsetenv("ALOFT_BACKEND") : ::setenv("ALOFT_BACKEND", value, 1);
    }

    std::optional<std::string> before_;
};

/// A runtime that works says "made: <backend>"; else "<error number>: <sentence>".
[[nodiscard]] std::string attempt_to_make(backend wanted, std::size_t threads = 2) {
    try {
        runtime rt(workers(threads).backend(wanted));
        const stream_pair pair = unix_pair();
        std::array<char, 4> buffer{};
        sync_wait(rt, aloft::when_all(pair.near.write_all("data"),
                                      pair.far.read_exact(std::span(buffer)),
                                      aloft::detail::as_task(aloft::sleep_for(1us))));
        const aloft::file zero = sync_wait(rt, aloft::file::open("/dev/zero"));
        (void)sync_wait(rt, zero.read_exact(std::span(buffer)));
        return "made: " + std::string(rt.backend());
    } catch (const std::system_error& error) {
        return std::to_string(error.code().value()) + ": " + error.what();
    }
}

/// This process's calls of that number fail from now on.
[[nodiscard]] bool deny(long call, int error) {
    return answer_calls(call, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
}

/// From now on this process gets no ring of more entries than that, for want of memory.
[[nodiscard]] bool deny_rings_above(unsigned entries) {
    std::array<sock_filter, 6> code{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(SYS_io_uring_setup), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)), // its lower half
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, entries, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(ENOMEM)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    return install_filter(code);
}

/// What is said where a call is denied, in a child process, without descriptors left behind.
[[nodiscard]] child_answer where_denied(long call, int error, backend wanted) {
    child_answer answer = run_in_child([&]() -> std::string {
        const environment_backend unset(nullptr);
        if (!deny(call, error)) {
            return "skip";
        }
        const std::size_t before = open_descriptors().size();
        const std::string said = attempt_to_make(wanted);
        return open_descriptors().size() == before ? said : "leaked: " + said;
    });
    if (!answer.exited() || answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    return answer;
}

[[nodiscard]] bool io_uring_works_here() {
    const environment_backend unset(nullptr);
    return attempt_to_make(backend::io_uring).find("made: io_uring") == 0;
}

} // namespace

// ---- the choice ----

TEST_CASE("the program's choice is what it gets, whatever the environment says") {
    const no_leaked_descriptors descriptors;
    const environment_backend other(
        GENERATE(as<const char*>{}, nullptr, "automatic", "io_uring", "epoll", "nonsense"));
    CHECK(attempt_to_make(backend::epoll) == "made: epoll: chosen by runtime_options");
    if (io_uring_works_here()) {
        CHECK(attempt_to_make(backend::io_uring) == "made: io_uring, 256 entries per worker");
    }
}

TEST_CASE("the environment takes the place of the automatic choice") {
    const no_leaked_descriptors descriptors;
    {
        const environment_backend epoll("epoll");
        CHECK(attempt_to_make(backend::automatic) == "made: epoll: chosen by ALOFT_BACKEND");
    }
    if (io_uring_works_here()) {
        const environment_backend others(
            GENERATE(as<const char*>{}, nullptr, "", "automatic", "io_uring"));
        CHECK(attempt_to_make(backend::automatic) == "made: io_uring, 256 entries per worker");
    }
}

TEST_CASE("an environment that names no backend is an error that says what it may name") {
    const no_leaked_descriptors descriptors;
    const environment_backend nonsense(GENERATE(as<const char*>{}, "kqueue", "EPOLL", " epoll"));
    const std::string said = attempt_to_make(backend::automatic);
    CHECK(said.find(std::to_string(EINVAL) + ": ") == 0);
    CHECK(said.find("ALOFT_BACKEND") != std::string::npos);
    CHECK(said.find(std::getenv("ALOFT_BACKEND")) != std::string::npos);
    CHECK(said.find("automatic, io_uring or epoll") != std::string::npos);
}

TEST_CASE("a backend that this build does not have is refused by its name") {
    const std::string said = attempt_to_make(GENERATE(backend::iocp, backend::simulated));
    CHECK(said.find("runtime_options::backend") != std::string::npos);
}

// ---- where io_uring is denied ----

TEST_CASE("where io_uring is denied the automatic choice is epoll, and says with which error") {
    const auto [error, name] = GENERATE(
        table<int, std::string>({{EPERM, "EPERM"}, {ENOSYS, "ENOSYS"}, {EINVAL, "EINVAL"}}));
    const child_answer answer = where_denied(SYS_io_uring_setup, error, backend::automatic);
    CHECK(answer.said == "made: epoll: io_uring_setup: " + name);
}

TEST_CASE("where io_uring is denied and demanded it is an error that says what could be used") {
    const int error = GENERATE(EPERM, ENOSYS, EINVAL);
    const child_answer answer = where_denied(SYS_io_uring_setup, error, backend::io_uring);
    INFO(answer.said);
    CHECK(answer.said.find(std::to_string(error) + ": runtime: ") == 0);
    CHECK(answer.says("io_uring_setup"));
    CHECK(answer.says("epoll"));
}

TEST_CASE("where the rings' opcodes cannot be asked for, the choice is epoll") {
    const child_answer answer = where_denied(SYS_io_uring_register, EPERM, backend::automatic);
    INFO(answer.said);
    CHECK(answer.said.find("made: epoll: io_uring: ") == 0);
}

TEST_CASE("where a ring is set up and nothing comes through it, the choice is epoll") {
    const int error = GENERATE(EPERM, ENOSYS, EINVAL);
    const child_answer answer = where_denied(SYS_io_uring_enter, error, backend::automatic);
    INFO(answer.said);
    CHECK(answer.said.find("made: epoll: io_uring: a trial read failed") == 0);
    const child_answer demanded = where_denied(SYS_io_uring_enter, error, backend::io_uring);
    INFO(demanded.said);
    CHECK(demanded.says("a trial read failed"));
    CHECK(demanded.said.find("made") == std::string::npos);
}

TEST_CASE("epoll works, and waits, where its newer wait is unknown") {
#ifdef SYS_epoll_pwait2
    const int error = GENERATE(ENOSYS, EPERM);
    const child_answer answer = run_in_child([error]() -> std::string {
        if (!deny(SYS_epoll_pwait2, error)) {
            return "skip";
        }
        runtime rt(workers(1).backend(backend::epoll));
        const auto begin = std::chrono::steady_clock::now();
        const std::clock_t used = std::clock();
        sync_wait(rt, aloft::sleep_for(200ms));
        const bool in_time = std::chrono::steady_clock::now() - begin >= 200ms;
        const bool idle = std::clock() - used < CLOCKS_PER_SEC / 10; // of processor time
        return std::string(in_time ? "in time, " : "too early, ") + (idle ? "idle" : "spinning");
    });
    if (!answer.exited() || answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    CHECK(answer.said == "in time, idle");
#endif
}

// ---- what is used up is no reason for another backend ----

TEST_CASE("out of descriptors is an error that says what to raise, and leaves nothing behind") {
    const auto wanted = GENERATE(backend::automatic, backend::io_uring, backend::epoll);
    const int further = GENERATE(0, 1, 2, 3, 4, 5);
    const child_answer answer = run_in_child([&]() -> std::string {
        const environment_backend unset(nullptr);
        const std::size_t before = open_descriptors().size();
        std::string said;
        {
            const descriptor_limit few(further);
            try {
                const runtime rt(workers(8).backend(wanted));
                said = "made: " + std::string(rt.backend());
            } catch (const std::system_error& error) {
                said = std::to_string(error.code().value()) + ": " + error.what();
            }
        }
        return open_descriptors().size() == before ? said : "leaked: " + said;
    });
    INFO(answer.said << answer.errors);
    CHECK(answer.said.find(std::to_string(EMFILE) + ": runtime: ") == 0);
    CHECK(answer.says(" of 8: "));
    if (wanted == backend::epoll) {
        CHECK(answer.says("RLIMIT_NOFILE"));
        CHECK(answer.says("epoll instance"));
    }
}

TEST_CASE("missing memory for rings is an error and no reason for epoll") {
    const child_answer answer = where_denied(SYS_io_uring_setup, ENOMEM, backend::automatic);
    INFO(answer.said);
    CHECK(answer.said.find(std::to_string(ENOMEM) + ": runtime: ring 1 of 2: ") == 0);
    CHECK(answer.says("RLIMIT_MEMLOCK"));
}

TEST_CASE("rings that there is no memory for become smaller until there is, and say so") {
    if (!io_uring_works_here()) {
        SKIP("io_uring does not work here");
    }
    const auto wanted = GENERATE(backend::automatic, backend::io_uring);
    const child_answer answer = run_in_child([wanted]() -> std::string {
        const environment_backend unset(nullptr);
        return deny_rings_above(32) ? attempt_to_make(wanted) : "skip";
    });
    if (!answer.exited() || answer.says("skip")) {
        SKIP("system call filters are not allowed here: " << answer.errors);
    }
    INFO(answer.said);
    CHECK(answer.said.find("made: io_uring, 32 entries per worker (locked memory") == 0);
}

TEST_CASE("where the kernel has no descriptors left, that is an error and no reason for epoll") {
    const int error = GENERATE(EMFILE, ENFILE);
    const child_answer answer = where_denied(SYS_io_uring_setup, error, backend::automatic);
    INFO(answer.said);
    CHECK(answer.said.find(std::to_string(error) + ": runtime: ring 1 of 2: ") == 0);
    CHECK(answer.says("RLIMIT_NOFILE"));
}

TEST_CASE("missing memory for a ring's first operation is an error and no reason for epoll") {
    const long call = GENERATE(SYS_io_uring_enter, SYS_io_uring_register);
    const int error = GENERATE(ENOMEM, EAGAIN, EBUSY);
    if (!io_uring_works_here()) {
        SKIP("io_uring does not work here");
    }
    const child_answer answer = where_denied(call, error, backend::automatic);
    INFO(answer.said);
    CHECK(answer.said.find(std::to_string(error) + ": runtime: ring 1 of 2: ") == 0);
    CHECK(answer.says("memory limit"));
}

TEST_CASE("a trial read that a signal interrupts is made again") {
    if (!io_uring_works_here()) {
        SKIP("io_uring does not work here");
    }
    std::atomic<int> refusals = 2; // the first two calls, which are those of the trial
    refusing_kernel kernel([&] { return refusals.fetch_sub(1) > 0 ? EINTR : 0; });
    std::string said;
    const bool ran = kernel.run([&] {
        const environment_backend unset(nullptr);
        said = attempt_to_make(backend::automatic);
    });
    if (!ran) {
        SKIP("system call filters are not allowed here");
    }
    CHECK(said.find("made: io_uring") == 0);
    CHECK(refusals.load() < 0);
}
