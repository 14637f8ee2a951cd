"""Wires assets, checks, jobs and resources together. No logic."""

import dagster as dg

from v4_assets import jobs
from v4_assets.assets import features, leads, scores, sources, training
from v4_assets.partitions import daily_partitions
from v4_assets.resources.connect import registry, warehouse
from v4_assets.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """The whole graph for one configuration."""
    rollout = settings.rollout
    days = daily_partitions(rollout.first_day)
    versions = rollout.versions.items()
    daily = jobs.daily_job()
    return dg.Definitions(
        assets=[
            *sources.source_specs(rollout),
            sources.source_observations(rollout, days),
            leads.scored_leads(rollout, days),
            *features.snapshot_assets(rollout, days),
            *(features.features_asset(version, entry, rollout, days) for version, entry in versions),
            *(scores.scores_asset(version, entry, rollout, days) for version, entry in versions),
            training.training_set(rollout),
            *(training.model_asset(version, entry, rollout) for version, entry in versions),
        ],
        asset_checks=[training.model_checks(version, entry, rollout) for version, entry in versions],
        jobs=[daily, jobs.training_job(), jobs.checklist_job(rollout)],
        schedules=[jobs.daily_schedule(daily, running=settings.schedule)],
        resources={"warehouse": warehouse(settings), "registry": registry(settings), "clock": settings.clock},
        # One process per run: at production size orchestration is the day, not computing (docs/benchmarks.md).
        executor=dg.in_process_executor,
    )
