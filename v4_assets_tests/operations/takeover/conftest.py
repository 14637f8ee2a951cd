"""What the tests of a takeover begin with: the firm's warehouse, in which nothing of this project was made."""

from pathlib import Path

import pytest

from v4_assets.config.environment import Settings, load
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_warehouse import environment
from v4_assets_tests.fixtures.homes import copy, prepared


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The firm's warehouse, without us."""
    return copy(prepared("firm", firm.made), tmp_path / "home")


@pytest.fixture
def settings(home: Path) -> Settings:
    return load(environment(home))
