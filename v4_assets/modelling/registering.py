"""Entering a model trained elsewhere into the registry."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from v4_assets import sql, tables
from v4_assets.errors import ModelContractError, SqlFileError, TableMissingError, V4Error
from v4_assets.modelling import files
from v4_assets.modelling.model import Feature, read_features
from v4_assets.record import production
from v4_assets.record.written import latest_writes
from v4_assets.resources.connect import registry, warehouse
from v4_assets.resources.registry import Entry
from v4_assets.settings import Settings

PROFILE_DAYS = 60
"""How far back a day of features is looked for when no data is given."""


def register_files(
    settings: Settings, version: str, booster: Path, features: Path, metrics: Path | None, data: Path | None
) -> Entry:
    """Check, profile and register. Raises ModelContractError, ModelError or V4Error; then nothing was registered."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+", version):
        raise V4Error(f"{version!r} is not a version. Write it like v4.2.0.")
    if version == _live(settings):
        raise V4Error(f"{version} is live, and what is live is never replaced. Give the new model a new version.")
    contract = read_features(features)
    rows = files.read_rows(data, contract) if data else _latest_features(settings, version, contract)
    content = files.brought_bundle(version, booster, features, _figures(metrics), rows, _made_by_sql(settings, version))
    provenance = {
        "trained_on": "brought from elsewhere",
        "registered_at": settings.clock.now().isoformat(),
        "profiled_on": str(data) if data else "its features in the warehouse",
    }
    return registry(settings).add(version, content, provenance, replace=False)


def _live(settings: Settings) -> str | None:
    try:
        return production.live_version(warehouse(settings), settings.rollout.catalogue)
    except TableMissingError:
        return None


def _figures(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelContractError(f"{path} is not JSON: {error}") from error
    if not isinstance(figures, dict):
        raise ModelContractError(
            f"{path} holds a {type(figures).__name__}, expected an object such as {{'test_auc': 0.62}}."
        )
    return figures


def _made_by_sql(settings: Settings, version: str) -> tuple[str, ...] | None:
    """The features the version's SQL file makes; None for a version that has no entry or no file yet."""
    entry = settings.rollout.versions.get(version)
    if entry is None:
        return None
    try:
        return tuple(column.name for column in sql.load(tables.features_key(entry.key)).features)
    except SqlFileError:
        return None


def _latest_features(settings: Settings, version: str, contract: tuple[Feature, ...]) -> Iterator[pa.RecordBatch]:
    """The newest day of a feature table that has every feature of the contract, the version's own first."""
    house, catalogue, today = warehouse(settings), settings.rollout.catalogue, settings.clock.today()
    try:
        writes = latest_writes(house, catalogue, today - timedelta(days=PROFILE_DAYS), today)
    except TableMissingError:
        writes = {}
    wanted = {feature.name for feature in contract}
    entries = sorted(settings.rollout.versions.items(), key=lambda item: item[0] != version)
    for _, entry in entries:
        table = catalogue[tables.features_key(entry.key)]
        days = [day for (name, day), write in writes.items() if name == table.name and write.row_count]
        if days and wanted <= {column.name for column in table.columns}:
            query = catalogue.query("features_of_day", {"prediction_date": max(days)}, features=table.key)
            return iter(house.read(query).to_batches())
    raise V4Error(
        f"No day of the last {PROFILE_DAYS} has all of the model's features, so there is nothing to profile it on. "
        "Give rows with --data FILE (Parquet or CSV, one column per feature)."
    )
