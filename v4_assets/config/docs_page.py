"""docs/configuration.md, made from the settings themselves: `python -m v4_assets.config.docs_page` writes it.

Types, defaults and meanings are those of the fields; the comments of rollout.yaml stand in where a field says nothing.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from v4_assets.config import environment as settings
from v4_assets.config import salesforce as salesforce_target
from v4_assets.config.problems import Form, nested
from v4_assets.config.rollout import Rollout
from v4_assets.project_files import PROJECT

UNITS = {
    r"(^|_)(days?)$|_age_days": "days",
    r"(^|_)weeks(_running)?$|weeks_running": "weeks",
    r"(^|_)hours$": "hours",
    r"(^|_)minutes$": "minutes",
    r"(^|_)seconds$": "seconds",
    r"_share$|_rate$|_change$|conversion_below$": "share of one",
    r"auc": "AUC",
    r"lift_": "lift",
    r"rows_per_|_leads$": "leads",
    r"min_conversions": "conversions",
}
NAMES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`yes`/`no` or `on`/`off`",
    Path: "path",
    time: "time of day",
    SecretStr: "secret text",
    tuple: "list",
}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Entry:
    """One entry of rollout.yaml."""

    path: str
    kind: str
    unit: str
    default: str
    shipped: str
    meaning: str


def entries(model: type[BaseModel], shipped: BaseModel | None, source: str, path: str = "") -> Iterator[Entry]:
    """Every entry of a model and of the models in it. `source` is rollout.yaml, whose comments complete the meanings.

    `shipped` is the file's own content; None where several stand under one entry.
    """
    comments = comments_of(source)
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        value = getattr(shipped, name) if shipped is not None else None
        inner, many = nested(field.annotation)
        if inner is not None:
            yield from entries(inner, None if many else value, source, f"{here}.*" if many else here)
            continue
        words = kind(field)
        yield Entry(
            path=here,
            kind=words,
            unit="" if words == "date" else next((unit for name, unit in UNITS.items() if re.search(name, here)), ""),
            default="–" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`",
            shipped=f"`{_plain(value)}`" if value is not None else "–",
            meaning=meaning(field) or _sentence(comments.get(here, "")),
        )


def kind(field: FieldInfo) -> str:
    """A field's type in words, with its bounds or its form."""
    limits = {key: getattr(one, key) for one in field.metadata for key in BOUNDS if getattr(one, key, None) is not None}
    form = next((one.words for one in field.metadata if isinstance(one, Form)), None)
    parts = [_type(field.annotation)]
    parts += [" and ".join(f"{BOUNDS[key]} {value:g}" for key, value in limits.items())] if limits else []
    parts += [f"({form})"] if form else []
    return " ".join(parts)


def _type(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (Union, UnionType):
        return " or ".join("null" if one is type(None) else _type(one) for one in inside)
    if origin is dict:
        return f"{_type(inside[1])} for each name"
    if hasattr(annotation, "__metadata__"):
        return kind(FieldInfo.from_annotation(annotation))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "path of its file"
    return NAMES.get(origin or annotation) or str(annotation.__name__)


def meaning(field: FieldInfo) -> str:
    """The string below a field, on one line."""
    return " ".join((field.description or "").split())


def comments_of(source: str) -> dict[str, str]:
    """Path of an entry to the comment beside it or, where none is, right above it."""
    found, above, stack = dict[str, str](), list[str](), list[tuple[int, str]]()
    for line in source.splitlines():
        if match := re.match(r"(?P<indent> *)(?P<key>[\w.]+):(?P<rest>.*)", line):
            indent = len(match["indent"])
            stack = [one for one in stack if one[0] < indent] + [(indent, match["key"])]
            beside = match["rest"].partition(" # ")[2]
            path = ".".join(key for _, key in stack)
            if comment := beside or " ".join(above):
                found[path] = comment.strip()
        above = [*above, line.strip(" #")] if line.lstrip().startswith("#") else []
    return found


def _sentence(comment: str) -> str:
    """A comment as a sentence."""
    return comment[:1].upper() + comment[1:] + ("" if not comment or comment.endswith(".") else ".")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items()) or "{}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


PAGE = PROJECT / "docs" / "configuration.md"
INTRO = """# Configuration

`make docs` makes this page from the settings themselves; a test fails when the two differ.

## The environment

Every variable may be left out: an empty environment runs the demo. An empty variable is one that is not set. No command
reads a file of variables; `.env.example` lists them to copy from.

A `V4_…` name close to one below is refused as a typing mistake; any other unknown one is warned of. Commands that write
(`v4 sample`, `demo`, `init`, `run`, …) make the folder of `V4_HOME`; commands that read name it if it does not exist.

"""
ROLLOUT_INTRO = """
## rollout.yaml

Every threshold of the project. An entry that is not known, or stands there twice, is refused by name. *Shipped* is what
the project's own file says; an entry without a default must be there. `*` stands for each version, or each source.

"""
EMPTY = {"V4_HOME": "/nowhere"}
"""An environment without a demo, whose clock would count."""


@dataclass(frozen=True)
class Variable:
    """One environment variable and the field it sets."""

    name: str
    kind: str
    default: str
    meaning: str


def page() -> str:
    """The whole page."""
    environment = [(f"`{one.name}`", one.kind, one.default, one.meaning) for one in variables()]
    shipped = settings.load(EMPTY).rollout
    source = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    rollout = [_cells(entry) for entry in entries(Rollout, shipped, source)]
    return (
        INTRO
        + _table(("variable", "type", "default", "what it is"), environment)
        + ROLLOUT_INTRO
        + _table(("entry", "type", "unit", "default", "shipped", "what it is"), rollout)
    )


def variables() -> list[Variable]:
    """Every variable that is read; BigQuery's and Salesforce's own last."""
    models = (settings.Variables, settings.BigQueryTarget, salesforce_target.SalesforceTarget)
    return [
        Variable(name, kind(field), _default(field), meaning(field))
        for model in models
        for name, field in ((name, model.model_fields[key]) for name, key in model.variables().items())
        if name in settings.KNOWN
    ]


def _default(field: FieldInfo) -> str:
    """The declared default, a place in the project by its path there."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(value, Path):
        return f"`{value.relative_to(PROJECT) if value.is_relative_to(PROJECT) else value.name}` in the project"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _cells(entry: Entry) -> tuple[str, ...]:
    return (f"`{entry.path}`", entry.kind, entry.unit, entry.default, entry.shipped, entry.meaning)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
