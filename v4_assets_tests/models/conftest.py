"""What several tests of models begin with: a home without models, and the files of two small bundles."""

from pathlib import Path

import pytest

from v4_assets_tests.fixtures.small_bundles import trained_files


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A folder, in which V4_HOME and an empty folder of shipped models lie."""
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setenv("V4_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("V4_NOW", "2026-01-12T06:30")
    return tmp_path


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """A bundle of v9.0.0."""
    return trained_files("v9.0.0")


@pytest.fixture(scope="session")
def other_files() -> dict[str, bytes]:
    """The same version, trained on other leads."""
    return trained_files("v9.0.0", seed=1)
