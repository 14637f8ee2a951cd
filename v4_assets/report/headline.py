"""The rollout in two sentences: what is live since when, and why. Pure."""

import json
from collections.abc import Sequence
from itertools import groupby

from v4_assets.names import ROLLOUT_SENSOR
from v4_assets.production.decision import PROMOTION_LIFT, Gate, Phase, RolloutStatus, Verdict
from v4_assets.production.events import SWITCHES, Event
from v4_assets.report.wording import LABELS, count, day, figure, free, line


def gates_of(event: Event) -> list[Gate]:
    """The gates kept beside an event."""
    return [Gate(**{**one, "verdict": Verdict[one["verdict"]]}) for one in json.loads(event.gates or "[]")]


def headline(status: RolloutStatus) -> str:
    """What is live, since when, and how the other version stands to it."""
    if status.live is None or status.live_since is None:
        return "Nothing is live yet"
    since = day(status.live_since)
    return {
        Phase.PARALLEL: f"{status.live} has been live since {since}, {status.candidate} is tried beside it",
        Phase.WATCH: f"{status.live} has been live since {since} in place of {status.baseline}, under watch",
        Phase.ROLLED_BACK: f"{status.live} has been live since {since}, {status.candidate} was rolled back",
        Phase.SUNSET: f"{status.live} has been live since {since}, {status.baseline} is archived",
        Phase.NOT_ADOPTED: f"{status.live} has been live since {since}",
    }[status.phase]


def switched(events: Sequence[Event]) -> Event | None:
    """The switch that made the live version live; None before the first."""
    return next((one for one in reversed(events) if one.event in SWITCHES), None)


def in_brief(event: Event) -> str:
    """Why a switch happened, in one sentence: by its figures where the sensor decided, else in the person's words."""
    gates = gates_of(event)
    if event.event == "adopted" or event.decided_by != ROLLOUT_SENSOR or not gates:
        return free(event.reason)
    if event.event == "rollback_started":
        return f"{event.previous} was rolled back: {'; '.join(_missed(gates))}."
    asked = [one for one in gates if one.name == PROMOTION_LIFT]
    lift = "".join(f"its top-decile lift was {figure(one)}, where at least {line(one)} is asked for, " for one in asked)
    return f"{event.version} earned its promotion: {lift}and every other criterion was met."


def _missed(gates: Sequence[Gate]) -> list[str]:
    """Each criterion that convicted, with its figure at every week-close."""
    parts = []
    for name, group in groupby(gates, lambda one: one.name):
        closes = list(group)
        figures = " and ".join(figure(one) for one in closes)
        weeks = f" at {count(len(closes), 'week-close')} running" if len(closes) > 1 else ""
        parts.append(f"its {LABELS[name][0]} was {figures}{weeks}, where at least {line(closes[0])} is asked for")
    return parts
