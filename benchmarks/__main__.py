"""All benchmarks, as Markdown tables on stdout; progress on stderr.

This process stays small, importing nothing heavy: on Linux a child's peak memory begins at what its parent has.

python -m benchmarks [--only PART] [--repetitions N] [--scales 1 3 10]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, side_by_side

MEMINFO = Path("/proc/meminfo")
ROWS = (50_000, 500_000, 5_000_000)
SMALL_ROWS = 50_000
LEADS = {50_925: ("ours", "by_hand", "batches", "collections"), 500_000: ("ours",)}
"""Leads sent to Salesforce, and who sends them, ours first: 200 records at a time take the larger number minutes."""
START_LIMITS = {"--help": 1.0, "history": 1.5, "live": 1.5, "lift": 1.5, "status": 3.0}
"""CPU seconds a command may take to do little, by its last word."""
FEATURES = ("correlated", "ours")
SCORING = ("raw", "file", "ours", "reasons", "by_hand")
PROSPECTS = ("producing", "everyone")
MONTHLY = ("job", "ours", "by_hand")
ONCE_ABOVE_SECONDS = 60.0
"""A measurement that took longer in the first round is not repeated."""
LIMIT_SECONDS = 300.0
"""The hand-written feature query is stopped after this long."""
GB_PER_SCALE = 1.0
"""Memory that a world of scale 1 takes at most while it is made and queried, rounded up."""

BY_DAY_ALONE = ("outcomes, evidence, record", "Dagster's instance", "reports")
"""What grows by the same whatever the number of leads."""

Costs = dict[str, Cost]
Rivals = Callable[[int], dict[str, Sequence[str]]]
"""What to run in a round, numbered from 0: name to the arguments of `python -m`."""


def tell(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def in_rounds(title: str, rivals: Rivals, repetitions: int) -> Costs:
    """Medians over `repetitions` rounds, in each of which every rival runs once."""
    rounds: list[Costs] = []
    for number in range(repetitions):
        slow = {name for name, cost in rounds[0].items() if cost.seconds > ONCE_ABOVE_SECONDS} if rounds else set()
        asked = {name: arguments for name, arguments in rivals(number).items() if name not in slow}
        rounds.append(side_by_side(asked, 1))
        took = ", ".join(f"{name} {cost.seconds:.2f} s" for name, cost in rounds[-1].items())
        tell(f"{title}, round {number + 1} of {repetitions}: {took}")
    return {name: _median(one[name] for one in rounds if name in one) for name in rounds[0]}


def _median(costs: Iterable[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*map(astuple, costs), strict=True)))


def run(*arguments: str) -> str:
    """`python -m ARGUMENTS` of something that is not measured. Returns the last line it printed."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def every_round(module: str, names: Iterable[str], *arguments: str) -> Rivals:
    """The same in every round: `python -m MODULE NAME ARGUMENTS` for every name."""
    rivals: dict[str, Sequence[str]] = {name: (module, name, *arguments) for name in names}
    return lambda _: rivals


def scoring_table(repetitions: int | None) -> str:
    """Features in a table to ranked scores in a table, against bare prediction and the hand-run way."""
    found: dict[int, Costs] = {}
    for rows in ROWS:
        with tempfile.TemporaryDirectory(prefix="v4-bench-") as folder:
            tell(f"scoring: drawing {rows:,} rows")
            run("benchmarks.scoring", "prepare", folder, str(rows))
            rivals = every_round("benchmarks.scoring", SCORING, folder, str(rows))
            times = repetitions or (5 if rows == SMALL_ROWS else 3)
            found[rows] = in_rounds(f"scoring {rows:,}", rivals, times)
    return table_by_size("Scoring (V4.1.0)", "rows", found, rivals=("raw", "by_hand"))


def features_table(folder: str, scales: Sequence[float], repetitions: int | None) -> str:
    """The daily feature SQL through its write path, against one query of correlated subqueries."""
    with tempfile.TemporaryDirectory(prefix="v4-bench-") as small:
        leads = int(run("benchmarks.features", "verify", small))
        tell(f"features: both sides give the same features on {leads:,} leads")
    found: dict[int, Costs] = {}
    for scale in scales:
        if problem := too_large(scale):
            tell(f"features: scale {scale:g} is left out: {problem}")
            continue
        tell(f"features: making a sample world of scale {scale:g}")
        history = int(run("benchmarks.features", "prepare", folder, str(scale)))
        rivals = every_round("benchmarks.features", FEATURES, folder, str(scale), str(LIMIT_SECONDS))
        found[history] = in_rounds(f"features {scale:g}", rivals, repetitions or 3)
    return table_by_size("Features of one day", "history rows", found, rivals=("correlated",))


def daily_table(folder: str, repetitions: int | None) -> str:
    """The daily job, process start to process end, against a job of empty assets of the same shape."""
    tell("daily: making a sample world of scale 1 and running a first day on both sides")
    run("benchmarks.features", "prepare", folder, "1")
    run("benchmarks.daily", "prepare", folder)

    def rivals(number: int) -> dict[str, Sequence[str]]:
        return {name: ("benchmarks.daily", name, folder, str(number)) for name in ("bare", "noop", "ours")}

    costs = in_rounds("daily", rivals, repetitions or 3)
    lines = [
        [
            name,
            f"{cost.process_seconds:.2f}",
            f"{cost.process_seconds / costs['noop'].process_seconds:.2f}",
            seconds(cost),
            ratio(cost, costs["noop"]),
            f"{cost.peak_mb:,.0f}",
        ]
        for name, cost in costs.items()
    ]
    heads = ["what", "process seconds", "/ noop", "of which the job", "/ noop", "peak MB"]
    return table("The daily job", heads, lines, text_columns=1)


def prospects_table(folder: str, repetitions: int | None) -> str:
    """The monthly job on a world of production size, and its scoring against the hand-run way."""
    lines, same = [], []
    for who in PROSPECTS:
        tell(f"prospects: making a sample world of scale 1 and scoring a first month of {who}")
        advisors = int(run("benchmarks.prospects", "prepare", folder, who))
        found: dict[str, int] = json.loads(run("benchmarks.prospects", "verify", folder, who))
        same.append(
            f"Of {advisors:,} hand-run scores {found['equal']:,} are ours bit for bit with the model's category codes, "
            f"and {found['equal_by_batch']:,} with the batch's."
        )
        costs = in_rounds(
            f"prospects {who}", every_round("benchmarks.prospects", MONTHLY, folder, who), repetitions or 3
        )
        for name, cost in costs.items():
            speed = [seconds(cost), f"{advisors / cost.seconds:,.0f}", ratio(cost, costs["by_hand"])]
            lines.append([f"{advisors:,}", name, *speed, f"{cost.peak_mb:,.0f}"])
    heads = ["advisors", "what", "seconds", "advisors/s", "/ by_hand", "peak MB"]
    return "\n".join([table("Every advisor, every month", heads, lines, text_columns=2), *same, ""])


def salesforce_table() -> str:
    """Every lead to Salesforce after a switch, and the same sync once more, at 50 ms per request."""
    lines = []
    for leads, rivals in LEADS.items():
        with tempfile.TemporaryDirectory(prefix="v4-bench-") as folder:
            tell(f"salesforce: preparing an org of {leads:,} leads")
            run("benchmarks.salesforce", "prepare", folder, str(leads))
            costs: dict[str, Any] = {}
            for name in rivals:
                costs[name] = found = json.loads(run("benchmarks.salesforce", name, folder))
                tell(f"salesforce: {name} took {found['seconds']:.1f} s and {found['requests']} requests")
        for name, found in costs.items():
            times = {key: f"{found[key] / costs['ours'][key]:.1f}" for key in ("requests", "seconds")}
            counts = [
                f"{found['requests']:,}",
                times["requests"],
                f"{found['writes']:,}",
                f"{found['again_requests']:,}",
            ]
            sizes = [f"{found['bytes'] / 2**20:.1f}", f"{found['seconds']:.1f}", times["seconds"]]
            lines.append([f"{leads:,}", name, *counts, *sizes, f"{found['peak_mb']:,.0f}"])
    heads = ["leads", "what", "requests", "/ ours", "that write", "once more", "MB", "seconds", "/ ours", "peak MB"]
    return table("Scores to Salesforce", heads, lines, text_columns=2)


def writes_table(folder: str) -> str:
    """Share of the leads written to Salesforce a day, over ten days after the first."""
    tell("writes: scoring eleven days of a sample world of scale 1")
    found: dict[str, Any] = json.loads(run("benchmarks.writes", folder, "1"))
    lines = [
        [
            version,
            name,
            f"{one['leads']:,}",
            f"{100 * one[name]['mean']:.1f} %",
            ", ".join(f"{100 * share:.0f}" for share in one[name]["days"]),
        ]
        for version, one in found.items()
        for name in ("every", "rules")
    ]
    heads = ["version", "what is sent", "leads", "written a day", "% of each day"]
    return table("Leads written a day", heads, lines, text_columns=2)


def growth_table(folder: str) -> str:
    """Bytes by which a home grows, a day and a month."""
    tell("growth: five days and a month of a sample world of scale 1")
    found: dict[str, Any] = json.loads(run("benchmarks.growth", folder, "1"))
    counts = {"daily": found["leads"], "monthly": found["advisors"]}
    lines = [
        [
            name,
            f"{counts[period]:,} {'leads a day' if period == 'daily' else 'advisors a month'}",
            f"{size / counts[period]:,.0f}" if name not in BY_DAY_ALONE else "–",
            f"{size / 2**20:,.1f}",
            f"{size * (365 if period == 'daily' else 12) / 2**30:,.1f}",
        ]
        for period in counts
        for name, size in found[period].items()
    ]
    heads = ["what", "for", "bytes each", "MiB a day or month", "GiB a year"]
    return table("Growth", heads, lines, text_columns=2)


def start_table(folder: str, repetitions: int | None) -> str:
    """CPU seconds of commands that do little, with the limit of each."""
    tell("start: adopting a baseline")
    found: dict[str, float] = json.loads(run("benchmarks.start", folder, str(repetitions or 3)))
    lines = [[f"`v4 {name}`", f"{cpu:.2f}", f"{START_LIMITS[name.split()[-1]]:.1f}"] for name, cpu in found.items()]
    return table("Starting a command", ["command", "CPU seconds", "limit"], lines, text_columns=1)


def too_large(scale: float) -> str:
    """Why a world of this size is not for this machine now; empty when it is, and for production size."""
    needed = GB_PER_SCALE * scale
    if scale <= 1:
        return ""
    if not MEMINFO.exists():
        return f"it needs {needed:.0f} GB of memory, and how much is free is not known here"
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
    free = int(lines["MemAvailable"].split()[0]) / 2**20
    return "" if free >= needed else f"it needs {needed:.0f} GB of memory, and {free:.1f} GB are free"


def seconds(cost: Cost) -> str:
    """Three digits that matter."""
    return f"{cost.seconds:.3f}" if cost.seconds < 1 else f"{cost.seconds:.2f}"


def limited(name: str, cost: Cost) -> str:
    """Seconds, or that the query was stopped at its limit."""
    stopped = name == "correlated" and cost.seconds >= LIMIT_SECONDS
    return f"> {LIMIT_SECONDS:.0f}" if stopped else seconds(cost)


def ratio(cost: Cost, rival: Cost) -> str:
    """Time as a multiple of the rival's."""
    return f"{cost.seconds / rival.seconds:.2f}"


def growth(found: dict[int, Costs], rows: int, name: str) -> str:
    """Rows, time and memory as multiples of the next smaller size's."""
    smaller = [size for size in found if size < rows]
    if not smaller:
        return "–"
    before, now = found[max(smaller)][name], found[rows][name]
    return (
        f"rows ×{rows / max(smaller):.0f}: time ×{now.seconds / before.seconds:.1f}, "
        f"memory ×{now.peak_mb / before.peak_mb:.1f}"
    )


def table_by_size(title: str, what: str, found: dict[int, Costs], rivals: Sequence[str]) -> str:
    """A line for every size and side, with its time as a multiple of each rival's."""
    lines = [
        [
            f"{rows:,}",
            name,
            limited(name, cost),
            f"{rows / cost.seconds:,.0f}",
            *(ratio(cost, costs[rival]) for rival in rivals),
            f"{cost.peak_mb:,.0f}",
            growth(found, rows, name),
        ]
        for rows, costs in found.items()
        for name, cost in costs.items()
    ]
    heads = [what, "what", "seconds", "rows/s", *(f"/ {rival}" for rival in rivals), "peak MB", "growth"]
    return table(title, heads, lines, text_columns=2)


def table(title: str, heads: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int) -> str:
    """A Markdown table; columns after the first `text_columns` are right-aligned."""
    marks = ["---" if position < text_columns else "---:" for position in range(len(heads))]
    return "\n".join([f"### {title}", "", *("| " + " | ".join(line) + " |" for line in (heads, marks, *lines)), ""])


def main() -> None:
    """Run what was asked for and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", choices=("start", "scoring", "features", "daily", "prospects", "salesforce", "writes", "growth")
    )
    parser.add_argument(
        "--repetitions",
        type=int,
        choices=range(1, 8),
        help="rounds of everything; 3 otherwise, 5 for 50,000 rows. The sample world has seven days for the daily job",
    )
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 3.0], help="of the features; 1 is production")
    asked = parser.parse_args()
    parts: dict[str, Callable[[str], str]] = {
        "start": lambda folder: start_table(folder, asked.repetitions),
        "scoring": lambda _: scoring_table(asked.repetitions),
        "features": lambda folder: features_table(folder, asked.scales, asked.repetitions),
        "daily": lambda folder: daily_table(folder, asked.repetitions),
        "prospects": lambda folder: prospects_table(folder, asked.repetitions),
        "salesforce": lambda _: salesforce_table(),
        "writes": writes_table,
        "growth": growth_table,
    }
    for part, work in parts.items():
        if asked.only in (None, part):
            with tempfile.TemporaryDirectory(prefix="v4-bench-") as folder:
                print(work(folder), flush=True)


if __name__ == "__main__":
    main()
