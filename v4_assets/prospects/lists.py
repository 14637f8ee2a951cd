"""The month's list of advisors to contact: who is on it, who got it, and how another version would order it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from v4_assets import recorded_checks
from v4_assets.clock import NEW_YORK, cutoff
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error, listed
from v4_assets.partitions import Day, wanted_write, write_partition
from v4_assets.prospects import contracts
from v4_assets.prospects.months import before, key_of, month_of
from v4_assets.store import Store
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite

Row = dict[str, Any]
CANDIDATE_FROM = 80


@dataclass(frozen=True)
class Given:
    """A list that was given out; sql/prospects/prospect_lists.sql says what each column holds."""

    prediction_date: date
    edition: int
    given_out_at: datetime
    given_out_by: str
    model_version: str
    bundle_sha256: str
    advisors: int
    file_sha256: str
    reason: str | None

    @property
    def day(self) -> date:
        """The New York date on which it was given out."""
        return self.given_out_at.astimezone(NEW_YORK).date()


def given_out(store: Store, month: date) -> list[Given]:
    """The lists of a month that were given out, oldest first."""
    rows = [Given(**row) for row in store.rows(contracts.PROSPECT_LISTS)]
    return [one for one in rows if one.prediction_date == month]


def editions(store: Store, month: date) -> list[Row]:
    """Every row of the month's lists, by edition and place."""
    return store.rows(contracts.PROSPECT_LIST, {"month": month})


def latest_edition(rows: Sequence[Row]) -> list[Row]:
    """The rows of the last edition, best first."""
    last = max((row["edition"] for row in rows), default=0)
    return [row for row in rows if row["edition"] == last]


@dataclass(frozen=True)
class Choices:
    """What a version would list on a day."""

    rows: list[Row]
    """The advisors, best first: the listed rows of prospect_choices."""
    left_out: dict[str, int]
    """Reason to the number of scored advisors that it keeps off the list."""


def choices(store: Store, rollout: Rollout, month: date, version: str, today: date) -> Choices:
    """The advisors a version would list as of the morning of `today`."""
    rules = rollout.prospects.list
    params = {
        "month": month,
        "cutoff": cutoff(today),
        "retrospective": False,
        "first_contact": today - timedelta(days=rules.leave_out_days),
        "least_percentile": rules.least_percentile,
        "places": rules.callers * rules.advisors_each,
    }
    scores = contracts.scores_key(rollout.versions[version].key)
    found = store.rows("prospect_choices", params, prospect_scores=scores)
    rows = sorted((row for row in found if row["place"]), key=lambda row: row["place"])
    return Choices(rows, {row["left_out"]: row["advisors"] for row in found if row["left_out"]})


def rows_of_list(
    chosen: Iterable[Row], rollout: Rollout, *, month: date, edition: int, made_at: datetime, reason: str | None
) -> list[Row]:
    """The choices as rows of prospect_list."""
    callers, made_on = rollout.prospects.list.callers, made_at.astimezone(NEW_YORK).date()
    return [
        {
            "prediction_date": month,
            "edition": edition,
            "advisor_crd": one["advisor_crd"],
            "place": one["place"],
            "caller": (one["place"] - 1) % callers + 1,
            "firm_name": one["firm_name"],
            "score": one["score"],
            "percentile": one["percentile"],
            "is_upgrade_candidate": one["percentile"] >= CANDIDATE_FROM,
            "why": why(one),
            "model_version": one["model_version"],
            "bundle_sha256": one["bundle_sha256"],
            "made_at": made_at,
            "made_on": made_on,
            "reason": reason,
            "retrospective": made_on != month,
        }
        for one in chosen
    ]


def why(one: Row) -> str:
    """Why an advisor is on the list."""
    ranks = f"Percentile {one['percentile']}"
    if one["percentile"] < CANDIDATE_FROM:
        return f"{ranks}: not among the upgrade candidates, but the next best."
    return f"{ranks}. {one['narrative']}" if one["narrative"] else f"{ranks}."


@dataclass(frozen=True)
class Difference:
    """How a list would change under another version's scores."""

    month: str
    listed_by: str
    version: str
    listed: int
    """Advisors on the list."""
    would_list: int
    stay: int
    leave: tuple[int, ...]
    """CRD numbers on the list that the version would not list today, best first."""
    come: tuple[int, ...]
    """CRD numbers that it would list instead, best first."""

    @property
    def sentence(self) -> str:
        """The difference in words."""
        return (
            f"{self.listed_by}'s list of {self.month} holds {self.listed:,} advisors; {self.version} would list "
            f"{self.would_list:,}: {self.stay:,} stay, {len(self.leave):,} leave, {len(self.come):,} come."
        )


def difference(present: Sequence[Row], chosen: Sequence[Row], month: str, version: str) -> Difference:
    """The present list (rows of one version, best first) against what a version would list today."""
    now = [row["advisor_crd"] for row in present]
    then = [row["advisor_crd"] for row in chosen]
    stays, known = set(then) & set(now), set(now)
    return Difference(
        month=month,
        listed_by=present[0]["model_version"] if present else "no version",
        version=version,
        listed=len(now),
        would_list=len(then),
        stay=len(stays),
        leave=tuple(one for one in now if one not in stays),
        come=tuple(one for one in then if one not in known),
    )


def make_list(store: Store, rollout: Rollout, day: Day) -> PartitionWrite:
    """The month's list by the live version's scores, or the one that is there. Returns its latest write.

    A list is made again while it was not given out and something that determines it has changed; one that was given
    out stays, and a run with a reason puts another edition beside it. Raises V4Error while the scores are missing or
    failed a check.
    """
    version = store.live()
    assert version is not None  # the step waits without
    month, table = day.date, store.catalogue[contracts.PROSPECT_LIST]
    scores = store.catalogue[contracts.scores_key(rollout.versions[version].key)]
    definition = (version, rollout.prospects.list.model_dump_json(), rollout.prospects.percentile)
    inputs = (scores, store.catalogue[contracts.PROSPECTS])
    writes = store.latest_writes(month, month)
    present = writes.get((table.name, month))
    given = given_out(store, month)
    same = (
        present and present.definition_sha256 == wanted_write(table, day, definition, inputs, writes).definition_sha256
    )
    permitted = present and day.replace_reason and day.replaceable.get(table.name) == present.sequence
    if present and not permitted and (given or same):
        return present
    verify_passed(store, month, version)
    last = max((one.edition for one in given), default=0)
    kept = [row for row in editions(store, month) if row["edition"] <= last]
    made = rows_of_list(
        choices(store, rollout, month, version, day.clock.today()).rows,
        rollout,
        month=month,
        edition=last + 1,
        made_at=day.clock.now(),
        reason=day.replace_reason if last else None,
    )
    batch = pa.RecordBatch.from_pylist([*kept, *made], schema=arrow_schema(table))
    # Nothing but this function decides what stays, so the write itself keeps nothing.
    return write_partition(
        store, table, replace(day, only_gaps=False), lambda: [batch], definition, inputs, is_evidence=False
    )


def verify_passed(store: Store, month: date, version: str) -> None:
    """Raise V4Error when the version's scores of the month are missing, unchecked or failed a check."""
    key = store.catalogue.versions[version].key
    if problems := recorded_checks.unpassed_tables(store, month, contracts.lineage(key)):
        raise V4Error(
            f"{version} has no scores of the month {month:%Y-%m} that passed every check: {listed(problems)}. "
            f"`v4 prospects run --month {month:%Y-%m}` makes them."
        )


def compared(store: Store, rollout: Rollout, month: date, live: str, other: str, today: date) -> Difference:
    """The present list against the one another version would make; without a list, against the live version's.

    Raises V4Error while scores of the month are missing or failed a check.
    """
    verify_passed(store, month, other)
    present = latest_edition(editions(store, month))
    if not present:
        verify_passed(store, month, live)
        present = choices(store, rollout, month, live, today).rows
    return difference(present, choices(store, rollout, month, other, today).rows, key_of(month), other)


def after_switch(store: Store, rollout: Rollout, live: str, today: date) -> str:
    """What a switch to `live` means for the present list, in words; empty where there is none. Never raises V4Error."""
    if not rollout.prospects.enabled:
        return ""
    month = next((one for one in (month_of(today), before(today)) if editions(store, one)), None)
    if month is None:
        return f"No list of {key_of(today)} was made yet. {live} orders it when it is."
    given = given_out(store, month)
    try:
        difference = compared(store, rollout, month, live, live, today)
    except V4Error as error:
        return f"The list of {key_of(month)} stays as it is, and v4_prospect_scores lacks the month: {error}"
    if difference.listed_by == live:
        return f"The list of {key_of(month)} is ordered by {live}'s scores already."
    if given:
        again = f'`v4 prospects list --month {key_of(month)} --again "REASON"` makes it again with {live}.'
        return f"{difference.sentence} It was given out on {given[-1].day}: {again}"
    return f"{difference.sentence} `v4 prospects list --month {key_of(month)}` makes it again and gives it out."
