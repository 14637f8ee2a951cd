"""What is run: the daily job and its schedule, training, and the pre-deployment checklist."""

from typing import TYPE_CHECKING

import dagster as dg

from v4_assets.assets import features, leads, scores, sources, training
from v4_assets.rollout_file import Rollout

if TYPE_CHECKING:
    # Dagster returns these types from public functions but does not export their names.
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition as AssetSchedule,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

    Schedule = AssetSchedule | dg.ScheduleDefinition

DAILY = "daily_scoring"
TRAINING = "train_models"
CHECKLIST = "pre_deployment_checks"

DAILY_GROUPS = (sources.GROUP, leads.GROUP, features.GROUP, scores.GROUP)


def daily_job() -> "AssetJob":
    """From the sources to both versions' scores, one partition a day."""
    return dg.define_asset_job(
        DAILY,
        selection=dg.AssetSelection.groups(*DAILY_GROUPS).materializable(),
        description="Look at the sources, list the open leads, build the features and score with every version.",
    )


def training_job() -> "AssetJob":
    """Training set and models. Run by hand."""
    return dg.define_asset_job(
        TRAINING,
        selection=dg.AssetSelection.groups(training.GROUP).materializable(),
        description="Train every version that is trained here.",
    )


def checklist_job(rollout: Rollout) -> "AssetJob":
    """The guide's pre-deployment checklist on the registered bundles, without training anything."""
    models = [f"model_{entry.key}" for entry in rollout.versions.values()]
    return dg.define_asset_job(
        CHECKLIST,
        selection=dg.AssetSelection.checks_for_assets(*models),
        description="The guide's pre-deployment checklist on the registered models.",
    )


def daily_schedule(job: "AssetJob", *, running: bool) -> "Schedule":
    """06:00 in New York, for the day that began at midnight."""
    return dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=6,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )
