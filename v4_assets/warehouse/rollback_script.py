"""What the rollback scripts of both engines are made from: the version to return to and a switch's statements. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from v4_assets.sql import Query, load
from v4_assets.tables import Catalogue

SCRIPT = "rollback"
HEADING = (
    "rollback: make the baseline live again when Dagster does not run. Readers of v4_production_scores follow at once.",
    "1. Say in v4_reason why: it is recorded. 2. Run the script; it changes one row and adds one, or nothing.",
    "3. When Dagster runs again, the sensor's next run (or `v4 resume`) sends the scores to Salesforce, writes the",
    "   report and records the end. Salesforce keeps the other version's scores until then.",
    "Made by `v4 sql render --script rollback` from sql/, rollout.yaml and the registry of models.",
)


@dataclass(frozen=True)
class Target:
    """The version that becomes live."""

    version: str
    features_view: str
    scores_table: str
    model_uri: str
    model_sha256: str
    bundle_sha256: str
    happened_at: datetime | None = None
    """The time of a fixed clock; None takes that of the engine when the script runs."""


def values(target: Target) -> dict[str, str | None]:
    """Values of the parameters that the script knows beforehand."""
    return {
        "version": target.version,
        "features_view": target.features_view,
        "scores_table": target.scores_table,
        "model_uri": target.model_uri,
        "model_sha256": target.model_sha256,
        "bundle_sha256": target.bundle_sha256,
        "event": "rollback_started",
        "gates": None,
        "evidence_table": None,
        "evidence_day": None,
        "evidence_sha256": None,
        "run_id": None,
        "hold_until": None,
    }


def happened_at(target: Target, of_engine: str) -> str:
    """When the switch happens, as an expression of GoogleSQL and DuckDB."""
    fixed = target.happened_at
    return f"TIMESTAMP '{fixed.astimezone(UTC):%Y-%m-%d %H:%M:%S+00:00}'" if fixed else of_engine


def switch(catalogue: Catalogue) -> tuple[Query, Query]:
    """The UPDATE of production and the INSERT of the event, their parameters without values."""
    update, insert = (
        catalogue.query(name, dict.fromkeys(load(name).params)) for name in ("switch_production", "record_event")
    )
    return update, insert
