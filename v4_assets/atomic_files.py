"""Files that a reader sees old or new, never half written."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def own_folder(path: Path) -> Path:
    """A folder, made for its owner alone where there is none; one that is there keeps its permissions."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_folder(path: Path) -> Path:
    """A folder that its owner alone may enter: for files about persons. Returns `path`."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def atomic_write(path: Path, content: bytes, *, private: bool = False) -> Path:
    """Write a file in one move; its folder is made. A file that was there keeps its permissions. Returns `path`.

    A new `private` file is readable by its owner only: for files about persons.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path, private=private) as beside:
        beside.write_bytes(content)
    return path


@contextmanager
def atomic(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A new file beside `path` to write into: moved into its place at the end, removed when the writing fails."""
    beside = path.with_name(f".{path.name}.{uuid4().hex}.new")
    try:
        if private:
            beside.touch(mode=0o600)
        yield beside
        if path.exists():
            shutil.copymode(path, beside)
        with beside.open("rb") as file:
            # On disk before it has the name: a power failure must not leave an empty file under it.
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
