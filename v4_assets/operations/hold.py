"""`v4 hold`: stop everything automatic until an instant, or end that before."""

from datetime import datetime

from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import Settings
from v4_assets.errors import PolicyError
from v4_assets.operations.actions import add_event
from v4_assets.production import holds
from v4_assets.production.events import Event
from v4_assets.resources import store


def begin(settings: Settings, reason: str, until: datetime) -> Event:
    """Hold switches, resumes and syncs of the sensor and the daily run. Raises PolicyError for an end in the past."""
    now = settings.clock.now()
    if until <= now:
        given, present = (f"{one.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" for one in (until, now))
        raise PolicyError(f"--until {given} is not after now, {present} in New York. Give a later day or instant.")
    return add_event(settings, holds.HELD, _live(settings), reason, hold_until=until)


def end(settings: Settings, reason: str) -> Event:
    """End the hold in force. Raises PolicyError when there is none."""
    if holds.hold_at(store(settings).events(), settings.clock.now()) is None:
        raise PolicyError("Nothing is on hold, so there is no hold to end. `v4 history` lists earlier ones.")
    return add_event(settings, holds.RELEASED, _live(settings), reason)


def _live(settings: Settings) -> str:
    live = store(settings).live()
    if live is None:
        raise PolicyError("Nothing is adopted yet, so nothing happens by itself. `v4 init` adopts the baseline.")
    return live
