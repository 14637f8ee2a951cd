"""Champion/challenger rollout of a lead-scoring model as a Dagster asset graph.

Read the folders in the order of a rollout: sources, features, scores, evaluation, production, salesforce, report. Each
holds a stage's assets, its checks and its rules. models holds the bundles that score; studies asks what a policy would
do. warehouse, config and the modules beside this one (sql, tables, store, checks, clock) are what the stages stand
on; operations and cli are what a person asks for; sample is the world of the demo. definitions.py wires
everything; names.py has every name that Dagster shows.
"""

import warnings

# Single-run backfills and partitioned checks are wanted as they are; Dagster warns at every use that they may change.
# By message, because naming the category would import Dagster.
warnings.filterwarnings("ignore", message=".* is currently in (beta|preview), and may have breaking changes")
# What decides or acts is run one day a run, everything else may be a range; the daily job is one day anyway.
warnings.filterwarnings("ignore", message=".*materializes assets with varying BackfillPolicies", category=UserWarning)
