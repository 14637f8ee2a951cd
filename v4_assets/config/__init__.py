"""The environment and rollout.yaml, validated and frozen, and the page that lists every setting."""
