"""The history of production as events, and what follows from it: who is live since when, what is unfinished, which
phase a rollout is in, what status each model has. Nothing here is stored; it is derived from the events.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from v4_assets.clock import NEW_YORK
from v4_assets.production.decision import Action, Phase, RolloutStatus

SWITCHES = ("adopted", "promotion_started", "rollback_started")
"""Events after which another version is live."""
STARTED, COMPLETED = "_started", "_completed"


@dataclass(frozen=True)
class Event:
    """One row of v4_deployments; its SQL header says what each column holds."""

    event_id: str
    happened_at: datetime
    event: str
    version: str
    reason: str
    decided_by: str
    previous: str | None = None
    action_id: str | None = None
    gates: str | None = None
    evidence_day: date | None = None
    evidence_sha256: str | None = None
    bundle_sha256: str | None = None
    run_id: str | None = None
    hold_until: datetime | None = None
    sequence: int = 0
    """Given when the event is recorded."""

    @property
    def day(self) -> date:
        """Its New York date."""
        return self.happened_at.astimezone(NEW_YORK).date()


@dataclass(frozen=True)
class Production:
    """The row of ml_features.v4_production: what is live."""

    version: str
    features_view: str
    scores_table: str
    model_uri: str
    model_sha256: str
    bundle_sha256: str | None
    """None only where a row from before schema 2 was edited so that the upgrade did not know its model."""
    event_id: str


@dataclass(frozen=True)
class DeploymentState:
    """Where production stands after all events."""

    live: Event | None = None
    """The switch that made the live version live."""
    unfinished: Event | None = None
    """A started action without its completion."""
    rolled_back: frozenset[str] = frozenset()
    """Versions taken back and not allowed again since."""
    archived: frozenset[str] = frozenset()
    latest: dict[str, Event] | None = None
    """Kind of event to its latest one."""


def in_order(events: Iterable[Event]) -> list[Event]:
    """As they were recorded: the clock may stand still, or two hosts' clocks disagree."""
    return sorted(events, key=lambda one: (one.sequence, one.happened_at, one.event_id))


def state_after(events: Sequence[Event]) -> DeploymentState:
    """The state after events in order."""
    live = unfinished = None
    rolled_back: set[str] = set()
    archived: set[str] = set()
    latest: dict[str, Event] = {}
    for event in events:
        latest[event.event] = event
        if event.event in SWITCHES:
            live = event
        if event.event.endswith(STARTED):
            unfinished = event
        elif unfinished and event.action_id == unfinished.event_id:
            unfinished = None
        if event.event == "rollback_started" and event.previous:
            rolled_back.add(event.previous)
        elif event.event == "allowed":
            rolled_back.discard(event.version)
        elif event.event == "sunset_completed":
            archived.add(event.version)
        elif event.event == "restored":
            archived.discard(event.version)
    return DeploymentState(live, unfinished, frozenset(rolled_back), frozenset(archived), latest)


def rollout_status(
    events: Sequence[Event], *, baseline: str, candidate: str, today: date, production: tuple[str, str] | None
) -> RolloutStatus:
    """The rollout's status on `today`. `production` is (version, event_id) of its row, None without one."""
    state = state_after(events)
    phase, since = _phase(state, events, baseline, candidate)
    return RolloutStatus(
        phase=phase,
        live=state.live.version if state.live else None,
        candidate=candidate,
        baseline=baseline,
        today=today,
        live_since=state.live.day if state.live else None,
        phase_since=since,
        disagreement=_disagreement(state, baseline, candidate, production),
    )


def _phase(state: DeploymentState, events: Sequence[Event], baseline: str, candidate: str) -> tuple[Phase, date | None]:
    if state.live is None:
        return Phase.NOT_ADOPTED, None
    if state.live.version == candidate:
        if baseline in state.archived:
            return Phase.SUNSET, _last(events, "sunset_completed", baseline)
        restored = _last(events, "restored", baseline)
        return Phase.WATCH, max(filter(None, (state.live.day, restored)))
    if candidate in state.rolled_back:
        return Phase.ROLLED_BACK, state.live.day
    return Phase.PARALLEL, max(filter(None, (state.live.day, _last(events, "allowed", candidate))))


def parallel_since(events: Sequence[Event], candidate: str) -> date | None:
    """Since when the candidate is tried beside the live version: adoption, or its last rollback or allowance."""
    begun = [
        event.day
        for event in events
        if event.event == "adopted"
        or (event.event == "rollback_started" and event.previous == candidate)
        or (event.event == "allowed" and event.version == candidate)
    ]
    return max(begun, default=None)


def _last(events: Sequence[Event], kind: str, version: str) -> date | None:
    return next((one.day for one in reversed(events) if one.event == kind and one.version == version), None)


def _disagreement(
    state: DeploymentState, baseline: str, candidate: str, production: tuple[str, str] | None
) -> str | None:
    live = (state.live.version, state.live.event_id) if state.live else None
    if live != production:
        recorded, found = live[0] if live else "nothing", production[0] if production else "nothing"
        return (
            f"the last switch in the deployments made {recorded} live, the production row says {found}: one "
            "of them was edited by hand"
        )
    if live and live[0] not in (baseline, candidate):
        return f"{live[0]} is live, rollout.yaml is about {baseline} and {candidate}"
    return None


def statuses(events: Sequence[Event], versions: Iterable[str], candidate: str) -> dict[str, str]:
    """Version to production, challenger, deprecated (rolled back), archived (sunset), retired or registered."""
    state = state_after(events)
    live = state.live.version if state.live else None
    before = {event.previous for event in events if event.event in SWITCHES}

    def status(version: str) -> str:
        if version == live:
            return "production"
        if version in state.archived:
            return "archived"
        if version in state.rolled_back:
            return "deprecated"
        if version == candidate:
            return "challenger"
        return "retired" if version in before else "registered"

    return {version: status(version) for version in versions}


def live_at(events: Sequence[Event], instant: datetime) -> Event | None:
    """The switch in force at an instant; None before the first."""
    return next((one for one in reversed(events) if one.event in SWITCHES and one.happened_at <= instant), None)


def approved(events: Sequence[Event], candidate: str, evidence_sha256: str, since: datetime) -> Action | None:
    """The action approved on exactly this evidence, by an approval that is not older than `since`."""
    for event in reversed(events):
        if event.event == "approved" and event.evidence_sha256 == evidence_sha256 and event.happened_at >= since:
            return Action.PROMOTE if event.version == candidate else Action.SUNSET
    return None


def report_name(action: Event | None, day: date) -> str:
    """File name without ending: actions have a page of their own, a day's is overwritten by its reruns."""
    if action is None:
        return f"{day}-daily"
    return f"{action.day}-{action.event.replace('_started', '')}-{action.version}-{action.event_id[:8]}"


UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Categories of characters that move the cursor, turn the direction of reading, or are not shown."""


def escaped(reason: str) -> str:
    """The reason with control and format characters written out, as \\x1b or \\u202e: it shows what it holds."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in UNSEEN else character
        for character in reason
    )
