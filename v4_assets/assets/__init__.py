"""The asset graph in the order of a rollout: sources, leads, features, scores; beside it training."""
