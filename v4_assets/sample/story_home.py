"""The stage of a story: one team's V4_HOME, whose clock is moved from morning to morning, and the real jobs on it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from datetime import date, datetime, time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import Settings
from v4_assets.errors import V4Error
from v4_assets.evaluation.evidence import Evidence
from v4_assets.names import SCORING_JOB
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.local_runs import Outcome
from v4_assets.operations.monthly import Handed
from v4_assets.production.decision import Decision
from v4_assets.prospects.months import month_of
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import World, fill

if TYPE_CHECKING:
    from salesforce_stand_in import StandInOrg

TOP_DECILE = 10
RUN_AT, LOOK_AT = time(6, 30), time(8)
"""Times of the daily job and of the sensors, New York. At the latter, a day without a run counts as missing."""


class StoryError(V4Error):
    """A story of the demo did not go as expected."""


def must(happened: bool, otherwise: str) -> None:
    """Raise StoryError with the text `otherwise` unless `happened`."""
    if not happened:
        raise StoryError(otherwise)


@dataclass(frozen=True)
class Morning:
    """One day: its run, its decision, the executed orders, and the alert."""

    day: date
    outcome: Outcome
    decision: Decision
    acted: tuple[Outcome, ...]
    """The runs the sensor asked for."""
    news: str
    """The alert's text."""


@dataclass
class Stage:
    """A team: where everything about it is kept, and the world that its sources show day by day."""

    settings: Settings
    world: World | None = None
    silent: Mapping[str, str] = field(default_factory=dict)
    """Source table to the column of it that is delivered NULL throughout."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the warehouse and Dagster's instance open for the calls inside."""
        with warehouse(self.settings).session(), dagster_instance(self.settings):
            yield

    def at(self, day: date, when: time = RUN_AT) -> Settings:
        """The settings with the clock stopped at that time of that day, New York."""
        return self.settings.model_copy(update={"now": datetime.combine(day, when, NEW_YORK).isoformat()})

    def adopt(self, world: World, day: date) -> dict[str, int]:
        """Fill the sources and adopt the baseline. Returns rows per source."""
        self.world = world
        counts = self.deliver(day)
        local_runs.init(self.at(day))
        return counts

    def deliver(self, day: date) -> dict[str, int]:
        """Let the sources show what is known on the morning of the day. Returns rows per source."""
        must(self.world is not None, "the sources were never filled")
        assert self.world is not None
        known_at = self.at(day).clock.now()
        catalogue = self.settings.rollout.catalogue
        return fill(warehouse(self.settings), catalogue, self.world, known_at=known_at, silent=self.silent)

    def score(self, first: date, last: date, on: date) -> Outcome:
        """Scores of past days, computed on a later day in one run. Raises StoryError when it fails."""
        outcomes = [outcome for _, _, outcome in local_runs.backfill(self.at(on), first, last)]
        must(
            len(outcomes) == 1 and outcomes[0].success,
            f"scoring {first} to {last} afterwards failed: {[outcome.errors for outcome in outcomes]}",
        )
        return outcomes[0]

    def score_live(self, day: date) -> None:
        """Scores of the day, computed that morning; nothing is compared. Raises StoryError when it fails."""
        self.deliver(day)
        outcome = local_runs.run_job(self.at(day), SCORING_JOB, partition=day)
        must(outcome.success, f"scoring {day} failed: {outcome.errors}")

    def judge(self, day: date, on: date) -> None:
        """Compare the versions as of a past day. Raises StoryError when it fails."""
        outcomes = [outcome for _, _, outcome in local_runs.evaluate(self.at(on), [day])]
        must(len(outcomes) == 1 and outcomes[0].success, f"{day} could not be judged: {outcomes}")

    def run(self, day: date) -> Outcome:
        """The day's run, on the sources of that morning."""
        self.deliver(day)
        return local_runs.run_day(self.at(day), day)

    def morning(self, day: date) -> Morning:
        """The day's run, then one tick of both sensors, and the runs they request."""
        outcome = self.run(day)
        later = self.at(day, LOOK_AT)
        decision = operator_actions.status(later).decision
        acted = operator_actions.tick(later).outcomes
        # The story prints the alert; its log would appear on the terminal as well.
        with redirect_stderr(StringIO()):
            news = operator_actions.alert(later).said
        return Morning(day, outcome, decision, acted, news)

    def month(self, day: date) -> Handed:
        """Score every advisor for the month of the day and give its list out. Raises StoryError when it fails."""
        outcome = monthly.run_month(self.at(day), month_of(day))
        must(outcome.success, f"the monthly job of {day} failed: {outcome.errors}")
        return monthly.give_out(self.at(day), month_of(day))

    def evidence(self, day: date) -> list[Evidence]:
        """What the day knew about the versions."""
        return store(self.settings).comparisons(day, day)

    def live(self) -> str | None:
        """The version in production."""
        return store(self.settings).live()

    def scored(self, day: date, version: str) -> list[str]:
        """Ids of the leads the version scored on the day."""
        leads: list[str] = self._scores(day, version)["lead_id"].to_pylist()
        return leads

    def called_first(self, day: date, version: str) -> set[str]:
        """Ids of the leads in the version's top decile of the day."""
        rows = self._scores(day, version)
        return set(rows.filter(pc.equal(rows["decile"], TOP_DECILE))["lead_id"].to_pylist())

    def _scores(self, day: date, version: str) -> pa.Table:
        key = tables.scores_key(self.settings.rollout.versions[version].key)
        return store(self.settings).read("daily_scores", {"prediction_date": day}, daily_scores=key)

    def report(self, day: date, action: str) -> Path:
        """The page that was written about an action of the day. Raises StoryError when there is none."""
        found = sorted(self.settings.places.reports.glob(f"{day}-{action}-*.md"))
        must(len(found) == 1, f"{len(found)} reports on the {action} of {day} lie in {self.settings.places.reports}")
        return found[0]

    def stop_clock(self, day: date) -> None:
        """Fix the clock of this V4_HOME at that morning."""
        self.settings.demo_clock_file.write_text(self.at(day, LOOK_AT).clock.now().isoformat(), encoding="utf-8")


def fails(outcome: Outcome, gate: str) -> bool:
    """Whether the gate's verdict in this run is FAIL."""
    return any(
        (one.asset, one.check, one.severity) == (tables.LIFT_COMPARISON, gate, "ERROR") for one in outcome.checks_failed
    )


def carried(org: "StandInOrg", leads: Iterable[str]) -> Counter[str]:
    """Version to how many of the leads carry its score in the org; "none" for those without."""
    rows = org.rows()
    return Counter(str(rows[lead]["V4_Model_Version__c"] or "none") for lead in leads)
