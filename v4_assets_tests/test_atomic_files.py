"""A file is replaced in one move, or stays as it was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from v4_assets.atomic_files import atomic, atomic_write

KILLED_BEFORE_THE_MOVE = """
import os, signal, sys
from pathlib import Path
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from v4_assets.atomic_files import atomic_write
atomic_write(Path(sys.argv[1]), b"new")
"""


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "reports" / "page.html", b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_process_killed_before_the_move_leaves_the_old_file(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "registry.json", b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_MOVE, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert atomic_write(path, b"new").read_bytes() == b"new"


def test_a_writing_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "scores.csv", b"old")
    with pytest.raises(RuntimeError), atomic(path) as beside:
        beside.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_its_owners_from_the_first_byte(tmp_path: Path) -> None:
    seen = []
    with atomic(tmp_path / "scores.csv", private=True) as beside:
        beside.write_bytes(b"half")
        seen.append(beside.stat().st_mode & 0o777)
    path = atomic_write(tmp_path / "list.csv", b"whole", private=True)
    assert [*seen, *(one.stat().st_mode & 0o777 for one in (tmp_path / "scores.csv", path))] == [0o600] * 3


def test_a_file_keeps_its_permissions_and_a_new_one_has_the_default(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "registry.json", b"old")
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    atomic_write(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640
