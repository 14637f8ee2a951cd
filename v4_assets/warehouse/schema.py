"""Which schema version the warehouse has, and its upgrade to the one this release needs.

To add a column or a table:

1. Declare it: the `output:` of its file in sql/ (a source: v4_assets/tables.py). A column must be nullable, because
   older rows read NULL in it: say in its meaning what NULL stands for. No column is ever renamed, retyped or dropped.
2. Append a SchemaVersion to VERSIONS: what it brought in words, and `facts` where only the upgrade can find out what
   older rows stand for. `test_schema.py` fails until that is done and prints the digest to declare.
3. Add what must hold after the upgrade to BROUGHT in
   v4_assets_tests/operations/test_upgrade.py, which upgrades an installation of
   release 0.1 in the middle of a watch. A version of an unreleased schema is changed in place, not followed by another.

Versions are only appended. Release 0.1 kept no schema versions: its warehouse counts as version 1.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version as version_of
from typing import Any

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.errors import SchemaVersionError, TableMissingError
from v4_assets.models.registry import ModelRegistry
from v4_assets.tables import Catalogue, Datasets
from v4_assets.warehouse.protocol import Statement, Warehouse, rows_of

RELEASE = version_of("v4-assets")

Facts = Callable[[Warehouse, Catalogue, ModelRegistry], Mapping[str, Any]]
"""Reads the upgraded warehouse; what it returns is kept as JSON in v4_schema.facts."""


@dataclass(frozen=True)
class SchemaVersion:
    """A state of the declared tables and views."""

    number: int
    brought: str
    declared: str
    """First 12 digits of `declared_digest`: the tables and views this version stands for."""
    facts: Facts | None = None
    """Read once, at the upgrade, while only rows of older versions exist."""


def registered_bundles(_: Warehouse, __: Catalogue, registry: ModelRegistry) -> Mapping[str, Any]:
    """sha256 of the bundle registered under each version, which older score rows refer to by the version alone."""
    return {"bundles": {version: entry.files["model.json"] for version, entry in sorted(registry.entries().items())}}


VERSIONS = (
    SchemaVersion(1, "the tables of release 0.1", ""),
    SchemaVersion(2, "v4_schema, the schema versions themselves", "8fcd40d4c6be", registered_bundles),
)
NEEDED = VERSIONS[-1].number
"""The schema version this release reads and writes."""


@dataclass(frozen=True)
class Found:
    """The schema version of a warehouse."""

    version: int
    release: str
    """The release that brought it there."""


def declared_digest(catalogue: Catalogue) -> str:
    """sha256 of names, columns and types of the tables this project makes and of its views' queries."""
    made = [(table.name, sorted((one.name, one.type) for one in table.columns)) for table in catalogue.made]
    views = [(view.name, " ".join(view.query.text.split())) for view in catalogue.views]
    return sha256(json.dumps([sorted(made), sorted(views)]).encode()).hexdigest()


def found(warehouse: Warehouse, catalogue: Catalogue) -> Found | None:
    """The version of the warehouse; None before the first `v4 init`."""
    try:
        rows = rows_of(warehouse.read(catalogue.query(tables.SCHEMA)))
    except TableMissingError:
        rows = []
    if rows:
        return Found(rows[-1]["version"], rows[-1]["release"])
    # Release 0.1 kept no versions; an interrupted upgrade from it has not recorded one yet.
    return Found(1, "0.1.0") if warehouse.columns(catalogue[tables.DEPLOYMENTS]) else None


def verify(warehouse: Warehouse, features_dataset: str) -> None:
    """Raise SchemaVersionError when the warehouse is not of the version this release needs; a new one passes."""
    verify_version(found(warehouse, Catalogue(Datasets(features=features_dataset), {})))


def verify_version(there: Found | None) -> None:
    """Raise SchemaVersionError when an existing warehouse is older or newer than this release needs."""
    if there is None or there.version == NEEDED:
        return
    problem = f"The warehouse is of schema {there.version}, this release needs {NEEDED}"
    if there.version < NEEDED:
        raise SchemaVersionError(f"{problem}: run `v4 init`.")
    raise SchemaVersionError(f"{problem}: run release {there.release}, which upgraded it, or a later one.")


def upgrade(
    warehouse: Warehouse, catalogue: Catalogue, registry: ModelRegistry, clock: Clock, recorded_by: str = "v4 init"
) -> Found | None:
    """Make or upgrade everything this project writes, and record the version. Returns the version found before.

    Harmless when done before; one that stopped half way is finished. Raises SchemaDriftError, changing nothing, when
    the tables differ in more than `v4 init` adds, and SchemaVersionError when they are a newer release's.
    """
    with warehouse.session():
        before = found(warehouse, catalogue)
        if before and before.version > NEEDED:
            verify_version(before)
        warehouse.create(catalogue.made, catalogue.views)
        passed = VERSIONS[-1:] if before is None else [one for one in VERSIONS if one.number > before.version]
        # The record comes last: until it is there, every other command asks for `v4 init`.
        previous = before.version if before else None
        statements = []
        for one in passed:
            facts = one.facts(warehouse, catalogue, registry) if one.facts and before else None
            row = {
                "schema_version": one.number,
                "previous_schema": str(previous) if previous else None,
                "recorded_at": clock.now(),
                "release": RELEASE,
                "recorded_by": recorded_by,
                "facts": json.dumps(facts, sort_keys=True) if facts else None,
            }
            statements.append(Statement(catalogue.query("record_schema", row)))
            previous = one.number
        if statements:
            warehouse.transact(statements)
    return before
