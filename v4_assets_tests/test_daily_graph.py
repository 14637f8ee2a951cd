"""The daily job through Dagster on a small sample world: what a person or the schedule would run."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from v4_assets import recorded_checks, tables
from v4_assets.config.environment import Settings, load
from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.names import CHECKLIST_JOB, DAILY_JOB, TRAINING_JOB
from v4_assets.operations import local_runs
from v4_assets.operations.instance import dagster_instance
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, fill
from v4_assets.sample.world import build as build_world
from v4_assets.sql import Query
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.narrow import embedded

DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.01, leads_per_week=40, seed=5, through=date(2026, 1, 18))


def adopted(home: Path) -> None:
    """A V4_HOME with a sample world and the baseline adopted."""
    settings = at(home, DAY)
    fill(warehouse(settings), settings.rollout.catalogue, build_world(WORLD))
    local_runs.init(settings)


def lived(home: Path) -> None:
    """The same after the day's run."""
    shutil.copytree(prepared("adopted", adopted), home, dirs_exist_ok=True)
    outcome = local_runs.run_day(at(home, DAY), DAY)
    assert (outcome.success, outcome.errors, failed(outcome)) == (True, (), set())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A V4_HOME before the day's run."""
    return copy(prepared("adopted", adopted), tmp_path / "home")


@pytest.fixture
def after(tmp_path: Path) -> Path:
    """A V4_HOME after the day's run."""
    return copy(prepared("lived", lived), tmp_path / "home")


def at(home: Path, day: date, **env: str) -> Settings:
    """Settings on the morning of a day."""
    return load({"V4_HOME": str(home), "V4_NOW": f"{day}T06:30", **env})


def rows(settings: Settings, key: str, day: date) -> list[dict[str, object]]:
    """A partition, in a fixed order."""
    table = settings.rollout.catalogue[key]
    query = Query(key, f"SELECT * FROM {table.full_name} WHERE prediction_date = @day", {"day": day})
    found = warehouse(settings).read(query)
    order = [(name, "ascending") for name in ("lead_id", "advisor_crd", "firm_crd") if name in found.schema.names]
    return found.sort_by(order).to_pylist() if order else found.to_pylist()


def change_source(settings: Settings, statement: str) -> None:
    """Change a source table, as the firm's systems would."""
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute(statement)


def failed(outcome: local_runs.Outcome) -> set[str]:
    """Names of the failed checks that block."""
    return {f"{one.asset}.{one.check}" for one in outcome.checks_failed if one.severity == "ERROR"}


def test_a_day_scores_every_open_lead_with_both_versions(after: Path) -> None:
    settings = at(after, DAY)
    leads = {row["lead_id"] for row in rows(settings, tables.SCORED_LEADS, DAY)}
    assert len(leads) > 3000
    for version, key in (("v4.0.0", "daily_scores_v40"), ("v4.1.0", "daily_scores_v41")):
        scores = rows(settings, key, DAY)
        assert {row["lead_id"] for row in scores} == leads
        assert len(scores) == len(leads)
        assert {row["model_version"] for row in scores} == {version}
        assert {row["retrospective"] for row in scores} == {False}
        assert {str(row["scored_at"]) for row in scores} == {"2026-01-12 11:30:00+00:00"}
        assert sum(bool(row["deprioritize"]) for row in scores) == len(leads) * 20 // 100
        assert {row["decile"] for row in scores} == set(range(1, 11))


def test_reasons_stand_beside_the_live_versions_scores_only(after: Path) -> None:
    settings = at(after, DAY)
    live, challenger = rows(settings, "daily_scores_v40", DAY), rows(settings, "daily_scores_v41", DAY)
    assert {str(row["reason_1"]).split()[0] for row in live} == {"raises", "lowers"}
    assert {row["reason_1"] for row in challenger} == {None}


def test_every_asset_and_every_check_of_the_job_reports_to_dagster(home: Path) -> None:
    settings = at(home, DAY)
    outcome = local_runs.run_day(settings, DAY)
    with dagster_instance(settings) as instance:
        run = instance.get_run_by_id(outcome.run_id)
        assert run is not None
        assert (run.status, run.tags["dagster/partition"]) == (dg.DagsterRunStatus.SUCCESS, "2026-01-12")
        for name in ("scored_leads", "features_v40", "features_v41", "daily_scores_v40", "daily_scores_v41"):
            record = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert record is not None
            assert record.asset_materialization is not None
            assert record.asset_materialization.partition == "2026-01-12"
            assert record.asset_materialization.metadata["dagster/row_count"].value == len(rows(settings, name, DAY))
    assert outcome.checks_passed + len(outcome.checks_failed) == 52


def test_a_rerun_keeps_what_was_written_on_the_day(after: Path) -> None:
    settings = at(after, DAY)
    before = {key: rows(settings, key, DAY) for key in ("scored_leads", "features_v41", "daily_scores_v41")}
    change_source(settings, 'UPDATE "SavvyGTMData"."Lead" SET Email = NULL')
    later = load({"V4_HOME": str(after), "V4_NOW": "2026-01-12T15:00"})
    outcome = local_runs.run_day(later, DAY)
    assert outcome.success
    assert {key: rows(settings, key, DAY) for key in before} == before


@pytest.mark.extended
def test_a_live_day_is_replaced_only_for_a_reason_and_the_reason_is_kept(after: Path) -> None:
    settings = at(after, DAY)
    change_source(
        settings, 'UPDATE "SavvyGTMData"."Lead" SET LinkedIn_Profile_Apollo__c = NULL WHERE hash(Id) % 20 = 0'
    )
    outcome = local_runs.run_day(settings, DAY, replace_live="LinkedIn import was undone")
    assert outcome.success
    write = store(settings).latest_writes(DAY, DAY)["v4_scored_leads", DAY]
    assert (write.sequence, write.replace_reason, write.run_id) == (2, "LinkedIn import was undone", outcome.run_id)


def test_a_live_day_by_another_definition_is_refused_until_a_reason_is_given(after: Path) -> None:
    settings = at(after, DAY)
    before = rows(settings, "daily_scores_v40", DAY)
    change_source(
        settings,
        "UPDATE ml_features.v4_partition_writes SET definition_sha256 = 'older' WHERE table_name = 'v4_daily_scores'",
    )
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert "v4_daily_scores of 2026-01-12 was written on its own day" in outcome.errors[0]
    assert "--replace-live" in outcome.errors[0]
    assert rows(settings, "daily_scores_v40", DAY) == before


def test_scores_are_never_kept_beside_features_that_were_replaced_under_them(after: Path) -> None:
    settings = at(after, DAY)
    change_source(
        settings,
        "UPDATE ml_features.v4_partition_writes SET sequence = 2 WHERE table_name = 'v4_features_v41'",
    )
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert "v4_daily_scores_v41 of 2026-01-12 was written on its own day" in outcome.errors[0]


@pytest.mark.extended
def test_a_repaired_source_lets_the_same_day_run(home: Path) -> None:
    settings = at(home, DAY)
    change_source(settings, 'ALTER TABLE "SavvyGTMData"."broker_protocol_members" RENAME TO away')
    change_source(settings, 'CREATE TABLE "SavvyGTMData"."broker_protocol_members" AS FROM "SavvyGTMData".away LIMIT 0')
    assert failed(local_runs.run_day(settings, DAY)) == {"source_observations.sources_filled"}
    change_source(settings, 'INSERT INTO "SavvyGTMData"."broker_protocol_members" FROM "SavvyGTMData".away')
    assert local_runs.run_day(settings, DAY).success


@pytest.mark.extended
def test_the_day_after_a_silent_column_passes(home: Path) -> None:
    settings = at(home, DAY)
    local_runs.backfill(settings, DAY - timedelta(days=4), DAY - timedelta(days=2))
    column = 'UPDATE "FinTrx_data_CA"."ria_contacts_current" SET "REP_TYPE" = '
    change_source(settings, column + "NULL")
    silent = local_runs.run_day(settings, DAY - timedelta(days=1))
    assert failed(silent) == {"source_observations.source_nulls_steady"}
    change_source(settings, column + "'IA'")
    assert local_runs.run_day(settings, DAY).success


@pytest.mark.extended
def test_training_a_live_version_is_refused(home: Path) -> None:
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    short = home / "rollout.yaml"
    text = text.replace("train_from: 2024-02-01", "train_from: 2025-09-15")
    short.write_text(text.replace("test_from: 2025-08-01", "test_from: 2025-10-15"), encoding="utf-8")
    outcome = local_runs.run_job(at(home, DAY, V4_ROLLOUT=str(short)), TRAINING_JOB)
    assert not outcome.success
    refusal = "v4.0.0 is live, and a live version must not be retrained"
    assert [error for error in outcome.errors if refusal in error], outcome.errors


@pytest.mark.extended
def test_a_past_day_recomputed_after_conversions_is_identical(home: Path) -> None:
    first = at(home, DAY + timedelta(days=1))
    local_runs.run_day(first, DAY)
    keys = (*tables.SHARED, "features_v40", "features_v41")
    before = {key: rows(first, key, DAY) for key in keys}
    scores = [(row["lead_id"], row["score"], row["percentile"]) for row in rows(first, "daily_scores_v41", DAY)]
    change_source(
        first,
        """UPDATE "SavvyGTMData"."Lead" SET "Stage_Entered_Call_Scheduled__c" = TIMESTAMPTZ '2026-01-12 15:00:00+00'
        WHERE "Stage_Entered_Call_Scheduled__c" IS NULL AND hash(Id) % 3 = 0""",
    )
    later = at(home, DAY + timedelta(days=2))
    assert local_runs.run_day(later, DAY).success
    assert {key: rows(later, key, DAY) for key in keys} == before
    assert [(row["lead_id"], row["score"], row["percentile"]) for row in rows(later, "daily_scores_v41", DAY)] == scores


@pytest.mark.extended
def test_what_is_computed_later_is_marked_retrospective_on_every_row(home: Path) -> None:
    settings = at(home, DAY)
    first, last = DAY - timedelta(days=3), DAY - timedelta(days=1)
    [(start, end, outcome)] = local_runs.backfill(settings, first, last)
    assert (start, end, outcome.success) == (first, last, True)
    for key in (*tables.SHARED, "features_v40", "features_v41", "daily_scores_v40", "daily_scores_v41"):
        for day in (first, last):
            assert {row["retrospective"] for row in rows(settings, key, day)} == {True}, key


@pytest.mark.extended
def test_a_backfill_fills_gaps_only(home: Path) -> None:
    settings = at(home, DAY)
    local_runs.run_day(settings, DAY - timedelta(days=1))
    runs = local_runs.backfill(settings, DAY - timedelta(days=2), DAY)
    assert [(start, end) for start, end, _ in runs] == [(DAY - timedelta(days=2),) * 2, (DAY, DAY)]
    assert local_runs.backfill(settings, DAY - timedelta(days=2), DAY) == []


@pytest.mark.extended
def test_a_backfill_checks_what_was_written_and_never_checked_and_keeps_its_rows(home: Path) -> None:
    """A kill between the two leaves it so."""
    settings, day = at(home, DAY), DAY - timedelta(days=1)
    local_runs.run_day(settings, day)
    writes = store(settings).latest_writes(day, day)
    change_source(settings, "DELETE FROM ml_features.v4_check_results WHERE table_name = 'v4_daily_scores_v41'")
    change_source(settings, "DELETE FROM ml_features.v4_check_results WHERE table_name = 'v4_lift_comparison'")
    assert "was never checked" in recorded_checks.unpassed(store(settings), day, "v4.1.0")[0]
    [(first, last, scored)] = local_runs.backfill(settings, day, day)
    [(_, _, compared)] = local_runs.evaluate(settings, [day])
    assert (first, last, scored.success, compared.success) == (day, day, True, True)
    assert recorded_checks.unpassed(store(settings), day, "v4.1.0") == []
    assert {"v4_daily_scores_v41", "v4_lift_comparison"} <= recorded_checks.latest(store(settings), day).keys()
    again = store(settings).latest_writes(day, day)
    observed = ("v4_source_observations", day)
    assert {place: one for place, one in again.items() if place != observed} == {
        place: one for place, one in writes.items() if place != observed
    }
    assert (local_runs.backfill(settings, day, day), local_runs.evaluate(settings, [day])) == ([], [])


@pytest.mark.extended
def test_a_backfilled_day_equals_the_day_run_alone(home: Path) -> None:
    settings = at(home, DAY)
    day = DAY - timedelta(days=2)
    local_runs.backfill(settings, DAY - timedelta(days=3), DAY - timedelta(days=1))
    together = rows(settings, "features_v41", day)
    local_runs.run_day(settings, day)
    assert rows(settings, "features_v41", day) == together


def test_an_empty_day_fails_with_the_check_that_says_so(home: Path) -> None:
    settings = at(home, DAY)
    change_source(settings, 'UPDATE "SavvyGTMData"."Lead" SET "stage_entered_contacting__c" = NULL')
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert failed(outcome) == {"scored_leads.lead_count_steady"}
    assert rows(settings, "features_v41", DAY) == []


def test_a_source_that_lost_a_column_stops_the_day_and_names_it(home: Path) -> None:
    settings = at(home, DAY)
    change_source(
        settings, 'ALTER TABLE "FinTrx_data_CA"."ria_contacts_current" ALTER "REP_TYPE" TYPE BIGINT USING NULL::BIGINT'
    )
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert "source_observations.source_columns" in failed(outcome)
    assert rows(settings, tables.SCORED_LEADS, DAY) == []


def test_a_column_that_goes_silent_stops_the_day_before_it_is_scored(home: Path) -> None:
    settings = at(home, DAY)
    local_runs.backfill(settings, DAY - timedelta(days=3), DAY - timedelta(days=1))
    change_source(settings, 'UPDATE "FinTrx_data_CA"."ria_contacts_current" SET "PRIMARY_FIRM_START_DATE" = NULL')
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert failed(outcome) == {"source_observations.source_nulls_steady"}
    assert rows(settings, "daily_scores_v41", DAY) == []


def test_a_missing_source_table_is_named_with_the_way_to_get_it(home: Path) -> None:
    settings = at(home, DAY)
    change_source(settings, 'DROP TABLE "SavvyGTMData"."broker_protocol_members"')
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert "broker_protocol_members" in outcome.errors[0]
    assert "v4 sample" in outcome.errors[0]


def test_a_day_that_has_not_begun_is_refused(home: Path) -> None:
    with pytest.raises(V4Error, match="2026-01-13 has not begun in New York, where it is 2026-01-12"):
        local_runs.run_day(at(home, DAY), DAY + timedelta(days=1))


def test_a_retrained_live_version_is_refused(home: Path) -> None:
    settings = at(home, DAY)
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute("UPDATE ml_features.v4_production SET model_sha256 = 'another'")
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert "is not the v4.0.0 that is live" in outcome.errors[0]


def test_the_views_of_the_guide_show_the_latest_day(home: Path) -> None:
    settings = at(home, DAY)
    local_runs.backfill(settings, DAY - timedelta(days=1), DAY)
    for view, count in (("v4_production_features", 14), ("v4_production_features_v41", 22)):
        found: pa.Table = warehouse(settings).read(Query(view, f"SELECT * FROM `ml_features`.`{view}`"))
        assert set(found["prediction_date"].to_pylist()) == {DAY}
        assert found.num_columns == count + 5  # prediction_date, lead_id, advisor_crd, tie_break, retrospective


def test_adopting_twice_changes_nothing(home: Path) -> None:
    settings = at(home, DAY)
    first = local_runs.init(settings)
    assert local_runs.init(at(home, DAY + timedelta(days=1))) == first
    events = warehouse(settings).read(settings.rollout.catalogue.query(tables.DEPLOYMENTS)).to_pylist()
    assert [(event["event"], event["version"]) for event in events] == [("adopted", "v4.0.0")]


def test_the_pre_deployment_checklist_runs_on_the_shipped_models(home: Path) -> None:
    outcome = local_runs.run_job(at(home, DAY), CHECKLIST_JOB)
    assert (outcome.success, outcome.checks_failed) == (True, ())
    assert outcome.checks_passed == 9


def test_the_schedule_asks_for_today_at_six_in_new_york(home: Path) -> None:
    definitions = build(at(home, DAY))
    schedule = definitions.resolve_schedule_def(f"{DAILY_JOB}_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", "America/New_York")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with (
        dagster_instance(at(home, DAY)) as instance,
        # A context that is not left keeps its instance as the current one of the process.
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dg.DailyPartitionsDefinition("2026-01-01", timezone="America/New_York")
            .time_window_for_partition_key("2026-01-12")
            .start.replace(hour=6),
            repository_def=definitions.get_repository_def(),
        ) as context,
    ):
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-01-12"


def test_the_graph_follows_the_sql_files(home: Path) -> None:
    graph = build(at(home, DAY)).resolve_asset_graph()
    upstream = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert upstream["features_v41"] == {"common_features", "advisor_firms", "firm_activity"}
    assert upstream["features_v40"] == {"common_features", "advisor_firms"}
    assert upstream["scored_leads"] == {"lead", "source_observations"}
    assert upstream["daily_scores_v41"] == {"features_v41", "scored_leads"}
