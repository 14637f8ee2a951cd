"""Conversions: a multiplicative model of the facts as of contact. Calibrated sample data, not the firm's.

Rate of a lead = base(contact day) x exp(shared + own) / mean over the window's leads. `shared` is what both versions
see, `own` what only V4.1 sees. Every effect is a log rate ratio and names the documented figure it is calibrated to.
"""

from datetime import date

import numpy as np

from v4_assets.sample.as_of import Facts
from v4_assets.sample.leads import Leads
from v4_assets.sample.world_spec import (
    DAY_US,
    EPOCH,
    NO_STAMP,
    Floats,
    Ints,
    Regime,
    WorldSpec,
    day_number,
    new_york_stamp,
)

OUTCOME_WINDOW_DAYS = 43
MOST_LIKELY_RATE = 0.6

# Documented: 2.38 % in training (February 2024 - July 2025), 3.92 % in August - October 2025, of the leads that were
# scored; SAME_DAY_SHARE of the conversions come on top.
BASE_RATE = (("2024-02-01", 0.0233), ("2025-06-01", 0.0250), ("2025-08-01", 0.0408))
# The market turns with the base rate: a move weighed less in the months the models learned on than in the test months.
# Documented: AUC 0.69 in training against 0.60-0.62 in the test, and a lift of 2.03 where ranking recent movers first
# would have given 2.3 (they are 8 % of the leads and convert at 9.96 %).
TURN = ("2025-06-01", "2025-08-01")
SHARED_BEFORE_TURN, OWN_BEFORE_TURN = 1.15, 0.68

# What only V4.1 sees. Documented: moved within 12 months 9.96 % against 3.39 % for the settled, which is the product of
# RECENT_MOVE and SETTLING_IN and of the tenure and mobility that go with a move.
RECENT_MOVE = np.log(4.25)
MOVE_IN_SECOND_YEAR = np.log(1.10)
# Documented: Independent RIA with IA rep type 1.33x, dual-registered 0.86-0.90x the rest.
INDEPENDENT_IA = np.log(1.27)
DUAL = np.log(0.93)
# Moderate, so that V4.1's own firm signal counts: stable, decelerating, steady, accelerating departures.
BLEEDING_VELOCITY = np.log((1.00, 0.98, 1.02, 1.12))

# What both see, calibrated so that V4.0 reaches AUC ~0.60 and a top-decile lift of ~1.5 in the test months, and keeps
# them when the mover effect goes.
SETTLING_IN = np.log(0.72)
"""A recent move as such; registrations show two moves in five of them to V4.0. With RECENT_MOVE gone, movers convert
below average and V4.1, which still ranks them first, falls to a lift of ~1.25."""
TENURE_MONTHS = (12, 24, 48, 120)
TENURE = np.log((0.80, 1.00, 1.10, 1.00, 0.90))
TENURE_UNKNOWN = np.log(0.85)
MOBILITY = np.log((1.00, 0.93, 0.85))
STABILITY = np.log((0.90, 1.15, 1.08, 1.00, 0.90))  # Unknown, Heavy_Bleeding, Light_Bleeding, Stable, Growing
EXPERIENCE_YEARS = (5, 10, 15, 20)
EXPERIENCE = np.log((1.20, 1.16, 1.05, 0.92, 0.75))  # V4.0's: before the current job
WIREHOUSE = np.log(0.85)
PROTOCOL = np.log(1.15)
EMAIL = np.log(1.05)
LINKEDIN = np.log(1.10)
# Documented: the bottom 20 % converts at little more than a third of the base rate, so some are hard to reach.
NEITHER = np.log(0.31)

SAME_DAY_SHARE = 0.06
"""Of the conversions: called on the New York date of the contact, before any score exists (documented: 6-18 %)."""
DELAY_SHAPE, DELAY_MEAN_DAYS = 1.2, 13.0
LATE_SHARE = 0.005
"""Of the leads that did not convert: called after the outcome window."""
LATE_MOST_DAYS = 160
CALLED_BEFORE_CONTACT_SHARE = 0.003
CALLED_WITHOUT_CONTACT_SHARE = 0.005


def call_stamps(spec: WorldSpec, leads: Leads, facts: Facts) -> Ints:
    """When each lead entered Call Scheduled, NO_STAMP for never; nothing after the world's last day.

    `facts` describe the leads contacted in the window; the older backlog consists of those that never converted.
    """
    rng = spec.rng("outcomes")
    stamp = np.full(len(leads), NO_STAMP, dtype=np.int64)
    window = slice(0, leads.in_window)
    rate = conversion_rates(spec, leads, facts)
    converts = rng.random(leads.in_window) < rate
    stamp[window] = np.where(converts, _within_window(rng, leads), stamp[window])
    late = ~converts & (rng.random(leads.in_window) < LATE_SHARE)
    stamp[window] = np.where(late, _late(rng, leads), stamp[window])
    early = (stamp == NO_STAMP) & (rng.random(len(leads)) < CALLED_BEFORE_CONTACT_SHARE)
    early[leads.in_window :] = False
    stamp[early] = leads.contact_stamp[early] - rng.integers(1, 20, size=int(early.sum())) * DAY_US
    uncontacted = np.arange(len(leads)) >= leads.contacted
    odd = uncontacted & (rng.random(len(leads)) < CALLED_WITHOUT_CONTACT_SHARE)
    stamp[odd] = leads.created_stamp[odd] + rng.integers(1, 60, size=int(odd.sum())) * DAY_US
    end = new_york_stamp(np.array([day_number(spec.through)]), np.array([86_400]))[0]
    return np.where(stamp >= end, NO_STAMP, stamp)


def conversion_rates(spec: WorldSpec, leads: Leads, facts: Facts) -> Floats:
    """The true probability of each lead contacted in the window to convert within 43 days."""
    day = leads.contact_day[: leads.in_window]
    shared, own = shared_effect(leads, facts), spec.signal * own_effect(facts)
    turned = np.interp(day, [_day(text) for text in TURN], [0.0, 1.0])
    rate = np.zeros(len(day))
    for regime, first, before in _regimes(spec):
        shared_now, own_now = regime.shared_lift * shared, regime.mover_lift * own
        old = _relative(SHARED_BEFORE_TURN * shared_now + OWN_BEFORE_TURN * own_now)
        new = _relative(shared_now + own_now)
        base = base_rate(day) if regime.base_rate is None else np.full(len(day), regime.base_rate)
        mine = (day >= first) & (day < before)
        rate[mine] = (base * ((1 - turned) * old + turned * new))[mine]
    return np.minimum(rate, MOST_LIKELY_RATE)


def _relative(effect: Floats) -> Floats:
    """Rate ratios to the mean lead from log effects."""
    ratio = np.exp(effect)
    return np.asarray(ratio / ratio.mean()) if len(ratio) else ratio


def base_rate(day: Ints) -> Floats:
    """Share of the leads contacted on each day that convert, without regimes."""
    return np.interp(day, [_day(text) for text, _ in BASE_RATE], [rate for _, rate in BASE_RATE])


def _day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def _regimes(spec: WorldSpec) -> list[tuple[Regime, int, int]]:
    """(regime, first day, first day of the next), the ordinary one first."""
    regimes = (Regime(starts=EPOCH), *spec.regimes)
    starts = [day_number(regime.starts) for regime in regimes]
    return list(zip(regimes, starts, [*starts[1:], 2**31], strict=True))


def own_effect(facts: Facts) -> Floats:
    """Log rate ratio of what only V4.1 sees."""
    second_year = (facts.days_since_move > 365) & (facts.days_since_move <= 730)
    return np.asarray(
        RECENT_MOVE * (facts.days_since_move <= 365)
        + MOVE_IN_SECOND_YEAR * second_year
        + INDEPENDENT_IA * (facts.is_independent_ria & facts.is_ia)
        + DUAL * facts.is_dual
        + BLEEDING_VELOCITY[bleeding_velocity(facts)]
    )


def shared_effect(leads: Leads, facts: Facts) -> Floats:
    """Log rate ratio of what both versions see."""
    window = slice(0, leads.in_window)
    tenure = TENURE[np.searchsorted(TENURE_MONTHS, facts.tenure_months, side="right")]
    return np.asarray(
        np.where(facts.has_firm, tenure, TENURE_UNKNOWN)
        + SETTLING_IN * (facts.days_since_move <= 365)
        + MOBILITY[np.minimum(facts.mobility_3yr, 2)]
        + STABILITY[stability_tier(facts)]
        + EXPERIENCE[np.searchsorted(EXPERIENCE_YEARS, facts.prior_experience_years, side="right")]
        + WIREHOUSE * facts.is_wirehouse
        + PROTOCOL * facts.in_protocol
        + EMAIL * leads.has_email[window]
        + LINKEDIN * leads.has_linkedin[window]
        + NEITHER * ~(leads.has_email[window] | leads.has_linkedin[window])
    )


def stability_tier(facts: Facts) -> Ints:
    """0 Unknown, 1 Heavy_Bleeding, 2 Light_Bleeding, 3 Stable, 4 Growing."""
    change = facts.net_change_12mo
    return np.where(facts.has_firm, 1 + (change >= -10) + (change >= 0) + (change > 0), 0)


def bleeding_velocity(facts: Facts) -> Ints:
    """0 stable, 1 decelerating, 2 steady, 3 accelerating."""
    last, prior = facts.departures_90d, facts.departures_prior_90d
    pace = np.where(last > 1.5 * prior, 3, np.where(last < 0.5 * prior, 1, 2))
    return np.where(facts.departures_365d < 3, 0, pace)


def _within_window(rng: np.random.Generator, leads: Leads) -> Ints:
    """Call stamps 0-43 New York days after the contact: some the same day, most within three weeks, on weekdays."""
    count = leads.in_window
    day, contact = leads.contact_day[:count], leads.contact_stamp[:count]
    delay = rng.gamma(DELAY_SHAPE, DELAY_MEAN_DAYS / DELAY_SHAPE, size=count).astype(np.int64) + 1
    delay = np.where(delay > OUTCOME_WINDOW_DAYS, rng.integers(1, OUTCOME_WINDOW_DAYS + 1, size=count), delay)
    called = new_york_stamp(_weekday_at_or_before(day + delay, day + 1), _business_seconds(rng, count))
    midnight = new_york_stamp(day, np.full(count, 86_399))
    same_day = contact + (rng.random(count) * (midnight - contact)).astype(np.int64) // 1_000_000 * 1_000_000
    return np.where(rng.random(count) < SAME_DAY_SHARE, same_day, called)


def _late(rng: np.random.Generator, leads: Leads) -> Ints:
    count = leads.in_window
    day = leads.contact_day[:count] + rng.integers(OUTCOME_WINDOW_DAYS + 1, LATE_MOST_DAYS, size=count)
    return new_york_stamp(day, _business_seconds(rng, count))


def _weekday_at_or_before(day: Ints, earliest: Ints) -> Ints:
    weekday = (day + EPOCH.weekday()) % 7
    return np.maximum(day - np.maximum(weekday - 4, 0), earliest)


def _business_seconds(rng: np.random.Generator, count: int) -> Ints:
    return (rng.triangular(8.5, 11.0, 18.0, size=count) * 3600).astype(np.int64)
