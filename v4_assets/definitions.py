"""What Dagster loads: the graph of this environment."""

from v4_assets.config.environment import load
from v4_assets.graph import build

defs = build(load())
