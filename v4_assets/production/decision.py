"""Types of a decision: verdicts, gates, phases, actions, rollout status. Pure, no rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum


class Verdict(IntEnum):
    """Ranked: the worst one decides."""

    PASS = 0
    INCONCLUSIVE = 1
    """Too little evidence, or only the estimate is on the wrong side. It never promotes and never convicts."""
    FAIL = 2


class Phase(Enum):
    """Phase of a rollout, derived from the events in v4_deployments alone."""

    NOT_ADOPTED = "not_adopted"
    PARALLEL = "parallel"
    WATCH = "watch"
    ROLLED_BACK = "rolled_back"
    SUNSET = "sunset"


class Action(Enum):
    """What the sensor does."""

    HOLD = "hold"
    ASK = "ask"
    """Every condition is met and an approval is needed (`approval: manual`)."""
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    SUNSET = "sunset"


TOP_DECILE_LIFT = "top_decile_lift"
AUC = "auc"
TOP_DECILE_CONVERSION = "top_decile_conversion"
PROMOTION_LIFT = "promotion_lift"
NOT_BEHIND_BASELINE = "not_behind_baseline"
PROMOTION_AUC = "promotion_auc"
PROMOTION_CONVERSION = "promotion_conversion"
MODEL_TEST_METRICS = "model_test_metrics"
LIVE_PARALLEL_DAYS = "live_parallel_days"

ROLLBACK_GATES = (TOP_DECILE_LIFT, AUC, TOP_DECILE_CONVERSION)
"""They judge the live version."""
PROMOTION_GATES = (PROMOTION_LIFT, NOT_BEHIND_BASELINE, PROMOTION_AUC, PROMOTION_CONVERSION)
"""They judge the candidate."""
OF_BUNDLE = (MODEL_TEST_METRICS, LIVE_PARALLEL_DAYS)
EVIDENCE_GATES = (*ROLLBACK_GATES, *PROMOTION_GATES)
"""Gates derived from evidence and policy alone."""
GATE_NAMES = (*EVIDENCE_GATES, *OF_BUNDLE)
"""Every gate of a day, in the order in which `gates` returns them."""
TO_PROMOTE = (*PROMOTION_GATES, *OF_BUNDLE)
"""Gates that must pass today for a promotion."""
ADDED = (PROMOTION_AUC, PROMOTION_CONVERSION)
"""Gates that a day evaluated by release 0.1 lacks."""


@dataclass(frozen=True)
class Gate:
    """One criterion on one day."""

    name: str
    verdict: Verdict
    reason: str
    """The reason, with the numbers."""
    actual: float | None = None
    threshold: float | None = None
    bound: float | None = None
    """The one-sided bound the verdict is based on; None when judged by the estimate."""
    alert: bool = False
    """Raises an alert, whatever the verdict."""

    @property
    def distance(self) -> float | None:
        """Figure minus threshold, in the figure's units: positive on the good side; None where either is unknown."""
        return None if self.actual is None or self.threshold is None else self.actual - self.threshold


@dataclass(frozen=True)
class RolloutStatus:
    """Where a rollout stands: follows from the events, the production row and rollout.yaml."""

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
    """How events, production row and rollout.yaml contradict each other; None when they agree."""


@dataclass(frozen=True)
class Decision:
    """What to do, why, and by which gates."""

    action: Action
    reason: str
    gates: tuple[Gate, ...] = ()
    wanted: Action | None = None
    """With ASK: the action to approve."""
    alert: bool = False


@dataclass(frozen=True)
class Evaluated:
    """The evidence gates of one day, and whether its evidence was computed on a later day."""

    gates: tuple[Gate, ...]
    retrospective: bool
    voided: bool = False
    """The day was evaluated live and its evidence was computed again afterwards: it closes no week."""
    weeks_running: Mapping[str, int] | None = None
    """Rollback gate to the consecutive failing weeks that the policy asked for when the day was judged; None where no
    record of it is kept."""
    cohort: tuple[date, date] | None = None
    """First and last day of contact of the leads that the rollback gates judge."""


History = Mapping[date, Evaluated]
"""Day of evaluation to its gates; `gates.history_of` makes it from recorded evidence."""
