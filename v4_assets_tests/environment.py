"""What a test sees around it: no variable of the shell, no `.v4` of the clone, no clock of another test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from v4_assets import settings

ALSO_READ = ("DAGSTER_HOME", "GITHUB_STEP_SUMMARY")
"""Variables without V4_ that the project or Dagster reads."""


def variables() -> dict[str, str]:
    """What of this process's environment the project reads; child processes inherit it."""
    return {name: value for name, value in os.environ.items() if name.startswith("V4_") or name in ALSO_READ}


@contextmanager
def fresh_environment() -> Iterator[Path]:
    """An empty default home, for this process and its children, and no other variable. Yields the home.

    Afterwards everything is as before. Raises AssertionError when a variable or another default home was left behind.
    """
    before, default = variables(), settings.DEFAULT_HOME
    folder = Path(tempfile.mkdtemp(prefix="v4-test-"))
    home = folder / ".v4"
    home.mkdir()
    ours = {"V4_HOME": str(home)}
    _replace(ours, home)
    try:
        yield home
        left, moved = variables(), settings.DEFAULT_HOME
        assert left == ours, f"The environment was {ours} and is left as {left}. Use monkeypatch.setenv."
        assert moved == home, f"The default home was {home} and is left as {moved}. Use monkeypatch.setattr."
    finally:
        _replace(before, default)
        shutil.rmtree(folder, ignore_errors=True)


def _replace(environment: dict[str, str], default_home: Path) -> None:
    for name in variables():
        del os.environ[name]
    os.environ.update(environment)
    settings.DEFAULT_HOME = default_home
