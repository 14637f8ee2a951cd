"""Features of old days go from the embedded warehouse, and nothing that a decision, a view or a person still needs."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings
from v4_assets.errors import PolicyError, RowsMissingError
from v4_assets.models import registering
from v4_assets.names import PAST_DAY_JOB
from v4_assets.notebook import Notebook
from v4_assets.operations import local_runs, operator_actions, prune
from v4_assets.operations.migration.compared_rows import Ours
from v4_assets.partitions import feature_tables, verify_not_pruned
from v4_assets.resources import store, warehouse
from v4_assets.runs import RANGE_END, RANGE_START
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import Statement
from v4_assets_tests.fixtures.narrow import embedded
from v4_assets_tests.fixtures.stories import ADOPTED, BEFORE, GOOD, NEW, SEVENTH, Story, tell
from v4_assets_tests.production.test_buttons_of_the_page import LAUNCH, launched, page

pytestmark = pytest.mark.extended

KEPT_DAYS = 3
LAST_PRUNED = SEVENTH - timedelta(days=KEPT_DAYS + 1)
PRUNED = [ADOPTED + timedelta(days=number) for number in range((LAST_PRUNED - ADOPTED).days + 1)]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Two good weeks, and seven days with features: the next sound look promotes."""
    story = tell("seventh", tmp_path / "home")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    return story


def keeping(story: Story, days: int | None = KEPT_DAYS) -> Settings:
    """Settings under which features are kept for less than a rollout.yaml may say."""
    rollout = story.settings.rollout.model_copy(update={"keep_features_days": days})
    return story.settings.model_copy(update={"rollout": rollout})


def prune_features(story: Story) -> int:
    """Remove the old features. Returns the number of partitions."""
    found = prune.old(keeping(story), 400)
    prune.remove(keeping(story), found)
    return found.partitions


def rows_by_day(story: Story) -> dict[str, dict[date, int]]:
    """Table to day to number of rows, of every table by day."""
    made = [table for table in story.settings.rollout.catalogue.made if table.is_partitioned]
    with embedded(warehouse(story.settings))._connection() as connection:
        return {
            table.key: dict(
                connection.execute(
                    f"SELECT prediction_date, COUNT(*) FROM ml_features.{table.name} GROUP BY prediction_date"
                ).fetchall()
            )
            for table in made
        }


def v4(story: Story, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=story.environment, prog_name="v4")


def test_features_of_old_days_go_and_every_other_row_and_every_decision_stays(story):
    before, decision = rows_by_day(story), operator_actions.status(story.settings).decision
    features = {table.key for table in feature_tables(story.settings.rollout.catalogue)}
    daily = {key for key in features if not key.startswith("prospect")}
    assert prune_features(story) == len(daily) * len(PRUNED)
    expected = {
        key: {day: rows for day, rows in days.items() if key not in daily or day not in PRUNED}
        for key, days in before.items()
    }
    after = rows_by_day(story)
    assert after == expected
    assert all(set(after[key]) == {SEVENTH - timedelta(days=back) for back in range(KEPT_DAYS + 1)} for key in daily)
    assert prune_features(story) == 0
    assert operator_actions.status(story.settings).decision == decision
    [outcome] = story.tick().outcomes
    assert (outcome.success, story.live) == (True, NEW)


def test_a_prune_that_ends_half_way_is_finished_by_the_next_and_its_days_are_refused_meanwhile(story, monkeypatch):
    transact, done = DuckDBWarehouse.transact, list[str]()

    def ended(self: DuckDBWarehouse, statements: Sequence[Statement]) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        transact(self, statements)
        done.append(statements[0].query.text)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(DuckDBWarehouse, "transact", ended)
        prune_features(story)
    assert ["v4_features_v4" in text for text in done] == [True, True]
    errors = story.materialize("common_features", day=ADOPTED).errors
    assert f"common_features of {ADOPTED} was asked for, and `v4 prune` removed" in errors[0]
    assert prune_features(story) == 4 * len(PRUNED)


def test_the_latest_features_stay_however_old_they_are(story):
    story.goes_on(SEVENTH + timedelta(days=60))
    assert prune_features(story) > 0
    shown = story.read("SELECT DISTINCT prediction_date FROM `ml_features`.`v4_production_features_v41`")
    assert shown == [{"prediction_date": SEVENTH}]


def test_the_legacy_view_of_a_version_without_new_features_keeps_its_firms(story):
    story.rule(
        "    features_view: v4_production_features\n",
        "    features_view: v4_production_features\n    legacy_columns: true\n",
    )
    local_runs.init(story.settings)
    story.change(f"DELETE FROM ml_features.v4_features_v40 WHERE prediction_date > DATE '{ADOPTED}'")
    story.change(
        "UPDATE ml_features.v4_partition_writes SET row_count = 0 WHERE table_name = 'v4_features_v40' "
        f"AND prediction_date > DATE '{ADOPTED}'"
    )
    view = "SELECT * FROM `ml_features`.`v4_production_features` ORDER BY lead_id"
    before = story.read(view)
    assert any(row["firm_name"] for row in before)
    assert prune_features(story) > 0
    assert story.read(view) == before
    writes = store(story.settings).latest_writes(ADOPTED, SEVENTH)
    assert writes["v4_advisor_firms", ADOPTED].pruned_at is None
    assert writes["v4_advisor_firms", LAST_PRUNED].pruned_at is not None


def test_an_old_day_that_had_no_rows_is_not_called_pruned(story):
    story.change(
        "UPDATE ml_features.v4_partition_writes SET row_count = 0 WHERE table_name = 'v4_firm_activity' "
        f"AND prediction_date = DATE '{ADOPTED}'"
    )
    prune_features(story)
    writes = store(story.settings).latest_writes(ADOPTED, SEVENTH)
    assert writes["v4_firm_activity", ADOPTED].pruned_at is None
    assert writes["v4_firm_activity", LAST_PRUNED].pruned_at is not None


def test_an_asset_of_a_pruned_day_is_refused_on_the_page_before_anything_is_written(story):
    prune_features(story)
    before = rows_by_day(story), store(story.settings).latest_writes(ADOPTED, SEVENTH)
    with page(story) as send:
        for key in ("common_features", "features_v41", "daily_scores_v40"):
            assert not send(LAUNCH, executionParams=launched("__ASSET_JOB", ADOPTED, (key,)))["success"]
    assert (rows_by_day(story), store(story.settings).latest_writes(ADOPTED, SEVENTH)) == before


def test_a_run_of_a_pruned_day_or_of_a_range_with_one_says_what_was_removed(story):
    prune_features(story)
    before = store(story.settings).latest_writes(ADOPTED, SEVENTH)
    refused = v4(story, "run", "--date", str(ADOPTED), "--replace-live", "a late feed")
    assert refused.exit_code == 1
    assert f"of {ADOPTED} was asked for, and `v4 prune` removed the features of that day on {SEVENTH}" in refused.output
    days = {RANGE_START: str(LAST_PRUNED), RANGE_END: str(SEVENTH - timedelta(days=1))}
    with story.measured():
        outcome = local_runs.run_job(story.settings, PAST_DAY_JOB, tags=days)
    assert f"of {LAST_PRUNED} was asked for" in outcome.errors[0]
    assert store(story.settings).latest_writes(ADOPTED, SEVENTH) == before


def test_leads_and_prospects_of_one_date_are_pruned_apart(story):
    month = date(2026, 1, 1)
    story.change(
        "INSERT INTO ml_features.v4_partition_writes (table_name, prediction_date, sequence, row_count, pruned_at) "
        f"SELECT name, day, 1, 9, now() FROM (VALUES ('v4_firm_activity', DATE '{month}'), "
        "('v4_prospect_features_v40', DATE '2025-12-01')) AS pruned (name, day)"
    )
    record = store(story.settings)
    of_leads, of_prospects = ("features_v40", "daily_scores_v40"), ("prospects", "prospect_scores_v40")
    verify_not_pruned(record, of_prospects, [month], SEVENTH)
    verify_not_pruned(record, of_leads, [date(2025, 12, 1)], SEVENTH)
    for asked, day in ((of_leads, month), (of_prospects, date(2025, 12, 1))):
        with pytest.raises(PolicyError, match=f"{asked[1]} of {day} was asked for, and `v4 prune` removed"):
            verify_not_pruned(record, asked, [day], SEVENTH)


def test_a_pruned_day_is_still_evaluated_from_its_scores(story):
    prune_features(story)
    assert story.materialize("lead_outcomes", "lift_comparison", day=ADOPTED).success


def test_a_backfill_leaves_pruned_days_out_and_names_them(story):
    prune_features(story)
    gone = (ADOPTED, SEVENTH - timedelta(days=1))
    for day in gone:
        story.change(
            f"DELETE FROM ml_features.v4_partition_writes WHERE table_name = 'v4_daily_scores_v41' "
            f"AND prediction_date = DATE '{day}'"
        )
    done = v4(story, "backfill", "--from", str(ADOPTED), "--to", str(SEVENTH), "--json")
    assert done.exit_code == 0, done.output
    assert f"Left out, as `v4 prune` removed their features: {ADOPTED} to {ADOPTED}." in done.stderr
    assert [run["from"] for run in json.loads(done.stdout)] == [str(gone[1])]
    again = v4(story, "backfill", "--from", str(LAST_PRUNED), "--to", str(SEVENTH))
    assert (again.stdout, again.stderr) == ("No gaps: nothing to do.\n", "")


def test_readers_of_features_pass_over_pruned_days_and_say_so(story):
    prune_features(story)
    settings = story.settings
    record, entry = store(settings), settings.rollout.versions[NEW]
    with pytest.raises(RowsMissingError, match=f"`v4 prune` removed v4_features_v41 of {ADOPTED} on {SEVENTH}"):
        Notebook.of(settings).features(ADOPTED, NEW)
    assert len(Notebook.of(settings).scores(ADOPTED, NEW)) > 10
    ours = Ours(record, settings.rollout)
    assert ours.features_written(entry, [*PRUNED, SEVENTH]).keys() == {SEVENTH}
    assert (ours.pruned_on(entry, ADOPTED), ours.pruned_on(entry, SEVENTH)) == (SEVENTH, None)
    story.change(
        "UPDATE ml_features.v4_partition_writes SET pruned_at = now() WHERE table_name = 'v4_features_v41' "
        f"AND prediction_date > DATE '{LAST_PRUNED + timedelta(days=1)}'"
    )
    assert ours.latest_features(entry, SEVENTH) == LAST_PRUNED + timedelta(days=1)
    [batch, *_] = registering._latest_features(settings, NEW, record.registry.load(NEW).features)
    assert set(batch["prediction_date"].to_pylist()) == {LAST_PRUNED + timedelta(days=1)}


def test_equal_scores_of_a_pruned_day_keep_their_order_in_the_migration_report(story):
    ours = Ours(store(story.settings), story.settings.rollout)
    before = ours.scored(NEW, ADOPTED)
    prune_features(story)
    after = ours.scored(NEW, ADOPTED)
    assert before is not None
    assert after is not None
    order = [dict(zip(one.served.leads.to_pylist(), one.tie_break.tolist(), strict=True)) for one in (before, after)]
    assert order[0] == order[1]
    assert len(set(order[1].values())) == len(order[1]) > 10


def test_the_command_says_how_many_partitions_go_and_null_or_bigquery_keeps_all(story):
    assert (
        "\n0 partitions of features older than 240 days: would be deleted; --yes does it.\n"
        in v4(story, "prune").output
    )
    assert prune.old(keeping(story, None), 400).partitions == 0
    assert prune.old(keeping(story).model_copy(update={"warehouse": "bigquery"}), 400).partitions == 0
    story.rule("keep_features_days: 240", "keep_features_days: null")
    assert "partitions" not in v4(story, "prune").output
