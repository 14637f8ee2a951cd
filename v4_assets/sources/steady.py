"""Is a share what it was on the days before? Asked of rows and NULLs of the sources, and of what features miss."""

from collections.abc import Mapping

from v4_assets.checks import Check, Finding


def steady(check: Check, changes: Mapping[str, float], limit: float) -> Finding:
    """The largest of `changes` (name to a share's change since before) is at most `limit`, up or down."""
    # A change of exactly the limit is within it, whatever is left of the division.
    over = [f"{name}: {change:+.1%}" for name, change in changes.items() if round(abs(change), 9) > limit]
    largest = max(changes.values(), key=abs, default=0.0)
    return Finding(check, not over, f"largest change {largest:+.1%}", f"within ±{limit:.0%}", tuple(over))
