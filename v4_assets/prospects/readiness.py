"""Whether the view of the prospects can follow a switch: what a promotion needs of the monthly job."""

from datetime import date

from v4_assets import verdicts
from v4_assets.config.rollout import Rollout
from v4_assets.errors import listed
from v4_assets.prospects import contracts
from v4_assets.prospects.months import before, key_of, month_of
from v4_assets.store import Store


def missing(store: Store, rollout: Rollout, version: str, today: date) -> str | None:
    """Why a promotion of the version would leave the prospects without scores; None when it would not.

    The month is the one that readers of the live version see now: the present one, or on its first morning the one
    before.
    """
    live = store.live()
    if not rollout.prospects.enabled or live is None:
        return None
    month = _shown(store, rollout, live, today)
    key = rollout.versions[version].key
    problems = verdicts.unpassed_tables(store, month, contracts.lineage(key))
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
