"""A small warehouse on every engine; the emulator's run is `extended`."""

from pathlib import Path

import pytest

from v4_assets_tests.fixtures.warehouses import EVERY_ENGINE, SmallWarehouse, duckdb_at, small_on


@pytest.fixture(params=EVERY_ENGINE)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> SmallWarehouse:
    if request.param == "duckdb":
        return duckdb_at(tmp_path).filled()
    return small_on(request.getfixturevalue("emulator"))


@pytest.fixture(scope="session", params=EVERY_ENGINE)
def unchanged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SmallWarehouse:
    """A small warehouse of many tests, which none of them changes."""
    if request.param == "duckdb":
        return duckdb_at(tmp_path_factory.mktemp("unchanged")).filled()
    return small_on(request.getfixturevalue("emulator"))
