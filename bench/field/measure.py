# SPDX-License-Identifier: MIT
"""Runs the programs of a work in turns, and collects what they print."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from works import OURS


def say(line):
    print(f"run: {line}", file=sys.stderr, flush=True)


def figures_of(command):
    """The figures that it printed; None, and a line on stderr, if it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        say(f"{' '.join(command)} did not end")
        return None
    if done.returncode != 0:
        say(f"{' '.join(command)} failed: {done.stderr.strip()}")
        return None
    figures = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        figures[name] = float(value)
    return figures


class Programs:
    """The commands of a work whose programs are all there."""

    def __init__(self, build, scratch):
        self.folder = build / "bench" / "field"
        self.scratch = scratch

    def command(self, words, number):
        """With paths in place of names, and the round's number."""
        paths = {"{file}": str(self.scratch / "field_files.data"), "{round}": str(number)}
        return [str(self.folder / word) if word.startswith("field_") else paths.get(word, word)
                for word in words]

    def missing(self, words):
        return [word for word in words
                if word.startswith("field_") and not (self.folder / word).exists()]


def measure(work, programs, options):
    """peer -> one dictionary of figures per round; nothing if our own program is missing."""
    rounds = {}
    if programs.missing(work.words(OURS, options.quick)):
        say(f"{work.name} is left out: no program of ours")
        return rounds
    for peer in work.peers:
        missing = programs.missing(work.words(peer, options.quick))
        if missing:
            say(f"{work.name}: no {', '.join(missing)}: {peer} is left out")
            options.left_out.append(f"{work.name} of {peer}")
        else:
            rounds[peer] = []
    for number in range(1, options.rounds + 1):
        say(f"{work.name}, round {number}")
        for peer in rounds:
            figures = figures_of(programs.command(work.words(peer, options.quick), number))
            note_failure(peer, figures, options)
            rounds[peer].append(figures or {})
    if "system_calls" in dict(work.figures):
        count_system_calls(work, programs, rounds, options)
    return rounds


def note_failure(peer, figures, options):
    """A failing program of ours is an error; one of the others leaves a gap in its column."""
    if figures is None and peer.startswith(OURS):
        options.failed = True


def count_system_calls(work, programs, rounds, options):
    """With strace, for those of which the load could not count them."""
    without = [peer for peer, each in rounds.items()
               if not any("system_calls" in figures for figures in each)]
    if without and not shutil.which("strace"):
        say("no system calls are counted: neither trace points nor strace")
        return
    for peer in without:
        with tempfile.TemporaryDirectory() as folder:
            summary = pathlib.Path(folder) / "calls"
            words = work.words(peer, options.quick)
            server = words.index(work.peers[peer][0])
            # So long that the calls of starting up, which are counted too, do not matter.
            words[server - 1] = "300" if options.quick else "2000"
            tracer = ["strace", "-f", "-c", "-o", str(summary)]
            figures = figures_of(programs.command(words[:server] + tracer + words[server:], 1))
            note_failure(peer, figures, options)
            if figures is None:
                continue
            options.traced = True
            total = re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)\b.*total$", summary.read_text(), re.M)
            if total:
                rounds[peer][0]["system_calls"] = int(total[1]) / figures["answers"]
