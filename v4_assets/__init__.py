"""Champion/challenger rollout of a lead-scoring model as a Dagster asset graph."""

import warnings

# Single-run backfills and partitioned checks are wanted as they are; Dagster warns at every use that they may change.
# By message, because naming the category would import Dagster.
warnings.filterwarnings("ignore", message=".* is currently in (beta|preview), and may have breaking changes")
# What decides or acts is run one day a run, everything else may be a range; the daily job is one day anyway.
warnings.filterwarnings("ignore", message=".*materializes assets with varying BackfillPolicies", category=UserWarning)
