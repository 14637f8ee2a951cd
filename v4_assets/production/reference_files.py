"""Text files of a folder, to be searched for names."""

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from v4_assets.errors import V4Error
from v4_assets.project import PACKAGE, PROJECT

PASSED_OVER = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv"})
"""Folders of generated files."""
OURS = frozenset(
    [
        PACKAGE,
        PACKAGE.parent / "salesforce_stand_in",
        *(PROJECT / name for name in ("sql", "v4_assets_tests", "models", "docs", "benchmarks", "deploy", ".v4")),
        *(PROJECT / name for name in ("rollout.yaml", "README.md", "CHANGELOG.md")),
    ]
)
"""This project's own files name every version, and are not what must change."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_files(place: Path) -> Iterator[tuple[Path, str]]:
    """A file, or every file of a folder, with its text; binary files are passed over, and so are links to folders.

    Raises V4Error for what is not there, cannot be read, or is this project's own.
    """
    if any(own in (place.resolve(), *place.resolve().parents) for own in OURS):
        raise V4Error(f"{place} is this project's own, which names every version. Give the paths of those who read it.")
    if not place.exists():
        raise V4Error(f"There is no {place}: correct the path.")
    for path in [place] if place.is_file() else _files(place):
        text = _text(path)
        if text is not None:
            yield path, text


def text_file(path: Path) -> str:
    """The text of one file. Raises V4Error when it is not there, cannot be read, or is not text."""
    found = dict(text_files(path)) if not path.is_dir() else {}
    if path not in found:
        raise V4Error(f"{path} is not a text file: give one.")
    return found[path]


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        here = Path(parent)
        folders[:] = sorted(one for one in folders if one not in PASSED_OVER and (here / one).resolve() not in OURS)
        # A link that leads nowhere, a socket: nothing to read.
        yield from (here / one for one in sorted(files) if (here / one).is_file() and here / one not in OURS)


def _text(path: Path) -> str | None:
    """None for a binary file: one with a NUL, as far as it is not UTF-16."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(error) from error
    if content.startswith(_UTF16):
        return content.decode("utf-16", errors="replace")
    return None if b"\0" in content else content.decode("utf-8", errors="replace")


def _unreadable(error: OSError) -> None:
    raise _refused(error) from error


def _refused(error: OSError) -> V4Error:
    return V4Error(
        f"{error.filename} cannot be read: {error.strerror}. Let this account read it, or give a narrower path."
    )
