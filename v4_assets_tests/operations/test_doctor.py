"""`v4 doctor` finds what would stop a morning, says what to do, asks everything whatever fails, and changes nothing."""

import json
import shutil
from datetime import date
from hashlib import sha256
from pathlib import Path

import dagster as dg
import filelock
import pytest
from click.testing import CliRunner

from salesforce_stand_in import StandInOrg
from v4_assets.cli.main import cli
from v4_assets.names import PROCESS_TAG
from v4_assets.operations.doctor import ProbeResult, Verdict, as_text, examine, foreign_objects, rollout
from v4_assets.operations.doctor import warehouse as warehouse_probes
from v4_assets.operations.instance import dagster_instance
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.stories import Story, tell
from v4_assets_tests.production.test_attempts import dead_process

CLOCK_STANDS = "time zones"
"""The probe that warns in every story: the clock is fixed."""


@pytest.fixture
def story(tmp_path) -> Story:
    """Sources, tables, the baseline adopted; nothing was run yet."""
    return tell("adopted", tmp_path / "home")


def asked(story: Story) -> dict[str, ProbeResult]:
    """Every answer under its probe's name."""
    settings = story.settings
    probes = {**warehouse_probes.probes(settings), **foreign_objects.probes(settings), **rollout.probes(settings)}
    return {one.probe: one for one in examine(probes)}


def not_ok(results: dict[str, ProbeResult]) -> dict[str, str]:
    return {name: one.verdict.value for name, one in results.items() if one.verdict is not Verdict.OK}


def content_of(folder: Path) -> dict[str, str]:
    """Every file and its hash, but for the lock that says who looked last."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".holder")]
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_healthy_installation_is_ok_everywhere_and_left_as_it_was(story):
    before = content_of(story.home)
    results = asked(story)
    assert not_ok(results) == {CLOCK_STANDS: "warn"}
    assert results["source Lead"].found == "all columns as declared, expected all columns as declared"
    assert results["tables and views"].found.startswith("44 tables and 6 views")
    assert results["time zones"].found.startswith("today's partition is 2026-01-05, its cut-off 2026-01-05 05:00 UTC")
    assert results["live version"].found.startswith("v4.0.0 (")
    assert results["Salesforce"].found.startswith("dry-run: nothing is sent")
    assert results["graph"].found == "30 assets in 12 jobs"
    assert content_of(story.home) == before


def test_before_a_first_run_there_is_no_instance_and_none_is_made(story):
    shutil.rmtree(story.settings.dagster_home)
    results = asked(story)
    assert not_ok(results) == {CLOCK_STANDS: "warn", "Dagster": "warn"}
    assert results["Dagster"].found == f"There is no instance in {story.settings.dagster_home} yet."
    assert not story.settings.dagster_home.exists()


def test_a_graph_that_cannot_be_built_is_found_before_the_morning(story, monkeypatch):
    def broken(settings: object) -> None:
        raise ValueError("features_v41.sql has no header")

    monkeypatch.setattr(rollout, "build", broken)
    found = asked(story)["graph"]
    assert (found.verdict, found.found) == (Verdict.FAIL, "ValueError: features_v41.sql has no header")


def test_a_column_that_is_missing_and_one_of_another_type_are_named_and_hide_nothing(story):
    story.change('ALTER TABLE "SavvyGTMData"."Lead" DROP COLUMN "Company"')
    story.change("ALTER TABLE SavvyGTMData.broker_protocol_members ALTER firm_crd_id TYPE VARCHAR")
    results = asked(story)
    assert results["source Lead"].found.endswith("Lead.Company is missing, expected STRING")
    assert results["source broker_protocol_members"].found.endswith(
        "broker_protocol_members.firm_crd_id is STRING, expected INT64"
    )
    failing = {name for name, verdict in not_ok(results).items() if verdict == "FAIL"}
    assert failing == {"source Lead", "source broker_protocol_members", "sources filled", "sources fresh"}
    assert "Company" in results["sources fresh"].found


def test_without_evidence_no_volume_is_known(story):
    assert asked(story)["verdicts"].found == "nothing was evaluated in the last 14 days, so no volume is known"


@pytest.mark.parametrize(
    ("conversions", "verdict", "found"),
    [
        (3, "FAIL", "No cohort can decide a rollback: 3 conversions in 10 days: about 55 in 182, 150 are needed. "
         "No cohort can decide a promotion: 3 conversions in 10 days: about 55 in 182, 200 are needed."),
        (8, "FAIL", "No cohort can decide a promotion: 8 conversions in 10 days: about 146 in 182, 200 are needed."),
        (9, "FAIL", "No cohort can decide a promotion: 9 conversions in 10 days: about 164 in 182, 200 are needed."),
        (10, "warn", "Most cohorts cannot decide a promotion: 10 conversions in 10 days: about 182 in 182, 200 are "
         "needed."),
        (11, "ok", "rollback: 11 conversions in 10 days: about 200 in 182, 150 are needed"),
    ],
)  # fmt: skip
def test_a_volume_that_can_never_carry_a_verdict_fails_and_names_the_question(story, conversions, verdict, found):
    cohort = {"conversions": conversions, "top_conversions": 1.0}
    story.write(date(2026, 1, 4), cohort, cohort, retrospective=True)
    probed = asked(story)["verdicts"]
    assert (probed.verdict.value, probed.found) == (verdict, found)
    assert ("`evaluation.max_days`" in probed.do) == (verdict != "ok")


@pytest.mark.parametrize(
    ("conversions", "verdict", "found"),
    [(3, "FAIL", "No cohort can decide a rollback:"), (9, "warn", "No cohort can decide a promotion:")],
)
def test_while_the_candidate_is_live_a_volume_too_small_for_a_promotion_warns(tmp_path, conversions, verdict, found):
    watched = tell("watched", tmp_path / "home")
    cohort = {"conversions": conversions, "top_conversions": 1.0}
    watched.write(watched.day, cohort, cohort)
    probed = asked(watched)["verdicts"]
    assert (probed.verdict.value, probed.found[: len(found)]) == (verdict, found)


def test_a_source_that_is_stale_warns_and_one_that_is_empty_or_not_there_fails(story):
    story.goes_on(date(2026, 6, 15))
    assert "lead: 7" in asked(story)["sources fresh"].found
    story.change("DELETE FROM SavvyGTMData.broker_protocol_members")
    assert asked(story)["sources filled"].found.endswith(": broker_protocol_members")
    story.change("DROP TABLE SavvyGTMData.broker_protocol_members")
    results = asked(story)
    assert (results["source broker_protocol_members"].verdict, results["source broker_protocol_members"].found) == (
        Verdict.FAIL,
        "It is not there.",
    )
    assert results["source Lead"].verdict is Verdict.OK


def test_a_table_of_another_shape_and_a_view_that_is_gone_fail(story):
    story.change("ALTER TABLE ml_features.v4_partition_writes ADD COLUMN note VARCHAR")
    story.change("DROP VIEW ml_features.v4_production_scores")
    said = asked(story)["tables and views"]
    assert said.verdict is Verdict.FAIL
    assert "v4_partition_writes.note (STRING) is not a column of this release" in said.found
    assert said.found.endswith("the view ml_features.v4_production_scores is not there")


def test_a_changed_model_and_a_missing_one_fail_by_name(story, tmp_path):
    models = Path(shutil.copytree(PROJECT / "models", tmp_path / "models"))
    story.env["V4_MODELS"] = str(models)
    file = models / "v4.0.0" / "model.json"
    file.write_bytes(file.read_bytes() + b" ")
    catalogue = json.loads((models / "registry.json").read_text())
    del catalogue["models"]["v4.1.0"]
    (models / "registry.json").write_text(json.dumps(catalogue))
    results = asked(story)
    assert "is not the approved v4.0.0 model" in results["model v4.0.0"].found
    assert results["model v4.1.0"].found.startswith("There is no model v4.1.0; the registry has ['v4.0.0'].")
    assert not_ok(results) == {
        CLOCK_STANDS: "warn",
        "model v4.0.0": "FAIL",
        "model v4.1.0": "FAIL",
        "live version": "FAIL",
    }


def test_an_org_that_does_not_answer_fails_and_one_without_a_field_names_it(story):
    story.env["V4_SALESFORCE"] = "local"
    assert asked(story)["Salesforce"].found.startswith("No stand-in org runs over")
    with StandInOrg(story.home / "org") as org:
        assert asked(story)["Salesforce"].found.startswith(f"local org {org.target.org_id_18}")
        org.drop("V4_Model_Version__c")
        absent = asked(story)["Salesforce"]
        assert (absent.verdict, "V4_Model_Version__c" in absent.found) == (Verdict.WARN, True)
        org.drop("V4_Score__c")
        wrong = asked(story)["Salesforce"]
        assert (wrong.verdict, wrong.found) == (
            Verdict.FAIL,
            "V4_Score__c is missing, or hidden from our user by field-level security",
        )


def test_a_finished_demo_is_ok_with_its_clock_and_its_org_at_rest(story):
    (story.home / "demo-clock").write_text(f"{story.settings.now}\n", encoding="utf-8")
    story.env["V4_SALESFORCE"] = "local"
    results = asked(story)
    assert not_ok(results) == {}
    assert results["Salesforce"].do == "`v4 dev` starts it."
    assert results["time zones"].do.startswith("Production needs the real time: remove ")


def test_another_clock_than_the_demo_s_still_warns(story):
    (story.home / "demo-clock").write_text("2026-02-09T08:00", encoding="utf-8")
    assert asked(story)[CLOCK_STANDS].verdict is Verdict.WARN


def test_the_local_instance_opens_without_the_community_window(story):
    with dagster_instance(story.settings) as instance:
        assert not instance.nux_enabled


def test_a_locked_file_fails_with_its_holder_and_is_not_waited_for(story):
    with filelock.FileLock(story.settings.duckdb_file.with_name("warehouse.duckdb.lock")):
        answer = examine({"warehouse": warehouse_probes.probes(story.settings)["warehouse"]})[0]
    assert answer.verdict is Verdict.FAIL
    assert "was busy for 2 s; it is held by process" in answer.found


def test_a_run_left_over_is_named_and_left_to_the_sensor(story):
    with dagster_instance(story.settings) as instance:
        run = instance.create_run_for_job(
            dg.GraphDefinition("daily_scoring", node_defs=[]).to_job(),
            tags={PROCESS_TAG: dead_process(), "dagster/partition": "2026-01-05"},
            status=dg.DagsterRunStatus.STARTED,
        )
    results = asked(story)["runs left over"]
    assert results.found.startswith(f"run {run.run_id} (daily_scoring of 2026-01-05) is STARTED: The process")
    assert (results.verdict, results.do.startswith("`v4 tick`")) == (Verdict.WARN, True)
    with dagster_instance(story.settings) as instance:
        assert present(instance.get_run_by_id(run.run_id)).status == dg.DagsterRunStatus.STARTED


def test_a_schedule_without_a_daemon_fails(story):
    with dagster_instance(story.settings):
        pass
    assert asked(story)["Dagster"].verdict is Verdict.OK
    story.env["V4_SCHEDULE"] = "on"
    results = asked(story)
    assert results["Dagster"].verdict is Verdict.FAIL
    assert "no sign of life of" in results["Dagster"].found
    assert results["schedule and sensors"].found == "rollout_sensor off, alert_sensor off, daily_scoring_schedule on"


def test_an_order_that_is_half_done_is_reported(story):
    story.change(
        "INSERT INTO ml_features.v4_deployments (event_id, happened_at, event, version, reason, decided_by, sequence) "
        "VALUES ('begun', '2026-01-05 12:00:00+00', 'rollback_started', 'v4.0.0', 'a reason', 'operator', 9)"
    )
    results = asked(story)["unfinished order"]
    assert (results.found, results.do) == ("rollback_started of 2026-01-05 (v4.0.0) is not finished.", "`v4 resume`")


def test_where_nothing_is_yet_everything_is_asked_and_nothing_made(tmp_path):
    results = asked(Story(tmp_path / "home", date(2026, 1, 5)))
    for name in ("warehouse", "source Lead", "sources fresh", "tables and views", "live version"):
        assert results[name].found.startswith("There is no ")
        assert results[name].verdict is Verdict.FAIL
    assert results["model v4.0.0"].verdict is Verdict.OK
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_error_is_reported_and_the_next_probe_runs():
    def breaks() -> ProbeResult:
        raise KeyError("x")

    results = examine({"one": breaks, "two": lambda: ProbeResult(Verdict.OK, "fine")})
    assert [(one.verdict.value, one.found) for one in results] == [("FAIL", "KeyError: 'x'"), ("ok", "fine")]
    assert as_text(results).splitlines()[-1] == "1 ok, 0 warn, 1 FAIL"


def test_the_exit_code_and_the_json_are_for_scripts(story, monkeypatch):
    for name, value in story.environment.items():
        monkeypatch.setenv(name, value)
    fine = CliRunner().invoke(cli, ["doctor"])
    assert (fine.exit_code, fine.output.splitlines()[-1]) == (0, "24 ok, 1 warn, 0 FAIL")
    monkeypatch.setenv("V4_WAREHOUSE", "snowflake")
    broken = CliRunner().invoke(cli, ["doctor", "--json"])
    [only] = json.loads(broken.output)
    assert (broken.exit_code, only["probe"], only["verdict"]) == (1, "settings", "FAIL")
    assert "'duckdb' or 'bigquery'" in only["found"]
