"""rollout.yaml, section by section, validated and frozen, and the page that lists every setting."""
