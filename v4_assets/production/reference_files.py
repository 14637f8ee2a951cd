"""Text files of a folder, to be searched for names."""

import codecs
import json
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from v4_assets.errors import V4Error
from v4_assets.project_files import PACKAGE, PROJECT

PASSED_OVER = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv"})
"""Folders of generated files."""
PROSE = frozenset({".md", ".markdown", ".mdx", ".rst", ".adoc"})
"""Endings of files that people read and nothing runs. A text of another ending may be a query or a template."""
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


def text_files(place: Path, exclude: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """A file, or every file of a folder, with its text; binary files are passed over, and so are links to folders.

    `exclude` are patterns of paths below the folder that are passed over: archive, *.ipynb, docs/old/*.md.
    Raises V4Error for what is not there, cannot be read, or is this project's own.
    """
    if any(own in (place.resolve(), *place.resolve().parents) for own in OURS):
        raise V4Error(f"{place} is this project's own, which names every version. Give the paths of those who read it.")
    if not place.exists():
        raise V4Error(f"There is no {place}: correct the path.")
    for path in [place] if place.is_file() else _files(place, place, exclude):
        text = _text(path)
        if text is not None:
            yield path, text


def text_file(path: Path) -> str:
    """The text of one file. Raises V4Error when it is not there, cannot be read, or is not text."""
    found = dict(text_files(path)) if not path.is_dir() else {}
    if path not in found:
        raise V4Error(f"{path} is not a text file: give one.")
    return found[path]


def _files(folder: Path, place: Path, exclude: Sequence[str]) -> Iterator[Path]:
    def excluded(path: Path) -> bool:
        below = path.relative_to(place).as_posix()
        return any(
            fnmatch(below, one.rstrip("/")) or ("/" not in one.rstrip("/") and fnmatch(path.name, one.rstrip("/")))
            for one in exclude
        )

    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        here = Path(parent)
        folders[:] = sorted(
            one
            for one in folders
            if one not in PASSED_OVER and (here / one).resolve() not in OURS and not excluded(here / one)
        )
        for one in sorted(files):
            # A link that leads nowhere, a socket: nothing to read.
            if (here / one).is_file() and here / one not in OURS and not excluded(here / one):
                yield here / one


def runs(path: Path, text: str) -> str | None:
    """The part of a file that runs: None for prose, the cells of code for a notebook, the whole text otherwise."""
    suffix = path.suffix.lower()
    if suffix in PROSE:
        return None
    return _code_cells(text) if suffix == ".ipynb" else text


def _code_cells(text: str) -> str:
    """The sources of a notebook's cells of code, one after the other; the text itself when it is no notebook."""
    try:
        cells = json.loads(text)["cells"]
        code = [cell["source"] for cell in cells if cell.get("cell_type", "code") == "code"]
        return "\n".join(one if isinstance(one, str) else "".join(one) for one in code)
    except (ValueError, KeyError, TypeError, AttributeError):
        return text


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
