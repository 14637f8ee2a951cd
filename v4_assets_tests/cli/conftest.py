"""Commands that must be refused, run as the entry point runs them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from v4_assets.cli.main import main

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must be refused; returns what it printed."""
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("V4_NOW", "2026-01-12T06:30")

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["v4", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        assert (caught.value.code, printed.out) == (2, "")
        assert "Traceback" not in printed.err
        return printed.err

    return run
