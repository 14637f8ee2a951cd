"""Everything a decision is based on, and the forms a decision can take. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from v4_assets.config.rollout_policy import Policy
from v4_assets.production.decision import PROMOTION_LIFT, Action, Decision, Gate, History, RolloutStatus, Verdict
from v4_assets.production.weeks import Close, closes, running


@dataclass(frozen=True)
class State:
    """What the rules read. The defaults of the optional facts never advance a rollout."""

    status: RolloutStatus
    gates: tuple[Gate, ...]
    """Today's."""
    history: History
    policy: Policy
    failing_checks: tuple[str, ...] = ()
    """Data and sync checks that fail today, by name. They block a promotion."""
    approved: Action | None = None
    """The action approved on exactly this evidence, while the approval is valid. Needed by `approval: manual`."""
    rolled_back_before: bool = False
    """The candidate was rolled back and has not been allowed since."""
    cohort_from: date | None = None
    """First contact day of the candidate's rollback cohort of today."""
    baseline_readers: tuple[str, ...] | None = None
    """Who still reads the baseline's names; None when that was not checked."""
    evidence_sha256: str = ""
    """Of today's evidence: what an approval names."""
    unchecked_readers: str | None = None
    """Which place could not be checked for readers, and why."""
    prospects_missing: str | None = None
    """Why the candidate's promotion would leave the prospects without scores; None when it would not."""

    @cached_property
    def watched(self) -> Mapping[date, Close]:
        """The closed weeks that can convict: days evaluated live, strictly after the promotion."""
        since = self.status.live_since
        if since is None:
            return {}
        return closes(
            self.history, self.status.today, self.policy.weeks, lambda day, one: not one.retrospective and day > since
        )

    @cached_property
    def earned(self) -> tuple[Close, ...]:
        """Consecutive closed weeks, up to the latest, with the lift a promotion needs; oldest first."""
        today, weeks = self.status.today, self.policy.weeks
        closed = closes(self.history, today, weeks, lambda day, one: True)
        return running(closed, today, weeks, PROMOTION_LIFT, Verdict.PASS)

    def failing(self, name: str) -> tuple[Close, ...]:
        """Consecutive watched weeks, up to the latest, in which the gate failed."""
        return running(self.watched, self.status.today, self.policy.weeks, name, Verdict.FAIL)

    def needed(self, name: str) -> int:
        """Number of consecutive failing weeks after which the gate convicts: today's, and not fewer than the latest
        close was judged by."""
        weeks: int = getattr(self.policy.rollback.weeks_running, name)
        latest = max(self.watched.values(), key=lambda close: close.day, default=None)
        recorded = (latest.weeks_running or {}).get(name, weeks) if latest else weeks
        return max(weeks, recorded)

    def not_passing(self, *names: str) -> tuple[Gate, ...]:
        """Today's gates of these names that do not pass."""
        return tuple(gate for gate in self.gates if gate.name in names and gate.verdict != Verdict.PASS)

    def hold(self, reason: str, gates: tuple[Gate, ...] = (), *, alert: bool = False) -> Decision:
        """Change nothing. Alerts when one of today's gates asks for an alert."""
        return Decision(Action.HOLD, reason, gates, alert=alert or any(gate.alert for gate in self.gates))

    def act(self, action: Action, approval: str, reason: str, gates: tuple[Gate, ...]) -> Decision:
        """The action, or a request for approval where `approval` is manual."""
        if approval == "auto" or self.approved == action:
            return Decision(action, reason, gates)
        line = f"v4 approve {self.evidence_sha256[:12]}".rstrip()
        asked = f"{reason} Approval is manual: `{line}` agrees to it on this evidence."
        return Decision(Action.ASK, asked, gates, wanted=action, alert=True)


Rule = Callable[[State], Decision | None]
"""None when the rule does not apply."""
