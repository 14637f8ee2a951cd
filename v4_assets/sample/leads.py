"""The leads: advisors that the sales team contacts, the dates of contact, and errors in the fields. Sample data."""

from dataclasses import dataclass

import numpy as np

from v4_assets.sample.advisors import Advisors
from v4_assets.sample.world_spec import (
    DAY_US,
    EPOCH,
    LEADS_NEVER_CONTACTED_AT_FULL_SCALE,
    NO_STAMP,
    OPEN_LEADS_AT_FULL_SCALE,
    Bools,
    Floats,
    Ints,
    WorldSpec,
    day_number,
    new_york_stamp,
)

NO_ADVISOR = -1
EXPECTED_OPEN_SHARE = 0.945
"""Share of leads contacted in the window that are open and scored at its end; others were called, internal or blank."""
LEAST_BACKLOG_SHARE = 0.1
"""Of the open leads at full scale, those contacted before the window even when the window alone holds enough."""
BACKLOG_MEAN_DAYS, BACKLOG_MOST_DAYS = 250, 900
WEEKDAY_WEIGHTS = np.array([0.20, 0.21, 0.20, 0.19, 0.17, 0.015, 0.015])
EVENING_SHARE = 0.04
"""Stamped 19:00-23:59 New York: in UTC that is the next day."""
CREATED_MEDIAN_DAYS, CREATED_SIGMA, CREATED_MOST_DAYS = 40, 1.0, 700

PLAIN, PREFIXED, SPACED, PADDED, UNMATCHED, NULL, BLANK, MISTYPED, GARBAGE, OVERFLOWING = range(10)
CRD_STYLE_SHARES = (0.900, 0.030, 0.020, 0.010, 0.015, 0.010, 0.004, 0.0106, 0.0003, 0.0001)
"""The last two are no CRDs, fewer than a check warns of: no feed of the firm's is known to have more."""
LAST_STYLE_WITH_ADVISOR = PADDED
FIRM_NAME, OTHER_FIRM, NO_COMPANY, OWN_PEOPLE, FREE_TEXT = range(5)
COMPANY_STYLE_SHARES = (0.840, 0.070, 0.060, 0.005, 0.025)
SOURCES = ("Sample List", "Sample List (Refreshed)", "Self Sourced", "Event", "Referral")
SOURCE_SHARES = (0.62, 0.18, 0.12, 0.05, 0.03)
EMAIL_SHARE_IF_ADVISOR_HAS, EMAIL_SHARE_ELSE = 0.85, 0.25
LINKEDIN_SHARE_IF_ADVISOR_HAS, LINKEDIN_SHARE_ELSE = 0.80, 0.20


@dataclass(frozen=True)
class Leads:
    """One entry per lead: contacted in the window (in that order), the older backlog, then those never contacted."""

    advisor: Ints
    """Position of the advisor, or NO_ADVISOR where FA_CRD__c leads to none."""
    crd_style: Ints
    company_style: Ints
    source: Ints
    has_email: Bools
    has_linkedin: Bools
    contact_day: Ints
    """New York date of entering Contacting; meaningless without a stamp."""
    contact_stamp: Ints
    """NO_STAMP when never contacted."""
    created_stamp: Ints
    in_window: int
    """How many, from the front, were contacted within [first_contact, through]."""
    contacted: int
    """How many, from the front, were ever contacted."""

    def __len__(self) -> int:
        return len(self.advisor)


def build_leads(spec: WorldSpec, advisors: Advisors) -> Leads:
    window = _window_days(spec)
    backlog = _backlog_days(spec, len(window))
    never = spec.scaled(LEADS_NEVER_CONTACTED_AT_FULL_SCALE)
    rng = spec.rng("lead fields")
    count = len(window) + len(backlog) + never
    contact_stamp = np.full(count, NO_STAMP, dtype=np.int64)
    contacted_on = np.concatenate([window, backlog])
    contact_stamp[: len(contacted_on)] = new_york_stamp(contacted_on, _seconds_of_day(rng, len(contacted_on)))
    crd_style = _one_of(rng, CRD_STYLE_SHARES, count)
    advisor = _in_turn(spec.rng("lead advisors"), np.flatnonzero(advisors.active == 1), count)
    advisor = np.where(crd_style <= LAST_STYLE_WITH_ADVISOR, advisor, NO_ADVISOR)
    return Leads(
        advisor=advisor,
        crd_style=crd_style,
        company_style=_one_of(rng, COMPANY_STYLE_SHARES, count),
        source=_one_of(rng, SOURCE_SHARES, count),
        has_email=_present(rng, advisors.has_email, advisor, EMAIL_SHARE_IF_ADVISOR_HAS, EMAIL_SHARE_ELSE),
        has_linkedin=_present(rng, advisors.has_linkedin, advisor, LINKEDIN_SHARE_IF_ADVISOR_HAS, LINKEDIN_SHARE_ELSE),
        contact_day=np.concatenate([contacted_on, np.zeros(never, dtype=np.int64)]),
        contact_stamp=contact_stamp,
        created_stamp=_created(rng, spec, contact_stamp),
        in_window=len(window),
        contacted=len(contacted_on),
    )


def _window_days(spec: WorldSpec) -> Ints:
    """New York contact dates, ascending: `leads_per_week` in every week, fewer in a broken last one."""
    rng = spec.rng("contact days")
    first, days = day_number(spec.first_contact), (spec.through - spec.first_contact).days + 1
    weights = np.roll(WEEKDAY_WEIGHTS, -spec.first_contact.weekday())
    weeks, rest = divmod(days, 7)
    full = np.repeat(7 * np.arange(weeks), spec.leads_per_week)
    full = full + _one_of(rng, weights, len(full))
    last = 7 * weeks + _one_of(rng, weights[:rest], round(spec.leads_per_week * rest / 7)) if rest else full[:0]
    return np.sort(first + np.concatenate([full, last]))


def _backlog_days(spec: WorldSpec, in_window: int) -> Ints:
    """Contact dates before the window of leads still open: what the window leaves of the production-size backlog."""
    rng = spec.rng("backlog")
    left = spec.scaled(OPEN_LEADS_AT_FULL_SCALE) - round(EXPECTED_OPEN_SHARE * in_window)
    count = max(left, round(LEAST_BACKLOG_SHARE * spec.scaled(OPEN_LEADS_AT_FULL_SCALE)))
    age = np.minimum(rng.exponential(BACKLOG_MEAN_DAYS, size=count), BACKLOG_MOST_DAYS).astype(np.int64)
    day = day_number(spec.first_contact) - 1 - age
    return day - np.maximum(_weekday(day) - 4, 0)


def _weekday(day: Ints) -> Ints:
    return (day + EPOCH.weekday()) % 7


def _seconds_of_day(rng: np.random.Generator, count: int) -> Ints:
    """New York wall-clock seconds: business hours, some evenings."""
    hours = rng.triangular(8.0, 10.5, 18.5, size=count)
    evening = rng.random(count) < EVENING_SHARE
    hours[evening] = rng.uniform(19.0, 24.0, size=int(evening.sum()))
    return (hours * 3600).astype(np.int64)


def _in_turn(rng: np.random.Generator, pool: Ints, count: int) -> Ints:
    """The whole pool in random order, repeated as often as needed."""
    if not len(pool):
        return np.full(count, NO_ADVISOR, dtype=np.int64)
    rounds = -(-count // len(pool))
    return np.concatenate([rng.permutation(pool) for _ in range(rounds)] or [pool])[:count]


def _one_of(rng: np.random.Generator, weights: tuple[float, ...] | Floats, count: int) -> Ints:
    borders = np.cumsum(weights)
    return np.minimum(np.searchsorted(borders / borders[-1], rng.random(count), side="right"), len(borders) - 1)


def _present(rng: np.random.Generator, known: Bools, advisor: Ints, if_known: float, otherwise: float) -> Bools:
    """Whether the lead's own field is filled: more often where the advisor's is."""
    advisor_has = np.where(advisor == NO_ADVISOR, False, known[advisor]) if len(known) else np.zeros(len(advisor), bool)
    return np.asarray(rng.random(len(advisor)) < np.where(advisor_has, if_known, otherwise))


def _created(rng: np.random.Generator, spec: WorldSpec, contact_stamp: Ints) -> Ints:
    """Weeks before the contact; without one, any time in the window or in the year before it."""
    days = rng.lognormal(np.log(CREATED_MEDIAN_DAYS), CREATED_SIGMA, size=len(contact_stamp))
    before_contact = contact_stamp - (np.minimum(days, CREATED_MOST_DAYS) * DAY_US).astype(np.int64)
    first, end = day_number(spec.first_contact) - 365, day_number(spec.through)
    any_time = (first * DAY_US + rng.random(len(contact_stamp)) * (end - first) * DAY_US).astype(np.int64)
    created = np.where(contact_stamp == NO_STAMP, any_time, before_contact)
    return created // 1_000_000 * 1_000_000
