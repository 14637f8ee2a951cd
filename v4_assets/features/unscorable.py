"""Leads that no version scores on a day: a feature of theirs has a value that a model does not take."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import sql, tables
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.models.contract import Feature, unusable
from v4_assets.models.training import features_of
from v4_assets.store import Store


def left_out(store: Store, rollout: Rollout, version: str, day: date) -> pa.Array:
    """Ids of the leads that `version` leaves unscored on the day, ascending: those that any version cannot score.

    Another version counts only if it can be scored itself: with features of the day, a sound bundle, and no more such
    leads than `checks.unscored_share` allows. Production neither waits for a challenger nor loses leads when it fails.
    """
    written = store.latest_writes(day, day)
    found: list[pa.Array] = []
    for name, entry in rollout.versions.items():
        key = tables.features_key(entry.key)
        if (store.catalogue[key].name, day) not in written:
            continue
        try:
            leads, rows = _unscorable(store, key, contract_of(store, name, key), day)
        except V4Error:
            if name == version:
                raise
            continue
        if name == version or len(leads) <= rollout.checks.unscored_share * rows:
            found.append(leads)
    ids = pc.unique(pa.chunked_array(found, pa.string()))
    return ids.take(pc.sort_indices(ids))


def contract_of(store: Store, version: str, key: str) -> tuple[Feature, ...]:
    """What the version's model takes; before the model is registered, what its SQL file says it will read."""
    if store.registry.has(version):
        return store.registry.load(version).features
    return features_of(sql.load(key).features)


def _unscorable(store: Store, key: str, features: tuple[Feature, ...], day: date) -> tuple[pa.Array, int]:
    """The leads whose features of the day the model does not take, and the number of all leads."""
    parts, rows = [pa.array([], pa.string())], 0
    query = store.catalogue.query("features_of_day", {"prediction_date": day}, features=key)
    with store.warehouse.stream(query) as batches:
        for batch in batches:
            rows += len(batch)
            marked = unusable(features, batch)
            if marked.any():
                parts.append(batch.column("lead_id").filter(pa.array(marked)).cast(pa.string()))
    return pa.concat_arrays(parts), rows
