"""Advisors as the vendor's current-state table shows them on the world's last day: one row each, no history."""

from dataclasses import dataclass

import numpy as np

from v4_assets.sample.careers import NO_FIRM, Jobs
from v4_assets.sample.firms import CLASSIFICATIONS, Firms
from v4_assets.sample.world_spec import NO_DAY, Bools, Ints, WorldSpec, day_number, month_number

FIRST_CRD, CRD_STEP = 1_000_000, 8
REP_TYPES = ("IA", "DR", "BD", "NA")
IA, DR = 0, 1
REP_TYPE_SHARES = {  # by classification: IA, DR, BD, NA, null
    "Independent RIA": (0.74, 0.15, 0.02, 0.04, 0.05),
    "Independent RIA / Multi-Family Office": (0.80, 0.08, 0.02, 0.05, 0.05),
    "Hybrid RIA": (0.22, 0.66, 0.03, 0.04, 0.05),
    "Wirehouse": (0.03, 0.72, 0.16, 0.04, 0.05),
    "Independent Broker-Dealer": (0.04, 0.64, 0.23, 0.04, 0.05),
    "Bank or Trust": (0.14, 0.48, 0.26, 0.07, 0.05),
    "Insurance": (0.06, 0.45, 0.38, 0.06, 0.05),
}
PRODUCING_SHARE, ACTIVE_SHARE, NULL_FLAG_SHARE = 0.82, 0.93, 0.01
NULL_PRIMARY_START, NULL_TENURE, NULL_REGISTERED_START = 0.15, 0.06, 0.10
NULL_EMAIL, NULL_LINKEDIN = 0.41, 0.35
NULL_PRIMARY_FIRM = 0.01
"""Of all advisors; these have no primary firm's start either."""
NO_FLAG = -1
NO_MONTHS = -1


@dataclass(frozen=True)
class Advisors:
    """One entry per advisor: the columns of ria_contacts_current, firms and categories by position."""

    crd: Ints
    primary_firm: Ints
    primary_start: Ints
    rep_type: Ints
    producing: Ints
    """1, 0, or NO_FLAG."""
    active: Ints
    tenure_months: Ints
    """Months in the industry, or NO_MONTHS."""
    registered_firm: Ints
    registered_start: Ints
    has_email: Bools
    has_linkedin: Bools

    def __len__(self) -> int:
        return len(self.crd)


def build_advisors(spec: WorldSpec, firms: Firms, jobs: Jobs) -> Advisors:
    rng = spec.rng("advisors")
    count = jobs.advisors
    firm, start = jobs.firm[:count].astype(np.int64), jobs.start[:count]
    no_firm = rng.random(count) < NULL_PRIMARY_FIRM
    no_start = no_firm | (rng.random(count) < (NULL_PRIMARY_START - NULL_PRIMARY_FIRM) / (1 - NULL_PRIMARY_FIRM))
    registered_firm, registered_start = _registered(jobs)
    months = month_number(np.array(day_number(spec.through))) - month_number(jobs.career_start)
    return Advisors(
        crd=FIRST_CRD + CRD_STEP * np.arange(count, dtype=np.int64) + rng.integers(CRD_STEP, size=count),
        primary_firm=np.where(no_firm, NO_FIRM, firm),
        primary_start=np.where(no_start, NO_DAY, start),
        rep_type=_rep_types(rng, firms.classification[firm]),
        producing=_flags(rng, count, PRODUCING_SHARE),
        active=_flags(rng, count, ACTIVE_SHARE),
        tenure_months=np.where(rng.random(count) < NULL_TENURE, NO_MONTHS, months),
        registered_firm=np.where(no_firm, NO_FIRM, registered_firm),
        registered_start=np.where(rng.random(count) < NULL_REGISTERED_START, NO_DAY, registered_start),
        has_email=rng.random(count) >= NULL_EMAIL,
        has_linkedin=rng.random(count) >= NULL_LINKEDIN,
    )


def _registered(jobs: Jobs) -> tuple[Ints, Ints]:
    """Firm and start of the latest registration: the job before, where the register missed the last move."""
    firm, start = jobs.firm[: jobs.advisors].astype(np.int64), jobs.start[: jobs.advisors].copy()
    former = (jobs.layer == 1) & jobs.is_unregistered[jobs.advisor]
    firm[jobs.advisor[former]] = jobs.firm[former]
    start[jobs.advisor[former]] = jobs.start[former]
    return firm, start


def _rep_types(rng: np.random.Generator, classification: Ints) -> Ints:
    borders = np.cumsum([REP_TYPE_SHARES[name] for name in CLASSIFICATIONS], axis=1)[:, :-1]
    return np.asarray((rng.random(len(classification))[:, None] >= borders[classification]).sum(axis=1))


def _flags(rng: np.random.Generator, count: int, share: float) -> Ints:
    flag = (rng.random(count) < share).astype(np.int8)
    flag[rng.random(count) < NULL_FLAG_SHARE] = NO_FLAG
    return flag
