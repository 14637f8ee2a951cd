"""Every name that Dagster shows and that is no table's: groups, assets, jobs, sensors, run tags. Imports nothing.

A module that needs only the name of an asset or a job takes it from here, so that none imports another for a name.
"""

SOURCES_GROUP = "1_sources"
LEADS_GROUP = "2_leads"
FEATURES_GROUP = "3_features"
SCORES_GROUP = "4_scores"
EVALUATION_GROUP = "5_evaluation"
PRODUCTION_GROUP = "6_production"
SALESFORCE_GROUP = "7_salesforce"
TRAINING_GROUP = "8_training"

PRODUCTION_ALIAS = "production_alias"
CHAMPION_ARCHIVE = "champion_archive"
SALESFORCE_SYNC = "salesforce_sync"
ROLLOUT_REPORT = "rollout_report"

DAILY_JOB = "daily_scoring"
SCORING_JOB = "score_range"
EVALUATION_JOB = "evaluate_day"
PAST_DAY_JOB = "past_day"
SYNC_JOB = "sync_salesforce"
TRAINING_JOB = "train_models"
CHECKLIST_JOB = "pre_deployment_checks"
ACTION_JOBS = {"promotion": "promote_production", "rollback": "rollback_production", "sunset": "sunset_champion"}
"""Kind of order to the job that carries it out."""
FIRST_ASSETS = {"promotion": PRODUCTION_ALIAS, "rollback": PRODUCTION_ALIAS, "sunset": CHAMPION_ARCHIVE}
"""Kind of order to the asset of its job that begins it."""

ROLLOUT_SENSOR = "rollout_sensor"
ALERT_SENSOR = "alert_sensor"

PART_TAG = "v4/part"
"""Tag of every job: what part of the rollout it is."""
ACTION_TAG = "v4/action"
"""Run tag with the id of the order a run carries out."""
PROCESS_TAG = "v4/process"
"""Run tag with host:pid of the process a run works in."""
REPLACE_LIVE_TAG = "v4/replace_live"
"""Run tag with the reason for replacing rows that were written on their own day."""
ONLY_GAPS_TAG = "v4/only_gaps"
"""Run tag of a run that leaves alone what is there."""
ALLOW_CHANGES_TAG = "v4/allow_changes"
"""Run tag that lets a sync change more leads than its limit."""

ROLLOUT_PAGE = "rollout.html"
"""The page that every run and every action rewrites."""
