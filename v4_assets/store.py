"""What the stages keep their record in: the warehouse, the names of its tables and the models, with one read a fact.

Everything that is read in more than one place has a name here. The rest is `read` and `rows`, by the SQL file's name.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa

from v4_assets import tables
from v4_assets.errors import V4Error
from v4_assets.evaluation.evidence import Artifact, Evidence
from v4_assets.models.registry import ModelRegistry
from v4_assets.production import events as deployments
from v4_assets.production.events import Event, Production
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Warehouse, rows_of
from v4_assets.warehouse.writes import PartitionWrite


@dataclass(frozen=True)
class Store:
    """A warehouse, the catalogue of its tables, and the registry of the models that score them."""

    warehouse: Warehouse
    catalogue: Catalogue
    registry: ModelRegistry

    def session(self) -> AbstractContextManager[None]:
        """Keep one connection open for all calls inside."""
        return self.warehouse.session()

    def read(self, file: str, params: Mapping[str, object] | None = None, **aliases: str) -> pa.Table:
        """The result of sql/FILE.sql; `aliases` rename its placeholders, as in Catalogue.query."""
        return self.warehouse.read(self.catalogue.query(file, params, **aliases))

    def rows(self, file: str, params: Mapping[str, object] | None = None, **aliases: str) -> list[dict[str, Any]]:
        """The same, one dict per row."""
        return rows_of(self.read(file, params, **aliases))

    def production(self) -> Production | None:
        """What is live; None before anything was adopted. Raises V4Error when the table holds more than one row."""
        rows = self.rows(tables.PRODUCTION)
        if len(rows) > 1:
            raise V4Error(
                f"{self.catalogue[tables.PRODUCTION].full_name} holds {len(rows)} rows, expected one. It was edited by "
                "hand: delete all but the row whose event_id is the latest in the deployments table."
            )
        return self._identified(Production(**rows[0])) if rows else None

    def _identified(self, production: Production) -> Production:
        """With its bundle, where the row was written before schema 2."""
        if production.bundle_sha256:
            return production
        bundle = self.older_bundles().get((production.version, production.model_sha256))
        return replace(production, bundle_sha256=bundle)

    def older_bundles(self) -> dict[tuple[str, str], str]:
        """Version and model_sha256 to the bundle that rows from before schema 2, which name none, stand for.

        Recorded once, by the upgrade; empty where the warehouse was made at schema 2 or later.
        """
        facts = [json.loads(row["facts"]) for row in self.rows(tables.SCHEMA) if row["facts"]]
        return {
            (version, one["model_sha256"]): one["bundle_sha256"]
            for fact in facts
            for version, one in fact.get("bundles", {}).items()
        }

    def artifacts(self, version: str, first: date, last: date) -> dict[date, set[Artifact]]:
        """What scored each day; rows from before and after an upgrade count as one artifact."""
        key = tables.scores_key(self.catalogue.versions[version].key)
        rows = self.rows("cohort_bundles", {"first_scored": first, "last_scored": last}, daily_scores=key)
        older = self.older_bundles() if any(row["bundle_sha256"] is None for row in rows) else {}
        found: dict[date, set[Artifact]] = {}
        for row in rows:
            bundle = row["bundle_sha256"] or older.get((version, row["model_sha256"]))
            found.setdefault(row["scored_on"], set()).add(Artifact(row["model_sha256"], bundle))
        return found

    def artifact_of(self, evidence: Iterable[Evidence], version: str) -> Artifact:
        """What scored a version's evidence: None for what is not known, and where several did."""
        found = {(row.model_sha256, row.bundle_sha256) for row in evidence if row.version == version}
        [(model, bundle)] = found if len(found) == 1 else {(None, None)}
        if model and not bundle:
            bundle = self.older_bundles().get((version, model))
        return Artifact(model, bundle)

    def precedes_upgrade(self, write: PartitionWrite) -> bool:
        """Whether a partition was written before the last upgrade, by the definitions of an earlier release."""
        upgrades = [row["recorded_at"] for row in self.rows(tables.SCHEMA) if row["previous"] is not None]
        return any(write.written_at < upgraded_at for upgraded_at in upgrades)

    def live(self) -> str | None:
        """The live version; None before anything was adopted."""
        production = self.production()
        return production.version if production else None

    def events(self) -> list[Event]:
        """Every event of the rollout, oldest first."""
        return deployments.in_order(Event(**row) for row in self.rows(tables.DEPLOYMENTS))

    def comparisons(self, first: date, last: date) -> list[Evidence]:
        """The evidence of the days from `first` to `last`, in no particular order."""
        return [Evidence.from_row(row) for row in self.comparison_rows(first, last)]

    def comparison_rows(self, first: date, last: date) -> list[dict[str, Any]]:
        """The same as stored, with the columns that decide nothing."""
        return self.rows(tables.LIFT_COMPARISON, _days(first, last))

    def deciles(self, day: date) -> list[dict[str, Any]]:
        """The day's rows of lift_by_decile, of every version, ranked within the cohort that rollback is judged by."""
        return _of_rollback(self.rows(tables.LIFT_BY_DECILE, _days(day, day)))

    def lift_before_contact(self, day: date) -> list[dict[str, Any]]:
        """The day's rows of lift_before_contact, of both questions: figures that decide nothing."""
        return self.rows(tables.LIFT_BEFORE_CONTACT, _days(day, day))

    def weekly_deciles(self) -> list[dict[str, Any]]:
        """The same of the close of every week."""
        return _of_rollback(self.rows("weekly_lift_by_decile"))

    def latest_writes(self, first: date, last: date) -> dict[tuple[str, date], PartitionWrite]:
        """The latest write of every partition from `first` to `last`, by table name and day."""
        found = self.rows(tables.PARTITION_WRITES, _days(first, last))
        return {(row["table_name"], row["prediction_date"]): PartitionWrite(**row) for row in found}


def _of_rollback(deciles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in deciles if row["question"] == "rollback" and row["ranking"] == "cohort"]


def _days(first: date, last: date) -> dict[str, object]:
    return {"first_day": first, "last_day": last}
