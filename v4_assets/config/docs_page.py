"""docs/configuration.md, made from the settings themselves: `python -m v4_assets.config.docs_page` writes it.

Models give types and defaults, their docstrings and the comments of rollout.yaml the meanings. Which variable sets
which field is read from the source of environment.py, so that a new setting is documented as soon as it is there.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from v4_assets.config import environment as settings
from v4_assets.config import salesforce as salesforce_target
from v4_assets.config.entries import Entry, docstrings, entries, kind
from v4_assets.config.rollout import Rollout
from v4_assets.project import PROJECT

PAGE = PROJECT / "docs" / "configuration.md"
INTRO = """# Configuration

`make docs` makes this page from the settings themselves; a test fails when the two differ.

## The environment

Every variable may be left out: an empty environment runs the demo. An empty variable is one that is not set. No command
reads a file of variables; `.env.example` lists them to copy from.

"""
ROLLOUT_INTRO = """
## rollout.yaml

Every threshold of the project. An entry that is not known, or stands there twice, is refused by name. *Shipped* is what
the project's own file says; an entry without a default must be there. `*` stands for each version, or each source.

"""
NAME = re.compile(r"[A-Z][A-Z0-9_]+")
EMPTY = {"V4_HOME": "/nowhere", "V4_BIGQUERY_PROJECT": "–"}
"""An environment that says nothing: a home without a demo, whose clock would count, and a name to leave out."""
NOT_ENVIRONMENT = "loopback"  # of SalesforceTarget; set by the stand-in org only


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
    """Every variable that is read, in the order of the source; Salesforce's own, read by their prefix, last."""
    found = {one.name: one for one in reversed(list(_read_by_name()))}
    model = salesforce_target.SalesforceTarget
    prefixed = [name for name in model.model_fields if name != NOT_ENVIRONMENT]
    by_prefix = [
        _variable(salesforce_target.PREFIX + name.upper(), model, name, _declared(model, name)) for name in prefixed
    ]
    return [*reversed(found.values()), *by_prefix]


def _read_by_name() -> Iterator[Variable]:
    """Each `Model(field=… env.get("NAME") …)` of environment.py."""
    tree = ast.parse(inspect.getsource(settings))
    assigned = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for model, field, argument in _model_arguments(tree):
        value = assigned.get(argument.id, argument) if isinstance(argument, ast.Name) else argument
        for name in _names_read(value)[:1]:
            yield _variable(name, model, field, _default(model, field, value))


def _model_arguments(tree: ast.AST) -> Iterator[tuple[type[BaseModel], str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            model = getattr(settings, node.func.id, None)
            if inspect.isclass(model) and issubclass(model, BaseModel):
                yield from ((model, one.arg, one.value) for one in node.keywords if one.arg)


def _names_read(value: ast.expr) -> list[str]:
    return [
        node.value
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value)
    ]


def _default(model: type[BaseModel], field: str, value: ast.expr) -> str:
    """A place in the project as it is written; anything else as an empty environment gives it."""
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and node.id == "DEFAULT_HOME":
            return f"`{settings.DEFAULT_HOME.name}` in the project"
        if isinstance(node, ast.BinOp) and ast.unparse(node.left) == "PROJECT":
            return f"`{ast.literal_eval(node.right)}` in the project"
    empty = settings.load(EMPTY)
    observed = next((one for one in (empty, *vars(empty).values()) if isinstance(one, model)), None)
    return _declared(model, field) if observed is None else _said(getattr(observed, field))


def _declared(model: type[BaseModel], field: str) -> str:
    declared = model.model_fields[field]
    return _said(None if declared.is_required() else declared.get_default())


def _said(value: Any) -> str:
    if value in (None, "–"):
        return "–"
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _variable(name: str, model: type[BaseModel], field: str, default: str) -> Variable:
    return Variable(name, kind(model.model_fields[field]), default, docstrings(model).get(field, ""))


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
