"""Who still reads a version by name is found everywhere it was asked for, and what cannot be looked at is an error."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.config.rollout import Rollout
from v4_assets.config.rollout_systems import ReferencePlaces
from v4_assets.errors import TableMissingError, V4Error
from v4_assets.production import references
from v4_assets.production.events import Event
from v4_assets.production.reference_search import text_files
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets_tests.fixtures.narrow import embedded
from v4_assets_tests.production.test_reference_patterns import ENTRY, NAME

OLD, NEW = "v4.0.0", "v4.1.0"
CONTENT = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
TABLE = "CREATE TABLE {0}.{1} (lead_id VARCHAR, score DOUBLE)"


@dataclass(frozen=True)
class Installation:
    """A DuckDB warehouse with the three datasets, another team's `sales`, and tables by our names."""

    settings: Settings

    def change(self, *statements: str) -> None:
        with embedded(warehouse(self.settings))._connection() as connection:
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
def installation(tmp_path) -> Installation:
    installation = Installation(load({"V4_HOME": str(tmp_path / "home")}))
    names = ("SavvyGTMData", "FinTrx_data_CA", "ml_features", "sales")
    tables = [TABLE.format("ml_features", name) for name in ("v4_daily_scores", "v4_daily_scores_v41")]
    installation.settings.home.mkdir()
    installation.change(*(f'CREATE SCHEMA "{name}"' for name in names), *tables)
    return installation


# --- the warehouse -------------------------------------------------------------------------------------------------


def test_views_and_macros_that_name_a_version_s_table_are_its_readers_and_the_successor_s_are_not(installation):
    installation.change(
        "CREATE VIEW ml_features.sheet AS SELECT * FROM ml_features.v4_daily_scores",
        "CREATE VIEW ml_features.new_sheet AS SELECT * FROM ml_features.v4_daily_scores_v41",
        "CREATE MACRO ml_features.best(n) AS (SELECT MAX(score) + n FROM ml_features.v4_daily_scores)",
        "CREATE MACRO ml_features.top(n) AS TABLE SELECT * FROM ml_features.v4_daily_scores LIMIT n",
        "CREATE MACRO ml_features.plus(n) AS n + 1",
    )
    assert installation.readers() == [
        ("view", "ml_features.sheet", ("v4_daily_scores",)),
        ("routine", "ml_features.best(n)", ("v4_daily_scores",)),
        ("routine", "ml_features.top(n)", ("v4_daily_scores",)),
    ]
    assert installation.readers(NEW) == [("view", "ml_features.new_sheet", ("v4_daily_scores_v41",))]


def test_other_datasets_are_looked_at_when_they_are_named(installation):
    installation.change("CREATE VIEW sales.sheet AS SELECT * FROM ml_features.v4_daily_scores")
    assert installation.readers() == []
    assert installation.readers(datasets=("sales",)) == [("view", "sales.sheet", ("v4_daily_scores",))]


def test_our_own_views_are_no_readers_of_our_own_tables(installation):
    installation.change("CREATE VIEW ml_features.v4_production_scores AS SELECT * FROM ml_features.v4_daily_scores")
    assert installation.readers() == []


def test_a_dataset_that_is_not_there_is_an_error_and_not_an_empty_one(installation):
    with pytest.raises(TableMissingError, match=r"There is no dataset marketing in .*Correct its name"):
        installation.readers(datasets=("marketing",))


# --- files ---------------------------------------------------------------------------------------------------------


def test_files_are_told_with_the_line_whatever_they_are_written_in(installation, tmp_path):
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
    assert installation.readers(paths=(repo,)) == [
        ("file", f"{repo}/a.sql:3", ("v4_daily_scores",)),
        ("file", f"{repo}/c.ipynb:1", ("v4_production_features",)),
        ("file", f"{repo}/e.sql:1", ("v4_daily_scores",)),
        ("file", f"{repo}/jobs/b.py:2", ("models/v4.0.0", "v4_daily_scores")),
    ]
    assert len(installation.readers(paths=(repo / "a.sql", repo / "a.sql"))) == 1


def test_a_path_that_is_not_there_is_an_error(installation, tmp_path):
    with pytest.raises(V4Error, match=r"There is no .*/nowhere: correct the path"):
        installation.readers(paths=(tmp_path / "nowhere",))


@pytest.mark.parametrize("what", ["os.scandir", "pathlib.Path.read_bytes"])
def test_a_folder_or_a_file_that_may_not_be_read_is_an_error(installation, tmp_path, monkeypatch, what):
    (tmp_path / "job.sql").write_text("SELECT 1")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "closed")

    # By hand, since root may read everything.
    monkeypatch.setattr(what, refuse)
    with pytest.raises(V4Error, match="closed cannot be read: Permission denied"):
        installation.readers(paths=(tmp_path,))


def test_this_project_s_own_files_are_passed_over_inside_a_folder_and_refused_alone():
    found = [path for path, _ in text_files(PROJECT)]
    assert PROJECT / "Makefile" in found
    assert not [path for path in found if path.is_relative_to(PROJECT / "sql") or path.name == "rollout.yaml"]
    with pytest.raises(V4Error, match="is this project's own, which names every version"):
        list(text_files(PROJECT / "sql" / "sources" / "scored_leads.sql"))


# --- scheduled queries ---------------------------------------------------------------------------------------------


def test_a_scheduled_query_reads_by_its_text_and_by_the_table_it_writes(installation, tmp_path):
    file = tmp_path / "scheduled.json"
    reads = ENTRY | {"params": {"query": "SELECT * FROM `p.ml_features.v4_daily_scores`"}}
    writes = ENTRY | {"displayName": "Copy", "params": {"query": "SELECT 1", "destination": "v4_daily_scores"}}
    comment = ENTRY | {"displayName": "New", "params": {"query": "SELECT 1 -- once v4_daily_scores"}}
    file.write_text(json.dumps([reads, writes, comment]))
    assert [where for _, where, _ in installation.readers(scheduled_queries=file)] == [
        NAME.replace("Morning list", "Copy"),
        NAME,
    ]


def test_a_list_of_scheduled_queries_that_is_not_there_or_no_text_is_an_error(installation, tmp_path):
    with pytest.raises(V4Error, match=r"There is no .*gone\.json"):
        installation.readers(scheduled_queries=tmp_path / "gone.json")
    (tmp_path / "binary").write_bytes(b"\0")
    for wrong in (tmp_path, tmp_path / "binary"):
        with pytest.raises(V4Error, match="is not a text file"):
            installation.readers(scheduled_queries=wrong)
    with pytest.raises(V4Error, match="is not a text file"):
        list(text_files(tmp_path / "binary"))
    assert tmp_path / "binary" not in dict(text_files(tmp_path))


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


def test_the_command_ends_with_one_while_somebody_reads_and_says_where_it_looked(installation, tmp_path):
    installation.change("CREATE VIEW sales.sheet AS SELECT * FROM ml_features.v4_daily_scores")
    nobody = installation.v4()
    assert (nobody.exit_code, nobody.output.count("\n")) == (0, 1)
    assert nobody.output.startswith("Nothing reads v4.0.0 by name (v4_production_features, v4_daily_scores, ")
    assert nobody.output.endswith("Looked at: FinTrx_data_CA, SavvyGTMData, ml_features.\n")
    (tmp_path / "job.py").write_text("model_version = 'v4.0.0'")
    somebody = installation.v4("--dataset", "sales", "--path", str(tmp_path / "job.py"), "--json")
    assert somebody.exit_code == 1
    content = json.loads(somebody.output)
    assert content["readers"] == [
        {"kind": "view", "where": "sales.sheet", "names": ["v4_daily_scores"], "runs": True},
        {"kind": "file", "where": f"{tmp_path}/job.py:1", "names": ["model_version v4.0.0"], "runs": True},
    ]
    assert content["looked_at"] == ["FinTrx_data_CA", "SavvyGTMData", "ml_features", "sales", f"{tmp_path}/job.py"]
    assert installation.v4("--version", NEW, "--dataset", "sales").exit_code == 0


def test_a_version_nobody_knows_is_refused(installation):
    assert str(installation.v4("--version", "v9.9.9").exception).startswith(
        "There is no version v9.9.9 in rollout.yaml"
    )


# --- at a switch ---------------------------------------------------------------------------------------------------


def test_after_a_switch_the_readers_of_the_version_left_behind_are_told_and_a_place_out_of_sight_too(installation):
    action = Event(
        event_id="1", happened_at=installation.settings.clock.now(), event="promotion_started", version=NEW, reason="",
        decided_by="ada", previous=OLD,
    )  # fmt: skip
    rollout = installation.settings.rollout
    assert references.left_behind(store(installation.settings), rollout, action) == (
        "Nothing that was checked reads v4.0.0 by name."
    )
    installation.change(*(f"CREATE VIEW ml_features.s{n:02} AS FROM ml_features.v4_daily_scores" for n in range(12)))
    named = ", ".join(f"ml_features.s{n:02}" for n in range(10))
    assert references.left_behind(store(installation.settings), rollout, action) == (
        f"Still reading v4.0.0 by name: {named}, 2 more (`v4 references`)."
    )
    assert references.left_behind(store(installation.settings), rollout, replace(action, previous=None)) == (
        "Nothing that was checked reads v4.1.0 by name."
    )
    installation.change('DROP SCHEMA "SavvyGTMData"')
    assert references.left_behind(store(installation.settings), rollout, action).startswith(
        "Who still reads v4.0.0 by name is not known: There is no dataset SavvyGTMData"
    )


# --- a repository as it is -------------------------------------------------------------------------------------------


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


CODE = "SELECT * FROM ml_features.v4_daily_scores"
NOTEBOOK = {
    "code.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": [CODE]}]}),
    "words.ipynb": json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": [CODE]},
                {"cell_type": "code", "source": "1", "outputs": [CODE]},
            ]
        }
    ),
    "broken.ipynb": CODE,
}


def test_prose_is_listed_and_keeps_no_version_from_its_sunset(installation, tmp_path):
    files = {
        "a.md": CODE,
        "docs/b.rst": CODE,
        "c.sql": CODE,
        "d.txt": CODE,
        "changelog.py": f"Q = '{CODE}'",
        **NOTEBOOK,
    }
    repo = written(tmp_path / "repo", files)
    found = references.readers(
        store(installation.settings), installation.settings.rollout, OLD, ReferencePlaces(paths=(repo,))
    )
    run = {Path(one.where.rpartition(":")[0]).name for one in references.running(found)}
    assert run == {"c.sql", "d.txt", "changelog.py", "code.ipynb", "broken.ipynb"}
    assert len(found) == 8
    prose = tuple(one for one in found if not one.runs)
    assert references.as_sentence(OLD, prose) == (
        "Nothing that was checked reads v4.0.0 by name. It is also named in 3 lines of prose (`v4 references`)."
    )
    alone = installation.v4("--path", str(written(tmp_path / "words", {"a.md": CODE})))
    assert (alone.exit_code, alone.output.splitlines()[0]) == (
        0,
        f"prose            {tmp_path}/words/a.md  line 1  v4_daily_scores",
    )


def test_the_status_waits_for_what_runs_and_not_for_prose(installation, tmp_path):
    repo = written(tmp_path / "repo", {"a.md": CODE})
    places = installation.settings.rollout.references.model_copy(update={"paths": (repo,)})
    rollout = installation.settings.rollout.model_copy(update={"references": places})
    assert references.of_baseline(store(installation.settings), rollout) == ((), None)
    written(repo, {"job.sql": f"-- morning\n{CODE}"})
    assert references.of_baseline(store(installation.settings), rollout) == ((f"{repo}/job.sql:2",), None)


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ((), {"a.sql", "archive/b.sql", "archive/2024/c.sql", "docs/old/d.sql", "docs/archive.sql"}),
        (("archive",), {"a.sql", "docs/old/d.sql", "docs/archive.sql"}),
        (("archive/",), {"a.sql", "docs/old/d.sql", "docs/archive.sql"}),
        (("archive/2024",), {"a.sql", "archive/b.sql", "docs/old/d.sql", "docs/archive.sql"}),
        (("docs/old/*.sql", "a.*"), {"archive/b.sql", "archive/2024/c.sql", "docs/archive.sql"}),
        (("*.sql",), set()),
    ],
)
def test_excluded_files_and_folders_are_passed_over(installation, tmp_path, exclude, left):
    names = ("a.sql", "archive/b.sql", "archive/2024/c.sql", "docs/old/d.sql", "docs/archive.sql")
    repo = written(tmp_path / "repo", dict.fromkeys(names, CODE))
    assert {
        where.removeprefix(f"{repo}/")[:-2] for _, where, _ in installation.readers(paths=(repo,), exclude=exclude)
    } == left


def test_a_file_is_one_line_with_the_lines_in_it(installation, tmp_path):
    text = "\n".join([CODE] * 12)
    repo = written(tmp_path / "repo", {"a.sql": text, "b.py": "x = 'models/v4.0.0_r2'\n\nmodel_version = 'v4.0.0'"})
    lines = installation.v4("--path", str(repo)).output.splitlines()
    assert lines[:2] == [
        f"file             {repo}/a.sql  line 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more  v4_daily_scores",
        f"file             {repo}/b.py  line 1, 3  model_version v4.0.0, models/v4.0.0",
    ]


def test_further_objects_of_rollout_yaml_are_a_version_s_own(installation, tmp_path):
    repo = written(tmp_path / "repo", {"list.sql": "SELECT * FROM ml_features.v4_prospect_scores"})
    assert installation.readers(paths=(repo,)) == []
    rollout = Rollout.model_validate({**CONTENT, "references": {"objects": {OLD: ["v4_prospect_scores"]}}})
    found = references.readers(store(installation.settings), rollout, OLD, ReferencePlaces(paths=(repo,)))
    assert [one.names for one in found] == [("v4_prospect_scores",)]
    with pytest.raises(ValueError, match=r"references.objects names"):
        Rollout.model_validate({**CONTENT, "references": {"objects": {"v9.9.9": ["x"]}}})


@pytest.mark.extended
def test_a_tree_of_a_thousand_files_is_searched_in_seconds(installation, tmp_path):
    words = "the morning's list of leads, models and scores by `ml_features.other` as * of v4.1.0\n" * 400
    repo = written(tmp_path / "repo", {f"{number % 20}/f{number}.py": words for number in range(1000)})
    written(repo, {"last.sql": CODE, "export.json": "v4_daily_scores " * 60_000, "export.sql": "(1), " * 1_000_000})
    started = time.process_time()
    found = installation.readers(paths=(repo,))
    assert [where for _, where, _ in found] == [f"{repo}/export.json:1", f"{repo}/last.sql:1"]
    assert time.process_time() - started < 10
