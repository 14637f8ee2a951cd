"""Leads that no version scores on a day: a feature of theirs has a value that a model does not take.

The same holds for the prospects of a month, whose tables have other keys.
"""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import sql, tables
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.models.contract import Feature, unusable
from v4_assets.models.training import features_of
from v4_assets.store import Store


class _KeyOf(Protocol):
    def __call__(self, version_key: str) -> str: ...


@dataclass(frozen=True)
class Scored:
    """What is scored: where a version's features of it are, and the column that identifies a row of them."""

    features_key: _KeyOf = tables.features_key
    column: str = "lead_id"
    kind: pa.DataType = pa.string()  # noqa: RUF009 # immutable


LEADS = Scored()


def left_out(store: Store, rollout: Rollout, version: str, day: date, of: Scored = LEADS) -> pa.Array:
    """Ids of the leads that `version` leaves unscored on the day, ascending: those that any version cannot score.

    Another version counts only if it can be scored itself: with features of the day, a sound bundle, and no more such
    leads than `checks.unscored_share` allows. Production neither waits for a challenger nor loses leads when it fails.
    """
    written = store.latest_writes(day, day)
    found: list[pa.Array] = []
    for name, entry in rollout.versions.items():
        key = of.features_key(entry.key)
        if (store.catalogue[key].name, day) not in written:
            continue
        try:
            contract = contract_of(store, name, tables.features_key(entry.key))
            leads, rows = _unscorable(store, key, contract, day, of)
        except V4Error:
            if name == version:
                raise
            continue
        if name == version or len(leads) <= rollout.checks.unscored_share * rows:
            found.append(leads)
    ids = pc.unique(pa.chunked_array(found, of.kind))
    return ids.take(pc.sort_indices(ids))


def contract_of(store: Store, version: str, key: str) -> tuple[Feature, ...]:
    """What the version's model takes; before the model is registered, what its SQL file says it will read."""
    if store.registry.has(version):
        return store.registry.load(version).features
    return features_of(sql.load(key).features)


def _unscorable(store: Store, key: str, features: tuple[Feature, ...], day: date, of: Scored) -> tuple[pa.Array, int]:
    """The leads whose features of the day the model does not take, and the number of all leads."""
    parts, rows = [pa.array([], of.kind)], 0
    query = store.catalogue.query("features_of_day", {"prediction_date": day}, features=key)
    with store.warehouse.stream(query) as batches:
        for batch in batches:
            rows += len(batch)
            marked = unusable(features, batch)
            if marked.any():
                parts.append(batch.column(of.column).filter(pa.array(marked)).cast(of.kind))
    return pa.concat_arrays(parts), rows
