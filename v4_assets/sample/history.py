"""The employment history as the vendor delivers it: late, overlapping, repeated and sometimes wrong."""

from dataclasses import dataclass

import numpy as np

from v4_assets.sample.careers import YEAR_DAYS, Jobs
from v4_assets.sample.firms import Firms
from v4_assets.sample.spec import HISTORY_ROWS_AT_FULL_SCALE, NO_DAY, Bools, Ints, WorldSpec, day_number

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
