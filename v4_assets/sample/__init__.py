"""A deterministic sample world: the four source tables, calibrated to the documented figures. Not the firm's data."""

from enum import StrEnum


class Story(StrEnum):
    """A story the demo can run. Each has a V4_HOME of its own."""

    ROLLOUT = "rollout"
    MARKET = "market"
    SILENT_COLUMN = "silent-column"
