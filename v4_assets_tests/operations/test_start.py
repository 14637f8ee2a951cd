"""A command waits for what it uses, and for nothing else: which packages it imports, whatever the machine's speed."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from v4_assets.cli.main import cli

SCIENCE = {"matplotlib", "pandas", "scipy", "sklearn", "xgboost"}
ORCHESTRATION = {"dagster", "dagster_gcp", "dagster_graphql"}
CLIENTS = {"google.cloud", "grpc", "requests", "simple_salesforce"}
ENGINE = {"duckdb", "pyarrow", "sqlglot"}
STORAGE = {"alembic", "sqlalchemy", "dagster._core.storage.event_log.sqlite.sqlite_event_log"}
"""Dagster's own, whose import takes as long as Dagster's."""
UNUSED = {"tqdm"}
READING = ("history", "live", "lift")

IMPORTED = """
import sys
from v4_assets.cli.main import main
try:
    main()
finally:
    print("IMPORTED", *sys.modules, file=sys.stderr)
"""


def command_lines(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    """Every command and group by the words it is called by."""
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        words = (*before, name)
        found += [words, *(command_lines(command, *words) if isinstance(command, click.Group) else [])]
    return found


def imported_by(home: Path, *words: str) -> set[str]:
    """The modules in a process that ran `v4 WORDS`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("V4_")}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        env={**environment, "V4_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("IMPORTED "), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    modules = set(last.split())
    assert "v4_assets.cli.main" in modules
    return modules


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the baseline is live."""
    folder = tmp_path_factory.mktemp("home")
    imported_by(folder, "init")
    assert (folder / "warehouse.duckdb").exists()
    return folder


def test_help_imports_neither_dagster_nor_an_engine_nor_a_client(tmp_path: Path) -> None:
    assert imported_by(tmp_path, "--help") & (SCIENCE | ORCHESTRATION | CLIENTS | ENGINE | UNUSED) == set()


def test_help_of_every_command_imports_no_more_than_the_list_of_commands(tmp_path: Path) -> None:
    """Help is printed by one process for all commands: each is asked in turn, and what came in is seen at the end."""
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from v4_assets.cli.main import cli\n"
        f"for words in {command_lines(cli)!r}:\n"
        "    result = CliRunner().invoke(cli, [*words, '--help'])\n"
        "    assert result.exit_code == 0, (words, result.output)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & (SCIENCE | ORCHESTRATION | CLIENTS | ENGINE | UNUSED) == set()


@pytest.mark.parametrize("command", READING)
def test_what_reads_the_record_imports_no_dagster_and_no_model(home: Path, command: str) -> None:
    imported = imported_by(home, command)
    assert imported & (SCIENCE | ORCHESTRATION | CLIENTS | STORAGE | UNUSED) == set()
    assert "v4_assets.models.bundle" not in imported
    assert "duckdb" in imported


def test_status_imports_dagster_and_neither_its_storage_nor_a_client_a_model_or_a_chart(home: Path) -> None:
    imported = imported_by(home, "status")
    assert imported & (SCIENCE | CLIENTS | STORAGE | UNUSED | {"dagster_gcp", "dagster_graphql"}) == set()
    assert "dagster" in imported
