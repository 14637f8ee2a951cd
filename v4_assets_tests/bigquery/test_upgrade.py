"""`v4 init` on BigQuery adds missing columns and tables, refuses what it cannot add, and records the version."""

from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest

from v4_assets import tables
from v4_assets.config.environment import Settings, load
from v4_assets.errors import SchemaDriftError, SchemaVersionError
from v4_assets.operations import local_runs
from v4_assets.project_files import PROJECT
from v4_assets.resources import registry, store, warehouse
from v4_assets.sql import Column, Query
from v4_assets.warehouse import schema
from v4_assets.warehouse.bigquery import warehouse as module
from v4_assets.warehouse.bigquery.tables import add_columns_ddl
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from v4_assets.warehouse.schema import NEEDED
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator

pytestmark = pytest.mark.extended
NAMES = ("SavvyGTMData", "FinTrx_data_CA", "ml_features")
DAY = date(2026, 1, 5)
UNNAMED = (
    *(tables.PRODUCTION, tables.DEPLOYMENTS, tables.LIFT_COMPARISON),
    *(tables.scores_key("v40"), tables.scores_key("v41")),
)
"""Tables whose rows name the bundle since schema 2."""


@pytest.fixture(scope="module")
def settings(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with datasets of its own, made by this release."""
    home = tmp_path_factory.mktemp("upgrade")
    ending = uuid4().hex[:8]
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    for name in NAMES:
        text = text.replace(f": {name}\n", f": {name}_{ending}\n")
        emulator.client().create_dataset(f"{name}_{ending}")
    (home / "rollout.yaml").write_text(text, encoding="utf-8")
    settings = load(
        {
            "V4_HOME": str(home),
            "V4_NOW": f"{DAY}T06:30",
            "V4_ROLLOUT": str(home / "rollout.yaml"),
            "V4_WAREHOUSE": "bigquery",
            "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
            "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
            "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
        }
    )
    local_runs.init(settings)
    return settings


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has not asked for the version yet."""
    monkeypatch.setattr(module, "_verified_until", {})


def change(settings: Settings, *statements: str) -> None:
    place = warehouse(settings, any_schema=True)
    assert isinstance(place, BigQueryWarehouse)
    for statement in statements:
        place._run(Query("change", statement))


def age(settings: Settings) -> None:
    """Make it a warehouse of release 0.1 that lacks a column and a table beside the versions."""
    catalogue = settings.rollout.catalogue
    change(
        settings,
        *(
            f"DROP VIEW `{view.dataset}`.`{view.name}`"
            if view.name == "v4_prospect_scores"  # not of that release
            else f"CREATE OR REPLACE VIEW `{view.dataset}`.`{view.name}` AS SELECT 1 AS old"
            for view in catalogue.views
        ),
        f"DROP TABLE {catalogue[tables.SCHEMA].full_name}",
        f"DROP TABLE {catalogue[tables.LEAD_OUTCOMES].full_name}",
        f"ALTER TABLE {catalogue[tables.DEPLOYMENTS].full_name} DROP COLUMN run_id",
        *(f"ALTER TABLE {catalogue[key].full_name} DROP COLUMN bundle_sha256" for key in UNNAMED),
    )


def test_an_upgrade_adds_what_is_missing_and_is_due_until_then(settings):
    catalogue = settings.rollout.catalogue
    before = {table.name: warehouse(settings).shape(table) for table in catalogue.made}
    age(settings)
    with pytest.raises(SchemaVersionError, match=f"is of schema 1, this release needs {NEEDED}: run `v4 init`"):
        store(settings).live()
    assert local_runs.init(settings).upgraded_from == 1
    assert local_runs.init(settings).upgraded_from is None
    after = {table.name: warehouse(settings).shape(table) for table in catalogue.made}
    # An added column stands last.
    columns = {name: dict(shape.columns) for name, shape in after.items() if shape}
    assert columns == {name: dict(shape.columns) for name, shape in before.items() if shape}
    assert {name: shape.layout for name, shape in after.items() if shape} == {
        name: shape.layout for name, shape in before.items() if shape
    }
    [event] = store(settings).events()
    assert (event.event, event.run_id, event.bundle_sha256) == ("adopted", None, None)
    [row] = store(settings).rows(tables.PRODUCTION)
    live, bundle = store(settings).production(), registry(settings).load("v4.0.0")
    assert (row["bundle_sha256"], live and live.bundle_sha256) == (None, bundle.bundle_sha256)
    found = schema.found(warehouse(settings), catalogue)
    assert found == schema.Found(NEEDED, schema.RELEASE)


def test_an_added_column_is_nullable_described_and_added_once(settings, emulator):
    table = settings.rollout.catalogue[tables.LEAD_OUTCOMES]
    wider = replace(table, columns=(*table.columns, Column("note", "STRING", 'what "one" noted')))
    place = warehouse(settings, any_schema=True)
    for _ in range(2):
        place.create([wider])
    [field] = [one for one in emulator.client().get_table(f"{table.dataset}.{table.name}").schema if one.name == "note"]
    change(settings, f"ALTER TABLE {table.full_name} DROP COLUMN note")
    assert (field.field_type, field.mode) == ("STRING", "NULLABLE")
    # The emulator forgets the description of a column that is added.
    assert add_columns_ddl(table, wider.columns[-1:]) == (
        f"ALTER TABLE {table.full_name}\n"
        r'ADD COLUMN IF NOT EXISTS `note` STRING OPTIONS (description = "what \"one\" noted")'
    )


def test_names_that_differ_in_case_are_the_same_column(settings):
    table = settings.rollout.catalogue[tables.PRODUCTION]
    louder = replace(table, columns=tuple(replace(column, name=column.name.upper()) for column in table.columns))
    place = warehouse(settings, any_schema=True)
    before = place.columns(table)
    place.create([louder])
    assert place.columns(table) == before


def test_every_other_difference_is_named_in_one_error_and_nothing_is_changed(settings):
    catalogue, place = settings.rollout.catalogue, warehouse(settings, any_schema=True)
    outcomes, scored = catalogue[tables.LEAD_OUTCOMES], catalogue[tables.SCORED_LEADS]
    beside = replace(outcomes, name="beside")
    narrower = replace(outcomes, columns=outcomes.columns[1:])
    retyped = replace(catalogue[tables.PRODUCTION], columns=(Column("version", "INT64"),))
    loose = replace(scored, columns=tuple(one for one in scored.columns if one.name != "lead_id"))
    with pytest.raises(SchemaDriftError) as refused:
        place.create([beside, narrower, retyped, loose])
    said = str(refused.value)
    assert f"{outcomes.name}.{outcomes.columns[0].name} (" in said
    assert "v4_production.version is STRING, expected INT64" in said
    assert "v4_scored_leads is clustered by lead_id, expected nothing" in said
    assert place.shape(beside) is None


def test_a_newer_warehouse_is_refused(settings):
    catalogue = settings.rollout.catalogue
    name = catalogue[tables.SCHEMA].full_name
    change(
        settings,
        f"INSERT INTO {name} (version, previous, recorded_at, release, recorded_by) "
        f"VALUES ({NEEDED + 1}, {NEEDED}, CURRENT_TIMESTAMP(), '9.1.0', 'x')",
    )
    for refused in (
        lambda: store(settings).live(),
        lambda: local_runs.init(settings),
    ):
        with pytest.raises(SchemaVersionError, match=r"needs \d+: run release 9\.1\.0"):
            refused()
    change(settings, f"DELETE FROM {name} WHERE version = {NEEDED + 1}")
    assert store(settings).live() == "v4.0.0"
