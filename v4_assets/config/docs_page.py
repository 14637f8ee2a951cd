"""docs/configuration.md, made from the settings themselves: `python -m v4_assets.config.docs_page` writes it.

Types, defaults and meanings are those of the fields; the comments of rollout.yaml stand in where a field says nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic.fields import FieldInfo

from v4_assets.config import environment as settings
from v4_assets.config import salesforce as salesforce_target
from v4_assets.config.rollout import Rollout
from v4_assets.config.rollout_entries import Entry, entries, kind, meaning
from v4_assets.project_files import PROJECT

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
