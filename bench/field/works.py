# SPDX-License-Identifier: MIT
"""The works of the comparison: which programs, with which arguments, and what they print."""

import dataclasses

OURS = "aloft"  # and names that begin so
CLANG = "aloft clang"
EPOLL = "aloft epoll"  # the same program, told by its environment


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    title: str
    peers: dict[str, list[str]]  # what the report calls it, program and its own arguments
    figures: list[tuple[str, str]]  # what the program prints, and what that is
    before: tuple[list[str], list[str]] = ([], [])  # the peer; the second one when in a hurry
    after: tuple[list[str], list[str]] = ([], [])  # the peer
    in_a_hurry: bool = True  # else it is left out then
    group: str = ""  # what --only also understands

    def words(self, peer, quick):
        """Program and arguments; {round} and {file} stand for what the driver puts there."""
        return self.before[quick] + self.peers[peer] + self.after[quick]

    @property
    def names(self):
        return {self.name, self.group or self.name}


def both(arguments):
    """The same in a hurry."""
    return (arguments, arguments)


def programs(work, *peers):
    """"asio clang" is the program field_<work>_asio_clang."""
    return {peer: ["/usr/bin/env", "ALOFT_BACKEND=epoll", f"field_{work}_aloft"] if peer == EPOLL
            else [f"field_{work}_{peer.replace(' ', '_')}"] for peer in peers}


def echo(connections, size, in_a_hurry):
    load = ["field_load", "echo", str(connections), str(size)]
    return Work(
        f"echo_{connections}_{size}",
        f"TCP echo: {connections} connection{'s' if connections > 1 else ''}, {size} bytes, "
        "one server thread",
        programs("echo", "aloft", CLANG, EPOLL, "uring", "asio", "asio uring", "uv", "go", "tokio"),
        [("cpu_us", "us of the server's processor time per echo"),
         ("user_us", "us of that in user mode"),
         ("requests_per_s", "echoes per second"),
         ("system_calls", "system calls per echo")],
        before=(load + ["400"], load + ["80"]), after=both(["1"]), in_a_hurry=in_a_hurry,
        group="echo")


def files(direct, depth):
    arguments = [str(depth), str(direct)]
    count = (("20000" if direct else "300000"), ("500" if direct else "5000"))
    figures = [("cpu_us", "us of processor time per read"), ("reads_per_s", "reads per second")]
    if direct:
        figures.append(("device_depth", "requests at the device, on average"))
    return Work(
        f"files_{'direct' if direct else 'cached'}_{depth}",
        f"4 KiB reads {'past' if direct else 'from'} the page cache, {depth} at a time",
        # pread comes first: it makes the file.
        programs("files", "pread", "aloft", CLANG, "uring", "asio uring", "tokio"), figures,
        after=(["{file}", count[0], *arguments], ["{file}", count[1], *arguments]), group="files")


def hog(hogs, in_a_hurry):
    return Work(
        "hog" if hogs == 1 else "hogs",
        f"{'One task computes' if hogs == 1 else 'As many tasks as threads compute'} for a second: "
        "how late are sleeping tasks, 2 threads",
        programs("hog", "aloft", CLANG, EPOLL, "asio", "go", "tokio"),
        [("sleep_p50_ms", "ms, p50"), ("sleep_p99_ms", "ms, p99"), ("sleep_worst_ms", "ms, worst")],
        after=both([str(hogs), "2"]), in_a_hurry=in_a_hurry, group="hog")


def hog_echo(hogs):
    return Work(
        "hog_echo" if hogs == 1 else "hogs_echo",
        f"{'One request keeps' if hogs == 1 else 'Two requests keep'} the server computing for a "
        "second: how late are 10,000 echoes per second meanwhile, 2 threads",
        programs("echo", "aloft", CLANG, EPOLL, "asio", "threads", "go", "tokio"),
        [("echo_p50_ms", "ms, p50"), ("echo_p90_ms", "ms, p90"), ("echo_p99_ms", "ms, p99"),
         ("echo_worst_ms", "ms, worst"), ("late_p99_ms", "ms, the load's own lateness, p99")],
        before=both(["field_load", "hog", "100", "10000", str(hogs)]), after=both(["2"]),
        in_a_hurry=hogs == 2, group="hog")


WORKS = [
    echo(1, 64, True), echo(50, 64, True), echo(500, 64, False),
    echo(1, 4096, False), echo(50, 4096, False), echo(500, 4096, True),
    Work("latency", "Delay of an echo of 64 bytes on one connection, one server thread",
         {"aloft": ["field_echo_aloft", "1", "0"],
          CLANG: ["field_echo_aloft_clang", "1", "0"],
          "aloft, spin 50 us": ["field_echo_aloft", "1", "50"],
          "uring": ["field_echo_uring", "1", "0"],
          "uring, spinning": ["field_echo_uring", "1", "1"],
          "asio": ["field_echo_asio", "1"],
          "tokio": ["field_echo_tokio", "1"]},
         [("echo_p50_us", "us, p50"), ("echo_p99_us", "us, p99"),
          ("cpu_share", "processors used by the server")],
         before=(["field_load", "latency", "64", "500"], ["field_load", "latency", "64", "80"])),
    Work("mixed", "10,000 requests per second, one in 400 computes for 20 ms: delay of the others, "
         "200 connections, 2 threads",
         programs("echo", "aloft", CLANG, "asio", "threads", "go", "tokio"),
         [("light_p50_ms", "ms, p50"), ("light_p90_ms", "ms, p90"), ("light_p99_ms", "ms, p99"),
          ("heavy_p50_ms", "ms, the heavy ones, p50"),
          ("cpu_share", "processors used by the server"),
          ("late_p99_ms", "ms, the load's own lateness, p99")],
         before=(["field_load", "mixed", "200", "10000", "3000", "{round}"],
                 ["field_load", "mixed", "200", "10000", "500", "{round}"]), after=both(["2"])),
    hog(1, False), hog(2, True), hog_echo(1), hog_echo(2),
    Work("fork_join", "Fork and join: every call a task, 2 threads",
         programs("fork_join", "aloft", CLANG, "tbb", "tbb clang"),
         [("fib_ns_per_call", "ns per call of fib(37)"),
          ("skynet_ns_per_leaf", "ns per leaf of skynet, 10^7 leaves")],
         after=(["37", "7", "2"], ["22", "4", "2"])),
    Work("spawn", "Empty tasks: started and joined; yields; 2 threads",
         programs("spawn", "aloft", CLANG, "asio", "asio clang", "go", "tokio"),
         [("inside_ns", "ns per task, from inside"), ("outside_ns", "ns per task, from outside"),
          ("group_ns", "ns per task of a task_group"), ("yield_ns", "ns per yield"),
          ("wake_ups_per_task", "wake-ups per task of a burst")],
         after=(["1000000", "2"], ["10000", "2"])),
    Work("channel", "Channels with room for 64 between two tasks, 2 threads",
         programs("channel", "aloft", CLANG, "asio", "go", "tokio"),
         [("round_trip_ns", "ns per round trip"), ("item_ns", "ns per item, one way")],
         after=(["500000", "10000000"], ["5000", "50000"])),
    Work("blocks", "Pieces of structured concurrency where nobody waits, one thread",
         programs("blocks", "aloft", CLANG, "bare", "bare clang", "asio", "asio clang"),
         [("task_ns", "ns to await a task that is ready"),
          ("semaphore_ns", "ns to acquire and release a semaphore"),
          ("mutex_ns", "ns to lock and unlock a mutex"),
          ("channel_ns", "ns to send and receive"), ("when_all_ns", "ns for all of two"),
          ("when_any_ns", "ns for the first of two"), ("group_ns", "ns for a group with one task"),
          ("token_ns", "ns to ask a stop token"),
          ("timeout_ns", "ns for a limit that does not expire")],
         after=(["1000000"], ["10000"])),
    files(0, 1), files(0, 32), files(1, 1), files(1, 32),
    Work("sleepers", "Tasks that sleep at the same time",
         programs("sleepers", "aloft", CLANG, "asio", "go", "tokio"),
         [("bytes_per_task", "bytes of peak memory per task"),
          ("beyond_s", "seconds beyond the sleep")],
         after=(["1000000", "3000"], ["10000", "300"])),
    Work("idle", "1,000 connections on which nothing arrives, 2 threads",
         programs("echo", "aloft", CLANG, "asio", "go", "tokio"),
         [("switches_per_s", "voluntary context switches per second, all threads"),
          ("cpu_us_per_s", "us of processor time per second"), ("threads", "threads")],
         before=(["field_load", "idle", "1000", "1500"], ["field_load", "idle", "1000", "500"]),
         after=both(["2"])),
]
