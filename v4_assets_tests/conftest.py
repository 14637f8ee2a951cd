"""Every test has an environment of its own; imports and shared fixtures, which run between tests, have another."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from v4_assets_tests.fixtures.environment import fresh_environment
from v4_assets_tests.fixtures.sparing import draw

pytest_plugins = ["v4_assets_tests.fixtures.emulated", "v4_assets_tests.fixtures.forked"]

# A busy neighbour makes a single example slow, which says nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

SLOWEST_FIRST = (
    "chaos/test_chaos.py",
    "bigquery/test_rollout.py",
    "bigquery/test_takeover.py",
    "bigquery/test_console.py",
    "bigquery/test_evaluator.py",
    "operations/takeover/test_crashes.py",
    "production/test_rollout_crashes.py",
    "models/test_own_models.py",
    "production/test_ways_out.py",
    "bigquery/test_before_adoption.py",
    "production/test_sync_stories.py",
    "test_walks.py",
    "operations/test_dev.py",
    "features/test_features_against_reference.py",
    "production/test_rollout_stories.py",
    "test_daily_graph.py",
    "evaluation/test_booked_calls.py",
    "features/test_unscorable.py",
    "bigquery/test_faults.py",
    "salesforce/test_sync_crashes.py",
    "sources/test_impossible_values.py",
    "operations/test_ci.py",
    "cli/test_cli_rollout.py",
    "operations/test_doctor.py",
    "salesforce/test_salesforce_sync_asset.py",
)
"""Files of half a minute and more: one that begins last keeps a single worker busy."""

# Read when XGBoost is imported. Its threads wait for each other at full speed, on cores that all workers share.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SESSION = ExitStack()
SHARED_HOME = SESSION.enter_context(fresh_environment())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, where pytest-xdist keeps this order."""
    places = {Path(__file__).parent / part: place for place, part in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def own_home() -> Iterator[Path]:
    """The default home of the test. Fails when the test, or what ran before it, leaves something to those after it."""
    assert not any(SHARED_HOME.iterdir()), f"Something wrote to the home of all tests: {list(SHARED_HOME.iterdir())}"
    try:
        with fresh_environment() as home:
            yield home
    finally:
        draw()


def pytest_sessionfinish() -> None:
    SESSION.close()
