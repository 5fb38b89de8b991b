# SPDX-License-Identifier: MIT
"""On what, and with what, the figures were made."""

import os
import pathlib
import platform
import shutil
import subprocess
import time


def first_line(command):
    if not shutil.which(command[0]):
        return "not there"
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout.splitlines() or ["-"])[0]


def package(*names):
    """The version of the first that is installed, on systems with dpkg."""
    for name in names if shutil.which("dpkg-query") else []:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True,
                              text=True)
        if done.returncode == 0 and done.stdout:
            return done.stdout
    return "not there, or not from a package"


def cached(build, variable):
    """What CMake found, for example which cargo."""
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(variable + ":") and not line.endswith("NOTFOUND"):
            return line.partition("=")[2]
    return "/none"


def describe(options):
    model = "-"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    compiler = cached(options.build, "CMAKE_CXX_COMPILER")
    here = str(pathlib.Path(__file__).parent)
    commit = first_line(["git", "-C", here, "rev-parse", "--short", "HEAD"])
    return [
        f"- machine: {model}, {os.cpu_count()} processors, {int(memory) // 1024} MiB",
        f"- kernel: {platform.release()}; load at the start: {os.getloadavg()[0]:.2f}",
        f"- compilers: {first_line([compiler, '--version'])}, -O3 -DNDEBUG; "
        f"as \"clang\": {first_line([cached(options.build, 'ALOFT_CLANG'), '--version'])}, "
        "-O3 -DNDEBUG",
        f"- liburing {package('liburing-dev')}; "
        f"Boost {package('libboost1.81-dev', 'libboost-dev')}; "
        f"oneTBB {package('libtbb-dev')}; libuv {package('libuv1-dev')}",
        f"- Go: {first_line(['go', 'version'])}",
        f"- tokio {package('librust-tokio-dev')}, "
        f"{first_line([cached(options.build, 'ALOFT_RUSTC'), '--version'])}, opt-level 3",
        f"- commit {commit}, {time.strftime('%Y-%m-%d')}",
        f"- {options.rounds} round{'s' if options.rounds > 1 else ''}; `bench/field/run"
        f"{' --quick' if options.quick else ''}`; the programs are in build/release/bench/field",
        ""]
