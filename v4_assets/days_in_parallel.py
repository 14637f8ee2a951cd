"""The days of a run, one after the other; where the warehouse allows it, a day is checked while the next is written.

Both mostly wait for the warehouse, so two threads take little more than half the time. Days are written in their order
and checked in their order: a check reads its own day and earlier ones, which are written and checked by then.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import dagster as dg

from v4_assets.checks import Finding
from v4_assets.partitions import Day
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

Judge = Callable[[Store], Sequence[Finding]]
"""Checks what the partition of a day holds, in the store it is given."""
Work = Callable[[Store, Day], tuple[PartitionWrite, Judge]]
"""Writes the partition of a day, or keeps it."""
Observe = Callable[[Store, Day], Iterable[dg.AssetObservation]]


@dataclass(frozen=True)
class Done:
    """A day whose partition was written and checked."""

    day: Day
    write: PartitionWrite
    findings: Sequence[Finding]
    observations: Sequence[dg.AssetObservation]
    seconds: float
    """Of writing and checking together."""
    cost: Mapping[str, int]


def worked(store: Store, days: Sequence[Day], work: Work, observe: Observe) -> Iterator[Done]:
    """Every day, written and checked. Raises what `work` or a check raises."""
    with store.session(), store.warehouse.beside() as second:
        if second is None or len(days) == 1:
            yield from (_in_turn(store, day, work, observe) for day in days)
        else:
            yield from _overlapped(store, replace(store, warehouse=second), days, work, observe)


def _in_turn(store: Store, day: Day, work: Work, observe: Observe) -> Done:
    with store.warehouse.metered() as cost:
        started = time.monotonic()
        write, judge = work(store, day)
        findings = judge(store)
        seconds = time.monotonic() - started
        observations = list(observe(store, day))
    return Done(day, write, findings, observations, seconds, cost)


def _overlapped(store: Store, second: Store, days: Iterable[Day], work: Work, observe: Observe) -> Iterator[Done]:
    """The same, checked in a second thread, which alone uses `second`."""
    with ThreadPoolExecutor(1) as thread:
        checking: tuple[Done, Future[tuple[Sequence[Finding], float]]] | None = None
        for day in days:
            started = time.monotonic()
            write, judge = work(store, day)
            written = Done(day, write, (), list(observe(store, day)), time.monotonic() - started, {})
            following = written, thread.submit(_checked, judge, second)
            if checking:
                yield _with_findings(*checking)
            checking = following
        if checking:
            yield _with_findings(*checking)


def _checked(judge: Judge, store: Store) -> tuple[Sequence[Finding], float]:
    started = time.monotonic()
    return judge(store), time.monotonic() - started


def _with_findings(written: Done, checked: "Future[tuple[Sequence[Finding], float]]") -> Done:
    findings, seconds = checked.result()
    return replace(written, findings=findings, seconds=written.seconds + seconds)
