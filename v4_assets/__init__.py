"""Champion/challenger rollout of a lead-scoring model as a Dagster asset graph."""
