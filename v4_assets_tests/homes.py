"""Prepared homes: made once for all workers, kept for a day by a hash of what made them, copied by tests.

A home lies under .pytest_cache/homes/HASH/NAME. What makes it gets a folder beside, which is renamed when it is whole:
nothing in a home may depend on the folder it lies in.
"""

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from filelock import FileLock

from v4_assets.settings import PROJECT
from v4_assets_tests import sparing

sparing.spared()

HOMES = PROJECT / ".pytest_cache" / "homes"
MADE_BY = ("v4_assets", "sql", "models", "deploy", "rollout.yaml", "requirements.lock")
UNUSED_SECONDS = 3600.0
"""Homes of other sources are kept this long, for a session that may still run."""


def prepared(name: str, make: Callable[[Path], None]) -> Path:
    """The home of this name, made on first use. Copied, never written by a test."""
    root = _root(make.__module__)
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            beside = root / f"{name}.new"
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            make(beside)
            beside.rename(folder)
    return folder


def copy(home: Path, to: Path) -> Path:
    """A home of the test's own."""
    return Path(shutil.copytree(home, to))


@cache
def _root(builder: str) -> Path:
    """Where homes by this module lie. Those of sources that have changed are removed."""
    kind = builder.removeprefix("v4_assets_tests.")
    root = HOMES / f"{kind}-{_digest(builder)}"
    root.mkdir(parents=True, exist_ok=True)
    (root / "used").touch()
    for other in HOMES.glob(f"{kind}-*"):
        used = other / "used"
        if other != root and (not used.exists() or time.time() - used.stat().st_mtime > UNUSED_SECONDS):
            shutil.rmtree(other, ignore_errors=True)
    return root


def _digest(builder: str) -> str:
    """Of everything a home is made by: the project, the module that makes it and what that imports, the day."""
    # Runs and files keep the real time they were made at, and some are judged by it.
    found = hashlib.sha256(f"{sys.version} {time.strftime('%Y-%m-%d')}".encode())
    for path in (*_sources(), *_tests_own(builder)):
        found.update(f"{path.relative_to(PROJECT)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _tests_own(builder: str) -> list[Path]:
    """Files of the builder and of the modules of tests it takes something from."""
    names, ahead = set[str](), {builder, __name__}
    while ahead:
        name = ahead.pop()
        names.add(name)
        own = vars(sys.modules[name]).values()
        taken = {str(getattr(one, "__name__" if isinstance(one, ModuleType) else "__module__", "")) for one in own}
        ahead |= {one for one in taken if one.startswith("v4_assets_tests.")} - names
    return sorted(Path(str(sys.modules[one].__file__)) for one in names)


def _sources() -> Iterator[Path]:
    for name in MADE_BY:
        path = PROJECT / name
        files = [path] if path.is_file() else path.rglob("*")
        yield from sorted(one for one in files if one.is_file() and "__pycache__" not in one.parts)
