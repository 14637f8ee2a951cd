"""`v4 init` upgrades what it can, refuses everything else at once and changing nothing, and records the version."""

import json
import sqlite3
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.errors import ModelIntegrityError, SchemaDriftError, SchemaVersionError
from v4_assets.names import SCORING_JOB
from v4_assets.operations import local_runs
from v4_assets.operations.doctor import ProbeResult, Verdict
from v4_assets.operations.doctor import rollout as rollout_probes
from v4_assets.operations.doctor import warehouse as probes
from v4_assets.operations.instance import dagster_instance
from v4_assets.production.production_row import approved_bundle
from v4_assets.resources import registry, store, warehouse
from v4_assets.sql import Column, Query
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse import schema
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.schema import NEEDED, VERSIONS, SchemaVersion, declared_digest
from v4_assets.warehouse.table_differences import Layout, Shape, differences, missing_columns
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures.narrow import embedded, present

OLDER = f"The warehouse is of schema 1, this release needs {NEEDED}: run `v4 init`."
SCORES = Table(
    "scores", "ml_features", "scores", (Column("prediction_date", "DATE"), Column("lead_id", "STRING"))
)  # fmt: skip
READING = {
    "status": (),
    "history": (),
    "live": (),
    "lift": (),
    "migration": ("--date", "2026-01-05"),
    "tick": (),
    "run": ("--date", "today"),
    "backfill": ("--from", "2026-01-05", "--to", "2026-01-05"),
    "report": (),
    "promote": ("--version", "v4.1.0", "--reason", "why"),
    "rollback": ("--reason", "why"),
    "resume": (),
    "hold": ("--reason", "why", "--until", "2026-01-06"),
    "references": (),
    "replay": ("--from", "2026-01-05"),
    "sync": ("preview",),
    "prospects": ("preview",),
    "sunset": ("--reason", "why"),
    "approve": ("0" * 64,),
    "allow": ("v4.1.0", "--reason", "why"),
    "acknowledge": ("--reason", "why"),
    "restore": ("v4.0.0", "--reason", "why"),
}
"""Commands that read our tables, with the arguments they need."""
NOT_READING = {
    "look",
    "checklist",
    "ci",
    "demo",
    "dev",
    "doctor",
    "init",
    "odds",
    "prune",
    "register",
    "sample",
    "score",
    "sql",
    "takeover",
}
"""Commands that make their own warehouse, upgrade or examine it, or need none; `v4 sample` fills sources."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation without sources."""
    settings = load(environment(tmp_path))
    local_runs.init(settings)
    return settings


def environment(home: Path) -> dict[str, str]:
    return {"V4_HOME": str(home), "V4_NOW": "2026-01-05T06:30"}


def change(settings: Settings, *statements: str) -> None:
    """Change the warehouse behind the project's back."""
    with embedded(warehouse(settings, any_schema=True))._connection() as connection:
        for statement in statements:
            connection.execute(statement)


def age(settings: Settings) -> None:
    """Make it a warehouse of release 0.1 that lacks a column, a table and a view beside the versions."""
    change(
        settings,
        "DROP TABLE ml_features.v4_schema",
        "ALTER TABLE ml_features.v4_deployments DROP COLUMN run_id",
        "DROP TABLE ml_features.v4_lead_outcomes",
        "CREATE OR REPLACE VIEW ml_features.v4_production_scores AS SELECT 1 AS old",
        "DROP VIEW ml_features.v4_production_periods",
    )


SCORES_KEYS = ("daily_scores_v40", "daily_scores_v41")
UNNAMED = ("production", "deployments", "lift_comparison", "daily_scores", "daily_scores_v41")
"""Tables whose rows name the bundle since schema 2."""


def content(settings: Settings) -> list[tuple[object, ...]]:
    """Every column, and every view's text."""
    with embedded(warehouse(settings, any_schema=True))._connection() as connection:
        columns = connection.execute(
            "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE schema_name = 'ml_features' ORDER BY ALL"
        ).fetchall()
        views = connection.execute(
            "SELECT view_name, sql FROM duckdb_views() WHERE schema_name = 'ml_features' ORDER BY ALL"
        ).fetchall()
    return columns + views


def recorded(settings: Settings) -> list[tuple[int, int | None, str | None]]:
    rows = warehouse(settings).read(settings.rollout.catalogue.query(tables.SCHEMA)).to_pylist()
    return [(row["version"], row["previous"], row["facts"]) for row in rows]


def asked(settings: Settings, probe: str) -> ProbeResult:
    return probes.probes(settings)[probe]()


def invoke(settings: Settings, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [command, *arguments], env=environment(settings.home), prog_name="v4")


# --- the versions of this release -------------------------------------------------------------------------------------


def test_tables_and_views_do_not_change_without_a_new_schema_version():
    digest = declared_digest(load({}).rollout.catalogue)[:12]
    assert VERSIONS[-1].declared == digest, (
        f"The declared tables or views have changed: append SchemaVersion({NEEDED + 1}, …, declared={digest!r}) to "
        "VERSIONS in v4_assets/warehouse/schema.py, or change the last one if no release has it yet."
    )


def test_a_column_its_type_and_a_view_count_for_the_digest_and_the_order_of_columns_and_line_breaks_do_not():
    catalogue = load({}).rollout.catalogue
    [first, *others] = catalogue.made
    view = catalogue.views[0]

    def digest_of(table: Table, query: Query = view.query) -> str:
        with (
            patch.object(type(catalogue), "made", (table, *others)),
            patch.object(type(catalogue), "views", (replace(view, query=query), *catalogue.views[1:])),
        ):
            return declared_digest(catalogue)

    same = digest_of(first)
    assert digest_of(replace(first, columns=first.columns[::-1])) == same
    assert digest_of(first, replace(view.query, text=view.query.text.replace("\n", "\n  "))) == same
    retyped = replace(first.columns[0], type="STRING")
    changed = {
        digest_of(replace(first, columns=(*first.columns, Column("added", "STRING")))),
        digest_of(replace(first, columns=(retyped, *first.columns[1:]))),
        digest_of(first, replace(view.query, text=view.query.text + " LIMIT 1")),
    }
    assert len(changed | {same}) == 4


def test_versions_are_counted_from_one():
    assert [version.number for version in VERSIONS] == list(range(1, NEEDED + 1))


# --- upgrading --------------------------------------------------------------------------------------------------------


def test_a_new_warehouse_is_of_the_version_this_release_needs_and_has_no_facts_about_older_rows(settings):
    assert recorded(settings) == [(NEEDED, None, None)]
    assert local_runs.init(settings).upgraded_from is None
    assert recorded(settings) == [(NEEDED, None, None)]
    assert asked(settings, "schema version").found == f"schema {NEEDED}, as release {schema.RELEASE} needs"


def test_an_upgrade_adds_what_is_missing_renews_views_and_old_rows_read_null(settings):
    before = content(settings)
    age(settings)
    done = local_runs.init(settings)
    assert (done.upgraded_from, done.schema, present(done.live).version) == (1, NEEDED, "v4.0.0")
    assert content(settings) == before
    [event] = store(settings).events()
    assert (event.event, event.run_id) == ("adopted", None)
    assert [row[:2] for row in recorded(settings)] == [(number, number - 1) for number in range(2, NEEDED + 1)]


def test_the_bundles_that_older_rows_stand_for_are_recorded_by_the_upgrade(settings):
    age(settings)
    local_runs.init(settings)
    facts = json.loads(recorded(settings)[0][2] or "")
    live = store(settings).production()
    assert sorted(facts["bundles"]) == ["v4.0.0", "v4.1.0"]
    assert live and facts["bundles"]["v4.0.0"] == {
        "model_sha256": live.model_sha256,
        "bundle_sha256": live.bundle_sha256,
    }


def test_rows_from_before_the_upgrade_name_no_bundle_and_stand_for_the_recorded_one(settings):
    age(settings)
    change(settings, *(f"ALTER TABLE ml_features.v4_{name} DROP COLUMN bundle_sha256" for name in UNNAMED))
    local_runs.init(settings)
    [row] = store(settings).rows(tables.PRODUCTION)
    live, bundle = store(settings).production(), registry(settings).load("v4.0.0")
    assert (row["bundle_sha256"], live and live.bundle_sha256) == (None, bundle.bundle_sha256)
    assert approved_bundle(store(settings), "v4.0.0") is bundle


def test_the_live_scores_are_read_from_tables_that_were_upgraded_and_from_tables_made_later(settings):
    """An added column stands last in the one and in its place in the other."""
    age(settings)
    change(
        settings,
        "ALTER TABLE ml_features.v4_daily_scores DROP COLUMN bundle_sha256",
        "DROP TABLE ml_features.v4_daily_scores_v41",
    )
    local_runs.init(settings)
    orders = [tuple(warehouse(settings).columns(settings.rollout.catalogue[key])) for key in SCORES_KEYS]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    row = {"prediction_date": "2026-01-05", "lead_id": "a", "scored_at": "2026-01-05 11:30:00+00", "model_version": "x"}
    for name, version in (("v4_daily_scores", "v4.0.0"), ("v4_daily_scores_v41", "v4.1.0")):
        named = row | {"model_version": version, "bundle_sha256": f"bundle of {version}"}
        columns, values = ", ".join(named), ", ".join(f"'{value}'" for value in named.values())
        change(settings, f"INSERT INTO ml_features.{name} ({columns}) VALUES ({values})")
    for version in ("v4.0.0", "v4.1.0"):
        change(settings, f"UPDATE ml_features.v4_production SET version = '{version}'")
        [found] = (
            warehouse(settings).read(Query("live", "SELECT * FROM `ml_features`.`v4_production_scores`")).to_pylist()
        )
        assert (found["bundle_sha256"], str(found["scored_at"])) == (
            f"bundle of {version}",
            "2026-01-05 11:30:00+00:00",
        )
        assert tuple(found) == tuple(one.name for one in settings.rollout.catalogue["daily_scores_v41"].columns)


def test_an_upgrade_is_refused_while_the_registry_has_another_booster_than_the_live_one(settings):
    age(settings)
    change(settings, "UPDATE ml_features.v4_production SET model_sha256 = repeat('f', 64)")
    with pytest.raises(ModelIntegrityError, match=r"its booster is ffffffffffff, the registry has .* Restore the bun"):
        local_runs.init(settings)
    with pytest.raises(SchemaVersionError):
        store(settings).production()


def test_only_a_partition_written_before_an_upgrade_is_of_an_earlier_release(settings):
    record, now = store(settings), settings.clock.now()
    write = PartitionWrite("v4_daily_scores", date(2026, 1, 5), now, False, "0" * 64, None)
    earlier = replace(write, written_at=now - timedelta(minutes=1))
    assert (record.precedes_upgrade(earlier), record.older_bundles()) == (False, {})
    age(settings)
    local_runs.init(settings)
    assert (record.precedes_upgrade(earlier), record.precedes_upgrade(write)) == (True, False)


def test_several_versions_are_passed_in_one_upgrade_each_with_its_own_facts(settings):
    age(settings)
    later = SchemaVersion(NEEDED + 1, "more", "", lambda house, _, __: {"tables": len(house.view_texts("ml_features"))})
    with (
        patch.object(schema, "VERSIONS", (*VERSIONS, later)),
        patch.object(schema, "NEEDED", NEEDED + 1),
    ):
        local_runs.init(settings)
        local_runs.init(settings)
        rows = recorded(settings)
    assert [(version, previous) for version, previous, _ in rows] == [(n, n - 1) for n in range(2, NEEDED + 2)]
    assert json.loads(rows[-1][2] or "") == {"tables": 6}


def test_an_upgrade_that_stops_half_way_is_due_until_the_next_one_finishes_it(settings):
    age(settings)
    with patch.object(DuckDBWarehouse, "transact", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        local_runs.init(settings)
    assert "run_id" in warehouse(settings, any_schema=True).columns(settings.rollout.catalogue[tables.DEPLOYMENTS])
    with pytest.raises(SchemaVersionError):
        store(settings).production()
    assert local_runs.init(settings).upgraded_from == 1
    assert local_runs.init(settings).upgraded_from is None
    assert [row[0] for row in recorded(settings)] == list(range(2, NEEDED + 1))


def test_an_upgrade_that_fails_at_its_last_view_has_changed_nothing(settings):
    age(settings)
    before = content(settings)
    broken = replace(settings.rollout.catalogue.views[-1], query=Query("broken", "SELECT nothing FROM nowhere"))
    views = (*settings.rollout.catalogue.views[:-1], broken)
    with patch.object(tables.Catalogue, "views", views), pytest.raises(Exception, match="nowhere"):
        local_runs.init(settings)
    assert content(settings) == before


def test_every_other_difference_is_named_in_one_error_and_nothing_is_changed(settings):
    age(settings)
    change(
        settings,
        "ALTER TABLE ml_features.v4_partition_writes ADD COLUMN note VARCHAR",
        "ALTER TABLE ml_features.v4_production ALTER version SET NOT NULL",
        "ALTER TABLE ml_features.v4_training_set ALTER lead_id TYPE BIGINT",
        "DROP TABLE ml_features.v4_salesforce_jobs",
        "CREATE VIEW ml_features.v4_salesforce_jobs AS SELECT 1 AS n",
        "DROP VIEW ml_features.v4_production_scores",
        "CREATE TABLE ml_features.v4_production_scores (n BIGINT)",
    )
    before = content(settings)
    with pytest.raises(SchemaDriftError) as refused:
        local_runs.init(settings)
    said = str(refused.value)
    assert said.startswith("5 differences from the declared tables must be repaired manually; nothing was changed: ")
    for difference in (
        "v4_partition_writes.note (STRING) is not a column of this release (ALTER TABLE `ml_features`.`v4_partition_wri"
        "tes` DROP COLUMN `note`)",
        "v4_production.version is NOT NULL, expected nullable (ALTER TABLE `ml_features`.`v4_production` ALTER COLUMN "
        "`version` DROP NOT NULL)",
        "v4_training_set.lead_id is INT64, expected STRING (rename it, ",
        "v4_salesforce_jobs is a view where a table belongs",
        "v4_production_scores is a table where a view belongs",
    ):
        assert difference in said
    assert content(settings) == before


def test_a_column_spelt_otherwise_is_not_added_again_and_is_to_be_renamed(settings):
    change(settings, 'ALTER TABLE ml_features.v4_production RENAME COLUMN version TO "Version"')
    with pytest.raises(SchemaDriftError, match=r"One difference .*RENAME COLUMN `Version` TO `version`\)\.$"):
        local_runs.init(settings)


# --- an older or a newer warehouse ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_an_old_warehouse_asks_for_the_upgrade(settings, command):
    age(settings)
    before = content(settings)
    result = invoke(settings, command, *READING[command])
    assert isinstance(result.exception, SchemaVersionError), result.output
    assert str(result.exception) == OLDER
    assert content(settings) == before


def test_every_command_reads_our_tables_or_is_known_not_to():
    assert set(READING) | NOT_READING == set(cli.commands)


def test_a_run_of_dagster_s_own_on_an_old_warehouse_ends_with_the_same_sentence(settings):
    age(settings)
    outcome = local_runs.run_job(settings, SCORING_JOB, partition=date(2026, 1, 5))
    assert not outcome.success
    assert any(OLDER in error for error in outcome.errors), outcome.errors


@pytest.mark.parametrize("command", ["status", "tick", "init"])
def test_a_newer_warehouse_is_refused_with_the_release_that_can_use_it(settings, command):
    change(settings, f"INSERT INTO ml_features.v4_schema VALUES ({NEEDED + 1}, {NEEDED}, now(), '9.1.0', 'x', NULL)")
    before = content(settings)
    result = invoke(settings, command)
    assert str(result.exception) == (
        f"The warehouse is of schema {NEEDED + 1}, this release needs {NEEDED}: run release 9.1.0, which upgraded it, "
        "or a later one."
    )
    assert content(settings) == before


def test_init_tells_what_it_upgraded(settings):
    age(settings)
    assert invoke(settings, "init").output == (
        f"The warehouse was upgraded from schema 1 to {NEEDED}. v4.0.0 is live.\n"
    )
    said = json.loads(invoke(settings, "init", "--json").output)
    assert (said["schema"], said["upgraded_from"]) == (NEEDED, None)


def test_doctor_says_that_an_upgrade_is_due_and_names_what_is_missing(settings):
    age(settings)
    with pytest.raises(SchemaVersionError) as due:
        asked(settings, "schema version")
    assert str(due.value) == OLDER
    made = asked(settings, "tables and views")
    assert made.verdict is Verdict.FAIL
    assert made.do == "`v4 init` makes what is missing; it changes no rows."
    for name in (
        "v4_deployments.run_id",
        "v4_lead_outcomes",
        "v4_schema",
        "the view ml_features.v4_production_periods",
    ):
        assert f"{name} is not there" in made.found
    for probe in ("live version", "unfinished order"):
        with pytest.raises(SchemaVersionError) as read:
            rollout_probes.probes(settings)[probe]()
        assert str(read.value) == OLDER


def test_a_dagster_instance_of_an_earlier_dagster_is_to_be_migrated(settings):
    with dagster_instance(settings) as instance:
        index = Path(instance.root_directory) / "history" / "runs.db"
        instance.get_runs(limit=1)
    probe = rollout_probes.probes(settings)["Dagster"]
    assert "is of an earlier Dagster" not in probe().found
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '567bc23fd1ac'")
    answer = probe()
    assert (answer.verdict, answer.found) == (Verdict.FAIL, "Its storage of runs is of an earlier Dagster.")
    assert answer.do.endswith(f"`DAGSTER_HOME={settings.dagster_home} dagster instance migrate`.")


# --- shapes -----------------------------------------------------------------------------------------------------------


COLUMNS = {"prediction_date": "DATE", "lead_id": "STRING"}
DAILY, BY_LEAD = "prediction_date", ("lead_id",)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        pytest.param(Shape(COLUMNS, layout=Layout(DAILY, BY_LEAD)), None, id="as declared"),
        pytest.param(Shape({"LEAD_ID": "STRING", "Prediction_Date": "DATE"}), None, id="other case, other order"),
        pytest.param(Shape({"lead_id": "STRING"}), None, id="a column is missing"),
        pytest.param(Shape(COLUMNS, layout=Layout(None, BY_LEAD)), "by nothing, expected prediction_date", id="whole"),
        pytest.param(
            Shape(COLUMNS, layout=Layout("prediction_date by MONTH", BY_LEAD)),
            "partitioned by prediction_date by MONTH, expected prediction_date (rename it",
            id="by month",
        ),
        pytest.param(Shape(COLUMNS, layout=Layout(DAILY, ())), "clustered by nothing, expected lead_id", id="loose"),
        pytest.param(Shape(COLUMNS | {"lead_id": "ARRAY<STRING>"}), "lead_id is ARRAY<STRING>, exp", id="repeated"),
        pytest.param(Shape(COLUMNS, frozenset({"lead_id"})), "lead_id is NOT NULL, expected nullable", id="required"),
        pytest.param(Shape(COLUMNS, kind="view"), "scores is a view where a table belongs", id="view"),
    ],
)
def test_a_difference_is_named(shape, said):
    found = differences(SCORES, shape)
    assert [said in text for text in found] == ([True] if said else [])


def test_what_is_missing_is_found_whatever_the_case():
    assert missing_columns(SCORES, Shape({"LEAD_ID": "STRING"})) == (SCORES.columns[0],)


def test_a_warehouse_in_another_dataset_is_another_installation(settings, tmp_path):
    age(settings)
    text = (Path(__file__).parents[2] / "rollout.yaml").read_text(encoding="utf-8")
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(text.replace("features: ml_features\n", "features: ml_elsewhere\n"), encoding="utf-8")
    other = load(environment(settings.home) | {"V4_ROLLOUT": str(elsewhere)})
    assert other.rollout.datasets.features == "ml_elsewhere"
    assert local_runs.init(other).upgraded_from is None
    assert store(other).live() == "v4.0.0"
    with pytest.raises(SchemaVersionError):
        store(settings).live()


def test_a_long_process_notices_that_another_upgraded_the_warehouse(settings):
    house = warehouse(settings)
    assert Store(house, settings.rollout.catalogue, registry(settings)).live() == "v4.0.0"
    change(settings, f"INSERT INTO ml_features.v4_schema VALUES ({NEEDED + 1}, {NEEDED}, now(), '9.1.0', 'x', NULL)")
    with pytest.raises(SchemaVersionError):
        house.read(settings.rollout.catalogue.query(tables.PRODUCTION))
