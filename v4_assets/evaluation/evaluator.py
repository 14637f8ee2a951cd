"""Reads the data of a day's comparison: contacted leads, their scores, and the live versions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.config.rollout import Rollout
from v4_assets.days import days_between
from v4_assets.errors import RowsMissingError
from v4_assets.evaluation.cohorts import Entries, Reach, cohort, entries, first_contact, likely_reach, widest, without
from v4_assets.evaluation.comparison import Judged, Occasion, compare, served
from v4_assets.evaluation.evidence import QUESTIONS, Question
from v4_assets.evaluation.lead_flow import WEEKS_BEFORE, left_out, silences
from v4_assets.partitions import Day
from v4_assets.production import events as deployments
from v4_assets.production.events import Event
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

SIZING = {
    "min_days",
    "max_days",
    "min_conversions",
    "label_lag_days",
    "interval_level",
}
"""Settings of `evaluation` that determine the evidence; the others only determine its verdict."""


@dataclass(frozen=True)
class Evaluator:
    """One day's comparison of some versions."""

    store: Store
    rollout: Rollout
    day: Day
    versions: tuple[str, ...]
    events: Sequence[Event]
    writes: Mapping[tuple[str, date], PartitionWrite]
    """Of every day that is read."""

    @classmethod
    def of(
        cls, store: Store, rollout: Rollout, day: Day, versions: tuple[str, ...], events: Sequence[Event]
    ) -> "Evaluator":
        """With the current writes. Raises RowsMissingError when lead_outcomes has no partition of the day."""
        first = widest(day.date, rollout.outcome_window_days, rollout.evaluation).first
        writes = store.latest_writes(first, day.date)
        if (store.catalogue[tables.LEAD_OUTCOMES].name, day.date) not in writes:
            raise RowsMissingError(
                f"lead_outcomes of {day.date} was never written, so conversions are unknown. Run "
                f"`v4 run --date {day.date}` first."
            )
        return cls(store, rollout, day, versions, events, writes)

    @property
    def whole(self) -> Reach:
        """The longest possible cohort."""
        return widest(self.day.date, self.rollout.outcome_window_days, self.rollout.evaluation)

    def definition(self) -> list[str]:
        """Everything that determines the evidence: settings, queries, and every write that is read."""
        read = {tables.SCORED_LEADS, tables.LEAD_OUTCOMES, *self._score_keys().values()}
        names = {self.store.catalogue[key].name for key in read}
        return [
            self.rollout.evaluation.model_dump_json(include=SIZING),
            str(self.rollout.outcome_window_days),
            self.rollout.baseline,
            *self.versions,
            *(f"without {day}" for day in sorted(self.silent_days)),
            *(sql.load(name).body for name in ("cohort_leads", "cohort_scores")),
            *sorted(
                f"{name}@{day}:{write.sequence}"
                for (name, day), write in self.writes.items()
                if name in names and self._is_read(name, day)
            ),
        ]

    @property
    def inputs(self) -> dict[str, int]:
        """Latest write of each input of the day itself, 0 for none."""
        names = [
            self.store.catalogue[key].name
            for key in (tables.LEAD_OUTCOMES, tables.SCORED_LEADS, *self._score_keys().values())
        ]
        found = {name: self.writes.get((name, self.day.date)) for name in names}
        return {name: write.sequence if write else 0 for name, write in found.items()}

    def compare(self) -> list[Judged]:
        """Every version on the cohort of every question."""
        silent = self.silent_days
        found, scores = self._entries(silent)
        judged: list[Judged] = []
        occasion = self.occasion()
        days = self.whole.first_scored, self.whole.last_scored
        artifacts = {version: self.store.artifacts(version, *days) for version in scores}
        for question in QUESTIONS:
            chosen = cohort(found, self._reach(found, question), silent)
            versions = {
                version: served(table, chosen.rows[version], artifacts[version]) for version, table in scores.items()
            }
            judged += compare(occasion, question, chosen, versions)
        return judged

    def leads_of(self, reach: Reach, leads: pa.Table | None = None) -> tuple[Entries, dict[str, pa.Table]]:
        """The leads contacted within `reach`, and their scores; `leads` is cohort_leads of it or more, read if None."""
        leads = self._read("cohort_leads", reach) if leads is None else leads
        scores = {
            version: self._read("cohort_scores", reach, daily_scores=key) for version, key in self._score_keys().items()
        }
        return entries(leads, scores, self._scored_days(reach), self.rollout.outcome_window_days), scores

    @property
    def scores(self) -> dict[str, NDArray[Any]]:
        """Each version's scores of the day, float, shape (n,)."""
        keys, day = self._score_keys(), {"prediction_date": self.day.date}
        return {
            version: self.store.read("score_ranks", day, daily_scores=keys[version])["score"].to_numpy()
            for version in keys
        }

    @cached_property
    def calls(self) -> dict[date, int]:
        """Calls of each day that had any, as known on the day."""
        first = self.whole.first - timedelta(weeks=WEEKS_BEFORE)
        rows = self.store.rows("call_days", self.day.params | {"first_day": first})
        return {row["called_on"]: row["calls"] for row in rows}

    @cached_property
    def silences(self) -> list[tuple[date, date]]:
        """Abnormal runs of days without a call, as known on the day, oldest first."""
        limits = self.rollout.evaluation
        last = self.day.date - timedelta(days=1)
        return silences(self.calls, self.whole.first, last, limits.silent_calls, limits.holidays)

    @property
    def fresh_silences(self) -> list[tuple[date, date]]:
        """Those whose calls no matured cohort was judged without yet."""
        since = self.day.date - timedelta(days=self.rollout.outcome_window_days)
        return [run for run in self.silences if run[1] >= since]

    @cached_property
    def silent_days(self) -> set[date]:
        """Days of contact after which calls that should have been recorded were not."""
        return left_out(self.silences)

    def _entries(self, silent: Collection[date]) -> tuple[Entries, dict[str, pa.Table]]:
        """All leads that may enter a cohort, and their scores, read only as far back as needed."""
        window_days, numbers = self.rollout.outcome_window_days, self.rollout.evaluation
        leads = self._read("cohort_leads", self.whole)
        most = max(self._minimum(question) for question in QUESTIONS)
        for reach in (likely_reach(leads, self.whole, window_days, most, numbers.min_days), self.whole):
            found, scores = self.leads_of(reach, leads)
            found = without(found, silent)
            if reach == self.whole or (found.converted & found.covered).sum() >= most:
                break
        return found, scores

    def _reach(self, found: Entries, question: Question) -> Reach:
        contacted, converted = found.contacted_on[found.covered], found.converted[found.covered]
        minimum, min_days = self._minimum(question), self.rollout.evaluation.min_days
        return Reach(first_contact(self.whole, contacted, converted, minimum, min_days), self.whole.last)

    def occasion(self) -> Occasion:
        """Values common to every row of the day."""
        return Occasion(
            prediction_date=self.day.date,
            retrospective=self.day.retrospective,
            baseline=self.rollout.baseline,
            level=self.rollout.evaluation.interval_level,
            live=self._live(),
            call_days=self.calls,
            churn={version: self._churn(key) for version, key in self._score_keys().items()},
        )

    def _live(self) -> dict[date, str]:
        """The version live at the end of each day; before the first event, the adopted version."""
        switches = [event for event in self.events if event.event in deployments.SWITCHES]
        found = {}
        for day in self._days_scored() if switches else ():
            found[day] = (deployments.live_at(switches, cutoff(day + timedelta(days=1))) or switches[0]).version
        return found

    def _churn(self, key: str) -> float | None:
        params = {"prediction_date": self.day.date, "day_before": self.day.date - timedelta(days=1)}
        [row] = self.store.rows("top_decile_churn", params, daily_scores=key)
        return row["new_count"] / row["top_count"] if row["known_count"] else None

    def _read(self, file: str, reach: Reach, **aliases: str) -> pa.Table:
        return self.store.read(file, self.day.params | reach.params, **aliases)

    def _score_keys(self) -> dict[str, str]:
        return {version: tables.scores_key(self.rollout.versions[version].key) for version in self.versions}

    def _minimum(self, question: Question) -> int:
        minimum: int = getattr(self.rollout.evaluation.min_conversions, question)
        return minimum

    def _days_scored(self) -> tuple[date, ...]:
        """The days on which a lead of the longest cohort may have had its first score."""
        return days_between(self.whole.first_scored, self.whole.last_scored)

    def _scored_days(self, reach: Reach) -> list[date]:
        """The days with scores of every version on which a lead of `reach` may have had its first."""
        names = [self.store.catalogue[key].name for key in self._score_keys().values()]
        days = days_between(reach.first_scored, reach.last_scored)
        return [day for day in days if all((name, day) in self.writes for name in names)]

    def _is_read(self, name: str, day: date) -> bool:
        if name == self.store.catalogue[tables.LEAD_OUTCOMES].name:
            return day == self.day.date
        in_cohort = self.whole.first_scored <= day <= self.whole.last_scored
        # The change of the top decile is computed from the day and the day before.
        of_today = name != self.store.catalogue[tables.SCORED_LEADS].name and (self.day.date - day).days <= 1
        return in_cohort or of_today
