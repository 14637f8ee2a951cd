"""What Dagster loads: assets with their metadata, checks, jobs, sensors and resources, wired together. No rules."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from v4_assets import jobs, sql, tables
from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import Settings, load
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import assets as evaluation_assets
from v4_assets.features import assets as feature_assets
from v4_assets.models import assets as model_assets
from v4_assets.names import SALESFORCE_SYNC
from v4_assets.partitions import daily_partitions
from v4_assets.production import archive
from v4_assets.production import assets as production_assets
from v4_assets.production.overdue import due
from v4_assets.production.sensor import rollout_sensor
from v4_assets.project_files import PACKAGE
from v4_assets.prospects import contracts
from v4_assets.prospects.assets import prospect_assets
from v4_assets.prospects.months import monthly_partitions
from v4_assets.report import assets as report_assets
from v4_assets.report import publishing
from v4_assets.report.alerts import alert_sensor
from v4_assets.resources import crm, reader, store
from v4_assets.salesforce import assets as salesforce_assets
from v4_assets.scores import assets as score_assets
from v4_assets.sources import assets as source_assets
from v4_assets.studies import assets as study_assets
from v4_assets.warehouse import dialects

MODULES = {
    "champion_archive": "production/archive",
    "policy_odds": "studies/assets",
    "rollout_report": "report/assets",
    "training": "models/assets",
}
"""Assets and stages whose module is not the stage's assets.py."""
TABLE_NAME = "dagster/table_name"
CONSOLE = "https://console.cloud.google.com/bigquery?p={project}&d={dataset}&t={table}&page=table"

SHORTEST = timedelta(minutes=1)
"""The shortest window of a cron policy in Dagster."""

Asset = dg.AssetsDefinition | dg.AssetSpec


@dg.definitions
def defs() -> dg.Definitions:
    """The graph of this environment; Dagster finds it by its decorator."""
    return build(load())


_latest: list[tuple[Settings, dg.Definitions]] = []
"""The graph that was built last and what for: a command asks for it up to four times."""


def build(settings: Settings) -> dg.Definitions:
    """The whole graph for one configuration: the one built last, if it was for the same `settings` object."""
    if _latest and (latest := _latest[0])[0] is settings:
        return latest[1]
    graph = _built(settings)
    _latest[:] = [(settings, graph)]
    return graph


def _built(settings: Settings) -> dg.Definitions:
    rollout = settings.rollout
    for note in dialects.verify(settings.warehouse):
        dg.get_dagster_logger().warning(note)
    last_day = settings.clock.today() if settings.clock.fixed else None
    days, months = daily_partitions(rollout.first_day, last_day), monthly_partitions(rollout.first_day, last_day)
    versions = rollout.versions.items()
    org = crm(settings)
    daily, parts, actions, monthly = jobs.daily_job(), jobs.parts(), jobs.action_jobs(), jobs.monthly_jobs()
    return dg.Definitions(
        assets=attributed(
            [
                *source_assets.source_specs(rollout),
                source_assets.source_observations(rollout, days),
                source_assets.scored_leads(rollout, days),
                *feature_assets.snapshot_assets(rollout, days),
                *(feature_assets.features_asset(version, entry, rollout, days) for version, entry in versions),
                *(score_assets.scores_asset(version, entry, rollout, days) for version, entry in versions),
                evaluation_assets.lead_outcomes(rollout, days),
                evaluation_assets.lift_comparison(rollout, days),
                study_assets.policy_odds(rollout),
                production_assets.production_alias(rollout, days),
                archive.champion_archive(rollout, days),
                salesforce_assets.salesforce_sync(
                    rollout, days, sends=org.org is not None, hooks=publishing.hooks(rollout)
                ),
                report_assets.rollout_report(rollout, days),
                *prospect_assets(rollout, months),
                model_assets.training_set(rollout),
                *(model_assets.model_asset(version, entry, rollout) for version, entry in versions),
            ],
            settings,
        ),
        asset_checks=[model_assets.model_checks(version, entry, rollout) for version, entry in versions],
        jobs=[
            daily,
            *parts,
            *actions,
            *monthly,
            jobs.training_job(),
            jobs.checklist_job(rollout),
        ],
        schedules=[
            jobs.daily_schedule(rollout, daily, running=settings.schedule),
            jobs.monthly_schedule(rollout, monthly[0], running=settings.schedule and rollout.prospects.enabled),
        ],
        sensors=[
            rollout_sensor(rollout, [*parts, *actions], running=settings.sensors),
            alert_sensor(rollout, settings.slack_webhook, publishing.rewrite, running=settings.sensors),
        ],
        resources={
            "store": store(settings),
            "reader": reader(settings),
            "clock": settings.clock,
            "places": settings.places,
            "salesforce": org,
        },
        # One process per run: at production size orchestration is the day, not computing (docs/benchmarks.md).
        executor=dg.in_process_executor,
    )


def attributed(assets: Iterable[Asset], settings: Settings) -> list[Asset]:
    """The assets with the metadata derived from their stage, their version and the configuration."""
    rollout = settings.rollout
    policies = dict.fromkeys(expected(rollout), every_morning(rollout))
    policies |= dict.fromkeys(expected_monthly(rollout), every_month(rollout))
    files = sql.files()

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        completed = _attributed(spec, settings, files)
        policy = policies.get(spec.key.to_user_string())
        return dg.apply_freshness_policy(completed, policy) if policy else completed

    return list(dg.map_asset_specs(complete, assets))


def stage_of(group: str) -> str:
    """The name of a stage without the number that puts the groups in order: `5_evaluation` is evaluation."""
    return group.split("_", 1)[1]


def _attributed(spec: dg.AssetSpec, settings: Settings, files: Mapping[str, Path]) -> dg.AssetSpec:
    name, stage = spec.key.to_user_string(), stage_of(str(spec.group_name))
    table = spec.metadata.get(TABLE_NAME)
    return spec.merge_attributes(
        owners=list(settings.rollout.owners),
        tags={"stage": stage, **_version(name, settings)},
        kinds={settings.warehouse} if table else set(),
        metadata={
            **({"dagster/uri": _uri(str(table), settings)} if table else {}),
            "dagster/code_references": _code(name, stage, settings.rollout.code_url, files),
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


def _code(name: str, stage: str, url: str | None, files: Mapping[str, Path]) -> dg.CodeReferencesMetadataValue:
    """The asset's SQL file, if it has one, and its module."""
    contract = "daily_scores" if name.startswith("daily_scores_") else name
    module = MODULES.get(name, MODULES.get(stage, f"{stage}/assets"))
    made_by = [*([found] if (found := files.get(contract)) else []), PACKAGE / f"{module}.py"]
    references = [_reference(file, url) for file in made_by if file.is_file()]
    return dg.CodeReferencesMetadataValue(code_references=references)


def _reference(file: Path, url: str | None) -> Any:
    root = PACKAGE if file.is_relative_to(PACKAGE) and file.suffix == ".py" else sql.SQL_DIR
    label = file.relative_to(root.parent).as_posix()
    if url:
        return dg.UrlCodeReference(url=f"{url}/{label}", label=label)
    return dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=label)


def expected(rollout: Rollout) -> set[str]:
    """The assets that must be there every morning: scores of every version, comparison, sync."""
    scored = {tables.scores_key(entry.key) for entry in rollout.versions.values()}
    return {*scored, tables.LIFT_COMPARISON, SALESFORCE_SYNC}


def every_morning(rollout: Rollout) -> dg.FreshnessPolicy:
    """Made between midnight and the end of the day's grace, New York.

    The policy asks whether an asset was made at all since midnight, for any day. That today's own rows are there is
    checked by the alert sensor and by `v4 status` (production/overdue.py).
    """
    deadline = due(rollout, rollout.first_day)
    midnight = datetime.combine(rollout.first_day, datetime.min.time(), NEW_YORK)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.minute} {deadline.hour} * * *",
        lower_bound_delta=max(deadline - midnight, SHORTEST),
        timezone=NEW_YORK.key,
    )


def expected_monthly(rollout: Rollout) -> set[str]:
    """The assets that must be there on the first of every month; none where the monthly job is off."""
    if not rollout.prospects.enabled:
        return set()
    scored = {contracts.scores_key(entry.key) for entry in rollout.versions.values()}
    return {*scored, contracts.PROSPECT_LIST}


def every_month(rollout: Rollout) -> dg.FreshnessPolicy:
    """Made on the first of the month, between midnight and the end of the day's grace, New York."""
    deadline = due(rollout, rollout.first_day)
    midnight = datetime.combine(rollout.first_day, datetime.min.time(), NEW_YORK)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.minute} {deadline.hour} 1 * *",
        lower_bound_delta=max(deadline - midnight, SHORTEST),
        timezone=NEW_YORK.key,
    )
