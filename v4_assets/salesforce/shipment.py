"""The scores that are about to be sent, read and verified: of the live version, by its very model, checks passed."""

from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import tables, verdicts
from v4_assets.config.rollout import Rollout
from v4_assets.errors import (
    ConcurrentWriteError,
    ModelIntegrityError,
    RowsMissingError,
    SalesforceError,
    SalesforceSetupError,
)
from v4_assets.production.events import Production
from v4_assets.salesforce.rows import AsSent, as_sent
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

READ = ("lead_id", "score", "percentile", "deprioritize")


@dataclass(frozen=True)
class Shipment:
    """The day's scores of one version, as they are sent."""

    day: date
    version: str
    event_id: str
    """The switch that made the version live."""
    sent: AsSent
    scored_at: datetime


def verified(store: Store, rollout: Rollout, day: date) -> Shipment:
    """What production serves on the day. Raises, naming why, when that is not fit to be sent."""
    with store.session():
        live = store.production()
        if live is None:
            raise SalesforceSetupError("No version is live, so none can be sent. Run `v4 init` first.")
        before = _write(store, rollout, live.version, day)
        scores, scored_at = scores_of(store, rollout, live.version, day, live)
        unpassed = verdicts.unpassed(store, day, live.version)
        after = _write(store, rollout, live.version, day)
    if unpassed:
        raise SalesforceError(
            f"The scores of {live.version} of {day} are not sent, for not all that they are made from has passed its "
            f"checks: {'; '.join(unpassed)}. Mend that and run the day again."
        )
    if before != after:
        raise ConcurrentWriteError(
            f"The scores of {live.version} of {day} were written anew while they were read. Run again."
        )
    return Shipment(day, live.version, live.event_id, as_sent(scores, live.version), scored_at)


def scores_of(
    store: Store, rollout: Rollout, version: str, day: date, live: Production | None = None
) -> tuple[pa.Table, datetime]:
    """A version's scores of the day (READ), and when they were made. Raises RowsMissingError without any.

    With `live`, every row must be of its version and of its model: ModelIntegrityError otherwise.
    """
    key = tables.scores_key(rollout.versions[version].key)
    query = store.catalogue.query("salesforce_scores", {"prediction_date": day}, daily_scores=key)
    parts, stamps = [], []
    with store.warehouse.stream(query) as batches:
        for batch in batches:
            if live:
                _verify_scorer(batch, live)
            parts.append(batch.select(READ))
            stamps.append(pc.max(batch["scored_at"]).as_py())
    if not sum(map(len, parts)):
        raise RowsMissingError(
            f"{rollout.catalogue[key].name} has no rows of {day}, so none can be sent. Run the daily job of that day."
        )
    return pa.Table.from_batches(parts), max(stamps)


def _verify_scorer(batch: pa.RecordBatch, live: Production) -> None:
    for column, wanted in (("model_version", live.version), ("model_sha256", live.model_sha256)):
        others = [one for one in pc.unique(batch[column]).to_pylist() if one != wanted]
        if others:
            raise ModelIntegrityError(
                f"The scores to be sent have {column} {', '.join(str(one)[:12] for one in others)}, production runs "
                f"{wanted[:12]}. Nothing was sent. Run the daily job again, so that the live model scores the day."
            )


def _write(store: Store, rollout: Rollout, version: str, day: date) -> PartitionWrite | None:
    name = rollout.catalogue[tables.scores_key(rollout.versions[version].key)].name
    return store.latest_writes(day, day).get((name, day))
