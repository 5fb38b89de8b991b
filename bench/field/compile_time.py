# SPDX-License-Identifier: MIT
"""What it costs to compile one small file."""

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import report

FLOOR = "standard headers that a task needs"
TASK = """#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
aloft::task<int> leaf(int x) { co_return x; }
aloft::task<int> sum() {
    auto [a, b] = co_await aloft::when_all(leaf(1), leaf(2));
    co_return a + b;
}
int main() { return aloft::sync_wait(sum()); }
"""
UMBRELLA = """#include <aloft/aloft.hpp>
using namespace std::chrono_literals;
aloft::task<int> hello() { co_await aloft::sleep_for(1ms); co_return 42; }
int main() { return aloft::sync_wait(hello()); }
"""
# name: source, flags
FILES = {
    FLOOR: ("""#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
int main() {}
""", []),
    "the same, and those for time, files and threads": ("""#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>
int main() {}
""", []),
    "aloft, task + when_all + sync_wait": (TASK, []),
    "the same, ALOFT_SEPARATE": (TASK, ["-DALOFT_SEPARATE=1"]),
    "aloft, everything": (UMBRELLA, []),
    "aloft, everything, ALOFT_SEPARATE": (UMBRELLA, ["-DALOFT_SEPARATE=1"]),
    "asio": ("""#include <boost/asio.hpp>
namespace asio = boost::asio;
using namespace std::chrono_literals;
asio::awaitable<int> hello() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    co_return 42;
}
int main() {
    asio::io_context context;
    asio::co_spawn(context, hello(), [](std::exception_ptr, int) {});
    context.run();
}
""", []),
}


def user_seconds(command):
    """None if it failed."""
    before = os.times()
    done = subprocess.run(command, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user if done.returncode == 0 else None


def section(include, options):
    compilers = [name for name in dict.fromkeys([os.environ.get("CXX", "g++"), "clang++-19"])
                 if shutil.which(name)]
    rounds = min(options.rounds, 3)
    lines = ["## Compiling one small file, -O2", "", "User seconds; median (least to most).", ""]
    times = {}  # compiler, file -> one dictionary per round
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "hello.cpp"
        for number in range(rounds):
            options.say(f"compile, round {number + 1}")
            for name, (source, flags) in FILES.items():
                path.write_text(source)
                for compiler in compilers:
                    took = user_seconds([compiler, "-std=c++20", "-O2", *flags, "-I", str(include),
                                         "-c", str(path), "-o", str(path.with_suffix(".o"))])
                    times.setdefault((compiler, name), []).append(
                        {} if took is None else {"s": took})
    header = [""]
    for compiler in compilers:
        header += [compiler, "in proportion to asio"]
    table = []
    for name in FILES:
        row = [name]
        for compiler in compilers:
            row += [report.cell(times[compiler, name], "s"),
                    report.ratio(times[compiler, name], times[compiler, "asio"], "s")]
        table.append(row)
    return lines + report.rows(header, table)
