"""The switch: one row and one event in one transaction, and only if the world is as it was when it was decided."""

import re
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.errors import ConcurrentWriteError, ModelIntegrityError, PolicyError, StaleDecisionError
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.operations import local_runs, operator_actions
from v4_assets.production import events
from v4_assets.production import production_row as production_store
from v4_assets.production.events import Event, Production
from v4_assets.resources import registry, store, warehouse
from v4_assets.sql import Query
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures.evidences import evidence
from v4_assets_tests.fixtures.narrow import embedded, present

DAY = date(2026, 1, 12)
NOW = datetime(2026, 1, 12, 11, 30, tzinfo=UTC)
OLD, NEW = "v4.0.0", "v4.1.0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in which the baseline is adopted."""
    made = load({"V4_HOME": str(tmp_path / "home"), "V4_NOW": "2026-01-12T06:30"})
    local_runs.init(made)
    return made


def write_evidence(settings: Settings, rows: list[Evidence], sequence: int) -> None:
    """Rows of lift_comparison as the day's run would leave them."""
    catalogue = settings.rollout.catalogue
    table = catalogue[tables.LIFT_COMPARISON]
    schema = arrow_schema(table)
    batch = pa.RecordBatch.from_pylist([dict.fromkeys(schema.names) | asdict(row) for row in rows], schema)
    write = PartitionWrite(table.name, DAY, NOW, False, "definition", "run", sequence=sequence)
    warehouse(settings).replace_partition(table, write, [batch], catalogue[tables.PARTITION_WRITES])


def promotion(**changes: Any) -> Event:
    return replace(
        Event(
            "order", NOW, "promotion_started", NEW, "it earned it", "rollout_sensor", previous=OLD, action_id="order"
        ),
        **changes,
    )


def switch(
    settings: Settings, event: Event, expected: str, model: str | None = None, bundle: str | None = None
) -> Production:
    return production_store.switch(
        store(settings),
        settings.rollout,
        event,
        expected_event_id=expected,
        model_sha256=model,
        bundle_sha256=bundle,
    )


def now(settings: Settings) -> tuple[str, list[str]]:
    """The live version, and what has happened."""
    live = store(settings).production()
    assert live is not None
    return live.version, [event.event for event in store(settings).events()]


def adopted(settings: Settings) -> str:
    live = store(settings).production()
    assert live is not None
    return live.event_id


def test_a_switch_changes_the_row_and_says_why_in_one_step(settings):
    live = switch(settings, promotion(), adopted(settings))
    shipped = registry(settings).load(NEW)
    assert asdict(live) == {
        "version": NEW,
        "features_view": "v4_production_features_v41",
        "scores_table": "v4_daily_scores_v41",
        "model_uri": str(shipped.path),
        "model_sha256": shipped.sha256,
        "bundle_sha256": shipped.bundle_sha256,
        "event_id": "order",
    }
    assert store(settings).production() == live
    assert store(settings).events()[-1] == promotion(sequence=2, bundle_sha256=shipped.bundle_sha256)


def test_the_same_switch_again_changes_nothing(settings):
    expected = adopted(settings)
    switch(settings, promotion(), expected)
    switch(settings, promotion(), expected)
    assert now(settings) == (NEW, ["adopted", "promotion_started"])


def test_a_switch_decided_before_another_is_refused(settings):
    expected = adopted(settings)
    switch(settings, promotion(), expected)
    late = promotion(event_id="late", event="rollback_started", version=OLD, previous=NEW, action_id="late")
    with pytest.raises(StaleDecisionError, match=f"decided when {expected[:12]} was the last switch; now it is order"):
        switch(settings, late, expected)
    assert now(settings) == (NEW, ["adopted", "promotion_started"])


def test_a_switch_on_evidence_that_was_written_again_is_refused(settings):
    rows = [evidence(prediction_date=DAY)]
    write_evidence(settings, rows, 1)
    decided = promotion(evidence_day=DAY, evidence_sha256=digest(rows))
    write_evidence(settings, [evidence(prediction_date=DAY, conversions=1)], 2)
    with pytest.raises(StaleDecisionError, match="The evidence of 2026-01-12 is"):
        switch(settings, decided, adopted(settings))
    assert now(settings) == (OLD, ["adopted"])


def test_evidence_written_again_inside_the_last_moment_is_seen_by_the_transaction(settings, monkeypatch):
    rows = [evidence(prediction_date=DAY)]
    write_evidence(settings, rows, 1)
    decided = promotion(evidence_day=DAY, evidence_sha256=digest(rows))
    read = production_store._evidence_sequence

    def then_written_again(*args: Any) -> int:
        found = read(*args)
        write_evidence(settings, rows, 2)
        return found

    monkeypatch.setattr(production_store, "_evidence_sequence", then_written_again)
    with pytest.raises(StaleDecisionError, match="or the evidence was written again"):
        switch(settings, decided, adopted(settings))
    assert now(settings) == (OLD, ["adopted"])


def test_a_switch_on_the_evidence_that_was_seen_goes_through(settings):
    rows = [evidence(prediction_date=DAY)]
    write_evidence(settings, rows, 1)
    switch(settings, promotion(evidence_day=DAY, evidence_sha256=digest(rows)), adopted(settings))
    assert now(settings)[0] == NEW


def test_only_the_artifact_that_was_judged_goes_live(settings):
    with pytest.raises(ModelIntegrityError, match=r"what was judged is aaaaaaaaaaaa"):
        switch(settings, promotion(), adopted(settings), model="a" * 64)
    assert now(settings) == (OLD, ["adopted"])


def test_a_bundle_of_the_judged_booster_with_another_list_does_not_go_live(settings):
    shipped = registry(settings).load(NEW)
    with pytest.raises(ModelIntegrityError, match=f"has bundle {shipped.bundle_sha256[:12]}, what was judged is bbbb"):
        switch(settings, promotion(), adopted(settings), model=shipped.sha256, bundle="b" * 64)
    assert now(settings) == (OLD, ["adopted"])
    assert switch(settings, promotion(), adopted(settings), shipped.sha256, shipped.bundle_sha256).version == NEW


@pytest.mark.parametrize("is_own", [True, False], ids=["its own bundle", "another list"])
def test_a_person_promotes_only_the_bundle_that_scored_today(settings, is_own):
    bundle = registry(settings).load(NEW)
    named = bundle.bundle_sha256 if is_own else "c" * 64
    table = settings.rollout.catalogue[tables.scores_key("v41")]
    row = {"prediction_date": DAY, "lead_id": "a", "model_sha256": bundle.sha256, "bundle_sha256": named}
    schema = arrow_schema(table)
    batch = pa.RecordBatch.from_pylist([dict.fromkeys(schema.names) | row], schema)
    write = PartitionWrite(table.name, DAY, NOW, False, "definition", "run")
    log = settings.rollout.catalogue[tables.PARTITION_WRITES]
    warehouse(settings).replace_partition(table, write, [batch], log)
    with pytest.raises(PolicyError, match="passed every check") as refused:
        operator_actions.order(settings, "promotion", NEW, "it is better")
    assert (f"not of its registered bundle {bundle.bundle_sha256[:12]}" in str(refused.value)) is not is_own
    assert now(settings) == (OLD, ["adopted"])


def test_the_rollback_script_leaves_what_a_switch_leaves(settings):
    switch(settings, promotion(), adopted(settings))
    text = CliRunner().invoke(cli, ["sql", "render", "--script", "rollback", "--warehouse", "duckdb"]).output
    used, known = (set(re.findall(rf"{before}v4_(\w+)", text)) for before in (r"getvariable\('", "SET VARIABLE "))
    assert used <= known
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute(text.replace("SET VARIABLE v4_reason = NULL", "SET VARIABLE v4_reason = 'the page is down'"))
    live, event = present(store(settings).production()), store(settings).events()[-1]
    assert now(settings) == (OLD, ["adopted", "promotion_started", "rollback_started"])
    assert (event.event_id, event.reason, event.bundle_sha256) == (
        live.event_id,
        "the page is down",
        live.bundle_sha256,
    )
    wanted = registry(settings).load(OLD)
    assert (live.model_sha256, live.bundle_sha256) == (wanted.sha256, wanted.bundle_sha256)


def test_an_event_guarded_by_a_switch_that_has_passed_is_not_recorded(settings):
    expected = adopted(settings)
    switch(settings, promotion(), expected)
    begun = replace(promotion(), event_id="sunset", event="sunset_started", version=OLD)
    with pytest.raises(ConcurrentWriteError):
        production_store.record(store(settings), [begun], expected_event_id=expected)
    assert now(settings)[1] == ["adopted", "promotion_started"]


def test_an_event_is_recorded_once(settings):
    production_store.record(store(settings), [promotion()])
    with pytest.raises(ConcurrentWriteError):
        production_store.record(store(settings), [promotion()])


def read(settings: Settings, text: str) -> list[dict]:
    return warehouse(settings).read(Query("test", text)).to_pylist()


def test_readers_follow_the_switch_without_being_edited(settings):
    catalogue = settings.rollout.catalogue
    for version in (OLD, NEW):
        table = catalogue[tables.scores_key(settings.rollout.versions[version].key)]
        schema = arrow_schema(table)
        row = dict.fromkeys(schema.names) | {"prediction_date": DAY, "lead_id": "a", "model_version": version}
        write = PartitionWrite(table.name, DAY, NOW, False, "definition", "run")
        batch = pa.RecordBatch.from_pylist([row], schema)
        warehouse(settings).replace_partition(table, write, [batch], catalogue[tables.PARTITION_WRITES])
    before = read(settings, "SELECT model_version FROM `ml_features`.`v4_production_scores`")
    switch(settings, promotion(), adopted(settings))
    after = read(settings, "SELECT model_version FROM `ml_features`.`v4_production_scores`")
    assert (before, after) == ([{"model_version": OLD}], [{"model_version": NEW}])


def test_what_was_live_when_is_a_query(settings):
    later = datetime(2026, 1, 20, 12, tzinfo=UTC)
    switch(settings, promotion(happened_at=later), adopted(settings))
    columns = "version, bundle_sha256, live_from, live_until"
    query = f"SELECT {columns} FROM `ml_features`.`v4_production_periods` ORDER BY live_from"
    old, new = (registry(settings).load(version).bundle_sha256 for version in (OLD, NEW))
    assert read(settings, query) == [
        {"version": OLD, "bundle_sha256": old, "live_from": NOW, "live_until": later},
        {"version": NEW, "bundle_sha256": new, "live_from": later, "live_until": None},
    ]


def test_a_row_edited_by_hand_is_a_disagreement(settings):
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute("UPDATE ml_features.v4_production SET version = 'v4.1.0'")
    live = present(store(settings).production())
    found = events.rollout_status(
        store(settings).events(),
        baseline=OLD,
        candidate=NEW,
        today=DAY,
        production=(live.version, live.event_id),
    )
    assert "made v4.0.0 live, the production row says v4.1.0" in (found.disagreement or "")
