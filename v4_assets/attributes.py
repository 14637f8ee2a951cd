"""Metadata of every asset in Dagster: owners, tags, kinds, and links to its table and its code."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg

from v4_assets import freshness, sql
from v4_assets.config.environment import Settings
from v4_assets.project import PACKAGE

MODULES = {
    "champion_archive": "production/archive",
    "leads": "sources/leads",
    "policy_odds": "studies/assets",
    "rollout_report": "report/assets",
    "training": "models/assets",
}
"""Assets and stages whose module is not the stage's assets.py."""
TABLE_NAME = "dagster/table_name"
CONSOLE = "https://console.cloud.google.com/bigquery?p={project}&d={dataset}&t={table}&page=table"

Asset = dg.AssetsDefinition | dg.AssetSpec


def attributed(assets: Iterable[Asset], settings: Settings, archived: Iterable[str]) -> list[Asset]:
    """The assets with the metadata derived from their stage, their version and the configuration."""
    expected, policy = freshness.expected(settings.rollout, archived), freshness.every_morning(settings.rollout)

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        completed = _attributed(spec, settings)
        is_expected = spec.key.to_user_string() in expected
        return dg.apply_freshness_policy(completed, policy) if is_expected else completed

    return list(dg.map_asset_specs(complete, assets))


def stage_of(group: str) -> str:
    """The name of a stage without the number that puts the groups in order: `5_evaluation` is evaluation."""
    return group.split("_", 1)[1]


def _attributed(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    name, stage = spec.key.to_user_string(), stage_of(str(spec.group_name))
    table = spec.metadata.get(TABLE_NAME)
    return spec.merge_attributes(
        owners=list(settings.rollout.owners),
        tags={"stage": stage, **_version(name, settings)},
        kinds={settings.warehouse} if table else set(),
        metadata={
            **({"dagster/uri": _uri(str(table), settings)} if table else {}),
            "dagster/code_references": _code(name, stage, settings.rollout.code_url),
        },
    )


def _version(name: str, settings: Settings) -> dict[str, str]:
    """Tags of an asset that exists once per version."""
    rollout = settings.rollout
    roles = {rollout.baseline: "baseline", rollout.candidate: "candidate"}
    for version, entry in rollout.versions.items():
        if name.endswith(f"_{entry.key}"):
            return {"version": version, "role": roles.get(version, "other")}
    return {}


def _uri(table: str, settings: Settings) -> str:
    """Link to the table in Google's console, or to the embedded warehouse's file."""
    if settings.warehouse != "bigquery" or settings.bigquery is None:
        return settings.duckdb_file.as_uri()
    *project, dataset, name = table.split(".")
    return CONSOLE.format(project=(project or [settings.bigquery.project])[0], dataset=dataset, table=name)


def _code(name: str, stage: str, url: str | None) -> dg.CodeReferencesMetadataValue:
    """The asset's SQL file, if it has one, and its module."""
    contract = "daily_scores" if name.startswith("daily_scores_") else name
    module = MODULES.get(name, MODULES.get(stage, f"{stage}/assets"))
    files = [*([found] if (found := sql.files().get(contract)) else []), PACKAGE / f"{module}.py"]
    return dg.CodeReferencesMetadataValue(code_references=[_reference(file, url) for file in files if file.is_file()])


def _reference(file: Path, url: str | None) -> Any:
    root = PACKAGE if file.is_relative_to(PACKAGE) and file.suffix == ".py" else sql.SQL_DIR
    label = file.relative_to(root.parent).as_posix()
    if url:
        return dg.UrlCodeReference(url=f"{url}/{label}", label=label)
    return dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=label)
