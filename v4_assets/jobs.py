"""Jobs: daily and its parts, monthly, promotion, rollback and sunset, training, the pre-deployment checklist."""

from typing import TYPE_CHECKING

import dagster as dg

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.names import (
    ACTION_JOBS,
    CHAMPION_ARCHIVE,
    CHECKLIST_JOB,
    DAILY_JOB,
    EVALUATION_JOB,
    FEATURES_GROUP,
    LEADS_GROUP,
    PART_TAG,
    PAST_DAY_JOB,
    PRODUCTION_ALIAS,
    PROSPECT_LIST_JOB,
    PROSPECTS_GROUP,
    PROSPECTS_JOB,
    ROLLOUT_REPORT,
    SALESFORCE_SYNC,
    SCORES_GROUP,
    SCORING_JOB,
    SOURCES_GROUP,
    SYNC_JOB,
    TRAINING_GROUP,
    TRAINING_JOB,
)
from v4_assets.prospects import contracts

if TYPE_CHECKING:
    # Dagster returns these types from public functions but does not export their names.
    from dagster._core.definitions.partitions.partitioned_schedule import (
        UnresolvedPartitionedAssetScheduleDefinition as AssetSchedule,
    )
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

    Schedule = AssetSchedule | dg.ScheduleDefinition


SCORING_GROUPS = (SOURCES_GROUP, LEADS_GROUP, FEATURES_GROUP, SCORES_GROUP)
EVALUATED = (tables.LEAD_OUTCOMES, tables.LIFT_COMPARISON)


def scored() -> dg.AssetSelection:
    """From the sources to the scores of every version; an archived one's assets write nothing."""
    return dg.AssetSelection.groups(*SCORING_GROUPS).materializable()


def daily_job() -> "AssetJob":
    """All assets of the daily run, one partition a day."""
    rest = (*EVALUATED, PRODUCTION_ALIAS, SALESFORCE_SYNC, ROLLOUT_REPORT)
    return dg.define_asset_job(
        DAILY_JOB,
        tags={PART_TAG: "daily"},
        selection=scored() | dg.AssetSelection.assets(*rest),
        description=(
            "Observe the sources, list the open leads, build the features, score with every version, compare the "
            "versions on matured leads, send the live version's scores to Salesforce, write the report."
        ),
    )


def parts() -> "list[AssetJob]":
    """Parts of the daily job for past days, and for a day whose challenger failed."""
    return [
        dg.define_asset_job(
            SCORING_JOB,
            tags={PART_TAG: "past"},
            selection=scored(),
            description="Scores only, for one day or a range of days in one run. Used by backfills.",
        ),
        dg.define_asset_job(
            EVALUATION_JOB,
            tags={PART_TAG: "past"},
            selection=dg.AssetSelection.assets(*EVALUATED),
            description="Compare the versions as of one day, from existing scores.",
        ),
        dg.define_asset_job(
            PAST_DAY_JOB,
            tags={PART_TAG: "past"},
            selection=scored() | dg.AssetSelection.assets(*EVALUATED),
            description="Scores and comparison of a past day; production and Salesforce are not changed.",
        ),
        dg.define_asset_job(
            SYNC_JOB,
            tags={PART_TAG: "salesforce"},
            selection=dg.AssetSelection.assets(PRODUCTION_ALIAS, SALESFORCE_SYNC),
            description="Send today's scores of the live version to Salesforce, nothing else.",
        ),
    ]


def action_jobs() -> "list[AssetJob]":
    """Promotion and rollback run the same assets with a different order; a sunset archives instead of switching."""
    switch = dg.AssetSelection.assets(PRODUCTION_ALIAS, SALESFORCE_SYNC, ROLLOUT_REPORT)
    return [
        dg.define_asset_job(
            ACTION_JOBS["promotion"],
            tags={PART_TAG: "action"},
            selection=switch,
            description="Make the candidate live, send its scores to Salesforce, verify them, report.",
        ),
        dg.define_asset_job(
            ACTION_JOBS["rollback"],
            tags={PART_TAG: "action"},
            selection=switch,
            description="Make the baseline live again, send its scores to Salesforce, verify them, report the reason.",
        ),
        dg.define_asset_job(
            ACTION_JOBS["sunset"],
            tags={PART_TAG: "action"},
            selection=dg.AssetSelection.assets(CHAMPION_ARCHIVE, ROLLOUT_REPORT),
            description="Archive the baseline's bundle with its hashes and stop scoring with it.",
        ),
    ]


def training_job() -> "AssetJob":
    """Training set and models. Started by an operator."""
    return dg.define_asset_job(
        TRAINING_JOB,
        tags={PART_TAG: "training"},
        selection=dg.AssetSelection.groups(TRAINING_GROUP).materializable(),
        description="Train every version that this project trains.",
    )


def checklist_job(rollout: Rollout) -> "AssetJob":
    """The guide's pre-deployment checklist on the registered bundles, without training anything."""
    models = [f"model_{entry.key}" for entry in rollout.versions.values()]
    return dg.define_asset_job(
        CHECKLIST_JOB,
        tags={PART_TAG: "training"},
        selection=dg.AssetSelection.checks_for_assets(*models),
        description="The guide's pre-deployment checklist on the registered models.",
    )


def monthly_jobs() -> "list[AssetJob]":
    """Scores of every advisor and the list of whom to contact, one partition a month; and the list alone."""
    return [
        dg.define_asset_job(
            PROSPECTS_JOB,
            tags={PART_TAG: "monthly"},
            selection=dg.AssetSelection.groups(PROSPECTS_GROUP),
            description="Score every producing, active advisor with every version, and make the month's list.",
        ),
        dg.define_asset_job(
            PROSPECT_LIST_JOB,
            tags={PART_TAG: "monthly"},
            selection=dg.AssetSelection.assets(contracts.PROSPECT_LIST),
            description="Make the month's list from the live version's scores that are there.",
        ),
    ]


def monthly_schedule(rollout: Rollout, job: "AssetJob", *, running: bool) -> "Schedule":
    """On the first of the month at `daily_run.at` in New York."""
    return dg.build_schedule_from_partitioned_job(
        job,
        day_of_month=1,
        hour_of_day=rollout.daily_run.at.hour,
        minute_of_hour=rollout.daily_run.at.minute,
        description=(
            f"{rollout.daily_run} in New York on the first of the month. Off unless `V4_SCHEDULE=on`; a month that was "
            "missed is made up for by `v4 prospects run`."
        ),
        tags={PART_TAG: "monthly"},
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )


def daily_schedule(rollout: Rollout, job: "AssetJob", *, running: bool) -> "Schedule":
    """At `daily_run.at` in New York, for the day that began at midnight."""
    return dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=rollout.daily_run.at.hour,
        minute_of_hour=rollout.daily_run.at.minute,
        description=(
            f"{rollout.daily_run} in New York, for the day that began at midnight. Off unless `V4_SCHEDULE=on`; a day "
            "that was missed is made up for by `v4 run` or `v4 backfill`."
        ),
        tags={PART_TAG: "daily"},
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )
