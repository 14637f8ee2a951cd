"""Closed weeks: the day that closes each, the thresholds it was judged by, and the verdicts recorded then. Pure.

`policy.weeks` of rollout.yaml sets the last day of a week and the first day that can close it. Weeks are keyed by their
first day, so that adjacent weeks are seven days apart across every year end, after 52 weeks or 53. A day is judged by
the thresholds of its own time; evidence that is computed again after its day closes no week.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from v4_assets.config.rollout_policy import Evaluation, Frozen, Policy, Weeks
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


Section = TypeVar("Section", bound=Frozen)


@dataclass(frozen=True)
class Recorded:
    """One row of v4_week_closes."""

    day: date
    sequence: int
    """The write of the evidence that was judged."""
    retrospective: bool
    live_version: str | None
    policy_sha256: str
    policy: str
    gates: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Recorded":
        """From a row of v4_week_closes; columns that are not fields are ignored."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def verdicts(self) -> tuple[Gate, ...]:
        """The recorded gates."""
        return tuple(Gate(**{**one, "verdict": Verdict[one["verdict"]]}) for one in json.loads(self.gates))

    def thresholds_of(self, policy: Policy, evaluation: Evaluation) -> tuple[Policy, Evaluation]:
        """The thresholds it was judged by; those that it does not hold are the given ones."""
        kept = json.loads(self.policy)
        sections = {name: _updated(getattr(policy, name), kept[name]) for name in ("rollback", "promotion", "weeks")}
        return policy.model_copy(update=sections), _updated(evaluation, kept["evaluation"])


def _updated(section: Section, kept: Mapping[str, Any]) -> Section:
    """With the values that are kept of it."""
    return section.model_validate({name: kept.get(name, value) for name, value in section.model_dump().items()})


def thresholds(policy: Policy, evaluation: Evaluation) -> str:
    """What the evidence gates and the weeks are judged by, as JSON."""
    judged = {
        "rollback": policy.rollback.model_dump(),
        "promotion": policy.promotion.model_dump(
            include={"lift_at_least", "confidence", "min_live_share", "weeks_running"}
        ),
        "weeks": policy.weeks.model_dump(),
        "evaluation": evaluation.model_dump(),
    }
    return json.dumps(judged, sort_keys=True)


def thresholds_sha256(policy: Policy, evaluation: Evaluation) -> str:
    """Their sha256."""
    return sha256(thresholds(policy, evaluation).encode()).hexdigest()


def with_records(
    history: History, recorded: Sequence[Recorded], sequences: Mapping[date, int], since: date | None = None
) -> History:
    """The history with every recorded day judged as it was then.

    `sequences` is the latest write of each day's evidence. A day that was written again afterwards is voided: a live
    write of it is recorded, or nothing is and a later write than the first is retrospective (release 0.1). Days up to
    `since` without a record are history that may be computed as often as wanted.
    """
    by_day: dict[date, list[Recorded]] = {}
    for one in sorted(recorded, key=lambda one: one.sequence):
        by_day.setdefault(one.day, []).append(one)
    return {day: _as_recorded(day, one, by_day.get(day, []), sequences, since) for day, one in history.items()}


def _as_recorded(
    day: date, judged: Evaluated, recorded: Sequence[Recorded], sequences: Mapping[date, int], since: date | None
) -> Evaluated:
    sequence = sequences.get(day)
    if not recorded:
        again = judged.retrospective and (sequence or 1) > 1 and since is not None and day > since
        return replace(judged, voided=again)
    latest = recorded[-1]
    was_live = any(not one.retrospective for one in recorded)
    if sequence != latest.sequence or (latest.retrospective and was_live):
        return replace(judged, voided=judged.retrospective and was_live)
    asked = json.loads(latest.policy)["rollback"]["weeks_running"]
    return replace(judged, gates=latest.verdicts, weeks_running=asked)


def changed_since(
    recorded: Sequence[Recorded], policy: Policy, evaluation: Evaluation, named: Callable[[date], str]
) -> str | None:
    """Says that rollout.yaml differs from the thresholds of the latest recorded close; None where it does not."""
    latest = max(recorded, key=lambda one: (one.day, one.sequence), default=None)
    if latest is None or latest.policy_sha256 == thresholds_sha256(policy, evaluation):
        return None
    old, new = json.loads(latest.policy), json.loads(thresholds(policy, evaluation))
    names = ", ".join(sorted(_differences(old, new)))
    return (
        f"rollout.yaml has changed since {named(latest.day)} closed ({names}): closed weeks keep their verdicts, the "
        "new thresholds judge from the next close on."
    )


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [path]
    names = sorted(old.keys() | new.keys())
    return [one for name in names for one in _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))]
