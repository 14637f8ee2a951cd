"""Careers as renewal processes that end on the world's last day, and as the vendor records them. Sample data.

The current job's age is drawn from the stationary distribution (a uniform part of a length-biased job) and earlier jobs
are laid out backwards, so that the share of recent movers is the same on whatever past day one asks. Jobs are Weibull
with a rising hazard: few leave within two years, so a later move seldom hides an earlier one from the current-state
field PRIMARY_FIRM_START_DATE. The vendor's history of them is late, overlapping, repeated and sometimes wrong.
"""

from dataclasses import dataclass
from math import gamma

import numpy as np

from v4_assets.sample.firms import Firms
from v4_assets.sample.world_spec import (
    ADVISORS_AT_FULL_SCALE,
    HISTORY_ROWS_AT_FULL_SCALE,
    NO_DAY,
    Bools,
    Floats,
    Ints,
    WorldSpec,
    day_number,
)

YEAR_DAYS = 365.25
JOB_SHAPE = 1.8
JOB_YEARS, RESTLESS_JOB_YEARS = 11.2, 4.0
"""Mean years in a job; with them about 8 % of contacted advisors have moved within the last 12 months."""
RESTLESS_SHARE = 0.06
FIRST_JOB_SHARE = 0.14
PRIOR_CAREER_SHAPE, PRIOR_CAREER_YEARS = 1.6, 13.0
GAP_DAYS, LONG_GAP_SHARE, LONG_GAP_DAYS = 14, 0.2, 400
MOST_JOBS = 12
UNREGISTERED_SHARE = 0.70
"""Of the moves of the last REGISTER_MEMORY_DAYS, the share without a new registration: the latest one on record is the
old firm's. V4.0, which knows moves by registrations only, takes these advisors for settled."""
REGISTER_MEMORY_DAYS = 1_500


@dataclass(frozen=True)
class Jobs:
    """One entry per job, newest layer first: the first entries are every advisor's current job, in order."""

    advisor: Ints
    firm: Ints
    start: Ints
    end: Ints
    """NO_DAY while the job lasts."""
    layer: Ints
    """0 the current job, 1 the one before, ..."""
    career_start: Ints
    """[advisors] first day of the first job."""
    is_unregistered: Bools
    """[advisors] whether the register lacks the move into the current job."""

    @property
    def advisors(self) -> int:
        return len(self.career_start)


def build_jobs(spec: WorldSpec, firms: Firms) -> Jobs:
    rng = spec.rng("careers")
    count = spec.scaled(ADVISORS_AT_FULL_SCALE, at_least=1)
    through = day_number(spec.through)
    mean_years = np.where(rng.random(count) < RESTLESS_SHARE, RESTLESS_JOB_YEARS, JOB_YEARS)
    start = through - (_years_since_last_move(rng, mean_years) * YEAR_DAYS).astype(np.int64)
    career_start = start - _prior_career_days(rng, count)
    layers = _layers_backwards(rng, start, career_start, mean_years)
    advisor, start, end, layer = (np.concatenate(column) for column in zip(*layers, strict=True))
    has_former = np.bincount(advisor, minlength=count) > 1
    moved_lately = has_former & (start[:count] > through - REGISTER_MEMORY_DAYS)
    return Jobs(
        advisor=advisor,
        firm=firms.pick(rng, (through - start) / YEAR_DAYS),
        start=start,
        end=end,
        layer=layer,
        career_start=career_start,
        is_unregistered=moved_lately & (rng.random(count) < UNREGISTERED_SHARE),
    )


def _years_since_last_move(rng: np.random.Generator, mean_years: Floats) -> Floats:
    """Stationary age of a renewal process with Weibull jobs: uniform on a length-biased job."""
    biased = rng.standard_gamma(1 + 1 / JOB_SHAPE, size=len(mean_years)) ** (1 / JOB_SHAPE)
    return np.asarray(rng.random(len(mean_years)) * biased * _weibull_scale(mean_years))


def _weibull_scale(mean_years: Floats) -> Floats:
    return mean_years / gamma(1 + 1 / JOB_SHAPE)


def _prior_career_days(rng: np.random.Generator, count: int) -> Ints:
    years = rng.gamma(PRIOR_CAREER_SHAPE, PRIOR_CAREER_YEARS / PRIOR_CAREER_SHAPE, size=count)
    years[rng.random(count) < FIRST_JOB_SHARE] = 0
    return (np.minimum(years, 45) * YEAR_DAYS).astype(np.int64)


def _layers_backwards(
    rng: np.random.Generator, start: Ints, career_start: Ints, mean_years: Floats
) -> list[tuple[Ints, Ints, Ints, Ints]]:
    """(advisor, start, end, layer) of the current jobs, then of the jobs before them, until each career is used up."""
    advisor = np.arange(len(start))
    layers: list[tuple[Ints, Ints, Ints, Ints]] = [
        (advisor, start, np.full(len(start), NO_DAY), np.zeros(len(start), dtype=np.int64))
    ]
    for layer in range(1, MOST_JOBS):
        end = start - _gap_days(rng, len(start))
        earlier = end > career_start[advisor]
        advisor, end = advisor[earlier], end[earlier]
        years = _weibull_scale(mean_years[advisor]) * rng.weibull(JOB_SHAPE, size=len(advisor))
        start = np.maximum(end - (years * YEAR_DAYS).astype(np.int64) - 1, career_start[advisor])
        layers.append((advisor, start, end, np.full(len(advisor), layer)))
    return layers


def _gap_days(rng: np.random.Generator, count: int) -> Ints:
    """Days between two jobs: mostly under two weeks."""
    longest = np.where(rng.random(count) < LONG_GAP_SHARE, LONG_GAP_DAYS, GAP_DAYS)
    return (rng.random(count) * longest).astype(np.int64)


NO_FIRM = -1
"""A null firm, wherever a firm is given by its position."""
CURRENT_JOB_LISTED_SHARE = 0.80
UNREGISTERED_LEFT_OPEN_SHARE = 0.65
"""Share of moves without a new registration whose old registration was never closed."""
WITHOUT_HISTORY_SHARE = 0.05
SECOND_REGISTRATION_SHARE = 0.12
"""Share of jobs with a registration at a second firm within three weeks."""
RENEWED_SHARE, RENEWED_ELSEWHERE_SHARE, RENEWED_OPEN_SHARE = 0.16, 0.3, 0.5
"""Share of jobs registered again while they lasted; of these, under another firm, and never closed."""
END_DELAY_DAYS = (60, 90)
LEFT_OPEN_SHARE = 0.015
"""Share of finished rows whose end was never filled in."""
NULL_FIRM_SHARE, NULL_START_SHARE, REVERSED_SHARE = 0.005, 0.005, 0.003
NAME_VARIANT_SHARE = 0.04


@dataclass(frozen=True)
class History:
    """One entry per row of contact_registered_employment_history, dirt included."""

    advisor: Ints
    firm: Ints
    start: Ints
    end: Ints
    name_variant: Ints
    """0 the firm's name, 1 in capitals, 2 with a legal suffix."""

    def __len__(self) -> int:
        return len(self.advisor)

    def take(self, rows: Ints | Bools) -> "History":
        return History(self.advisor[rows], self.firm[rows], self.start[rows], self.end[rows], self.name_variant[rows])

    def usable(self) -> "History":
        """Distinct rows with firm and start that do not end before they start, in the order of the advisors."""
        sound = (self.firm != NO_FIRM) & (self.start != NO_DAY) & ((self.end == NO_DAY) | (self.end >= self.start))
        rows = self.take(sound)
        rows = rows.take(np.lexsort((rows.end, rows.firm, rows.start, rows.advisor)))
        repeats = np.ones(len(rows), dtype=np.bool_)
        for column in (rows.advisor, rows.firm, rows.start, rows.end):
            repeats[1:] &= column[1:] == column[:-1]
        repeats[:1] = False
        return rows.take(~repeats)


def build_history(spec: WorldSpec, firms: Firms, jobs: Jobs) -> History:
    """About 2.8 rows per advisor; exact duplicates make up the documented row count."""
    rng = spec.rng("history")
    through = day_number(spec.through)
    kinds = (_registered(rng, jobs), _second(rng, firms, jobs, through), _renewed(rng, firms, jobs, through))
    advisor, firm, start, end = (np.concatenate(column) for column in zip(*kinds, strict=True))
    has_history = rng.random(jobs.advisors) >= WITHOUT_HISTORY_SHARE
    kept = has_history[advisor] & (start <= through)
    rows = History(advisor[kept], firm[kept], start[kept], end[kept], _name_variants(rng, int(kept.sum())))
    rows = _with_dirt(rng, _as_known(rng, rows, through))
    missing = max(0, spec.scaled(HISTORY_ROWS_AT_FULL_SCALE) - len(rows))
    return rows.take(np.concatenate([np.arange(len(rows)), rng.integers(max(len(rows), 1), size=missing)]))


def _registered(rng: np.random.Generator, jobs: Jobs) -> tuple[Ints, Ints, Ints, Ints]:
    """Every former job, and the current one where it is registered and listed."""
    lag = np.where(jobs.layer == 0, rng.integers(0, 30, size=len(jobs.start)), 0)
    unregistered = jobs.is_unregistered[jobs.advisor]
    listed = (jobs.layer > 0) | ((rng.random(len(jobs.start)) < CURRENT_JOB_LISTED_SHARE) & ~unregistered)
    left_open = (jobs.layer == 1) & unregistered & (rng.random(len(jobs.start)) < UNREGISTERED_LEFT_OPEN_SHARE)
    end = np.where(left_open, NO_DAY, jobs.end)
    return jobs.advisor[listed], jobs.firm[listed], (jobs.start + lag)[listed], end[listed]


def _second(rng: np.random.Generator, firms: Firms, jobs: Jobs, through: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Overlapping registrations at a second firm, begun with the job where that is registered."""
    chosen = rng.random(len(jobs.start)) < SECOND_REGISTRATION_SHARE
    chosen &= ~(jobs.is_unregistered[jobs.advisor] & (jobs.layer == 0))
    start = jobs.start[chosen] + rng.integers(0, 21, size=int(chosen.sum()))
    end = np.where(jobs.end[chosen] == NO_DAY, NO_DAY, np.maximum(jobs.end[chosen], start))
    return jobs.advisor[chosen], firms.pick(rng, np.maximum(through - start, 0) / YEAR_DAYS), start, end


def _renewed(rng: np.random.Generator, firms: Firms, jobs: Jobs, through: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Repeated registrations in the middle of a job: a new start date without a move."""
    last = np.where(jobs.end == NO_DAY, through, jobs.end)
    chosen = (rng.random(len(jobs.start)) < RENEWED_SHARE) & (last - jobs.start > 2 * YEAR_DAYS)
    start = jobs.start[chosen] + (rng.random(int(chosen.sum())) * (last - jobs.start)[chosen]).astype(np.int64)
    elsewhere = rng.random(len(start)) < RENEWED_ELSEWHERE_SHARE
    firm = np.where(elsewhere, firms.pick(rng, np.maximum(through - start, 0) / YEAR_DAYS), jobs.firm[chosen])
    closed = np.minimum(start + rng.integers(200, 1_500, size=len(start)), last[chosen])
    open_end = (rng.random(len(start)) < RENEWED_OPEN_SHARE) & (jobs.layer[chosen] == 0)
    return jobs.advisor[chosen], firm, start, np.where(open_end | (closed >= through), NO_DAY, closed)


def _as_known(rng: np.random.Generator, rows: History, through: int) -> History:
    """Ends become known 60-90 days late, and a few never do."""
    delay = rng.integers(END_DELAY_DAYS[0], END_DELAY_DAYS[1] + 1, size=len(rows))
    unknown = (rows.end > through - delay) | (rng.random(len(rows)) < LEFT_OPEN_SHARE)
    return History(rows.advisor, rows.firm, rows.start, np.where(unknown, NO_DAY, rows.end), rows.name_variant)


def _with_dirt(rng: np.random.Generator, rows: History) -> History:
    no_firm, no_start, reversed_end = (
        rng.random(len(rows)) < share for share in (NULL_FIRM_SHARE, NULL_START_SHARE, REVERSED_SHARE)
    )
    before_start = rows.start - rng.integers(1, 800, size=len(rows))
    return History(
        advisor=rows.advisor.astype(np.int32),
        firm=np.where(no_firm, NO_FIRM, rows.firm).astype(np.int32),
        start=np.where(no_start, NO_DAY, rows.start).astype(np.int32),
        end=np.where(reversed_end, before_start, rows.end).astype(np.int32),
        name_variant=rows.name_variant,
    )


def _name_variants(rng: np.random.Generator, count: int) -> Ints:
    variant = rng.integers(1, 3, size=count, dtype=np.int8)
    return np.where(rng.random(count) < NAME_VARIANT_SHARE, variant, 0).astype(np.int8)
