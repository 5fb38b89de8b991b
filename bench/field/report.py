# SPDX-License-Identifier: MIT
"""Tables and plots of a work's rounds."""

import statistics

from works import OURS


def text(value):
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def values_of(rounds, key):
    return [figures[key] for figures in rounds if key in figures]


def cell(rounds, key):
    """Median, and the least and the most of all rounds."""
    values = values_of(rounds, key)
    if not values:
        return "-"
    median = text(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({text(min(values))} to {text(max(values))})"


def ratio(ours, theirs, key):
    """The median of the ratios within the rounds."""
    ratios = [a[key] / b[key] for a, b in zip(ours, theirs) if key in a and b.get(key)]
    return text(statistics.median(ratios)) if ratios else "-"


def rows(header, lines):
    return ["| " + " | ".join(header) + " |", "| --- " * len(header) + "|",
            *("| " + " | ".join(line) + " |" for line in lines), ""]


def section(work, rounds, options):
    if not rounds:
        return [f"## {work.title}", "", "None of its programs is there.", ""]
    some_peer = next(iter(rounds))
    program = work.peers[some_peer][0]
    of_any_peer = program.removesuffix(some_peer.replace(" ", "_")) + "<peer>"
    command = " ".join(of_any_peer if word == program else word
                       for word in work.words(some_peer, options.quick))
    command = command.replace("{", "<").replace("}", ">")
    labels = [label for _, label in work.figures]
    lines = [f"## {work.title}", "", f"`{command}`; median (least to most of the rounds):", ""]
    lines += rows(["", *labels],
                  [[peer, *(cell(each, key) for key, _ in work.figures)]
                   for peer, each in rounds.items()])
    others = [peer for peer in rounds if peer != OURS]
    if OURS in rounds and others:
        lines += [f"{OURS} in proportion to the others:", ""]
        lines += rows(["", *labels],
                      [[f"{OURS} / {peer}",
                        *(ratio(rounds[OURS], rounds[peer], key) for key, _ in work.figures)]
                       for peer in others])
    picture = plot(work, rounds, options.output)
    return lines + ([f"![{work.title}]({picture})", ""] if picture else [])


def plot(work, rounds, folder):
    """The name of the picture; None without matplotlib."""
    try:
        import matplotlib
        matplotlib.use("svg")
        import matplotlib.pyplot as plots
    except ImportError:
        return None
    figures = [figure for figure in work.figures
               if any(values_of(each, figure[0]) for each in rounds.values())]
    if not figures:
        return None
    peers = list(rounds)[::-1]  # the first one on top
    width = 2.6 * len(figures) + 1
    fig, axes = plots.subplots(1, len(figures), figsize=(width, 0.9 + 0.28 * len(peers)),
                               sharey=True, squeeze=False)
    for axis, (key, label) in zip(axes[0], figures):
        for row, peer in enumerate(peers):
            values = values_of(rounds[peer], key)
            if not values:
                continue
            color = "tab:blue" if peer.startswith(OURS) else "silver"
            axis.barh(row, statistics.median(values), color=color, height=0.7)
            axis.plot(values, [row] * len(values), "|", color="black", markersize=4)
        medians = [statistics.median(values_of(each, key)) for each in rounds.values()
                   if values_of(each, key)]
        logarithmic = min(medians) > 0 and max(medians) > 100 * min(medians)
        if logarithmic:
            axis.set_xscale("log")
        axis.set_title(label + (" (log)" if logarithmic else ""), fontsize=7)
        axis.tick_params(labelsize=7)
        axis.set_yticks(range(len(peers)))
        axis.set_yticklabels(peers)
    fig.tight_layout()
    fig.savefig(folder / f"{work.name}.svg")
    plots.close(fig)
    return f"{work.name}.svg"
