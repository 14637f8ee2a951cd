"""The months of the monthly job: their partitions, and whether one is scored as a promotion needs it.

A month is named 2026-02 and stands for its first morning.
"""

import re
from datetime import date, timedelta

import dagster as dg

from v4_assets import recorded_checks
from v4_assets.clock import NEW_YORK
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error, listed
from v4_assets.prospects import contracts
from v4_assets.store import Store

FORMAT = "%Y-%m"


def month_of(day: date) -> date:
    """The first day of the day's month."""
    return day.replace(day=1)


def following(month: date) -> date:
    """The first day of the next month."""
    return month_of(month_of(month) + timedelta(days=31))


def before(month: date) -> date:
    """The first day of the month before."""
    return month_of(month_of(month) - timedelta(days=1))


def key_of(month: date) -> str:
    """The month as its partition is called, 2026-02."""
    return month.strftime(FORMAT)


def parse(text: str) -> date:
    """The first day of a month written 2026-02. Raises V4Error."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise V4Error(f"{text!r} is not a month. Write it like 2026-02.")
    return date.fromisoformat(f"{text}-01")


def monthly_partitions(first_day: date, last_day: date | None = None) -> dg.MonthlyPartitionsDefinition:
    """Months from that of `first_day` to the present one, which is there from its first midnight on.

    With `last_day`, the day of a fixed clock, they end with its month: later ones have not begun. The key has no day,
    so that no reader of daily partitions takes a month for its first day.
    """
    first = month_of(first_day)
    end = key_of(following(max(first, last_day))) if last_day else None
    return dg.MonthlyPartitionsDefinition(
        start_date=key_of(first), end_date=end, timezone=NEW_YORK.key, fmt=FORMAT, end_offset=1
    )


def missing_scores(store: Store, rollout: Rollout, version: str, today: date) -> str | None:
    """Why a promotion of the version would leave the prospects without scores; None when it would not.

    The month is the one that readers of the live version see now: the present one, or on its first morning the one
    before.
    """
    live = store.live()
    if not rollout.prospects.enabled or live is None:
        return None
    month = _shown(store, rollout, live, today)
    key = rollout.versions[version].key
    problems = recorded_checks.unpassed_tables(store, month, contracts.lineage(key))
    if not problems and store.registry.has(version):
        bundle = store.registry.load(version).bundle_sha256
        days = {"first_scored": month, "last_scored": month}
        made = store.rows("cohort_bundles", days, daily_scores=contracts.scores_key(key))
        problems = [f"they are not of its registered bundle {bundle[:12]}"] * any(
            row["bundle_sha256"] != bundle for row in made
        )
    if not problems:
        return None
    return (
        f"{version} has no scores of the prospects of {key_of(month)} that passed every check, so v4_prospect_scores "
        f"would lose them: {listed(problems)}. `v4 prospects run --month {key_of(month)}` makes them."
    )


def _shown(store: Store, rollout: Rollout, live: str, today: date) -> date:
    """The latest month scored by the live version, of the present one and the one before; the present one without."""
    month = month_of(today)
    name = store.catalogue[contracts.scores_key(rollout.versions[live].key)].name
    for one in (month, before(month)):
        if (name, one) in store.latest_writes(one, one):
            return one
    return month


def late_month(store: Store, rollout: Rollout, live: str, today: date) -> str | None:
    """That the present month was not scored although the one before was; None where it was, or no month ever was."""
    month = month_of(today)
    name = store.catalogue[contracts.scores_key(rollout.versions[live].key)].name
    if not rollout.prospects.enabled or (name, month) in store.latest_writes(month, month):
        return None
    last = before(month)
    if (name, last) not in store.latest_writes(last, last):
        return None
    return f"v4_prospect_scores still shows {key_of(last)}: {live} has not scored the prospects of {key_of(month)}."
