"""Closed weeks: ISO weeks that ended before today, each represented by its last evaluated day. Pure.

A week is named by its Monday, so that adjacent weeks are seven days apart in every year, of 52 weeks or 53.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from v4_assets.production.decision import Evaluated, Gate, History, Verdict

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Close:
    """The last evaluated day of a closed week."""

    day: date
    gates: Mapping[str, Gate]

    @property
    def week(self) -> str:
        """Its ISO name, as in 2026-W03."""
        return name_of(self.day)


def monday_of(day: date) -> date:
    """The Monday of the day's ISO week."""
    return day - timedelta(days=day.weekday())


def name_of(day: date) -> str:
    """The ISO name of the day's week, as in 2026-W03."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def closes(history: History, today: date, counts: Callable[[date, Evaluated], bool]) -> dict[date, Close]:
    """Monday to the close of every week that ended before `today` and has a day that counts."""
    last: dict[date, date] = {}
    for day, evaluated in history.items():
        if monday_of(day) < monday_of(today) and counts(day, evaluated):
            last[monday_of(day)] = max(day, last.get(monday_of(day), day))
    return {monday: Close(day, {gate.name: gate for gate in history[day].gates}) for monday, day in last.items()}


def running(closed: Mapping[date, Close], today: date, name: str, verdict: Verdict) -> tuple[Close, ...]:
    """Consecutive weeks, up to the latest closed one, that closed with this verdict of one gate; oldest first."""
    found: list[Close] = []
    monday = monday_of(today) - WEEK
    while (close := closed.get(monday)) and name in close.gates and close.gates[name].verdict == verdict:
        found.append(close)
        monday -= WEEK
    return tuple(reversed(found))


def without_verdict(closed: Mapping[date, Close], today: date, since: date, name: str, at_most: int) -> tuple[str, ...]:
    """Names of the latest consecutive weeks after `since` that are missing or inconclusive; oldest first."""
    found: list[str] = []
    monday = monday_of(today) - WEEK
    while monday > since and len(found) < at_most:
        close = closed.get(monday)
        gate = close.gates.get(name) if close else None
        if gate and gate.verdict != Verdict.INCONCLUSIVE:
            break
        found.append(name_of(monday))
        monday -= WEEK
    return tuple(reversed(found))
