"""The emulator of the session, and a small warehouse of each test's own in it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.bigquery import _pandas_helpers

from v4_assets_tests.bigquery.emulator import HOW_TO_GET_IT, Emulator, is_installed
from v4_assets_tests.bigquery.house import House, new_house

IN_MEMORY = Path("/dev/shm")
ROOM = 512 * 2**20


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the emulator is `extended`."""
    for item in items:
        if isinstance(item, pytest.Function) and "emulator" in item.fixturenames:
            item.add_marker(pytest.mark.extended)


@pytest.fixture(scope="session")
def emulator_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: the emulator syncs its files several times a job."""
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM:
        with tempfile.TemporaryDirectory(prefix="v4-emulator-", dir=IN_MEMORY, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("emulator")


@pytest.fixture(scope="session")
def emulator(emulator_folder: Path) -> Iterator[Emulator]:
    """Skipped where it is not set up, except in CI, where that is a failure."""
    if not is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    emulator = Emulator(emulator_folder / "data")
    emulator.start()
    with pytest.MonkeyPatch.context() as patched:
        # Google's client looks every 0.2 s whether an answer is complete, which is longer than the answer takes here.
        patched.setattr(_pandas_helpers, "_PROGRESS_INTERVAL", 0.005)
        yield emulator
    emulator.kill()


@pytest.fixture
def house(emulator: Emulator) -> House:
    return new_house(emulator)


@pytest.fixture(scope="session")
def still(emulator: Emulator) -> House:
    """A house of many tests, which none of them changes."""
    return new_house(emulator)
