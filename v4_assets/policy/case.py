"""All that a decision looks at, and the forms it may take. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from v4_assets.configuration.rollout_policy import Policy
from v4_assets.policy.decision import (
    PROMOTION_LIFT,
    Action,
    Circumstances,
    Decision,
    Gate,
    History,
    Standing,
    Verdict,
)
from v4_assets.policy.weeks import Close, closes, running


@dataclass(frozen=True)
class Case:
    """All that a rule looks at."""

    standing: Standing
    today: tuple[Gate, ...]
    history: History
    policy: Policy
    circumstances: Circumstances

    @cached_property
    def watched(self) -> Mapping[date, Close]:
        """The closed weeks that can convict: by days evaluated live, strictly after the promotion."""
        since = self.standing.live_since
        if since is None:
            return {}
        return closes(self.history, self.standing.today, lambda day, one: not one.retrospective and day > since)

    @cached_property
    def earned(self) -> tuple[Close, ...]:
        """The closed weeks running, up to the latest, with the lift a promotion asks for; oldest first."""
        closed = closes(self.history, self.standing.today, lambda day, one: True)
        return running(closed, self.standing.today, PROMOTION_LIFT, Verdict.PASS)

    def failing(self, name: str) -> tuple[Close, ...]:
        """The watched weeks running, up to the latest, that one gate failed."""
        return running(self.watched, self.standing.today, name, Verdict.FAIL)

    def needed(self, name: str) -> int:
        """In how many weeks running one gate must fail before it convicts."""
        weeks: int = getattr(self.policy.rollback.weeks_running, name)
        return weeks

    def bad(self, *names: str) -> tuple[Gate, ...]:
        """Today's gates, of these names, that do not pass."""
        return tuple(gate for gate in self.today if gate.name in names and gate.verdict != Verdict.PASS)

    def hold(self, reason: str, gates: tuple[Gate, ...] = (), *, alert: bool = False) -> Decision:
        """Nothing is done. A gate of today that is worth telling is told with it."""
        return Decision(Action.HOLD, reason, gates, alert=alert or any(gate.alert for gate in self.today))

    def act(self, action: Action, approval: str, reason: str, gates: tuple[Gate, ...]) -> Decision:
        """The action, or the question whether a person agrees to it."""
        if approval == "auto" or self.circumstances.approved == action:
            return Decision(action, reason, gates)
        asked = f"{reason} Approval is manual: `v4 approve` agrees to it on this evidence."
        return Decision(Action.ASK, asked, gates, wanted=action, alert=True)


Rule = Callable[[Case], Decision | None]
"""None where it has nothing to say."""
