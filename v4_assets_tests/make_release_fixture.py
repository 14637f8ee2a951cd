"""Make v4_assets_tests/fixtures/release_0_1 anew: an installation as release 0.1 writes it in the middle of a watch.

    git worktree add ../release-0.1 dee8c4d
    make -C ../release-0.1 .venv/.ready
    .venv/bin/python -m v4_assets_tests.make_release_fixture --python ../release-0.1/.venv/bin/python

The sources of that commit are unpacked under the temporary directory and run there by the given Python, whose
environment holds that release's dependencies; only the sources' own package is used, whatever the environment has
installed. About two minutes of CPU.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from v4_assets.settings import PROJECT

COMMIT = "dee8c4d"
FOLDER = Path(__file__).parent / "fixtures" / "release_0_1"
HOME, DECISION = FOLDER / "home.tar.xz", FOLDER / "decision.json"
LEFT_OUT = (".lock", ".holder")
"""Endings of files that say who used the warehouse last."""


def made(python: Path, root: Path) -> None:
    """ROOT/home and ROOT/decision.json, by the release's own sources."""
    sources = root / "sources"
    archive = subprocess.run(["git", "archive", COMMIT], cwd=PROJECT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(sources, filter="data")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("V4_", "DAGSTER_"))}
    env |= {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    # Absolute, but not resolved: a resolved link would leave the environment.
    command = [str(python.absolute()), "-c", f"import v4_assets as v4; assert v4.__file__.startswith({str(sources)!r})"]
    subprocess.run(command, cwd=sources, env=env, check=True)
    subprocess.run([*command[:1], str(FOLDER / "story.py"), str(root)], cwd=sources, env=env, check=True)


def packed(home: Path, target: Path) -> None:
    """The home as an archive that names no user."""

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = 0
        return None if entry.name.endswith(LEFT_OUT) else entry

    with tarfile.open(target, "w:xz", preset=9) as tar:
        tar.add(home, arcname="home", filter=neutral)


def main() -> None:
    """Make the archive and the decision, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="has release 0.1's dependencies")
    python = parser.parse_args().python
    with tempfile.TemporaryDirectory(prefix="v4-release-") as folder:
        root = Path(folder)
        made(python, root)
        packed(root / "home", HOME)
        DECISION.write_text((root / "decision.json").read_text(encoding="utf-8"), encoding="utf-8")
    print(f"{HOME.relative_to(PROJECT)}: {HOME.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
