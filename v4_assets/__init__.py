"""Champion/challenger rollout of a lead-scoring model as a Dagster asset graph."""

import warnings

import dagster as dg

# Single-run backfills and partitioned checks are wanted as they are; Dagster says at every use that they may change.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
