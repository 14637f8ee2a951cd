"""What Dagster loads: the graph of this environment."""

from v4_assets.graph import build
from v4_assets.settings import load

defs = build(load())
