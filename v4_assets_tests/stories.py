"""How the stories of a rollout are told: a home that is prepared once and copied for each, a clock that is moved, the
evidence the story wants, and beyond that the real jobs, checks and sensors.

Only the measuring is replaced: days before the story's own have their evidence written as their runs would have left
it, and a day that is run through Dagster finds what the story says where it would have compared the versions.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pyarrow as pa

from v4_assets import jobs, tables
from v4_assets.assets import scores
from v4_assets.assets.cohorts import Evaluator
from v4_assets.assets.partition import Day, Desk
from v4_assets.checks import Finding
from v4_assets.checks.scores import DISTINCT
from v4_assets.evaluation.comparison import Judged
from v4_assets.evaluation.evidence import QUESTIONS, Evidence, digest
from v4_assets.evaluation.intervals import wilson
from v4_assets.evaluation.store import evidence_rows
from v4_assets.modelling.model import Bundle
from v4_assets.operations import operate
from v4_assets.operations.operate import Outcome
from v4_assets.record import production
from v4_assets.record.deployments import Event
from v4_assets.record.production import Production
from v4_assets.record.writes import PartitionWrite
from v4_assets.record.written import latest_writes
from v4_assets.resources.connect import registry, warehouse
from v4_assets.resources.warehouse import arrow_schema
from v4_assets.rollout import by_hand
from v4_assets.rollout.by_hand import Tick
from v4_assets.sample.load import fill
from v4_assets.sample.world import WorldSpec, build
from v4_assets.settings import PROJECT, Settings, load
from v4_assets.sql import Query
from v4_assets_tests.evidences import evidence
from v4_assets_tests.homes import copy, prepared

OLD, NEW = "v4.0.0", "v4.1.0"
WORLD = WorldSpec(
    scale=0.004, leads_per_week=30, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 3, 31)
)  # fmt: skip

ADOPTED = date(2026, 1, 5)
"""A Monday, the first day on which both versions score live."""
SIXTH, SEVENTH = date(2026, 1, 10), date(2026, 1, 11)
BEFORE = (date(2025, 12, 28), date(2026, 1, 4))
"""The closes of the two weeks before: what promotion asks for."""
WATCHED = date(2026, 2, 2)
"""A Monday: three weeks have closed since the promotion."""
SINCE = (date(2026, 1, 18), date(2026, 1, 25), date(2026, 2, 1))
"""Their closes."""
LATE = date(2026, 3, 9)
"""A Monday on which leads contacted wholly after the promotion have matured."""
CLOSE_BEFORE_LATE = (date(2026, 3, 1), date(2026, 3, 8))

Figures = dict[str, Any]
GOOD: Figures = {"top_conversions": 42.0}
"""Lift 2.1, and the top decile converts at 8.4 %."""
FALLEN: Figures = {"top_conversions": 24.0}
"""Lift 1.2: below 1.5 by more than chance explains."""
DOUBTFUL: Figures = {"top_conversions": 28.0}
"""Lift 1.4: below 1.5 as chance may explain."""
CHAMPION: Figures = {"top_conversions": 30.0}
POOR_MARKET: Figures = {"top_conversions": 30.0, "conversions": 150, "leads": 10_000, "top_leads": 1_000.0}
"""Lift 2.0, but the top decile converts at 3 %."""
POORER_MARKET: Figures = POOR_MARKET | {"top_conversions": 20.0}
"""Nor does it for the champion: 2 %."""


@dataclass
class Story:
    """A home of its own, a day and what the environment says."""

    home: Path
    day: date
    time: str = "06:30"
    env: dict[str, str] = field(default_factory=dict)
    candidate: Figures = field(default_factory=lambda: GOOD)
    """What a run of today finds."""
    champion: Figures = field(default_factory=lambda: CHAMPION)

    @property
    def environment(self) -> dict[str, str]:
        """What the story's processes are started with."""
        return {"V4_HOME": str(self.home), "V4_NOW": f"{self.day}T{self.time}", **self.env}

    @property
    def settings(self) -> Settings:
        """Settings at the story's moment."""
        return load(self.environment)

    def rule(self, written: str, instead: str) -> None:
        """Change a line of the rollout.yaml this story goes by."""
        path = self.home / "rollout.yaml"
        text = (path if path.exists() else PROJECT / "rollout.yaml").read_text(encoding="utf-8")
        assert text.count(written) == 1, f"{written} stands {text.count(written)} times in rollout.yaml"
        path.write_text(text.replace(written, instead), encoding="utf-8")
        self.env["V4_ROLLOUT"] = str(path)

    def goes_on(self, day: date | None = None, time: str | None = None) -> None:
        """Move the clock."""
        self.day, self.time = day or self.day, time or self.time

    # --- what is done

    def run(self, *, replace_live: str | None = None) -> Outcome:
        """The daily job of today."""
        with self.measured():
            return operate.run_day(self.settings, self.day, replace_live=replace_live)

    @contextmanager
    def broken(self, version: str) -> Iterator[None]:
        """A blocking check of the version's scores fails."""

        def judged(desk: Desk, day: Day, bundle: Bundle, *keys: str) -> list[Finding]:
            found = judge(desk, day, bundle, *keys)
            if bundle.version != version:
                return found
            return [replace(one, passed=False, actual=1) if one.check == DISTINCT else one for one in found]

        judge = scores._judge
        with patch.object(scores, "_judge", judged):
            yield

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Where the versions are compared, today's figures are found."""

        def compare(evaluator: Evaluator) -> list[Judged]:
            day, retrospective = evaluator.day.date, evaluator.day.retrospective
            found = self.rows(day, self.candidate, self.champion, retrospective=retrospective)
            return [Judged(one, None, None, _deciles(one)) for one in found if one.version in evaluator.versions]

        with patch.object(Evaluator, "compare", compare):
            yield

    def tick(self) -> Tick:
        """One look of the rollout sensor, and the runs it asks for."""
        return by_hand.tick(self.settings)

    def alerts(self) -> str:
        """What one look of the alert sensor tells; empty when there is no news."""
        said = by_hand.alert(self.settings).said
        return "" if said == "nothing new to report" else said

    def write(
        self, day: date, candidate: Figures, champion: Figures | None = None, *, retrospective: bool = False
    ) -> None:
        """Leave evidence of a day as its run would have left it; once more when it is there."""
        settings = self.settings
        catalogue, house = settings.rollout.catalogue, warehouse(settings)
        table = catalogue[tables.LIFT_COMPARISON]
        latest = latest_writes(house, catalogue, day, day).get((table.name, day))
        schema = arrow_schema(table)
        rows = self.rows(day, candidate, champion or self.champion, retrospective=retrospective)
        batch = pa.RecordBatch.from_pylist([dict.fromkeys(schema.names) | asdict(row) for row in rows], schema)
        sequence = latest.sequence + 1 if latest else 1
        write = PartitionWrite(table.name, day, settings.clock.now(), retrospective, "told", "told", sequence=sequence)
        house.replace_partition(table, write, [batch], catalogue[tables.PARTITION_WRITES])

    def rows(self, day: date, candidate: Figures, champion: Figures, *, retrospective: bool) -> list[Evidence]:
        """Both versions' rows of both questions."""
        models = registry(self.settings)
        cohort = {"cohort_from": day - timedelta(days=53), "cohort_to": day - timedelta(days=44)}
        common = {"prediction_date": day, "retrospective": retrospective, **cohort}
        against = {"only_own_top": 20.0, "only_baseline_top": 8.0, "lift_difference": 0.6}
        figures = {NEW: common | against | candidate, OLD: common | champion}
        return [
            _consistent(evidence(question=question, version=one, model_sha256=models.load(one).sha256, **said))
            for question in QUESTIONS
            for one, said in figures.items()
        ]

    # --- what is seen

    @property
    def live(self) -> str:
        """The live version."""
        return self.production.version

    @property
    def production(self) -> Production:
        """Production's row."""
        settings = self.settings
        found = production.current(warehouse(settings), settings.rollout.catalogue)
        assert found is not None
        return found

    @property
    def events(self) -> list[Event]:
        """Everything that was recorded, oldest first."""
        settings = self.settings
        return production.history(warehouse(settings), settings.rollout.catalogue)

    @property
    def happened(self) -> list[str]:
        """The kinds of events, oldest first."""
        return [event.event for event in self.events]

    @property
    def evidence_sha256(self) -> str:
        """Of today's evidence."""
        settings = self.settings
        return digest(evidence_rows(warehouse(settings), settings.rollout.catalogue, self.day, self.day))

    @property
    def exported(self) -> dict[str, str]:
        """Version to status as registry.json tells other programs."""
        models = json.loads(self.settings.places.registry.read_text(encoding="utf-8"))["models"]
        return {version: entry["status"] for version, entry in models.items()}

    @property
    def reports(self) -> list[str]:
        """Names of the actions' reports."""
        folder = self.settings.places.reports
        return sorted(path.name for path in folder.glob("*.md") if not path.name.endswith("-daily.md"))

    def read(self, text: str) -> list[dict[str, Any]]:
        """The answer to a query."""
        return warehouse(self.settings).read(Query("told", text)).to_pylist()

    def change(self, statement: str) -> None:
        """Change the warehouse behind the project's back."""
        with warehouse(self.settings)._connection() as connection:
            connection.execute(statement)

    def ran(self, asset: str) -> int:
        """How often an asset was materialized for today."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[self.day.isoformat()])
        with operate.dagster_instance(self.settings) as instance:
            return len(instance.fetch_materializations(wanted, limit=100).records)


def _consistent(row: Evidence) -> Evidence:
    """Rates that follow from the counts; intervals left unsaid, since no gate reads them."""
    lift = row.top_conversions / row.conversions * row.leads / row.top_leads
    values = asdict(row) | {"lift": lift, "top_decile_conversion": row.top_conversions / row.top_leads}
    values |= {"base_rate": row.conversions / row.leads}
    unsaid = [f"{name}_{side}" for name in ("lift", "top_decile_conversion") for side in ("low", "high")]
    return Evidence(**values | dict.fromkeys(unsaid))


def _deciles(row: Evidence) -> tuple[dict[str, Any], ...]:
    """Conversion by decile: what the top decile does not convert is spread evenly over the others."""
    rest = (row.conversions - row.top_conversions) / 9
    found = []
    for decile in range(1, 11):
        conversions = row.top_conversions if decile == 10 else rest
        interval = wilson(conversions, row.top_leads, 0.9)
        found.append(
            {
                **{name: getattr(row, name) for name in ("prediction_date", "question", "version", "retrospective")},
                "ranking": "cohort",
                "decile": decile,
                "leads": row.top_leads,
                "conversions": conversions,
                "conversion_rate": interval.estimate,
                "conversion_rate_low": interval.low,
                "conversion_rate_high": interval.high,
                "lift": interval.estimate * row.leads / row.conversions,
            }
        )
    return tuple(found)


# --- homes, each prepared from the one before -----------------------------------------------------------------------


def _adopted(story: Story) -> None:
    settings = story.settings
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    operate.init(settings)


def _sixth(story: Story) -> None:
    """Six mornings on which both versions scored live, the last one run through."""
    while story.day < SIXTH:
        assert operate.run_job(story.settings, jobs.SCORING, partition=story.day).success
        story.goes_on(story.day + timedelta(days=1))
    _through(story)


def _through(story: Story) -> None:
    outcome = story.run()
    assert outcome.success, outcome.errors


def _promoted(story: Story) -> None:
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors


def _late(story: Story) -> None:
    story.candidate = GOOD | {"cohort_from": date(2026, 1, 14), "cohort_to": date(2026, 1, 24)}
    _through(story)


def _sunset(story: Story) -> None:
    assert story.tick().said.startswith("ask: ")
    # Whichever test makes the home, on whichever account.
    with patch.object(by_hand, "who", lambda: "ada (v4)"):
        by_hand.approve(story.settings, story.evidence_sha256)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors


HOMES: dict[str, tuple[str | None, date, Callable[[Story], None]]] = {
    "adopted": (None, ADOPTED, _adopted),
    "sixth": ("adopted", ADOPTED, _sixth),
    "seventh": ("sixth", SEVENTH, _through),
    "promoted": ("seventh", SEVENTH, _promoted),
    "watched": ("promoted", WATCHED, _through),
    "late": ("promoted", LATE, _late),
    "sunset": ("late", LATE, _sunset),
}
"""Name to the home it begins as, the day, and what happens."""
DAYS = {name: SIXTH if name == "sixth" else day for name, (_, day, _) in HOMES.items()}


def home_of(name: str) -> Path:
    """The prepared home, made on first use. Copied, never written by a story."""

    def make(home: Path) -> None:
        before, day, happens = HOMES[name]
        if before:
            shutil.copytree(home_of(before), home, dirs_exist_ok=True)
        happens(Story(home, day))

    return prepared(name, make)


def tell(name: str, home: Path, **env: str) -> Story:
    """A story that begins with a copy of a prepared home."""
    return Story(copy(home_of(name), home), DAYS[name], env=env)
