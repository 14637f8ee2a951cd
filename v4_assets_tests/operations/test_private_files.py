"""Files about persons are read by their owner alone, whatever a process leaves to others by default."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from v4_assets.config.environment import Settings, load
from v4_assets.operations import local_runs
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.prune import compact
from v4_assets.resources import warehouse
from v4_assets.warehouse.duckdb import file as rewriting
from v4_assets_tests.fixtures.narrow import embedded


@pytest.fixture(autouse=True)
def open_to_others() -> Iterator[None]:
    """A process that lets others read what it makes."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def settings_of(home: Path) -> Settings:
    return load({"V4_HOME": str(home), "V4_NOW": "2026-01-05T06:30"})


def readable(path: Path) -> list[str]:
    """Files under a folder that others can open; a folder that they cannot enter hides what is in it."""
    if not path.stat().st_mode & stat.S_IXOTH:
        return []
    found: list[str] = []
    for one in path.iterdir():
        if one.is_dir():
            found += readable(one)
        elif one.stat().st_mode & stat.S_IROTH:
            found.append(one.name)
    return found


@pytest.mark.parametrize("first", [local_runs.init, lambda settings: dagster_instance(settings).__enter__()])
def test_a_new_home_is_its_owners_alone_whoever_makes_it(tmp_path, first):
    settings = settings_of(tmp_path / "home")
    first(settings)
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700


def test_while_the_warehouse_is_written_others_read_neither_it_nor_its_log(tmp_path):
    settings = settings_of(tmp_path / "home")
    local_runs.init(settings)
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute("CREATE TABLE main.one AS SELECT 1 AS n")
        assert settings.duckdb_file.with_name("warehouse.duckdb.wal").exists()
        assert readable(settings.home) == []


def test_a_home_that_is_there_keeps_its_permissions_and_its_warehouse_is_the_owners(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    local_runs.init(settings_of(home))
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert "warehouse.duckdb" not in readable(home)


def test_while_the_warehouse_is_compacted_others_read_no_copy_and_none_is_left(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    settings = settings_of(home)
    local_runs.init(settings)
    before, seen, content = set(readable(home)), list[set[str]](), rewriting._content

    def looked(*arguments):
        seen.append(set(readable(home)))
        return content(*arguments)

    with patch.object(rewriting, "_content", looked):
        compact(settings)
    assert seen == [before, before]
    assert not list(home.glob("*.compact"))
    assert "warehouse.duckdb" not in readable(home)
