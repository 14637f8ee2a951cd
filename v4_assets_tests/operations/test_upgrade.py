"""An installation of release 0.1 in the middle of a watch is upgraded and goes on to the decision that release made.

The installation is one that release wrote itself (fixtures/release_0_1/README.md). What each schema version brought to
it is in BROUGHT, and nowhere else.
"""

import json
import shutil
import tarfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.errors import SchemaVersionError
from v4_assets.evaluation.evidence import Artifact
from v4_assets.models.bundle import BUNDLE_FILES
from v4_assets.names import DAILY_JOB
from v4_assets.operations import operator_actions
from v4_assets.operations.ci import checks_of_run
from v4_assets.operations.instance import dagster_instance
from v4_assets.production.decision import ADDED as ADDED_GATES
from v4_assets.production.decision import GATE_NAMES, Action
from v4_assets.report.figure_tables import gates_of
from v4_assets.resources import registry, store, warehouse
from v4_assets.warehouse.schema import NEEDED
from v4_assets_tests.fixtures.make_release_fixture import DECISION, HOME
from v4_assets_tests.fixtures.narrow import embedded
from v4_assets_tests.fixtures.stories import FALLEN, NEW, OLD, Story

pytestmark = pytest.mark.extended

SUNDAY, MONDAY = date(2026, 2, 8), date(2026, 2, 9)
"""The day it was left on, the close of its second failing week; and the day on which that is decided on."""
CLOCK_STANDS = "time zones"
"""The probe that warns in every story: the clock is fixed."""


SCORES = {OLD: "v4_daily_scores", NEW: "v4_daily_scores_v41"}


MONTHLY = (
    *("v4_prospects", "v4_prospect_list", "v4_prospect_lists", "v4_prospect_departures", "v4_prospect_firm_activity"),
    *("v4_prospect_advisor_firms", "v4_prospect_common_features", "v4_prospect_scores"),
    *(f"v4_prospect_{what}_{key}" for what in ("features", "scores", "profile") for key in ("v40", "v41")),
)
"""The tables and the view of the monthly job."""


def _versions_are_recorded(story: Story) -> None:
    """Schema 2: the schema versions, and the bundles that older rows, which name none, stand for."""
    [row] = story.read("SELECT * FROM `ml_features`.`v4_schema` WHERE version = 2")
    assert (row["previous"], row["recorded_by"]) == (1, "v4 init")
    bundles = {version: registry(story.settings).load(version) for version in (OLD, NEW)}
    assert json.loads(row["facts"])["bundles"] == {
        version: {"model_sha256": bundle.sha256, "bundle_sha256": bundle.bundle_sha256}
        for version, bundle in bundles.items()
    }
    assert story.production.bundle_sha256 == bundles[NEW].bundle_sha256


ADDED: dict[int, dict[str, tuple[str, ...]]] = {
    2: dict.fromkeys((*SCORES.values(), "v4_production_scores"), ("bundle_sha256",))
    | dict.fromkeys(("v4_production", "v4_production_periods"), ("bundle_sha256",))
    | {
        "v4_deployments": ("bundle_sha256", "hold_until"),
        "v4_lift_comparison": ("bundle_sha256", "silent_days"),
        "v4_partition_writes": ("pruned_at",),
        "v4_lead_outcomes": ("advisor_crd", "contacted_at", "chosen_version", "chosen_month", "chosen_percentile"),
        "v4_lift_before_contact": (),
        "v4_source_observations": ("impossible_count", "impossible_examples"),
        "v4_schema": (),
        "v4_takeover": (),
        "v4_salesforce_syncs": (),
        "v4_watch_basis": (),
        "v4_early_warning_votes": (),
        "v4_week_closes": (),
        "v4_check_results": (),
        "v4_orders": (),
        **dict.fromkeys(MONTHLY, ()),
    },
}
"""Schema version to the tables and views it changed, with their new columns; one without any is new itself."""


def _schema_2_is_there(story: Story) -> None:
    _versions_are_recorded(story)
    for name, columns in ADDED[2].items():
        if columns:
            older = story.read(f"SELECT DISTINCT {', '.join(columns)} FROM `ml_features`.`{name}`")
            assert older == [dict.fromkeys(columns)], name
        elif name not in ("v4_schema", "v4_check_results"):
            assert story.read(f"SELECT * FROM `ml_features`.`{name}`") == [], name
    _judgements_are_taken_along(story)


def _judgements_are_taken_along(story: Story) -> None:
    """Schema 2: what release 0.1 judged decides on; its own table of verdicts is read no more, and stays."""
    kept = {
        (row["table_name"], row["prediction_date"], row["sequence"]): row["passed"]
        for row in story.read("SELECT * FROM `ml_features`.`v4_partition_verdicts`")
    }
    assert len(kept) > 50
    rows = story.read("SELECT * FROM `ml_features`.`v4_check_results`")
    blocking = [row for row in rows if row["blocking"]]
    assert {(row["table_name"], row["prediction_date"], row["sequence"]): True for row in blocking} == kept
    assert {(row["check_name"], row["verdict"]) for row in blocking} == {("blocking_checks", "PASS")}
    gates = [row for row in rows if row["table_name"] == "v4_lift_comparison" and row["prediction_date"] == SUNDAY]
    assert {row["check_name"] for row in gates} == {*GATE_NAMES} - {*ADDED_GATES}
    assert {row["evidence_sha256"] for row in gates} == {story.evidence_sha256}


BROUGHT: dict[int, Callable[[Story], None]] = {
    2: _schema_2_is_there,
}
"""Schema version to what holds of the upgraded installation, before anything else is run: new columns read NULL in
older rows, new tables are empty, facts are recorded."""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Release 0.1's home, unpacked elsewhere than it was written."""
    with tarfile.open(HOME) as tar:
        # Until 3.11.3 Python knows no filters.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        tar.extractall(tmp_path)
    kept = Story(tmp_path / "home", SUNDAY, time="18:00", candidate=FALLEN)
    # Its sample world holds what happens until the end of March, which on a Sunday in February is impossible.
    kept.rule("block_above: 0.05", "block_above: 1")
    return kept


def v4(story: Story, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=story.environment, prog_name="v4")


def failing(story: Story) -> dict[str, str]:
    """Probes of `v4 doctor` that are not ok."""
    examined = json.loads(v4(story, "doctor", "--json").output)
    return {one["probe"]: one["found"] for one in examined if one["verdict"] != "ok" and one["probe"] != CLOCK_STANDS}


def artifacts(story: Story, version: str) -> set[Artifact]:
    """What scored all days of the version, as the comparison of a cohort reads it."""
    found = store(story.settings).artifacts(version, SUNDAY - timedelta(days=60), MONDAY)
    return {one for of_day in found.values() for one in of_day}


def recorded_by_0_1(story: Story, statement: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Change the warehouse while it is release 0.1's."""
    with embedded(warehouse(story.settings, any_schema=True))._connection() as connection:
        return connection.execute(statement, params).fetchall()


def evidence_of_0_1(story: Story) -> str:
    """The hash of Sunday's evidence, as that release took it."""
    with dagster_instance(story.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(job_name=DAILY_JOB, tags={"dagster/partition": str(SUNDAY)}))
        found = checks_of_run(instance, run.run_id)["lift_comparison"]
    return str(found["auc"].metadata["evidence_sha256"].value)


def decided(story: Story) -> dict[str, object]:
    """The decision in the words of decision.json."""
    started = story.events[-2]
    assert started.evidence_day
    return {
        "live": story.live,
        "happened": story.happened,
        "event": started.event,
        "version": started.version,
        "previous": started.previous,
        "decided_by": started.decided_by,
        "day": started.day.isoformat(),
        "evidence_day": started.evidence_day.isoformat(),
        "gates": {gate.name: [gate.verdict.name, gate.actual] for gate in gates_of(started)},
    }


def _basis_is_measured_once(story: Story) -> None:
    """The line and the variance of a watch that began before the upgrade: recorded by its first evaluation, S = 0."""
    basis = story.read("SELECT * FROM `ml_features`.`v4_watch_basis`")
    [row] = basis
    assert (row["switch_id"], row["version"]) == (story.production.event_id, NEW)
    # Calls known before the upgrade do not vote.
    assert row["recorded_on"] == row["votes_from"] == MONDAY
    assert 0 < row["variance"] < 1
    assert row["threshold"] > 0
    assert story.read("SELECT * FROM `ml_features`.`v4_early_warning_votes`") == []
    # Weeks before the upgrade take the thresholds of the upgrade.
    closes = story.read("SELECT day, recorded_at, policy_sha256 FROM `ml_features`.`v4_week_closes` ORDER BY day")
    assert SUNDAY in {close["day"] for close in closes}
    assert {close["recorded_at"].date() for close in closes} == {MONDAY}
    assert len({close["policy_sha256"] for close in closes}) == 1
    assert story.run().success
    assert story.read("SELECT * FROM `ml_features`.`v4_watch_basis`") == basis


def columns_of(story: Story) -> dict[str, set[str]]:
    """Columns of every table and view in the dataset of the features, whatever release they are of."""
    statement = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'ml_features'"
    with embedded(warehouse(story.settings, any_schema=True))._connection() as connection:
        found: dict[str, set[str]] = {}
        for table, column in connection.execute(statement).fetchall():
            found.setdefault(table, set()).add(column)
    return found


def test_every_schema_version_is_tested_here():
    assert list(BROUGHT) == list(ADDED) == list(range(2, NEEDED + 1))


def test_the_upgrade_adds_the_tables_and_columns_named_here_and_removes_none(story):
    before = columns_of(story)
    assert v4(story, "init").exit_code == 0
    after = columns_of(story)
    assert [table for table, columns in before.items() if not columns <= after.get(table, set())] == []
    added = {
        table: columns - before[table] if table in before else set()
        for table, columns in after.items()
        if columns != before.get(table)
    }
    named: dict[str, set[str]] = {}
    for version in ADDED.values():
        for table, columns in version.items():
            named.setdefault(table, set()).update(columns if table in before else ())
    assert added == named


def test_an_installation_of_release_0_1_is_upgraded_in_its_watch_and_rolls_back_as_that_release_did(story):
    # Before the upgrade.
    refused = v4(story, "status")
    assert isinstance(refused.exception, SchemaVersionError)
    due = failing(story)
    assert set(due) == {"schema version", "tables and views", "live version", "verdicts", "unfinished order"}
    assert (
        due["schema version"]
        == due["live version"]
        == due["verdicts"]
        == f"The warehouse is of schema 1, this release needs {NEEDED}: run `v4 init`."
    )

    # The upgrade.
    assert v4(story, "init").output == f"The warehouse was upgraded from schema 1 to {NEEDED}. {NEW} is live.\n"
    assert v4(story, "init").output == f"{NEW} is live.\n"
    story.deliver()
    assert failing(story) == {}
    for brought in BROUGHT.values():
        brought(story)

    # What was recorded before holds: live version, events, the sensors' cursors, the runs.
    assert (story.live, story.happened) == (NEW, ["adopted", "promotion_started", "promotion_completed"])
    assert story.ran("lift_comparison") == 1
    # That release kept no record of what was delivered, so the day is sent once more.
    assert story.alerts() == (f"Salesforce has not received {NEW}'s scores of {SUNDAY}: no sync of the day has ended.")
    tick = story.tick()
    assert (tick.said, [outcome.success for outcome in tick.outcomes]) == (
        f"sync_salesforce for {SUNDAY}, sync-{SUNDAY}:1",
        [True],
    )
    tick = story.tick()
    assert (tick.outcomes, story.live, tick.said[:22]) == ((), NEW, "hold: 2026-W05 closed ")
    assert story.alerts() == ""

    # The watch goes on.
    story.goes_on(MONDAY, "06:30")
    outcome = story.run()
    assert outcome.success, outcome.errors
    _basis_is_measured_once(story)
    tick = story.tick()
    assert len(tick.outcomes) == 1, tick.said
    assert tick.outcomes[0].success, tick.outcomes[0].errors
    assert decided(story) == json.loads(DECISION.read_text(encoding="utf-8"))
    assert story.live == OLD
    assert failing(story) == {}

    # From now on the bundle is named, and rows of before and after are of one artifact.
    for version in (OLD, NEW):
        bundle = registry(story.settings).load(version)
        assert artifacts(story, version) == {Artifact(bundle.sha256, bundle.bundle_sha256)}
        named = story.read(f"SELECT DISTINCT bundle_sha256 FROM `ml_features`.`{SCORES[version]}`")
        assert {row["bundle_sha256"] for row in named} == {None, bundle.bundle_sha256}
    old = registry(story.settings).load(OLD).bundle_sha256
    assert {one.bundle_sha256 for one in story.events[-2:]} == {story.production.bundle_sha256} == {old}


def test_an_upgrade_without_dagsters_history_decides_the_same_on_the_next_monday(story):
    shutil.rmtree(story.home / "dagster" / "history")
    assert v4(story, "init").exit_code == 0
    gates = "SELECT * FROM `ml_features`.`v4_check_results` WHERE table_name = 'v4_lift_comparison'"
    assert story.read(gates) == []
    story.deliver()
    assert f"lift_comparison of {SUNDAY} was not evaluated" in operator_actions.status(story.settings).decision.reason
    story.goes_on(MONDAY, "06:30")
    assert story.run().success
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert decided(story) == json.loads(DECISION.read_text(encoding="utf-8"))


def test_evidence_that_was_written_again_under_its_gates_before_the_upgrade_is_stale_after_it(story):
    recorded_by_0_1(
        story,
        "UPDATE ml_features.v4_lift_comparison SET lift = lift + 1 WHERE prediction_date = $day RETURNING lift",
        {"day": SUNDAY},
    )
    assert v4(story, "init").exit_code == 0
    assert "was written again (write 1) after it was checked" in operator_actions.status(story.settings).decision.reason


def test_the_day_of_the_upgrade_may_run_again_and_keeps_what_the_earlier_release_wrote(story):
    assert v4(story, "init").exit_code == 0
    story.deliver()
    again = story.run()
    assert again.success, again.errors
    day = f"WHERE prediction_date = DATE '{SUNDAY}'"
    written = f"SELECT MAX(sequence) AS latest FROM `ml_features`.`v4_partition_writes` {day}"
    assert story.read(f"{written} AND table_name <> 'v4_source_observations'") == [{"latest": 1}]
    assert (story.tick().outcomes, story.live) == ((), NEW)


def test_an_approval_given_before_the_upgrade_holds_after_it(story):
    [approved] = recorded_by_0_1(
        story,
        "INSERT INTO ml_features.v4_deployments (event_id, sequence, happened_at, event, version, reason, decided_by, "
        "evidence_day, evidence_sha256) VALUES ('approval', 4, $now, 'approved', $version, 'agreed', 'ada', $day, $sha)"
        " RETURNING event",
        {"now": story.settings.clock.now(), "version": OLD, "day": SUNDAY, "sha": evidence_of_0_1(story)},
    )
    assert approved == ("approved",)
    assert v4(story, "init").exit_code == 0
    found = operator_actions.status(story.settings)
    assert found.state and found.state.approved is Action.SUNSET


def test_a_changed_feature_list_of_the_live_version_is_refused_after_the_upgrade_with_its_catalogue_changed_too(story):
    assert v4(story, "init").exit_code == 0
    models = registry(story.settings)
    files = {name: (models.entry(NEW).path / name).read_bytes() for name in BUNDLE_FILES}
    content = json.loads(files["features.json"])
    [bucket] = [one for one in content["features"] if one["name"] == "tenure_bucket"]
    bucket["categories"].sort()
    changed = files | {"features.json": json.dumps(content).encode()}
    models.add(NEW, changed, {}, replace=True)
    assert models.load(NEW).sha256 == story.production.model_sha256
    outcome = story.run()
    assert not outcome.success
    assert "features.json is another (bundle " in outcome.errors[0]
    assert "features.json is another" in failing(story)["live version"]


def test_the_fixture_is_small_and_names_no_place_but_the_one_it_was_made_in():
    assert HOME.stat().st_size < 2 * 2**20
    with tarfile.open(HOME) as tar:
        config = tar.extractfile("home/dagster/dagster.yaml")
        assert config is not None
        text = config.read()
        assert {entry.uname for entry in tar.getmembers()} == {""}
    assert b"/tmp" not in text
    assert Path(DECISION).is_file()
