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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version as version_of
from typing import Any

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.errors import (
    ModelIntegrityError,
    SchemaDriftError,
    SchemaVersionError,
    TableMissingError,
    TakeoverError,
)
from v4_assets.models.registry import ModelRegistry
from v4_assets.tables import Catalogue, Datasets
from v4_assets.warehouse.preflight import examine, is_filled
from v4_assets.warehouse.protocol import Statement, Warehouse, rows_of

RELEASE = version_of("v4-assets")

Facts = Callable[[Warehouse, Catalogue, ModelRegistry], Mapping[str, Any]]
"""Reads the upgraded warehouse; what it returns is kept as JSON in v4_schema.facts."""


TakenAlong = Callable[[], Sequence[Statement]]
"""What an upgrade from release 0.1 keeps of its judgements, in the transaction that records the upgrade."""


@dataclass(frozen=True)
class SchemaVersion:
    """A state of the declared tables and views."""

    number: int
    brought: str
    declared: str
    """First 12 digits of `declared_digest`: the tables and views this version stands for."""
    facts: Facts | None = None
    """Read once, at the upgrade, while only rows of older versions exist."""


def registered_bundles(warehouse: Warehouse, catalogue: Catalogue, registry: ModelRegistry) -> Mapping[str, Any]:
    """The bundle that older rows of each version and its booster, which name no bundle, stand for.

    Raises ModelIntegrityError when the registry has another booster than the live one: then no bundle is known for it.
    """
    registered = {version: registry.load(version) for version in catalogue.versions if version in registry.entries()}
    for row in rows_of(warehouse.read(catalogue.query(tables.PRODUCTION))):
        version, model = row["version"], row["model_sha256"]
        found = registered[version].sha256 if version in registered else "none"
        if found != model:
            raise ModelIntegrityError(
                f"The upgrade records the bundle of the live {version}: its booster is {model[:12]}, the registry has "
                f"{found[:12]}. Restore the bundle that went live, then run `v4 init` again."
            )
    return {
        "bundles": {
            version: {"model_sha256": bundle.sha256, "bundle_sha256": bundle.bundle_sha256}
            for version, bundle in registered.items()
        }
    }


VERSIONS = (
    SchemaVersion(1, "the tables of release 0.1", ""),
    SchemaVersion(
        2,
        "v4_schema, the schema versions themselves; v4_takeover; bundle_sha256; v4_salesforce_syncs; "
        "impossible values; v4_watch_basis, v4_early_warning_votes, v4_week_closes; silent_days; "
        "v4_check_results in place of v4_partition_verdicts; v4_orders; hold_until; pruned_at; "
        "the tables and the view of the prospects; the list a lead was chosen from; v4_lift_before_contact",
        "d5d7769f9a8f",
        registered_bundles,
    ),
)
NEEDED = VERSIONS[-1].number
"""The schema version this release reads and writes."""

PENDING = {
    "planned": "A takeover was begun and is not finished: `v4 takeover --yes` finishes it, `--undo` takes it back.",
    "finished": "A takeover was made, but v4_schema is empty: run `v4 takeover --yes`.",
    "undo_started": "The undoing of a takeover is not finished: `v4 takeover --undo` finishes it.",
    "undone": "The takeover was undone, and the firm's own objects stand here: `v4 takeover --yes` makes it again.",
}
"""Latest event of a takeover to what must be done, in a warehouse without a schema version."""


@dataclass(frozen=True)
class Found:
    """The schema version of a warehouse."""

    version: int
    release: str
    """The release that brought it there."""
    takeover: str | None = None
    """What must be done about a takeover before anything else; None when there is nothing."""


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
    except SchemaDriftError:
        shape = warehouse.shape(catalogue[tables.SCHEMA])
        if shape is None or shape.is_marked:
            raise
        rows = []  # a table of others has the name
    if rows:
        return Found(rows[-1]["version"], rows[-1]["release"])
    # A takeover makes the record last, and its undoing removes it first.
    try:
        recorded = rows_of(warehouse.read(catalogue.query(tables.TAKEOVER)))
    except (TableMissingError, SchemaDriftError):
        recorded = []
    if recorded:
        return Found(NEEDED, RELEASE, PENDING[recorded[-1]["event"]])
    # Release 0.1 kept no versions; an interrupted upgrade from it has not recorded one yet.
    return Found(1, "0.1.0") if is_filled(warehouse, catalogue[tables.DEPLOYMENTS]) else None


def verify(warehouse: Warehouse, features_dataset: str) -> None:
    """Raise SchemaVersionError when the warehouse is not of the version this release needs; a new one passes."""
    verify_version(found(warehouse, Catalogue(Datasets(features=features_dataset), {})))


def verify_version(there: Found | None) -> None:
    """Raise SchemaVersionError when an existing warehouse is older or newer than this release needs.

    Raises TakeoverError when a takeover is not finished or was undone.
    """
    if there and there.takeover:
        raise TakeoverError(there.takeover)
    if there is None or there.version == NEEDED:
        return
    problem = f"The warehouse is of schema {there.version}, this release needs {NEEDED}"
    if there.version < NEEDED:
        raise SchemaVersionError(f"{problem}: run `v4 init`.")
    raise SchemaVersionError(f"{problem}: run release {there.release}, which upgraded it, or a later one.")


def upgrade(
    warehouse: Warehouse,
    catalogue: Catalogue,
    registry: ModelRegistry,
    clock: Clock,
    recorded_by: str = "v4 init",
    taken_along: TakenAlong = tuple,
) -> Found | None:
    """Make or upgrade everything this project writes, and record the version. Returns the version found before.

    Harmless when done before; one that stopped half way is finished. Raises ObstacleError and TakeoverError, changing
    nothing, when the names are not free; SchemaDriftError, changing nothing, when the tables differ in more than
    `v4 init` adds; and SchemaVersionError when they are a newer release's.
    """
    with warehouse.session():
        examine(warehouse, catalogue).verify()
        before = found(warehouse, catalogue)
        if before and (before.version > NEEDED or before.takeover):
            verify_version(before)
        warehouse.create(catalogue.made, catalogue.views)
        record(warehouse, catalogue, registry, clock, before, recorded_by, taken_along)
    return before


def record(
    warehouse: Warehouse,
    catalogue: Catalogue,
    registry: ModelRegistry,
    clock: Clock,
    before: Found | None,
    recorded_by: str,
    taken_along: TakenAlong = tuple,
) -> None:
    """Record the versions passed since `before`, once. Until then every other command asks for `v4 init`."""
    passed = VERSIONS[-1:] if before is None else [one for one in VERSIONS if one.number > before.version]
    previous = before.version if before else None
    statements = list(taken_along()) if before and before.version == 1 else []
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
