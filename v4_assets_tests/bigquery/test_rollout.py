"""A rollout by the sensor on BigQuery's emulator and a running org; DuckDB, which repeats every write, agrees.

A month and its list, a day, a promotion, a new list, the champion's sunset, an operator's order to return to it, and a
rollback. The evidence is written, as in stories.py; test_before_adoption.py measures it. The datasets have names of
their own and lie in three projects.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from google.cloud import bigquery

from salesforce_stand_in import StandInOrg
from v4_assets import tables
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.local_runs import Outcome
from v4_assets.prospects import contracts
from v4_assets.prospects.months import month_of
from v4_assets.resources import warehouse
from v4_assets.sample.story_home import carried
from v4_assets.sample.world import WorldSpec, build, fill, lead_ids
from v4_assets.sql import Query
from v4_assets.tables import View
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator
from v4_assets_tests.bigquery.mirror import MirroredWarehouse, mirrored
from v4_assets_tests.fixtures.stories import CLOSE_BEFORE_LATE, FALLEN, GOOD, LATE, NEW, OLD, Story
from v4_assets_tests.fixtures.warehouses import default_catalogue

NOVEMBER, DAY = date(2025, 11, 1), date(2026, 1, 12)
"""The list of NOVEMBER is given out before the leads are contacted that are judged on DAY, a Monday."""
BEFORE = (date(2026, 1, 4), date(2026, 1, 11))
"""The closes of the two weeks before: what promotion asks for."""
WORLD = WorldSpec(scale=0.002, leads_per_week=15, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 3, 15))
MATURED = GOOD | {"cohort_from": date(2026, 1, 14), "cohort_to": date(2026, 1, 24)}
"""What LATE finds: leads contacted wholly after the promotion."""
SHORTER = (
    ("min_parallel_days: 7", "min_parallel_days: 1"),
    ("max_changed_share: 0.20", "max_changed_share: 1.0"),
    ("block_above: 0.05", "block_above: 1.0"),
)
"""One day side by side instead of seven. Weeks lie between the days, so most leads change; and the sources hold all of
these weeks from DAY on."""
NO_MONTHS = ("enabled: yes # no:", "enabled: no # no:")
ELSEWHERE = (
    ("crm: SavvyGTMData", "crm: firm-crm.Sales"),
    ("advisors: FinTrx_data_CA", "advisors: firm-data.Advisors"),
    ("features: ml_features", f"features: {GOOGLE_PROJECT}.rollout_of_scores"),
)
UNUSED = {tables.TRAINING_SET, "takeover", "early_warning_votes", "week_closes"}
"""Tables that the story does not fill: nothing is trained or taken over, and the evidence of closes is written."""
KEYS = [key for key in default_catalogue() if key not in tables.RETIRED]


@dataclass
class RolledOut:
    """A story at its end, and what was read on the way."""

    story: Story
    mirror: DuckDBWarehouse
    org: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The leads in the org at the end."""
    carried: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    """After each action: what was live, and how many of its scored leads carried which version in the org."""
    first_run: str = ""


def ran(outcome: Outcome) -> Outcome:
    failures = [one for one in outcome.checks_failed if one.asset == "salesforce_sync" or one.severity == "ERROR"]
    assert (outcome.success, outcome.errors, failures) == (True, (), [])
    return outcome


@contextmanager
def running_org(story: Story) -> Iterator[StandInOrg]:
    """The warehouse is filled with what is known in NOVEMBER and adopted, and the org runs."""
    for written, instead in SHORTER:
        story.rule(written, instead)
    story.env["V4_SALESFORCE"] = "local"
    settings, world = story.settings, build(WORLD)
    with warehouse(settings).session(), StandInOrg(settings.stand_in_org, lead_ids(world)) as org:
        fill(warehouse(settings), settings.rollout.catalogue, world, known_at=settings.clock.now())
        local_runs.init(settings)
        listed(story)
        fill(warehouse(settings), settings.rollout.catalogue, world)
        yield org


def listed(story: Story) -> None:
    """The month is scored and its list given out."""
    month = month_of(story.day)
    ran(monthly.run_month(story.settings, month))
    monthly.give_out(story.settings, month)


def roll_out(story: Story, mirror: DuckDBWarehouse) -> RolledOut:
    """From adoption to rollback, on two days after a month's first."""
    rolled_out = RolledOut(story, mirror)
    with running_org(story) as org:

        def acted() -> None:
            """The sensor asks for one run, which succeeds."""
            [outcome] = story.tick().outcomes
            ran(outcome)
            rolled_out.carried.append((story.live, dict(carried(org, scored(story)))))

        story.goes_on(DAY)
        rolled_out.first_run = ran(story.run()).run_id
        listed(story)
        for day in BEFORE:
            story.write(day, GOOD, retrospective=True)
        acted()
        monthly.give_out(story.settings, month_of(DAY), again="It's v4.1.0 that is live")
        story.rule(*NO_MONTHS)
        story.goes_on(LATE)
        story.candidate = MATURED
        ran(story.run())
        wait_for_the_sheet(story)
        operator_actions.approve(story.settings, story.evidence_sha256)
        acted()
        operator_actions.restore(story.settings, OLD, "v4.1.0 falls")
        for day in CLOSE_BEFORE_LATE:
            story.write(day, FALLEN)
        acted()
        rolled_out.org = org.rows()
    return rolled_out


def wait_for_the_sheet(story: Story) -> None:
    """Another team's view delays the sunset until it reads something else."""
    settings = story.settings
    scores = settings.rollout.catalogue[tables.scores_key("v40")]

    def sheet(text: str) -> None:
        view = View(scores.dataset, "sales_sheet", Query("sales_sheet", text), "Another team's")
        warehouse(settings).create([], [view])

    sheet(f"SELECT lead_id FROM {scores.full_name}")
    assert f"waits for these readers of v4.0.0's names to be moved: {scores.dataset}.sales_sheet." in story.tick().said
    sheet("SELECT 1 AS nothing")
    assert story.tick().said.startswith("ask: v4.1.0 has been healthy for 56 days and nothing reads v4.0.0.")


def scored(story: Story) -> list[str]:
    """The leads the live version scored today."""
    key = tables.scores_key(story.settings.rollout.versions[story.live].key)
    query = story.settings.rollout.catalogue.query("daily_scores", {"prediction_date": story.day}, daily_scores=key)
    return warehouse(story.settings).read(query)["lead_id"].to_pylist()


@pytest.fixture(scope="module")
def rolled_out(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolledOut]:
    for _, named in ELSEWHERE:
        emulator.client().create_dataset(named.partition(": ")[2])
    env = {
        "V4_WAREHOUSE": "bigquery",
        "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
        "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
        "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
    }
    story = Story(tmp_path_factory.mktemp("bigquery"), NOVEMBER, env=env)
    for written, instead in ELSEWHERE:
        story.rule(written, instead)
    datasets = {there.partition(": ")[2]: here.partition(": ")[2] for here, there in ELSEWHERE}
    with mirrored(story.home / "mirror.duckdb", datasets) as mirror:
        yield roll_out(story, mirror)


def on_bigquery(story: Story, key: str) -> pa.Table:
    """All rows of a table."""
    query = Query("rows", f"SELECT * FROM {story.settings.rollout.catalogue[key].full_name}")
    return warehouse(story.settings).read(query)


def on_both(story: Story, mirror: DuckDBWarehouse, key: str) -> tuple[pa.Table, pa.Table]:
    """All rows of a table on BigQuery and on DuckDB."""
    own = Query("rows", f"SELECT * FROM {default_catalogue()[key].full_name}")
    return on_bigquery(story, key), mirror.read(own)


# --- the end of the story ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_a_table_ends_the_same_on_both_engines(rolled_out, key):
    found, wanted = on_both(rolled_out.story, rolled_out.mirror, key)
    assert (wanted.num_rows > 0) == (key not in UNUSED)
    assert_same(found, wanted, key)


@pytest.mark.parametrize("view", default_catalogue().views, ids=lambda view: view.name)
def test_a_view_ends_the_same_on_both_engines(rolled_out, view):
    [there] = [one for one in rolled_out.story.settings.rollout.catalogue.views if one.name == view.name]
    name = ".".join(f"`{part}`" for part in (*there.dataset.split("."), there.name))
    found = warehouse(rolled_out.story.settings).read(Query("rows", f"SELECT * FROM {name}"))
    wanted = rolled_out.mirror.read(Query("rows", f"SELECT * FROM `{view.dataset}`.`{view.name}`"))
    assert wanted.num_rows > 0
    assert_same(found, wanted, view.name)


def test_answers_on_the_way_were_compared(rolled_out):
    """Scores are made of streamed features, and no other test would see that an answer differs before it is written."""
    assert {"features_of_day", "salesforce_scores", "production", "prospect_choices"} <= set(MirroredWarehouse.answered)


def test_readers_of_the_production_view_see_the_version_that_is_live(rolled_out):
    scores = rolled_out.story.settings.rollout.catalogue[tables.scores_key("v40")]
    there = ".".join(f"`{part}`" for part in (*scores.dataset.split("."), "v4_production_scores"))
    found = warehouse(rolled_out.story.settings).read(Query("rows", f"SELECT * FROM {there}"))
    assert set(found["model_version"].to_pylist()) == {OLD}


def test_leads_know_the_list_they_were_chosen_from_and_the_second_reading_ranks_some(rolled_out):
    outcomes, reading, given = (
        on_bigquery(rolled_out.story, key)
        for key in (tables.LEAD_OUTCOMES, tables.LIFT_BEFORE_CONTACT, contracts.PROSPECT_LISTS)
    )
    assert set(outcomes["chosen_month"].drop_null().to_pylist()) == {NOVEMBER}
    assert set(outcomes["chosen_version"].drop_null().to_pylist()) == {OLD}
    assert min(row["leads"] for row in reading.to_pylist()) > 5
    assert min(row["chosen"] for row in reading.to_pylist()) > 0
    assert sorted((row["prediction_date"], row["edition"], row["model_version"]) for row in given.to_pylist()) == [
        (NOVEMBER, 1, OLD),
        (month_of(DAY), 1, OLD),
        (month_of(DAY), 2, NEW),
    ]


def test_the_sensor_promoted_archived_the_champion_and_rolled_back_to_it(rolled_out):
    events = rolled_out.story.events
    assert [event.event for event in events] == [
        *("adopted", "promotion_started", "promotion_completed", "approved", "sunset_started", "sunset_completed"),
        *("restored", "rollback_started", "rollback_completed"),
    ]
    by_sensor = {event.event for event in events if event.decided_by == "rollout_sensor"}
    kinds = ("promotion", "sunset", "rollback")
    assert by_sensor == {f"{kind}_{end}" for kind in kinds for end in ("started", "completed")}
    assert rolled_out.story.exported == {OLD: "production", NEW: "deprecated"}


def test_after_each_action_every_scored_lead_carries_the_live_version_in_the_org(rolled_out):
    assert [live for live, _ in rolled_out.carried] == [NEW, NEW, OLD]
    for live, versions in rolled_out.carried:
        assert set(versions) == {live}
        assert versions[live] > 100


def test_the_org_ends_with_the_live_version_s_scores_as_duckdb_has_them(rolled_out):
    scores = default_catalogue().query("daily_scores", {"prediction_date": LATE}, daily_scores=tables.scores_key("v40"))
    wanted = {row["lead_id"]: round(row["score"], 2) for row in rolled_out.mirror.read(scores).to_pylist()}
    assert len(wanted) > 100
    assert {lead: rolled_out.org[lead]["V4_Score__c"] for lead in wanted} == wanted


def test_the_datasets_are_those_of_rollout_yaml_and_no_others(rolled_out, emulator):
    names = {table.dataset for table in rolled_out.story.settings.rollout.catalogue.values()}
    assert names == {named.partition(": ")[2] for _, named in ELSEWHERE}
    for name in names:
        assert {table.project for table in emulator.client().list_tables(name)} == {name.partition(".")[0]}


# --- jobs ----------------------------------------------------------------------------------------------------------


def jobs_of(emulator: Emulator, run_id: str) -> list[bigquery.QueryJob | bigquery.LoadJob]:
    """Jobs of a run, as the console lists them."""
    return [job for job in emulator.client().list_jobs() if job.labels.get("v4_run") == run_id]


def test_a_job_names_the_run_the_asset_and_the_attempt_that_asked_for_it(rolled_out, emulator):
    found = jobs_of(emulator, rolled_out.first_run)
    assert len(found) > 50
    assert {job.labels["v4_attempt"] for job in found} == {"0"}
    assets = {job.labels["v4_asset"] for job in found}
    assert {"source_observations", "features_v41", "daily_scores_v40", "lift_comparison", "salesforce_sync"} <= assets
    loads = {(job.labels["v4_asset"], job.labels["v4"]) for job in found if isinstance(job, bigquery.LoadJob)}
    assert ("daily_scores_v41", "load_v4_daily_scores_v41") in loads
    commits = [job for job in found if job.job_id.startswith(f"v4-{GOOGLE_PROJECT}_rollout_of_scores-")]
    others = [job for job in found if job not in commits]
    assert others
    assert all(job.job_id.startswith(f"v4-{job.labels['v4_run']}-{job.labels['v4_asset']}-0-") for job in others)
    assert {job.labels["v4_asset"] for job in commits} >= {"scored_leads", "features_v40", "daily_scores_v41"}


def test_an_asset_of_a_day_shows_what_its_jobs_were_estimated_at_and_billed(rolled_out, emulator):
    with dagster_instance(rolled_out.story.settings) as instance:
        logs = instance.all_logs(rolled_out.first_run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        made = [log.asset_materialization for log in logs]
    shown = {one.asset_key.to_user_string(): one.metadata for one in made if one is not None}
    for asset in ("features_v41", "daily_scores_v41", "lift_comparison"):
        counted = [job for job in jobs_of(emulator, rolled_out.first_run) if job.labels["v4_asset"] == asset]
        figures = {name: shown[asset][name].value for name in ("bytes_processed", "bytes_billed")}
        # The emulator counts no bytes; test_jobs.py shows that those of the service arrive here.
        assert figures == {"bytes_processed": 0, "bytes_billed": 0}
        # The judgements of the day are read and recorded after the asset's own jobs.
        jobs: Any = shown[asset]["bigquery_jobs"].value
        assert 0 <= len(counted) - jobs <= 3
        assert ("bytes_estimated" in shown[asset]) == (asset == "features_v41")
