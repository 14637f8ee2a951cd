"""Wires assets, checks, jobs, sensors and resources together. No logic."""

import dagster as dg

from v4_assets import attributes, jobs
from v4_assets.config.environment import Settings
from v4_assets.evaluation import assets as evaluation_assets
from v4_assets.features import assets as feature_assets
from v4_assets.models import assets as model_assets
from v4_assets.partitions import daily_partitions
from v4_assets.production import archive
from v4_assets.production import assets as production_assets
from v4_assets.production.sensor import rollout_sensor
from v4_assets.report import assets as report_assets
from v4_assets.report import publishing
from v4_assets.report.alerts import alert_sensor
from v4_assets.resources import crm, store
from v4_assets.salesforce import assets as salesforce_assets
from v4_assets.scores import assets as score_assets
from v4_assets.sources import assets as source_assets
from v4_assets.sources import leads
from v4_assets.studies import assets as study_assets


def build(settings: Settings) -> dg.Definitions:
    """The whole graph for one configuration."""
    rollout = settings.rollout
    days = daily_partitions(rollout.first_day, settings.clock.today() if settings.clock.fixed else None)
    versions = rollout.versions.items()
    archived = production_assets.archived_versions(settings.places.registry)
    org = crm(settings)
    daily, parts, actions = jobs.daily_job(rollout, archived), jobs.parts(rollout, archived), jobs.action_jobs()
    return dg.Definitions(
        assets=attributes.attributed(
            [
                *source_assets.source_specs(rollout),
                source_assets.source_observations(rollout, days),
                leads.scored_leads(rollout, days),
                *feature_assets.snapshot_assets(rollout, days),
                *(feature_assets.features_asset(version, entry, rollout, days) for version, entry in versions),
                *(score_assets.scores_asset(version, entry, rollout, days) for version, entry in versions),
                evaluation_assets.lead_outcomes(rollout, days),
                evaluation_assets.lift_comparison(rollout, days),
                study_assets.policy_odds(rollout),
                production_assets.production_alias(rollout, days),
                archive.champion_archive(rollout, days),
                salesforce_assets.salesforce_sync(rollout, days, sends=org.org is not None),
                report_assets.rollout_report(rollout, days),
                model_assets.training_set(rollout),
                *(model_assets.model_asset(version, entry, rollout) for version, entry in versions),
            ],
            settings,
            archived,
        ),
        asset_checks=[model_assets.model_checks(version, entry, rollout) for version, entry in versions],
        jobs=[
            daily,
            *parts,
            *actions,
            jobs.training_job(),
            jobs.checklist_job(rollout),
        ],
        schedules=[jobs.daily_schedule(rollout, daily, running=settings.schedule)],
        sensors=[
            rollout_sensor(rollout, [*parts, *actions], running=settings.sensors),
            alert_sensor(rollout, settings.slack_webhook, publishing.rewrite, running=settings.sensors),
        ],
        resources={
            "store": store(settings),
            "clock": settings.clock,
            "places": settings.places,
            "salesforce": org,
        },
        # One process per run: at production size orchestration is the day, not computing (docs/benchmarks.md).
        executor=dg.in_process_executor,
    )
