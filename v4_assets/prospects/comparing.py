"""The present list against another version's: for a preview before a switch, and for the report after it."""

from datetime import date

from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.prospects import lists
from v4_assets.prospects.lists import Difference
from v4_assets.prospects.making import verify_passed
from v4_assets.prospects.months import before, key_of, month_of
from v4_assets.store import Store


def compared(store: Store, rollout: Rollout, month: date, live: str, other: str, today: date) -> Difference:
    """The present list against the one another version would make; without a list, against the live version's.

    Raises V4Error while scores of the month are missing or failed a check.
    """
    verify_passed(store, month, other)
    present = lists.latest_edition(lists.editions(store, month))
    if not present:
        verify_passed(store, month, live)
        present = lists.choices(store, rollout, month, live, today).rows
    return lists.difference(present, lists.choices(store, rollout, month, other, today).rows, key_of(month), other)


def after_switch(store: Store, rollout: Rollout, live: str, today: date) -> str:
    """What a switch to `live` means for the present list, in words; empty where there is none. Never raises V4Error."""
    if not rollout.prospects.enabled:
        return ""
    month = next((one for one in (month_of(today), before(today)) if lists.editions(store, one)), None)
    if month is None:
        return f"No list of {key_of(today)} was made yet. {live} orders it when it is."
    given = lists.given_out(store, month)
    try:
        difference = compared(store, rollout, month, live, live, today)
    except V4Error as error:
        return f"The list of {key_of(month)} stays as it is, and v4_prospect_scores lacks the month: {error}"
    if difference.listed_by == live:
        return f"The list of {key_of(month)} is ordered by {live}'s scores already."
    if given:
        again = f'`v4 prospects list --month {key_of(month)} --again "REASON"` makes it anew by {live}.'
        return f"{difference.sentence} It was given out on {given[-1].day}: {again}"
    return f"{difference.sentence} `v4 prospects list --month {key_of(month)}` makes it anew and gives it out."
