"""Closed weeks: weeks that ended before today, each represented by the day that closes it. Pure.

`policy.weeks` of rollout.yaml sets the last day of a week and the first day that can close it. Weeks are keyed by their
first day, so that adjacent weeks are seven days apart across every year end, after 52 weeks or 53.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from v4_assets.config.rollout_policy import Weeks
from v4_assets.production.decision import Evaluated, Gate, History, Verdict

WEEK = timedelta(days=7)
SUNDAY = 6


@dataclass(frozen=True)
class Close:
    """The last evaluated day of a closed week, among the days that can close it."""

    day: date
    week: str
    """Name of the week."""
    gates: Mapping[str, Gate]
    weeks_running: Mapping[str, int] | None = None
    """Consecutive failing weeks that its own policy asked for."""
    cohort: tuple[date, date] | None = None
    """First and last day of contact of the leads it judges."""


def first_day(day: date, weeks: Weeks) -> date:
    """The first day of the day's week."""
    return day - timedelta(days=(day.weekday() - weeks.last_day - 1) % 7)


def last_day(day: date, weeks: Weeks) -> date:
    """The last day of the day's week."""
    return first_day(day, weeks) + WEEK - timedelta(days=1)


def name_of(day: date, weeks: Weeks) -> str:
    """The name of the day's week: 2026-W03 by ISO for a week that ends on Sunday, else as in "week to 2026-01-16"."""
    if weeks.last_day != SUNDAY:
        return f"week to {last_day(day, weeks)}"
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def can_close(day: date, weeks: Weeks) -> bool:
    """Whether an evaluation of the day can close its week."""
    return (day - first_day(day, weeks)).days >= weeks.days_before_close


def closes(history: History, today: date, weeks: Weeks, counts: Callable[[date, Evaluated], bool]) -> dict[date, Close]:
    """First day to the close of every week that ended before `today` and has a day that counts and can close it.

    A week whose last such day was computed again afterwards has no close, and neither has one that would close too soon
    after the week before.
    """
    last: dict[date, date] = {}
    for day, evaluated in history.items():
        week = first_day(day, weeks)
        if week < first_day(today, weeks) and can_close(day, weeks) and (evaluated.voided or counts(day, evaluated)):
            last[week] = max(day, last.get(week, day))
    found: dict[date, Close] = {}
    for week, day in sorted(last.items()):
        before = found.get(week - WEEK)
        near = before is not None and (day - before.day).days < weeks.min_days_between_closes
        if not history[day].voided and not near:
            gates = {gate.name: gate for gate in history[day].gates}
            found[week] = Close(day, name_of(day, weeks), gates, history[day].weeks_running, history[day].cohort)
    return found


def running(closed: Mapping[date, Close], today: date, weeks: Weeks, name: str, verdict: Verdict) -> tuple[Close, ...]:
    """Consecutive weeks, up to the latest closed one, that closed with this verdict of one gate; oldest first."""
    found: list[Close] = []
    week = first_day(today, weeks) - WEEK
    while (close := closed.get(week)) and name in close.gates and close.gates[name].verdict == verdict:
        found.append(close)
        week -= WEEK
    return tuple(reversed(found))


def without_verdict(
    closed: Mapping[date, Close], today: date, weeks: Weeks, since: date, name: str, at_most: int
) -> tuple[str, ...]:
    """Names of the latest consecutive weeks after `since` that are missing or inconclusive; oldest first."""
    found: list[str] = []
    week = first_day(today, weeks) - WEEK
    while week > since and len(found) < at_most:
        close = closed.get(week)
        gate = close.gates.get(name) if close else None
        if gate and gate.verdict != Verdict.INCONCLUSIVE:
            break
        found.append(name_of(week, weeks))
        week -= WEEK
    return tuple(reversed(found))
