"""From evidence to a decision: gates with their reasons, closed weeks, and what may happen in which phase. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum


class Verdict(IntEnum):
    """Ranked: the worst decides."""

    PASS = 0
    INCONCLUSIVE = 1
    """Evidence is short, or only the estimate is on the wrong side. It never advances and never convicts."""
    FAIL = 2


class Phase(Enum):
    """Where a rollout stands. It follows from the events in v4_deployments alone."""

    NOT_ADOPTED = "not_adopted"
    PARALLEL = "parallel"
    WATCH = "watch"
    ROLLED_BACK = "rolled_back"
    SUNSET = "sunset"


class Action(Enum):
    """What the sensor does."""

    HOLD = "hold"
    ASK = "ask"
    """Everything speaks for it, and a person must agree (`approval: manual`)."""
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    SUNSET = "sunset"


@dataclass(frozen=True)
class Gate:
    """One criterion on one day."""

    name: str
    verdict: Verdict
    reason: str
    """In words, with the numbers."""
    actual: float | None = None
    threshold: float | None = None
    bound: float | None = None
    """The one-sided bound the verdict was taken by; None when judged by the estimate."""
    alert: bool = False
    """Worth telling a person, whatever the verdict."""


@dataclass(frozen=True)
class Standing:
    """What is known of a rollout beside the evidence."""

    phase: Phase
    live: str | None
    candidate: str
    baseline: str
    today: date
    live_since: date | None = None
    """New York date of the switch that made the live version live."""
    phase_since: date | None = None
    """New York date on which the phase began: adoption, promotion, rollback, allowance, sunset."""
    disagreement: str | None = None
    """Why events, production and rollout.yaml contradict each other; None when they agree."""


@dataclass(frozen=True)
class Decision:
    """What to do, why, and by which gates."""

    action: Action
    reason: str
    gates: tuple[Gate, ...] = ()
    wanted: Action | None = None
    """With ASK: what would be done."""
    alert: bool = False


History = Mapping[date, tuple[Gate, ...]]
"""Day of evaluation to its gates."""
