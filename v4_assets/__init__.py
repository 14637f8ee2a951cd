"""Champion/challenger rollout of a lead-scoring model as a Dagster asset graph."""

import warnings

import dagster as dg

# Single-run backfills and partitioned checks are wanted as they are; Dagster says at every use that they may change.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
# What decides or acts is run one day a run, everything else may be a range; the daily job is one day anyway.
warnings.filterwarnings("ignore", message=".*materializes assets with varying BackfillPolicies", category=UserWarning)
