"""Every name that Dagster shows, except table names: groups, assets, jobs, sensors, run tags. Imports nothing.

A module that needs only the name of an asset or a job imports it from here, not from the module that defines it.
"""

SOURCES_GROUP = "1_sources"
LEADS_GROUP = "2_leads"
FEATURES_GROUP = "3_features"
SCORES_GROUP = "4_scores"
EVALUATION_GROUP = "5_evaluation"
PRODUCTION_GROUP = "6_production"
SALESFORCE_GROUP = "7_salesforce"
TRAINING_GROUP = "8_training"
PROSPECTS_GROUP = "9_prospects"

PRODUCTION_ALIAS = "production_alias"
CHAMPION_ARCHIVE = "champion_archive"
SALESFORCE_SYNC = "salesforce_sync"
ROLLOUT_REPORT = "rollout_report"

ONLY_TODAY = (CHAMPION_ARCHIVE, PRODUCTION_ALIAS, ROLLOUT_REPORT, SALESFORCE_SYNC)
"""Assets that have no past which can be made again: a run with one of them is of today or is refused."""

DAILY_JOB = "daily_scoring"
SCORING_JOB = "score_range"
EVALUATION_JOB = "evaluate_day"
PAST_DAY_JOB = "past_day"
SYNC_JOB = "sync_salesforce"
TRAINING_JOB = "train_models"
CHECKLIST_JOB = "pre_deployment_checks"
PROSPECTS_JOB = "monthly_prospects"
PROSPECT_LIST_JOB = "list_prospects"
ACTION_JOBS = {"promotion": "promote_production", "rollback": "rollback_production", "sunset": "sunset_champion"}
"""Kind of order to the job that executes it."""
FIRST_ASSETS = {"promotion": PRODUCTION_ALIAS, "rollback": PRODUCTION_ALIAS, "sunset": CHAMPION_ARCHIVE}
"""Kind of order to the first asset of its job."""

ROLLOUT_SENSOR = "rollout_sensor"
ALERT_SENSOR = "alert_sensor"

PART_TAG = "v4/part"
"""Tag of every job: its part of the rollout."""
ACTION_TAG = "v4/action"
"""Run tag with the id of the order that the run executes."""
PROCESS_TAG = "v4/process"
"""Run tag with host:pid of the process that executes the run."""
REPLACE_LIVE_TAG = "v4/replace_live"
"""Run tag with the id of the permission to replace rows that were written on their own day."""
ONLY_GAPS_TAG = "v4/only_gaps"
"""Run tag of a run that keeps existing partitions and writes only missing ones."""

ROLLOUT_PAGE = "rollout.html"
"""File name of the report, which every daily run and every action rewrites."""
