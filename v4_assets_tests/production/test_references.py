"""Who still reads a version by name is found everywhere it was asked for, and what cannot be looked at is an error."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.config.rollout_references import ReferencePlaces
from v4_assets.errors import TableMissingError, V4Error
from v4_assets.production import references
from v4_assets.production.events import Event
from v4_assets.production.reference_files import text_files
from v4_assets.project import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets_tests.production.test_mentions import ENTRY, NAME

OLD, NEW = "v4.0.0", "v4.1.0"
TABLE = "CREATE TABLE {0}.{1} (lead_id VARCHAR, score DOUBLE)"


@dataclass(frozen=True)
class House:
    """A DuckDB warehouse with the three datasets, other people's `sales`, and tables by our names."""

    settings: Settings

    def change(self, *statements: str) -> None:
        with warehouse(self.settings)._connection() as connection:
            for statement in statements:
                connection.execute(statement)

    def readers(self, version: str = OLD, **also: object) -> list[tuple[str, str, tuple[str, ...]]]:
        found = references.readers(
            store(self.settings),
            self.settings.rollout,
            version,
            ReferencePlaces(**also),  # type: ignore[arg-type] # plain values
        )
        return [(one.kind, one.where, one.names) for one in found]

    def v4(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["references", *arguments], env={"V4_HOME": str(self.settings.home)})


@pytest.fixture
def house(tmp_path) -> House:
    house = House(load({"V4_HOME": str(tmp_path / "home")}))
    names = ("SavvyGTMData", "FinTrx_data_CA", "ml_features", "sales")
    tables = [TABLE.format("ml_features", name) for name in ("v4_daily_scores", "v4_daily_scores_v41")]
    house.settings.home.mkdir()
    house.change(*(f'CREATE SCHEMA "{name}"' for name in names), *tables)
    return house


# --- the warehouse -------------------------------------------------------------------------------------------------


def test_views_and_macros_that_name_a_version_s_table_are_its_readers_and_the_successor_s_are_not(house):
    house.change(
        "CREATE VIEW ml_features.sheet AS SELECT * FROM ml_features.v4_daily_scores",
        "CREATE VIEW ml_features.new_sheet AS SELECT * FROM ml_features.v4_daily_scores_v41",
        "CREATE MACRO ml_features.best(n) AS (SELECT MAX(score) + n FROM ml_features.v4_daily_scores)",
        "CREATE MACRO ml_features.top(n) AS TABLE SELECT * FROM ml_features.v4_daily_scores LIMIT n",
        "CREATE MACRO ml_features.plus(n) AS n + 1",
    )
    assert house.readers() == [
        ("view", "ml_features.sheet", ("v4_daily_scores",)),
        ("routine", "ml_features.best(n)", ("v4_daily_scores",)),
        ("routine", "ml_features.top(n)", ("v4_daily_scores",)),
    ]
    assert house.readers(NEW) == [("view", "ml_features.new_sheet", ("v4_daily_scores_v41",))]


def test_other_datasets_are_looked_at_when_they_are_named(house):
    house.change("CREATE VIEW sales.sheet AS SELECT * FROM ml_features.v4_daily_scores")
    assert house.readers() == []
    assert house.readers(datasets=("sales",)) == [("view", "sales.sheet", ("v4_daily_scores",))]


def test_our_own_views_are_no_readers_of_our_own_tables(house):
    house.change("CREATE VIEW ml_features.v4_production_scores AS SELECT * FROM ml_features.v4_daily_scores")
    assert house.readers() == []


def test_a_dataset_that_is_not_there_is_an_error_and_not_an_empty_one(house):
    with pytest.raises(TableMissingError, match=r"There is no dataset marketing in .*Correct its name"):
        house.readers(datasets=("marketing",))


# --- files ---------------------------------------------------------------------------------------------------------


def test_files_are_told_with_the_line_whatever_they_are_written_in(house, tmp_path):
    repo = tmp_path / "pipeline"
    (repo / "jobs").mkdir(parents=True)
    (repo / ".git").mkdir()
    (repo / "a.sql").write_text("-- v4_daily_scores\nSELECT *\nFROM ml_features.v4_daily_scores\n")
    (repo / "jobs" / "b.py").write_text("x = 1\nDIR = 'v4/models/v4.0.0'  # v4_daily_scores\n")
    (repo / "c.ipynb").write_text(json.dumps({"cells": [{"source": ["SELECT * FROM v4_production_features"]}]}))
    (repo / "d.yaml").write_text("table: ml_features.v4_daily_scores_v41\n")
    (repo / "e.sql").write_bytes("SELECT 1 FROM v4_daily_scores".encode("utf-16"))
    (repo / "f.bin").write_bytes(b"\0v4_daily_scores")
    (repo / ".git" / "g").write_text("v4_daily_scores")
    (repo / "gone").symlink_to(repo / "nowhere")
    assert house.readers(paths=(repo,)) == [
        ("file", f"{repo}/a.sql:3", ("v4_daily_scores",)),
        ("file", f"{repo}/c.ipynb:1", ("v4_production_features",)),
        ("file", f"{repo}/e.sql:1", ("v4_daily_scores",)),
        ("file", f"{repo}/jobs/b.py:2", ("models/v4.0.0", "v4_daily_scores")),
    ]
    assert len(house.readers(paths=(repo / "a.sql", repo / "a.sql"))) == 1


def test_a_path_that_is_not_there_is_an_error(house, tmp_path):
    with pytest.raises(V4Error, match=r"There is no .*/nowhere: correct the path"):
        house.readers(paths=(tmp_path / "nowhere",))


@pytest.mark.parametrize("what", ["os.scandir", "pathlib.Path.read_bytes"])
def test_a_folder_or_a_file_that_may_not_be_read_is_an_error(house, tmp_path, monkeypatch, what):
    (tmp_path / "job.sql").write_text("SELECT 1")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "closed")

    # By hand, since root may read everything.
    monkeypatch.setattr(what, refuse)
    with pytest.raises(V4Error, match="closed cannot be read: Permission denied"):
        house.readers(paths=(tmp_path,))


def test_this_project_s_own_files_are_passed_over_inside_a_folder_and_refused_alone():
    found = [path for path, _ in text_files(PROJECT)]
    assert PROJECT / "Makefile" in found
    assert not [path for path in found if path.is_relative_to(PROJECT / "sql") or path.name == "rollout.yaml"]
    with pytest.raises(V4Error, match="is this project's own, which names every version"):
        list(text_files(PROJECT / "sql" / "sources" / "scored_leads.sql"))


# --- scheduled queries ---------------------------------------------------------------------------------------------


def test_a_scheduled_query_reads_by_its_text_and_by_the_table_it_writes(house, tmp_path):
    file = tmp_path / "scheduled.json"
    reads = ENTRY | {"params": {"query": "SELECT * FROM `p.ml_features.v4_daily_scores`"}}
    writes = ENTRY | {"displayName": "Copy", "params": {"query": "SELECT 1", "destination": "v4_daily_scores"}}
    comment = ENTRY | {"displayName": "New", "params": {"query": "SELECT 1 -- once v4_daily_scores"}}
    file.write_text(json.dumps([reads, writes, comment]))
    assert [where for _, where, _ in house.readers(scheduled_queries=file)] == [
        NAME.replace("Morning list", "Copy"),
        NAME,
    ]


def test_a_list_of_scheduled_queries_that_is_not_there_or_no_text_is_an_error(house, tmp_path):
    with pytest.raises(V4Error, match=r"There is no .*gone\.json"):
        house.readers(scheduled_queries=tmp_path / "gone.json")
    (tmp_path / "binary").write_bytes(b"\0")
    for wrong in (tmp_path, tmp_path / "binary"):
        with pytest.raises(V4Error, match="is not a text file"):
            house.readers(scheduled_queries=wrong)


# --- rollout.yaml and the command ----------------------------------------------------------------------------------


def with_references(folder: Path, **entries: object) -> Path:
    """rollout.yaml with other places to look at."""
    content = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
    path = folder / "rollout.yaml"
    path.write_text(yaml.safe_dump(content | {"references": entries}), encoding="utf-8")
    return path


def test_paths_of_rollout_yaml_are_relative_to_its_folder(tmp_path):
    rollout = load(
        {"V4_ROLLOUT": str(with_references(tmp_path, paths=["jobs", "/abs"], scheduled_queries="s.json"))}
    ).rollout
    assert rollout.references.paths == (tmp_path / "jobs", Path("/abs"))
    assert rollout.references.scheduled_queries == tmp_path / "s.json"


def test_the_command_ends_with_one_while_somebody_reads_and_says_where_it_looked(house, tmp_path):
    house.change("CREATE VIEW sales.sheet AS SELECT * FROM ml_features.v4_daily_scores")
    nobody = house.v4()
    assert (nobody.exit_code, nobody.output.count("\n")) == (0, 1)
    assert nobody.output.startswith("Nothing reads v4.0.0 by name (v4_production_features, v4_daily_scores, ")
    assert nobody.output.endswith("Looked at: FinTrx_data_CA, SavvyGTMData, ml_features.\n")
    (tmp_path / "job.py").write_text("model_version = 'v4.0.0'")
    somebody = house.v4("--dataset", "sales", "--path", str(tmp_path / "job.py"), "--json")
    assert somebody.exit_code == 1
    content = json.loads(somebody.output)
    assert content["readers"] == [
        {"kind": "view", "where": "sales.sheet", "names": ["v4_daily_scores"]},
        {"kind": "file", "where": f"{tmp_path}/job.py:1", "names": ["model_version v4.0.0"]},
    ]
    assert content["looked_at"] == ["FinTrx_data_CA", "SavvyGTMData", "ml_features", "sales", f"{tmp_path}/job.py"]
    assert house.v4("--version", NEW, "--dataset", "sales").exit_code == 0


def test_a_version_nobody_knows_is_refused(house):
    assert str(house.v4("--version", "v9.9.9").exception).startswith("There is no version v9.9.9 in rollout.yaml")


# --- at a switch ---------------------------------------------------------------------------------------------------


def test_after_a_switch_the_readers_of_the_version_left_behind_are_told_and_a_place_out_of_sight_too(house):
    action = Event(
        event_id="1", happened_at=house.settings.clock.now(), event="promotion_started", version=NEW, reason="",
        decided_by="ada", previous=OLD,
    )  # fmt: skip
    rollout = house.settings.rollout
    assert references.left_behind(store(house.settings), rollout, action) == (
        "Nothing that was checked reads v4.0.0 by name."
    )
    house.change(*(f"CREATE VIEW ml_features.s{n:02} AS FROM ml_features.v4_daily_scores" for n in range(12)))
    named = ", ".join(f"ml_features.s{n:02}" for n in range(10))
    assert references.left_behind(store(house.settings), rollout, action) == (
        f"Still reading v4.0.0 by name: {named}, 2 more (`v4 references`)."
    )
    assert references.left_behind(store(house.settings), rollout, replace(action, previous=None)) == (
        "Nothing that was checked reads v4.1.0 by name."
    )
    house.change('DROP SCHEMA "SavvyGTMData"')
    assert references.left_behind(store(house.settings), rollout, action).startswith(
        "Who still reads v4.0.0 by name is not known: There is no dataset SavvyGTMData"
    )
