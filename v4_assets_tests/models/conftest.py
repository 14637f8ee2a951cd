"""What the tests of registering a model begin with: a home of their own, without models."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name in ("V4_WAREHOUSE", "V4_ROLLOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setenv("V4_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("V4_NOW", "2026-01-12T06:30")
    return tmp_path
