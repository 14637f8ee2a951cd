"""Recorded verdicts of the days that can close a week, and the history that follows from them. Pure.

A day is judged by the thresholds of its own time. Evidence that is computed again after its day closes no week.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any, TypeVar

from v4_assets.config.rollout_policy import Evaluation, Frozen, Policy
from v4_assets.production.decision import Evaluated, Gate, History, Verdict

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
