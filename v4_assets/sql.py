"""The files in sql/: their headers are the tables' contracts, their bodies GoogleSQL with placeholders.

{{table}} stands for a table's full name, {{lead.email}} for another name that rollout.yaml gives: a column of the
firm's Lead table, the week of its policy, or in {{lead.brought}} the source columns that only some versions need. A
header states purpose, grain, inputs, such names, params and output columns::

    -- features_v41: the 22 features of V4.1.0.
    -- grain:   one row per prediction_date and lead_id
    -- inputs:  {{common_features}}
    -- params:  @prediction_date DATE
    -- output:
    --   tenure_months  INT64 [0..]  months at the current firm
    --   tenure_bucket  STRING [0-12 | 12-24 | Unknown; missing Unknown]  in this order

A domain in brackets is a range (`0..1`, `0..`) or the ordered categories; `missing` names the value that stands for
"not known". Columns under `features:` are a model's inputs, in the model's order.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from v4_assets.errors import SqlFileError
from v4_assets.project_files import PROJECT

SQL_DIR = PROJECT / "sql"

Type = Literal["STRING", "INT64", "FLOAT64", "BOOL", "DATE", "TIMESTAMP", "DATETIME"]
Value = str | int | float | bool | None

_TITLE = re.compile(r"-- (?P<name>\w+): +(?P<purpose>.+)")
_ENTRY = re.compile(r"-- (?P<key>grain|inputs|names|params): +(?P<value>.+)")
_SECTION = re.compile(r"-- (?P<section>output|features|marks):$")
_COLUMN = re.compile(
    r"-- {3}(?P<name>\w+) +(?P<type>STRING|INT64|FLOAT64|BOOL|DATE|TIMESTAMP)"
    r"(?: \[(?P<domain>[^\]]+)\])?  +(?P<text>.+)"
)
_RANGE = re.compile(r"(?P<low>-?[\d.]*?)\.\.(?P<high>-?[\d.]*)")
_PLACEHOLDER = re.compile(r"\{\{(\w+(?:\.\w+)?)\}\}")
_PARAM = re.compile(r"@(\w+)")


@dataclass(frozen=True)
class Column:
    """One column of a table: name, GoogleSQL type, meaning, and the values it may take."""

    name: str
    type: Type
    description: str = ""
    categories: tuple[str, ...] = ()
    """Allowed values in ordinal order; empty when not categorical."""
    low: float | None = None
    high: float | None = None
    """Inclusive bounds of a number; None is unbounded."""
    missing: Value = None
    """The value that stands for "not known"; None when the column has no such value."""
    is_feature: bool = False
    sample: tuple[Any, ...] = ()
    """Values the sample world gives a source column that only some versions need."""


@dataclass(frozen=True)
class SqlFile:
    """A parsed file of sql/."""

    name: str
    purpose: str
    grain: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    """What else rollout.yaml names: columns of the Lead table, as in lead.email, policy.week, and lead.brought."""
    params: tuple[str, ...]
    columns: tuple[Column, ...]
    body: str

    @property
    def features(self) -> tuple[Column, ...]:
        """The model inputs among the columns, in the model's order."""
        return tuple(column for column in self.columns if column.is_feature)


@dataclass(frozen=True)
class Query:
    """GoogleSQL with full table names, and the value of every parameter."""

    name: str
    text: str
    params: Mapping[str, object] = field(default_factory=dict)


@cache
def load(name: str) -> SqlFile:
    """The file NAME.sql in a folder of sql/. Raises SqlFileError when it is missing or its header is not complete."""
    return parse(name, path_of(name).read_text(encoding="utf-8"))


def files() -> dict[str, Path]:
    """Name to path of every file in sql/ and its folders, by name. Raises SqlFileError for a duplicate name."""
    found: dict[str, Path] = {}
    for path in sorted(SQL_DIR.rglob("*.sql"), key=lambda path: path.stem):
        if path.stem in found:
            raise SqlFileError(
                f"{found[path.stem]} and {path} have the same name. Rename one: files are found by name."
            )
        found[path.stem] = path
    return found


def path_of(name: str) -> Path:
    """Path of the file NAME.sql. Raises SqlFileError when it does not exist."""
    found = files().get(name)
    if found is None:
        raise SqlFileError(
            f"{name}.sql was not found in {SQL_DIR}. Add the file, or correct the name that refers to it."
        )
    return found


def parse(name: str, text: str) -> SqlFile:
    """Header and body of one file. Raises SqlFileError naming the line that cannot be parsed."""
    lines = text.splitlines()
    header = [line.rstrip() for line in lines[: _header_length(lines)]]
    body = "\n".join(lines[len(header) :]).strip().rstrip(";")
    title = _TITLE.match(header[0]) if header else None
    if title is None or title["name"] != name:
        raise SqlFileError(f"sql/{name}.sql must begin with '-- {name}: purpose'; it begins with {lines[:1]}.")
    purpose, entries, columns, section = [title["purpose"]], dict[str, str](), list[Column](), ""
    for line in header[1:]:
        if found := _SECTION.match(line):
            section = found["section"]
        elif found := _ENTRY.match(line):
            entries[found["key"]] = found["value"]
        elif section:
            columns.append(_column(name, line, is_feature=section == "features"))
        elif not entries:
            purpose.append(line.removeprefix("-- ").strip())
        else:
            raise SqlFileError(f"sql/{name}.sql: {line!r} is neither an entry nor 'output:'. Correct the header.")
    file = SqlFile(
        name=name,
        purpose=" ".join(purpose),
        grain=entries.get("grain", ""),
        inputs=tuple(_PLACEHOLDER.findall(entries.get("inputs", ""))),
        names=tuple(_PLACEHOLDER.findall(entries.get("names", ""))),
        params=tuple(_PARAM.findall(entries.get("params", ""))),
        columns=tuple(columns),
        body=body,
    )
    _verify(file)
    return file


def bind(file: SqlFile, names: Mapping[str, str], params: Mapping[str, object]) -> Query:
    """The file's body with `names` for its placeholders, and exactly the parameters that it and its sources list."""
    missing = [name for name in (*file.inputs, *file.names) if name not in names]
    if missing:
        raise SqlFileError(f"sql/{file.name}.sql reads {missing}, which has no name. Known: {sorted(names)}.")
    # What stands for a source is a query with parameters of its own.
    inner = (param for name in (*file.inputs, *file.names) for param in _PARAM.findall(names[name]))
    needed = tuple(dict.fromkeys((*file.params, *inner)))
    unbound = [param for param in needed if param not in params]
    if unbound:
        raise SqlFileError(f"sql/{file.name}.sql needs a value for @{', @'.join(unbound)}; got {sorted(params)}.")
    text = _PLACEHOLDER.sub(lambda match: names[match[1]], file.body)
    return Query(file.name, text, {param: params[param] for param in needed})


def compose(
    name: str, upstream: Sequence[tuple[str, str]], names: Mapping[str, str], params: Mapping[str, object]
) -> Query:
    """sql/NAME.sql as one query in which upstream tables are computed on the spot, as common table expressions.

    `upstream` lists (table, file) in an order in which each file reads only sources and tables listed before it. A
    table listed again is replaced by the later file's result for everything after it. Used for training days, where
    nothing is materialised.
    """
    visible = dict(names)
    parts, values = [], dict[str, object]()
    for table, file in upstream:
        query = bind(load(file), visible, params)
        parts.append(f"{file} AS (\n{query.text}\n)")
        values.update(query.params)
        visible[table] = file
    query = bind(load(name), visible, params)
    if not parts:
        return query
    return Query(
        name, "WITH " + ",\n\n".join(parts) + f"\n\nSELECT * FROM (\n{query.text}\n)", {**values, **query.params}
    )


def _header_length(lines: list[str]) -> int:
    return next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))


def _column(file: str, line: str, *, is_feature: bool) -> Column:
    found = _COLUMN.match(line)
    if found is None:
        raise SqlFileError(
            f"sql/{file}.sql: cannot read the column in {line!r}. Expected '--   name TYPE [domain; missing value]  "
            "meaning', two spaces before the meaning."
        )
    domain, _, missing = (found["domain"] or "").partition("; missing ")
    bounds = _RANGE.fullmatch(domain)
    return Column(
        name=found["name"],
        type=found["type"],  # type: ignore[arg-type] # the pattern admits exactly these names
        description=found["text"].strip(),
        categories=tuple(part.strip() for part in domain.split("|")) if domain and not bounds else (),
        low=float(bounds["low"]) if bounds and bounds["low"] else None,
        high=float(bounds["high"]) if bounds and bounds["high"] else None,
        missing=_missing(file, line, found["type"], missing),
        is_feature=is_feature,
    )


def _missing(file: str, line: str, kind: str, text: str) -> Value:
    if not text or kind == "STRING":
        return text or None
    try:
        return int(text) if kind == "INT64" else float(text)
    except ValueError as error:
        raise SqlFileError(f"sql/{file}.sql: {text!r} is not of type {kind} in {line!r}.") from error


def _verify(file: SqlFile) -> None:
    """Raise SqlFileError unless the header lists exactly the tables and parameters of the body."""
    if not file.grain or not file.columns or not file.body:
        raise SqlFileError(f"sql/{file.name}.sql needs a grain, output columns and a body.")
    names = [column.name for column in file.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SqlFileError(f"sql/{file.name}.sql lists {twice} twice.")
    used_placeholders = set(_PLACEHOLDER.findall(file.body))
    used_names = {name for name in used_placeholders if "." in name}
    for what, listed, used in (
        ("inputs", set(file.inputs), used_placeholders - used_names),
        ("names", set(file.names), used_names),
        ("params", set(file.params), set(_PARAM.findall(file.body))),
    ):
        if listed != used:
            raise SqlFileError(
                f"sql/{file.name}.sql: its header lists {what} {sorted(listed)}, its body uses {sorted(used)}."
            )
