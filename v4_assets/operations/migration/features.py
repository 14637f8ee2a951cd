"""One version's features of a day on both sides: which cells differ and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets import tables
from v4_assets.models.contract import Feature
from v4_assets.models.expected_features import Cells, cells
from v4_assets.operations.migration.compared_rows import ADVISOR, LEAD, Rows
from v4_assets.operations.migration.reasons import DEPARTURES, Departures, Facts, earlier, frozen, reasons
from v4_assets.store import Store
from v4_assets.tables import PARTITION_COLUMN

EXAMPLES = 3
DEPARTED = ("departed_firm_crd", "departed_on")
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class FeatureDifference:
    """One feature of the leads that both sides have."""

    feature: str
    compared: int
    differing: int
    reasons: dict[str, int]
    """Reason to number of cells, adding up to `differing`."""
    examples: tuple[str, ...]
    """A lead and its cell on both sides."""

    @property
    def share(self) -> float:
        """Share of the cells that differ."""
        return self.differing / self.compared if self.compared else 0.0


@dataclass(frozen=True)
class FeatureComparison:
    """All features of a version on one day."""

    leads: int
    """Leads that both sides have."""
    only_theirs: int
    only_ours: int
    differing: tuple[FeatureDifference, ...]
    """Features with a cell that differs, the largest share first."""
    alike: tuple[str, ...]
    not_theirs: tuple[str, ...]
    """Features that they have no column of."""


def compare(store: Store, key: str, features: Sequence[Feature], day: date, theirs: Rows) -> FeatureComparison:
    """Their rows of a day against ours. `key` is the version's in rollout.yaml."""
    mine = store.read("features_of_day", {PARTITION_COLUMN: day}, features=tables.features_key(key))
    places = pc.index_in(mine[LEAD].combine_chunks().cast(pa.string()), value_set=theirs.leads)
    ours, other = mine.filter(pc.is_valid(places)), theirs.rows.take(pc.drop_null(places))
    other = other.rename_columns([_spelt(name, features) for name in other.column_names])
    found = {one.name: cells(one, ours, other) for one in features}
    facts = _facts(store, day, ours, other, found.get(DEPARTURES))
    compared = [(one, known) for one in features if (known := found[one.name]) is not None]
    lines = [_line(one, known, facts, ours[LEAD].to_pylist()) for one, known in compared if known.differs.any()]
    return FeatureComparison(
        leads=len(ours),
        only_theirs=len(theirs.leads) - len(ours),
        only_ours=len(mine) - len(ours),
        differing=tuple(sorted(lines, key=lambda line: -line.share)),
        alike=tuple(one.name for one, known in compared if not known.differs.any()),
        not_theirs=tuple(name for name, known in found.items() if known is None),
    )


def _spelt(name: str, features: Sequence[Feature]) -> str:
    """A column of theirs as our contract spells it."""
    return {one.lower(): one for feature in features for one in (feature.name, feature.trained_as)}.get(name, name)


def _line(feature: Feature, found: Cells, facts: Facts, leads: Sequence[str]) -> FeatureDifference:
    places = np.flatnonzero(found.differs)
    return FeatureDifference(
        feature=feature.name,
        compared=len(found.differs),
        differing=len(places),
        reasons=reasons(feature, found, facts),
        examples=tuple(f"{leads[place]}: {found.example(int(place))}" for place in places[:EXAMPLES]),
    )


def _facts(store: Store, day: date, ours: pa.Table, theirs: pa.Table, counts: Cells | None) -> Facts:
    firms, without_id = _firms(store, day, ours)
    facts = Facts(_other_advisor(ours, theirs), without_id)
    if counts is None or counts.are_words or not counts.differs.any():
        return facts
    mine, other = counts.numbers
    found = frozen(day, _departures(store, day), firms, other, counts.differs)
    return (
        replace(facts, frozen=found, frozen_leads=(found.counts == other) & (found.counts != mine)) if found else facts
    )


def _other_advisor(ours: pa.Table, theirs: pa.Table) -> NDArray[Any]:
    if ADVISOR not in theirs.column_names:
        return np.zeros(len(ours), dtype=np.bool_)
    column = theirs[ADVISOR].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.if_else(pc.match_substring_regex(column, r"^\d{1,18}$"), column, None)
    one, other = (
        pc.cast(side, pa.float64()).to_numpy(zero_copy_only=False) for side in (ours[ADVISOR].combine_chunks(), column)
    )
    differ: NDArray[Any] = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return differ


def _firms(store: Store, day: date, ours: pa.Table) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each lead's current firm, float64, NaN without one; and whether it has a start but no company id."""
    rows = store.read("rows_of_days", {"first_day": day, "last_day": day}, dated=tables.ADVISOR_FIRMS)
    places = pc.index_in(ours[ADVISOR].combine_chunks(), value_set=rows[ADVISOR].combine_chunks())
    firms = rows["firm_crd"].combine_chunks().take(places)
    started = pc.is_valid(rows["firm_started_on"].combine_chunks().take(places))
    without_id = pc.and_(pc.is_null(firms), started)
    return (
        pc.cast(firms, pa.float64()).to_numpy(zero_copy_only=False),
        np.asarray(without_id.to_numpy(zero_copy_only=False), dtype=np.bool_),
    )


def _departures(store: Store, day: date) -> Departures:
    """Those of the day's window as we keep them, and of the year before it, made of the same sources."""
    kept = store.read("rows_of_days", {"first_day": day, "last_day": day}, dated=tables.INFERRED_DEPARTURES)
    params = {PARTITION_COLUMN: earlier(day), "retrospective": True}
    before = store.read(tables.INFERRED_DEPARTURES, params)
    both = pa.concat_tables([kept.select(DEPARTED), before.select(DEPARTED)])
    firms, days = (both[name].combine_chunks() for name in DEPARTED)
    ordinals = pc.cast(days, pa.int32()).to_numpy().astype(np.int64) + EPOCH
    return Departures(firms.to_numpy(), ordinals)
