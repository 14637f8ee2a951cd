"""Days that were not scored: which they are, how they are made up for, and until when they matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.days import contiguous, days_between
from v4_assets.evaluation.cohorts import FIRST_SCORE_DAYS
from v4_assets.production.events import SWITCHES, Event, state_after
from v4_assets.store import Store


@dataclass(frozen=True)
class LostDays:
    """Days before today on which a version that is compared was not scored, oldest first, and what they cost."""

    days: tuple[date, ...]
    judged_from: date
    """First day whose cohort may hold leads that entered on one of them."""
    matter_until: date
    """Last such day."""

    @property
    def command(self) -> str:
        """The command that makes up for them: it fills only gaps."""
        return f"v4 backfill --from {self.days[0]} --to {self.days[-1]} --evaluate"

    @property
    def sentence(self) -> str:
        """The days, the command and the dates."""
        stretches = [f"{first} to {last}" if first != last else f"{first}" for first, last in contiguous(self.days)]
        number = "1 day has" if len(self.days) == 1 else f"{len(self.days)} days have"
        return (
            f"{number} no scores: {', '.join(stretches)}. `{self.command}` makes up for them; their leads are judged "
            f"from {self.judged_from} until {self.matter_until}, and are uncovered where that is not done."
        )


def lost_days(store: Store, rollout: Rollout, clock: Clock, events: Sequence[Event]) -> LostDays | None:
    """The lost days that still matter; None without any.

    A fixed clock is moved by hand, so the days between two of its positions never took place and are not lost.
    """
    adopted = next((event.day for event in events if event.event == "adopted"), None)
    if clock.fixed or adopted is None:
        return None
    state, today = state_after(events), clock.today()
    first = max(adopted, rollout.first_day, today - timedelta(days=rollout.cohort_reach_days - 1))
    writes = store.latest_writes(first, today)
    missing = set[date]()
    for version in {rollout.baseline, rollout.candidate} - state.archived:
        table = store.catalogue[tables.scores_key(rollout.versions[version].key)].name
        scored = {day for name, day in writes if name == table}
        live = {event.day for event in events if event.event in SWITCHES and event.version == version}
        # A candidate is expected from its first scores on, a version that was live from that day on at the latest.
        if begun := min(scored | live, default=None):
            expected = days_between(max(first, begun + timedelta(days=1)), today - timedelta(days=1))
            missing |= set(expected) - scored
    return _of(tuple(sorted(missing)), rollout)


def _of(missing: tuple[date, ...], rollout: Rollout) -> LostDays | None:
    if not missing:
        return None
    matures = rollout.outcome_window_days + 1 + rollout.evaluation.label_lag_days
    return LostDays(
        missing,
        judged_from=missing[0] + timedelta(days=matures - FIRST_SCORE_DAYS),
        matter_until=missing[-1] + timedelta(days=rollout.cohort_reach_days - 1),
    )
