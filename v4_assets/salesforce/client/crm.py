"""What the sync works with: which org, if any, and where a dry run writes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from v4_assets.salesforce.client.org import Org


@dataclass(frozen=True)
class Wait:
    """How time passes: for real, or as a test says."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


QUICK = Wait(lambda seconds: time.sleep(seconds / 50))
"""For an org on this machine, which is done as soon as it is asked often enough."""


@dataclass(frozen=True)
class CRM:
    """The org that shows the scores. A plain object: what it holds is nobody's to see in a configuration page."""

    target: str
    """dry-run, local or salesforce."""
    org: Org | None = field(repr=False)
    """None for a dry run, which opens no connection."""
    folder: Path
    """Where a dry run writes what it would have sent."""
    wait: Wait = field(default=Wait(), repr=False)
