"""Wires assets, checks, jobs, sensors and resources together. No logic."""

import dagster as dg

from v4_assets import jobs
from v4_assets.assets import (
    archive,
    attributes,
    evaluation,
    features,
    leads,
    odds,
    production,
    report,
    salesforce_sync,
    scores,
    sources,
    training,
)
from v4_assets.partitions import daily_partitions
from v4_assets.resources.connect import crm, registry, warehouse
from v4_assets.rollout import publishing
from v4_assets.rollout.alerts import alert_sensor
from v4_assets.rollout.sensor import rollout_sensor
from v4_assets.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """The whole graph for one configuration."""
    rollout = settings.rollout
    days = daily_partitions(rollout.first_day)
    versions = rollout.versions.items()
    archived = production.archived_versions(settings.places.registry)
    org = crm(settings)
    daily, parts, actions = jobs.daily_job(rollout, archived), jobs.parts(rollout, archived), jobs.action_jobs()
    return dg.Definitions(
        assets=attributes.attributed(
            [
                *sources.source_specs(rollout),
                sources.source_observations(rollout, days),
                leads.scored_leads(rollout, days),
                *features.snapshot_assets(rollout, days),
                *(features.features_asset(version, entry, rollout, days) for version, entry in versions),
                *(scores.scores_asset(version, entry, rollout, days) for version, entry in versions),
                evaluation.lead_outcomes(rollout, days),
                evaluation.lift_comparison(rollout, days),
                odds.policy_odds(rollout),
                production.production_alias(rollout, days),
                archive.champion_archive(rollout, days),
                salesforce_sync.salesforce_sync(rollout, days, sends=org.org is not None),
                report.rollout_report(rollout, days),
                training.training_set(rollout),
                *(training.model_asset(version, entry, rollout) for version, entry in versions),
            ],
            settings,
            archived,
        ),
        asset_checks=[training.model_checks(version, entry, rollout) for version, entry in versions],
        jobs=[
            daily,
            *parts,
            *actions,
            jobs.training_job(),
            jobs.checklist_job(rollout),
        ],
        schedules=[jobs.daily_schedule(daily, running=settings.schedule)],
        sensors=[
            rollout_sensor(rollout, [*parts, *actions], running=settings.sensors),
            alert_sensor(rollout, settings.slack_webhook, publishing.rewrite, running=settings.sensors),
        ],
        resources={
            "warehouse": warehouse(settings),
            "registry": registry(settings),
            "clock": settings.clock,
            "places": settings.places,
            "salesforce": org,
        },
        # One process per run: at production size orchestration is the day, not computing (docs/benchmarks.md).
        executor=dg.in_process_executor,
    )
