"""`v4 prune` leaves nothing of a run it deletes, and `--compact` gives the space back; what is kept stays readable."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.clock import Clock
from v4_assets.config.environment import Settings, load
from v4_assets.errors import WarehouseBusyError, WarehouseError
from v4_assets.operations import local_runs, prune
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.prune import compact
from v4_assets.resources import store, warehouse
from v4_assets.warehouse.duckdb.file import exclusive
from v4_assets_tests.fixtures.narrow import embedded
from v4_assets_tests.operations.test_dagster_storage import made, materialize


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load({"V4_HOME": str(tmp_path / "home"), "V4_NOW": "2026-01-05T06:30"})
    local_runs.init(made)
    return made


def runs(settings: Settings) -> list[str]:
    with dagster_instance(settings) as instance:
        return [run.run_id for run in instance.get_runs()]


def checked(settings: Settings) -> set[str]:
    """The runs that check rows of Dagster belong to."""
    with closing(sqlite3.connect(settings.dagster_home / "history" / "runs" / "index.db")) as connection:
        return {row[0] for row in connection.execute("SELECT DISTINCT run_id FROM asset_check_executions")}


def named(settings: Settings, run_id: str) -> list[str]:
    """Files and folders of a run."""
    return [path.name for path in settings.dagster_home.rglob(f"{run_id}*")]


def logs(settings: Settings, run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        folder = settings.dagster_home / "storage" / run_id / "compute_logs"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "made.out").write_text("printed", encoding="utf-8")


def test_of_a_pruned_run_no_check_row_no_file_and_no_log_is_left_and_the_others_stay(settings):
    materialize(settings)
    materialize(settings)
    newer, older = runs(settings)
    logs(settings, (newer, older))
    (settings.dagster_home / "storage" / "made").mkdir()  # what an asset of another project has stored
    assert checked(settings) == {newer, older}
    prune.remove(settings, prune.Old((older,), ()))
    assert (runs(settings), checked(settings), named(settings, older)) == ([newer], {newer}, [])
    assert {f"{newer}.db", newer} <= set(named(settings, newer))
    assert (settings.dagster_home / "storage" / "made").is_dir()
    with dagster_instance(settings) as instance:
        assert len(instance.all_logs(newer)) > 5
        assert instance.get_materialized_partitions(dg.AssetKey("made")) == {"monday", "tuesday"}


def test_what_an_earlier_prune_left_goes_too(settings):
    materialize(settings)
    [left] = runs(settings)
    logs(settings, [left])
    with dagster_instance(settings) as instance:
        instance.delete_run(left)
    assert (checked(settings), named(settings, left) != []) == ({left}, True)
    prune.remove(settings, prune.Old((), ()))
    assert (checked(settings), named(settings, left)) == (set(), [])


def v4(settings: Settings, *arguments: str) -> Result:
    environment = {"V4_HOME": str(settings.home), "V4_NOW": "2026-03-05T06:30"}
    return CliRunner().invoke(cli, arguments, env=environment, prog_name="v4")


def sizes(settings: Settings) -> tuple[int, int]:
    """Bytes of Dagster's index and of the warehouse."""
    return (settings.dagster_home / "history" / "runs" / "index.db").stat().st_size, settings.duckdb_file.stat().st_size


@dg.asset
def verbose() -> dg.MaterializeResult:
    """Says more than a page of Dagster's files holds."""
    return dg.MaterializeResult(metadata={"text": "words " * 100_000})


def fill(settings: Settings) -> None:
    """A large table that was emptied again, beside everything else, and a few runs, most of which said much."""
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute("CREATE TABLE ml_features.large AS SELECT uuid() AS a FROM range(300000)")
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM ml_features.large WHERE CAST(a AS STRING) > '1'")
        connection.execute("CREATE MACRO ml_features.twice(x) AS 2 * x")
    for asset in (made, verbose, verbose, verbose):
        materialize(settings, asset)


def test_compacting_gives_the_space_back_and_every_table_view_and_macro_stays(settings):
    fill(settings)
    mode = settings.duckdb_file.stat().st_mode
    before, events, record = sizes(settings), store(settings).events(), runs(settings)
    with patch.object(prune, "Clock", lambda: Clock(Clock().now() + timedelta(days=60))):
        result = v4(settings, "prune", "--keep-days", "30", "--yes", "--compact")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{len(record)} runs and 0 files older than 30 days: deleted.\n")
    assert " MiB were given back to the disk.\n" in result.output
    # What an asset said last stays in Dagster's index.
    assert sizes(settings)[0] < before[0] / 2
    assert sizes(settings)[1] < before[1] / 2
    assert (store(settings).events(), settings.duckdb_file.stat().st_mode) == (events, mode)
    with embedded(warehouse(settings))._connection() as connection:
        assert connection.execute("SELECT ml_features.twice(21)").fetchall() == [(42,)]
        assert connection.execute("SELECT COUNT(*) FROM ml_features.v4_production_scores").fetchall() == [(0,)]
    assert not list(settings.home.glob("*.compact"))
    assert v4(settings, "status").exit_code in (0, 1)


@pytest.mark.extended
def test_a_copy_that_lacks_anything_is_not_taken(settings):
    fill(settings)
    before = settings.duckdb_file.read_bytes()
    with (
        patch("v4_assets.warehouse.duckdb.file._content", side_effect=[[("table", "a", "b", 1)], []]),
        pytest.raises(WarehouseError, match="The file was left as it is"),
    ):
        compact(settings)
    assert settings.duckdb_file.read_bytes() == before
    assert not list(settings.home.glob("*.compact"))


def test_a_warehouse_in_use_is_not_compacted(settings):
    with warehouse(settings).session(), pytest.raises(WarehouseError, match="in use by this process"):
        compact(settings)
    with exclusive(settings.duckdb_file, 1.0, "1GB"), pytest.raises(WarehouseBusyError):
        compact(settings.model_copy(update={"warehouse_lock_seconds": 0.1}))


def test_compacting_is_asked_for_with_deleting(settings):
    result = v4(settings, "prune", "--compact")
    assert result.exit_code == 2
    assert "--compact rewrites files: give it with --yes." in result.output
