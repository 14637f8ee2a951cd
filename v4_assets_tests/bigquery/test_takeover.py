"""The firm's warehouse in BigQuery, in a dataset whose tables expire: taken over, scored, promoted, and given back.

Taken over once more, it is rolled back by the script that is pasted into the console.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.api_core.exceptions import BadRequest, GoogleAPIError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.errors import ObstacleError, TakeoverError
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.operations.doctor import Verdict, foreign_objects
from v4_assets.operations.migration.reasons import OTHER_ADVISOR
from v4_assets.operations.migration.report import Migration
from v4_assets.operations.takeover.move_in import MoveIn
from v4_assets.operations.takeover.undo import Undo
from v4_assets.prospects.months import month_of
from v4_assets.resources import crm, registry, store, warehouse
from v4_assets.sample.world import build, fill
from v4_assets.warehouse.bigquery import warehouse as module
from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.narrow import present

PROJECT = "v4-takeover"
DAY, NEXT = date(2026, 1, 12), date(2026, 1, 13)
HAND_RUN = date(2026, 1, 11)
"""The day of the hand-run tables."""
DAYS_60 = 60 * 86_400_000
COUNTED = "SELECT COUNT(*), COUNT(DISTINCT prediction_date) FROM ml_features.v4_daily_scores_v41"


class Crash(BaseException):
    """The process ends here."""


class Firm:
    """The firm's project."""

    def __init__(self, emulator: Emulator, home: Path) -> None:
        options = {"api_endpoint": emulator.endpoint}
        self.client = bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)
        self.home, self.emulator = home, emulator

    def on(self, day: date = DAY) -> Settings:
        return load(self.environment(day))

    def environment(self, day: date = DAY) -> dict[str, str]:
        return {
            "V4_HOME": str(self.home),
            "V4_NOW": f"{day}T06:30",
            "V4_WAREHOUSE": "bigquery",
            "V4_BIGQUERY_PROJECT": PROJECT,
            "V4_BIGQUERY_ENDPOINT": self.emulator.endpoint,
            "V4_BIGQUERY_STORAGE_ENDPOINT": self.emulator.storage_endpoint,
        }

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.client.query_and_wait(text)]

    def content(self) -> dict[str, Any]:
        """Rows of the firm's tables, texts of its views, and when each expires."""
        found: dict[str, Any] = {}
        for name in (*firm.IN_THE_WAY, *firm.HELPERS, *firm.DASHBOARDS):
            table = self.client.get_table(f"ml_features.{name}")
            rows = table.view_query or sorted(map(str, self.ask(f"SELECT * FROM ml_features.{name}")))
            found[name] = (table.table_type, rows, table.expires, table.description)
        return found

    def answers(self, name: str) -> bool:
        """Whether a reader would be answered; nothing is read."""
        config = bigquery.QueryJobConfig(dry_run=True)
        try:
            self.client.query(f"SELECT * FROM ml_features.{name}", job_config=config)
        except GoogleAPIError:
            return False
        return True

    def move_in(self, progress: Any = lambda _: None, day: date = DAY) -> None:
        settings = self.on(day)
        MoveIn(store(settings, any_schema=True), settings.rollout, settings.clock, "a person", progress).run()

    def undo(self, progress: Any = lambda _: None, day: date = DAY) -> None:
        settings = self.on(day)
        Undo(store(settings, any_schema=True), settings.rollout, settings.clock, "a person", progress).run()


@pytest.fixture(scope="module")
def place(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Firm:
    made = Firm(emulator, tmp_path_factory.mktemp("takeover"))
    for name in ("SavvyGTMData", "FinTrx_data_CA"):
        made.client.create_dataset(name)
    dataset = bigquery.Dataset(f"{PROJECT}.ml_features")
    dataset.default_table_expiration_ms = DAYS_60
    made.client.create_dataset(dataset)
    settings = made.on()
    fill(warehouse(settings, any_schema=True), settings.rollout.catalogue, build(firm.WORLD))
    firm.build(made.client.query_and_wait)
    table = made.client.get_table(f"ml_features.{firm.OLD_FEATURES}")
    table.description = "the dashboards' view"
    made.client.update_table(table, ["description"])
    return made


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has not asked for the schema version yet."""
    monkeypatch.setattr(module, "_verified_until", {})


class Stopped:
    """Sees which of the names are answered after each step, and ends the process after the first step of each kind.

    After every step it is ended on DuckDB (operations/takeover/test_crashes).
    """

    def __init__(self, place: Firm, names: Iterable[str] = ()) -> None:
        self.place = place
        self.steps: list[str] = []
        self.kinds: set[str] = set()
        self.failing: dict[str, set[str]] = {name: set() for name in names}

    def __call__(self, step: str) -> None:
        if step in self.steps or step == "record the end":
            return
        self.steps.append(step)
        for name, seen in self.failing.items():
            if not self.place.answers(name):
                seen.add(step.partition(" to ")[0])
        kind = step.partition(" ")[0]
        if kind not in self.kinds:
            self.kinds.add(kind)
            raise Crash

    def through(self, action: Callable[[Callable[[str], None]], None]) -> int:
        """Repeat an action until it ends; how many processes that took."""
        for number in range(60):
            try:
                action(self)
            except Crash:
                continue
            return number + 1
        raise AssertionError(self.steps)


def taken_over(place: Firm, before: dict[str, Any]) -> None:
    stopped = Stopped(place, (*firm.IN_THE_WAY, *firm.DASHBOARDS))
    assert stopped.through(place.move_in) == len(stopped.kinds) + 1
    assert len(stopped.steps) > 12
    assert stopped.kinds == {"keep", "make", "move", "record", "verify"}
    never = (firm.OLD_FEATURES, firm.NEW_FEATURES, firm.READS_A_VIEW, firm.READS_A_HELPER)
    assert {name: stopped.failing[name] for name in never} == {name: set() for name in never}
    for name in (firm.OLD_SCORES, firm.READS_A_TABLE):
        assert stopped.failing[name] == {f"move ml_features.{firm.OLD_SCORES}"}
    for name in stopped.failing:
        assert place.answers(name), name
    kept = place.client.get_table(f"ml_features.{firm.OLD_FEATURES}_before_v4_20260112")
    assert (kept.view_query, kept.description) == (before[firm.OLD_FEATURES][1], "the dashboards' view")
    assert kept.expires is None
    assert place.client.get_table(f"ml_features.{firm.OLD_SCORES}_before_v4_20260112").expires is None
    assert present(local_runs.init(place.on()).live).version == "v4.0.0"
    doctor = foreign_objects.probes(place.on())
    assert doctor["expiration"]().found == "nothing of ours expires"
    assert doctor["names free"]().verdict is Verdict.OK


def scored_and_promoted(place: Firm) -> None:
    outcome = local_runs.run_day(place.on(NEXT), NEXT)
    assert (outcome.success, outcome.errors) == (True, ())
    assert monthly.run_month(place.on(NEXT), month_of(NEXT)).success
    outcome = operator_actions.order(place.on(NEXT), "promotion", "v4.1.0", "It's better")
    assert outcome.success, outcome.errors


def compared(place: Firm) -> None:
    """The migration report of the day of the hand-run tables, from where the takeover keeps them."""
    settings = place.on(NEXT)
    for _, _, outcome in local_runs.backfill(settings, HAND_RUN, HAND_RUN):
        assert outcome.success, outcome.errors
    there = Migration(store(settings), settings.rollout, settings.clock, crm(settings), day=HAND_RUN)
    found = {one.version: one for one in there.report(list(settings.rollout.versions)).sections}
    assert found.keys() == {"v4.0.0", "v4.1.0"}
    for version, name in (("v4.0.0", firm.OLD_SCORES), ("v4.1.0", firm.NEW_SCORES)):
        section = found[version]
        assert section.features_from == f"ml_features.{name}_before_v4_20260112"
        assert (section.day, section.retrospective) == (HAND_RUN, True)
        ours = f"ml_features.v4_features_{settings.rollout.versions[version].key}"
        for line in section.features.differing:
            wanted = {"tenure_months": "12", "tenure_bucket": "'12-24'"}[line.feature]
            asked = (
                f"SELECT COUNT(*), COUNTIF({line.feature} <> {wanted}) FROM {ours} AS ours "
                f"JOIN ml_features.{name}_before_v4_20260112 AS theirs USING (lead_id, prediction_date)"
            ).replace(f"COUNTIF({line.feature}", f"COUNTIF(ours.{line.feature}")
            assert place.ask(asked) == [(line.compared, line.differing)]
            assert sum(line.reasons.values()) == line.differing > 0
        assert OTHER_ADVISOR in section.features.differing[0].reasons
    assert {line.feature for line in found["v4.1.0"].features.differing} == {"tenure_months", "tenure_bucket"}


def test_the_whole_way_and_back(place):
    before = place.content()
    assert all(content[2] for content in before.values())
    with pytest.raises(ObstacleError, match=r"7 objects that this project did not make .* expires on 20\d\d-"):
        local_runs.init(place.on())
    assert place.content() == before
    taken_over(place, before)
    scored_and_promoted(place)
    compared(place)
    scored = place.ask(COUNTED)
    assert scored[0][1] == 2

    stopped = Stopped(place)
    assert stopped.through(partial(place.undo, day=NEXT)) == len(stopped.kinds) + 1
    assert len(stopped.steps) > 12
    assert place.content() == before
    assert [one.table_id for one in place.client.list_tables("ml_features") if "_before_v4_" in one.table_id] == []
    assert place.ask(f"{COUNTED}_of_v4_20260113") == scored
    module._verified_until.clear()
    with pytest.raises(TakeoverError, match="was undone"):
        store(place.on(NEXT)).live()
    with pytest.raises(ObstacleError):
        local_runs.init(place.on(NEXT))

    place.move_in(day=NEXT)
    assert present(local_runs.init(place.on(NEXT)).live).version == "v4.1.0"
    assert place.ask(COUNTED) == scored


def test_the_pasted_rollback_switches_once_with_a_reason_and_is_carried_through_by_the_next_resume(place):
    """Needs no Dagster: it leaves what `v4 resume` takes up."""
    settings = place.on(NEXT)
    command = ["sql", "render", "--script", "rollback", "--warehouse", "bigquery"]
    wanted = CliRunner(env=place.environment(NEXT)).invoke(cli, command).output
    text = wanted.replace("v4_reason STRING DEFAULT NULL", "v4_reason STRING DEFAULT 'the page is down'")
    with pytest.raises(BadRequest, match="say in v4_reason why"):
        place.ask(wanted)
    [(live, before, _)] = place.ask(text)
    assert (live, before) == ("v4.0.0", "v4.1.0")
    with pytest.raises(BadRequest, match=r"Nothing was changed: v4\.0\.0 is live"):
        place.ask(text)
    assert operator_actions.resume(settings).success
    started, completed = store(settings).events()[-2:]
    bundle = registry(settings).load("v4.0.0").bundle_sha256
    assert present(store(settings).production()).bundle_sha256 == started.bundle_sha256 == bundle
    assert (started.event, started.reason, started.decided_by[:9]) == (
        "rollback_started",
        "the page is down",
        "console: ",
    )
    assert (completed.event, completed.version, completed.previous) == ("rollback_completed", "v4.0.0", "v4.1.0")


def test_an_expiration_set_later_fails_with_the_statement_that_removes_it_the_record_first(place):
    settings = place.on(NEXT)
    catalogue = settings.rollout.catalogue
    for key in (tables.SCORED_LEADS, tables.DEPLOYMENTS):
        name = catalogue[key].full_name
        place.ask(f"ALTER TABLE {name} SET OPTIONS (expiration_timestamp = TIMESTAMP '2099-01-01')")
    doctor = foreign_objects.probes(settings)["expiration"]()
    assert doctor.verdict is Verdict.FAIL
    assert doctor.found.startswith("ml_features.v4_deployments expires on 2099-01-01; ml_features.v4_scored_leads ")
    for statement in doctor.do.split("; "):
        place.ask(statement.strip("`"))
    assert foreign_objects.probes(settings)["expiration"]().verdict is Verdict.OK
