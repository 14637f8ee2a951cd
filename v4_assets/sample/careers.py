"""Careers as renewal processes that end on the world's last day. Calibrated sample data, not the firm's.

The current job's age is drawn from the stationary distribution (a uniform part of a length-biased job) and earlier jobs
are laid out backwards, so that the share of recent movers is the same on whatever past day one asks. Jobs are Weibull
with a rising hazard: few leave within two years, so a later move seldom hides an earlier one from the current-state
field PRIMARY_FIRM_START_DATE.
"""

from dataclasses import dataclass
from math import gamma

import numpy as np

from v4_assets.sample.firms import Firms
from v4_assets.sample.spec import ADVISORS_AT_FULL_SCALE, NO_DAY, Bools, Floats, Ints, WorldSpec, day_number

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
