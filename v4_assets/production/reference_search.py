"""Where a text or a file mentions something bound to one model version: its view, its tables, its model."""

import codecs
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from v4_assets.errors import V4Error
from v4_assets.project_files import PACKAGE, PROJECT

_STRING = r"""'''(?:\\.|[^\\])*?'''|\"{3}(?:\\.|[^\\])*?\"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`[^`\n]*`"""
_COMMENT = r"--[^\n]*|\#[^\n]*|/\*.*?\*/"
_SQL = re.compile(rf"(?P<string>{_STRING})|(?P<comment>{_COMMENT})", re.DOTALL)


@dataclass(frozen=True)
class Bound:
    """What is bound to a version."""

    version: str
    dataset: str
    """The dataset of the names, without its project."""
    names: tuple[str, ...]
    """Views and tables."""
    fields: tuple[str, ...] = ("model_version",)
    """Columns and fields that hold the version's name."""

    @property
    def all(self) -> tuple[str, ...]:
        """Everything that counts as a mention, in words."""
        return (*self.names, f"models/{self.version}", f"model_version {self.version}")

    @property
    def pattern(self) -> re.Pattern[str]:
        """A whole name, however it is quoted, qualified or cased; the version's model, by path or by identifier.

        `v4_daily_scores` is neither in `v4_daily_scores_v41` nor in `my_v4_daily_scores`. The dataset before a name
        is not asked for: programs put it together from variables, and a reader too many is seen, one too few is not.
        """
        version = rf"{re.escape(self.version)}(?![\w-]|\.\d)"
        # Training runs put a name of their own behind it: v4.1.0_r3.
        model = rf"{re.escape(self.version)}(?:_\w+)?(?![\w-]|\.\d)"
        quote = r"""\\?["']"""
        fields = "|".join(map(re.escape, self.fields))
        return re.compile(
            rf"(?<!\w)(?P<name>{'|'.join(map(re.escape, self.names))})(?!\w)"
            # models/v4.0.0, data/v4.0.0_r3, "models" / "v4.0.0", join("models", "v4.0.0")
            rf"|(?<!\w)(?P<model>(?:models|data)(?:{quote})?\s*[/\\,]+\s*(?:{quote})?{model})"
            # model_version = 'v4.0.0', "model_version": "v4.0.0"; model_version IN ('v4.1.0', 'v4.0.0'), .isin([…]);
            # model_version LIKE 'v4.0.0%', CASE model_version WHEN 'v4.0.0'
            rf"|(?<!\w)(?P<identifier>(?:{fields})(?:{quote}|\W){{1,8}}"
            rf"(?:(?:NOT\s+)?(?:IN|isin)\s*(?:UNNEST\s*)?[(\[]+(?:[^()\[\]]{{0,500}}?{quote})?"
            rf"|(?:(?:NOT\s+)?LIKE|WHEN)\s+{quote})?{version}"
            # 'v4.0.0' AS model_version
            rf"|{quote}{version}{quote}\s+AS\s+[`\"]?(?:{fields})\b)"
            # `ml_features.v4_daily_*`, which BigQuery reads as all tables that begin so
            rf"|`[^`\n]*(?<![\w-]){re.escape(self.dataset)}`?\.`?(?P<stem>\w*)\*",
            re.IGNORECASE,
        )


@dataclass(frozen=True)
class Mention:
    """A line that mentions something bound to a version."""

    line: int
    """From 1 on."""
    names: tuple[str, ...]
    """What is mentioned, as it is called, sorted."""


def mentions(text: str, bound: Bound) -> list[Mention]:
    """The lines of a text that mention something bound to a version."""
    found: dict[int, set[str]] = {}
    if not may_mention(text, bound):
        return []
    line, counted_to = 1, 0
    for match in bound.pattern.finditer(text):
        line += text.count("\n", counted_to, match.start())
        counted_to = match.start()
        found.setdefault(line, set()).update(_meant(match, bound))
    return [Mention(line, tuple(sorted(names))) for line, names in found.items()]


def may_mention(text: str, bound: Bound) -> bool:
    """Whether it is worth a closer look: the pattern is slow where nothing can be found, which is nearly everywhere."""
    small = text.lower()
    wanted = (bound.version.lower(), *(name.lower() for name in bound.names))
    return any(name in small for name in wanted) or ("*" in small and bound.dataset.lower() in small)


def without_comments(text: str) -> str:
    """GoogleSQL with its comments blanked, so that lines keep their numbers.

    What stands in a comment is not run, and reads nothing. A string counts: it may be run as dynamic SQL.
    """

    def blanked(match: re.Match[str]) -> str:
        return match[0] if match["string"] else re.sub(r"[^\n]", " ", match[0])

    return _SQL.sub(blanked, text)


def scheduled_queries(text: str, where: str) -> dict[str, str]:
    """Scheduled queries by name, from the JSON of `bq ls --transfer_config` (a list) or `bq show` (one).

    The text is the query and the table it writes. Raises V4Error where the file says something else.
    """
    problem = "Export it again: `bq ls --transfer_config --transfer_location=US --format=prettyjson > FILE`."
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise V4Error(f"{where} is not JSON: {error}. {problem}") from error
    entries = content if isinstance(content, list) else [content]
    return dict(_scheduled(entry, f"{where} is not what bq prints: {{}}. {problem}") for entry in entries)


def _scheduled(entry: Any, problem: str) -> tuple[str, str]:
    if not isinstance(entry, Mapping) or "name" not in entry:
        raise V4Error(problem.format("an entry is not a transfer config with a name"))
    params = entry.get("params")
    is_query = entry.get("dataSourceId") == "scheduled_query"
    if not isinstance(params, Mapping) or (is_query and "query" not in params):
        raise V4Error(problem.format(f"{entry['name']} has no params with its query"))
    switched_off = ", disabled" if entry.get("disabled") else ""
    name = f"{entry.get('displayName', 'unnamed')} ({entry['name']}{switched_off})"
    return name, "\n;\n".join(str(value) for value in params.values())


def _meant(match: re.Match[str], bound: Bound) -> list[str]:
    if match["stem"] is not None:
        return [name for name in bound.names if name.lower().startswith(match["stem"].lower())]
    if match["name"]:
        return [name for name in bound.names if name.lower() == match["name"].lower()]
    return [f"models/{bound.version}" if match["model"] else f"model_version {bound.version}"]


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
    """A file, or every file of a folder, with its text; its binary files are passed over, and so are links to folders.

    `exclude` are patterns of paths below the folder that are passed over: archive, *.ipynb, docs/old/*.md.
    Raises V4Error for what is not there, cannot be read, or is this project's own, and for a single file without text.
    """
    if any(own in (place.resolve(), *place.resolve().parents) for own in OURS):
        raise V4Error(f"{place} is this project's own, which names every version. Give the paths of those who read it.")
    if not place.exists():
        raise V4Error(f"There is no {place}: correct the path.")
    for path in [place] if place.is_file() else _files(place, place, exclude):
        text = _text(path)
        if text is not None:
            yield path, text
        elif path == place:
            raise V4Error(f"{path} is not a text file: give one.")


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
