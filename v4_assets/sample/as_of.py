"""Facts that the features of day D use about a lead's advisor and firm, computed for many days D at once.

The outcomes of the sample world are drawn from these facts, so they must be those the models are later shown. Counts
of distinct advisors at a firm become counts of intervals: the days on which an advisor is counted are merged per firm
and advisor, and a count on day D is the intervals begun by D less those over before D, two binary searches.
"""

from dataclasses import dataclass

import numpy as np

from v4_assets.sample.advisors import DR, IA, NO_MONTHS, Advisors
from v4_assets.sample.careers import NO_FIRM, History
from v4_assets.sample.firms import CLASSIFICATIONS, Firms
from v4_assets.sample.world_spec import NO_DAY, Bools, Floats, Ints, last_day_within_a_year, month_number, months_before

NEVER_MOVED_DAYS = 9_999
FAR_DAY = 100_000
"""A day after every day of the world: the end of an open period."""
DAY_SPAN = 1 << 18
CHUNK_LEADS = 100_000


@dataclass(frozen=True)
class Facts:
    """One entry per lead, as of its day D. Counts and months are 0, and flags False, where no firm is known."""

    has_firm: Bools
    tenure_months: Ints
    experience_years: Floats
    """V4.1's: industry tenure."""
    prior_experience_years: Floats
    """V4.0's: the jobs before the current one; industry tenure without a current firm."""
    mobility_3yr: Ints
    rep_count: Ints
    net_change_12mo: Ints
    is_wirehouse: Bools
    in_protocol: Bools
    days_since_move: Ints
    departures_365d: Ints
    departures_90d: Ints
    departures_prior_90d: Ints
    is_independent_ria: Bools
    is_ia: Bools
    is_dual: Bools


class FirmCounter:
    """Distinct advisors counted at a firm on a day, from the (first, last) days on which each is counted."""

    def __init__(self, firm: Ints, advisor: Ints, first: Ints, last: Ints) -> None:
        order = np.lexsort((first, advisor, firm))
        firm, advisor, first, last = (column[order].astype(np.int64) for column in (firm, advisor, first, last))
        begins = np.ones(len(firm), dtype=np.bool_)
        begins[1:] = (firm[1:] != firm[:-1]) | (advisor[1:] != advisor[:-1])
        group = np.cumsum(begins) * DAY_SPAN
        reached = np.maximum.accumulate(group + last) if len(firm) else group
        begins[1:] |= (group + first)[1:] > reached[:-1]
        ends = np.append(begins[1:], True)[: len(firm)]
        self._first = firm[begins] * DAY_SPAN + first[begins]
        self._last = np.sort(firm[ends] * DAY_SPAN + (reached - group)[ends])
        self._first.sort()

    def on(self, firm: Ints, day: Ints) -> Ints:
        """0 for no firm."""
        key = firm.astype(np.int64) * DAY_SPAN + day
        begun = np.searchsorted(self._first, key, side="right")
        over = np.searchsorted(self._last, key, side="left")
        return np.where(firm == NO_FIRM, 0, begun - over)


class AsOf:
    """The world's advisors, history and firms, indexed for questions about past days."""

    def __init__(self, firms: Firms, advisors: Advisors, history: History) -> None:
        rows = history.usable()
        self._firms, self._advisors, self._rows = firms, advisors, rows
        self._row_offset = np.searchsorted(rows.advisor, np.arange(len(advisors) + 1))
        self._by_firm_id = np.argsort(np.argsort(firms.crd))
        last = np.where(rows.end == NO_DAY, FAR_DAY, rows.end)
        self._employed = FirmCounter(rows.firm, rows.advisor, rows.start, last)
        self._arrived = _yearly(rows.firm, rows.advisor, rows.start)
        over = rows.end != NO_DAY
        self._ended = _yearly(rows.firm[over], rows.advisor[over], rows.end[over])
        left_firm, left_on = self._inferred_departures()
        who = np.arange(len(left_firm))
        self._left_365d = FirmCounter(left_firm, who, left_on + 1, left_on + 365)
        self._left_90d = FirmCounter(left_firm, who, left_on + 1, left_on + 90)
        self._left_prior_90d = FirmCounter(left_firm, who, left_on + 91, left_on + 180)

    def facts(self, advisor: Ints, day: Ints, no_advisor: int = -1) -> Facts:
        """The facts on each lead's own day, in bounded memory."""
        parts = [
            self._facts(advisor[at : at + CHUNK_LEADS], day[at : at + CHUNK_LEADS], no_advisor)
            for at in range(0, max(len(advisor), 1), CHUNK_LEADS)
        ]
        return Facts(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})

    def _facts(self, advisor: Ints, day: Ints, no_advisor: int) -> Facts:
        known = advisor != no_advisor
        who = np.where(known, advisor, 0)
        lead, row = self._rows_of(who, known)
        firm, start = self._current_firm(who, known, day, lead, row)
        has_firm = firm != NO_FIRM
        people = self._advisors
        industry_years = np.where(known & (people.tenure_months[who] != NO_MONTHS), people.tenure_months[who], 0) / 12
        moved = np.where(known, people.primary_start[who], NO_DAY)
        producing = known & (people.producing[who] == 1)
        primary = people.primary_firm[who]
        independent = np.array(["Independent RIA" in name for name in CLASSIFICATIONS])[
            self._firms.classification[primary]
        ]
        prior_years = self._prior_months(day, start, lead, row) / 12
        return Facts(
            has_firm=has_firm,
            tenure_months=np.where(has_firm, month_number(day) - month_number(np.where(has_firm, start, day)), 0),
            experience_years=industry_years,
            prior_experience_years=np.where(has_firm, prior_years, industry_years),
            mobility_3yr=self._mobility(day, lead, row),
            rep_count=self._employed.on(firm, day),
            net_change_12mo=self._arrived.on(firm, day) - self._ended.on(firm, day),
            is_wirehouse=has_firm & self._firms.is_wirehouse[firm],
            in_protocol=has_firm & self._firms.in_protocol[firm],
            days_since_move=np.where((moved == NO_DAY) | (moved > day), NEVER_MOVED_DAYS, day - moved),
            departures_365d=self._left_365d.on(firm, day),
            departures_90d=self._left_90d.on(firm, day),
            departures_prior_90d=self._left_prior_90d.on(firm, day),
            is_independent_ria=producing & (primary != NO_FIRM) & independent,
            is_ia=producing & (people.rep_type[who] == IA),
            is_dual=producing & (people.rep_type[who] == DR),
        )

    def _rows_of(self, advisor: Ints, known: Bools) -> tuple[Ints, Ints]:
        """(lead, history row) for every row of every lead's advisor, in the order of the leads."""
        first = self._row_offset[advisor]
        count = np.where(known, self._row_offset[advisor + 1] - first, 0)
        lead = np.repeat(np.arange(len(advisor)), count)
        within = np.arange(len(lead)) - np.repeat(np.cumsum(count) - count, count)
        return lead, first[lead] + within

    def _current_firm(self, who: Ints, known: Bools, day: Ints, lead: Ints, row: Ints) -> tuple[Ints, Ints]:
        rows, people = self._rows, self._advisors
        listed = known & (people.registered_firm[who] != NO_FIRM)
        listed &= (people.registered_start[who] != NO_DAY) & (people.registered_start[who] <= day)
        firm = np.where(listed, people.registered_firm[who], NO_FIRM)
        start = np.where(listed, people.registered_start[who], NO_DAY)
        covers = (rows.start[row] <= day[lead]) & ((rows.end[row] == NO_DAY) | (rows.end[row] >= day[lead]))
        lead, row = lead[covers], row[covers]
        best_last = np.lexsort((-self._by_firm_id[rows.firm[row]], rows.start[row], lead))
        firm[lead[best_last]] = rows.firm[row[best_last]]
        start[lead[best_last]] = rows.start[row[best_last]]
        return firm, start

    def _prior_months(self, day: Ints, start: Ints, lead: Ints, row: Ints) -> Ints:
        """Months of the rows begun before the current job and over by the day; an open end counts to the day."""
        begun, end = self._rows.start[row], self._rows.end[row]
        end = np.where(end == NO_DAY, day[lead], end)
        months = np.where((begun < start[lead]) & (end <= day[lead]), month_number(end) - month_number(begun), 0)
        return np.bincount(lead, weights=months, minlength=len(day)).astype(np.int64)

    def _mobility(self, day: Ints, lead: Ints, row: Ints) -> Ints:
        start = self._rows.start[row]
        recent = (start <= day[lead]) & (start > months_before(day, 36)[lead])
        pairs = np.unique(lead[recent] * len(self._firms.crd) + self._rows.firm[row[recent]])
        return np.bincount(pairs // len(self._firms.crd), minlength=len(day))

    def _inferred_departures(self) -> tuple[Ints, Ints]:
        """(firm left, day) of every advisor who moved to the primary firm from another one."""
        rows, people = self._rows, self._advisors
        firm, moved = people.primary_firm[rows.advisor], people.primary_start[rows.advisor]
        other = (firm != NO_FIRM) & (moved != NO_DAY) & (rows.firm != firm) & (rows.start < moved)
        row = np.flatnonzero(other)
        best_last = row[np.lexsort((-self._by_firm_id[rows.firm[row]], rows.start[row], rows.advisor[row]))]
        left = np.full(len(people), NO_FIRM, dtype=np.int64)
        left[rows.advisor[best_last]] = rows.firm[best_last]
        return left[left != NO_FIRM], people.primary_start[left != NO_FIRM]


def _yearly(firm: Ints, advisor: Ints, event: Ints) -> FirmCounter:
    """Counts an advisor on every D with an event in [D - 12 months, D)."""
    return FirmCounter(firm, advisor, event + 1, last_day_within_a_year(event))
