"""A small warehouse on the emulator for each test, and one that no test changes."""

import pytest

from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.fixtures.warehouses import SmallWarehouse, small_on


@pytest.fixture
def small(emulator: Emulator) -> SmallWarehouse:
    return small_on(emulator)


@pytest.fixture(scope="session")
def unchanged(emulator: Emulator) -> SmallWarehouse:
    """A small warehouse of many tests, which none of them changes."""
    return small_on(emulator)
