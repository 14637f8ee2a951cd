"""Running one measurement in a process of its own, several times, side by side with its rivals."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Medians over the repetitions."""

    seconds: float
    """What the measurement timed itself."""
    process_seconds: float
    """From starting the process to its end."""
    peak_mb: float
    """Largest resident set, whole process."""


def timed(work: Callable[[], object]) -> None:
    """Run `work` and report its seconds and this process's peak memory; the child's half of `cost`."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def side_by_side(rivals: dict[str, Sequence[str]], repetitions: int) -> dict[str, Cost]:
    """Medians of `python -m ARGUMENTS` for every rival, taken in turn, so that all see the same weather."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in rivals}
    for _ in range(repetitions):
        for name, arguments in rivals.items():
            started = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
            whole = time.perf_counter() - started
            if done.returncode:
                raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
            result = json.loads(done.stdout.strip().splitlines()[-1])
            found[name].append((result["seconds"], whole, result["peak_mb"]))
    return {
        name: Cost(*(statistics.median(column) for column in zip(*costs, strict=True))) for name, costs in found.items()
    }
