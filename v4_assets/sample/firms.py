"""The firms of the sample world: class, size and growth. The names are plainly synthetic."""

from dataclasses import dataclass

import numpy as np

from v4_assets.sample.world_spec import FIRMS_AT_FULL_SCALE, Bools, Floats, Ints, Text, WorldSpec

LARGEST = (
    # name, share of advisors, yearly growth of its draw on people who change jobs
    ("LPL SAMPLE ADVISORS", 0.036, 0.015),
    ("Morgan Stanley Sample Branches", 0.033, -0.025),
    ("MERRILL SAMPLE & SAMPLE", 0.031, -0.030),
    ("Edward Jones Sample Offices", 0.028, -0.010),
    ("WELLS FARGO SAMPLE ADVISORS", 0.025, -0.035),
    ("Ameriprise Sample Services", 0.021, 0.010),
    ("RAYMOND JAMES SAMPLE GROUP", 0.018, 0.015),
    ("Northwestern Mutual Sample Agency", 0.013, -0.020),
    ("UBS Sample Wealth", 0.012, -0.030),
    ("Stifel Sample Partners", 0.005, 0.010),
)
CLASSIFICATIONS = (
    "Independent RIA",
    "Independent RIA / Multi-Family Office",
    "Hybrid RIA",
    "Wirehouse",
    "Independent Broker-Dealer",
    "Bank or Trust",
    "Insurance",
)
WIREHOUSE = CLASSIFICATIONS.index("Wirehouse")
SHARES_SMALL = (0.55, 0.05, 0.18, 0.0, 0.12, 0.05, 0.05)
SHARES_LARGE = (0.30, 0.04, 0.20, 0.0, 0.22, 0.12, 0.12)
LARGE_RANK_SHARE = 0.01
"""Number of the largest firms that get a large firm's classification."""
GROWTH = (0.020, 0.020, 0.005, 0.0, -0.010, -0.010, -0.015)
GROWTH_SD = 0.04
FIRST, SECOND, KIND = (
    ("Amber", "Birch", "Cedar", "Delta", "Ember", "Fern", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel", "Maple"),
    ("Brook", "Canyon", "Field", "Grove", "Hill", "Lake", "Meadow", "Point", "Ridge", "River", "Summit", "Valley"),
    ("Advisors", "Capital", "Partners", "Planning", "Wealth", "Financial"),
)
ERA_BORDERS_YEARS = (1.5, 4.0, 9.0)
ERA_MIDDLES_YEARS = (0.75, 2.75, 6.5, 12.0)
"""The start of a job determines which firms were hiring: a growing firm has more weight in recent eras."""
PROTOCOL_LEAVERS = ("Morgan Stanley", "UBS")
FIRST_FIRM_CRD = 100_003


@dataclass(frozen=True)
class Firms:
    """One entry per firm, largest first; every other table refers to a firm by its position here."""

    crd: Ints
    name: Text
    classification: Ints
    """Position in CLASSIFICATIONS."""
    is_wirehouse: Bools
    in_protocol: Bools
    draw: Floats
    """[eras, firms] cumulative probability that a job begun in the era is at the firm."""

    def pick(self, rng: np.random.Generator, years_ago: Floats) -> Ints:
        """A firm for each job, given the years between its start and the end of the world."""
        era = np.searchsorted(ERA_BORDERS_YEARS, years_ago)
        chance = rng.random(len(years_ago))
        firm = np.empty(len(years_ago), dtype=np.int32)
        for number, cumulative in enumerate(self.draw):
            mine = era == number
            firm[mine] = np.searchsorted(cumulative, chance[mine], side="right")
        return firm


def build_firms(spec: WorldSpec) -> Firms:
    rng = spec.rng("firms")
    count = spec.scaled(FIRMS_AT_FULL_SCALE, at_least=4 * len(LARGEST))
    classification = _classification(rng, count)
    size = _sizes(count)
    growth = np.array(GROWTH)[classification] + GROWTH_SD * rng.standard_normal(count)
    growth[: len(LARGEST)] = [yearly for _, _, yearly in LARGEST]
    weight = size * np.exp(-np.outer(ERA_MIDDLES_YEARS, growth))
    cumulative = np.cumsum(weight, axis=1)
    name = _names(rng, count)
    return Firms(
        crd=FIRST_FIRM_CRD + 5 * rng.permutation(count).astype(np.int64),
        name=name,
        classification=classification,
        is_wirehouse=np.arange(count) < len(LARGEST),
        in_protocol=_protocol(rng, name, size),
        draw=cumulative / cumulative[:, -1:] * (1 + 1e-12),
    )


def protocol_members(spec: WorldSpec, firms: Firms) -> Ints:
    """Firm ids of the broker protocol, a few listed twice as on the published list."""
    rng = spec.rng("protocol list")
    members = firms.crd[firms.in_protocol]
    return rng.permutation(np.concatenate([members, members[rng.random(len(members)) < 0.01]]))


def _classification(rng: np.random.Generator, count: int) -> Ints:
    chance = rng.random(count)
    large = np.arange(count) < LARGE_RANK_SHARE * count
    small_kind = np.searchsorted(np.cumsum(SHARES_SMALL), chance)
    large_kind = np.searchsorted(np.cumsum(SHARES_LARGE), chance)
    kind = np.minimum(np.where(large, large_kind, small_kind), len(CLASSIFICATIONS) - 1)
    kind[: len(LARGEST)] = WIREHOUSE
    return kind


def _sizes(count: int) -> Floats:
    """Share of all advisors: the largest as listed, the others by rank."""
    listed = np.array([share for _, share, _ in LARGEST])
    tail = (np.arange(count - len(LARGEST)) + 15.0) ** -0.95
    return np.concatenate([listed, tail / tail.sum() * (1 - listed.sum())])


def _names(rng: np.random.Generator, count: int) -> Text:
    parts = [np.array(words)[rng.integers(len(words), size=count)] for words in (FIRST, SECOND, KIND)]
    number = np.arange(count).astype(np.str_)
    name = np.array([" ".join(("Sample", *words)) for words in zip(*parts, number, strict=True)])
    name = name.astype("<U64")
    name[: len(LARGEST)] = [listed for listed, _, _ in LARGEST]
    return name


def _protocol(rng: np.random.Generator, name: Text, size: Floats) -> Bools:
    """About 5 % of firms: most large ones, few small ones."""
    likelihood = np.clip(0.045 + 400 * size * np.minimum(len(size) / FIRMS_AT_FULL_SCALE, 1.0), 0, 0.8)
    member = rng.random(len(size)) < likelihood
    member[: len(LARGEST)] = [not listed.startswith(PROTOCOL_LEAVERS) for listed, _, _ in LARGEST]
    return np.asarray(member)
