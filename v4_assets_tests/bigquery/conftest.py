"""The emulator of the session, and a small warehouse of each test's own in it."""

import os
from collections.abc import Iterator

import pytest

from v4_assets_tests.bigquery.emulator import HOW_TO_GET_IT, Emulator, is_installed
from v4_assets_tests.bigquery.house import House, new_house


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Skipped where it is not set up, except in CI, where that is a failure."""
    if not is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    emulator = Emulator(tmp_path_factory.mktemp("emulator") / "data")
    emulator.start()
    yield emulator
    emulator.kill()


@pytest.fixture
def house(emulator: Emulator) -> House:
    return new_house(emulator)


@pytest.fixture(scope="session")
def still(emulator: Emulator) -> House:
    """A house of many tests, which none of them changes."""
    return new_house(emulator)
