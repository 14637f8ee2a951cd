"""The scores a sync starts from: read from the warehouse, of the live version and its approved model, checks passed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import recorded_checks, tables
from v4_assets.clock import cutoff
from v4_assets.config.rollout import Rollout
from v4_assets.config.salesforce import to_18
from v4_assets.errors import (
    ConcurrentWriteError,
    ModelIntegrityError,
    RowsMissingError,
    SalesforceError,
    SalesforceSetupError,
)
from v4_assets.production.events import Production, state_after
from v4_assets.salesforce.rows import DayScores, day_scores
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

READ = ("lead_id", "score", "percentile", "deprioritize")


def live_scores(store: Store, rollout: Rollout, day: date) -> DayScores:
    """The live version's scores of the day. Raises, with the reason, when they must not be sent."""
    with store.session():
        live = store.production()
        if live is None:
            raise SalesforceSetupError("No version is live, so nothing can be sent. Run `v4 init` first.")
        before = _write(store, rollout, live.version, day)
        rows, scored_at = _read(store, rollout, live.version, day, live)
        unpassed = recorded_checks.unpassed(store, day, live.version)
        after = _write(store, rollout, live.version, day)
        called = store.read("leads_called", _known(day))["lead_id"].to_pylist()
        listed = store.latest_writes(day, day).get((rollout.catalogue[tables.SCORED_LEADS].name, day))
    if unpassed:
        raise SalesforceError(
            f"Scores of {live.version} for {day} were not sent: checks have not passed: {'; '.join(unpassed)}. "
            "Fix the cause and run the day again."
        )
    if before != after:
        raise ConcurrentWriteError(
            f"The scores of {live.version} for {day} were rewritten during the read. Run the sync again."
        )
    scores = day_scores(rows, day=day, version=live.version, scored_at=scored_at, event_id=live.event_id)
    return replace(scores, called=_ids(called), listed=listed.row_count if listed else None)


def scores_of(store: Store, rollout: Rollout, version: str, day: date) -> DayScores:
    """Any version's scores of the day, for a preview. Raises RowsMissingError without any."""
    rows, scored_at = _read(store, rollout, version, day)
    called = store.read("leads_called", _known(day))["lead_id"].to_pylist()
    return replace(day_scores(rows, day=day, version=version, scored_at=scored_at), called=_ids(called))


def _known(day: date) -> dict[str, object]:
    """What decides which values of a source can be: a call after the day's cut-off counts, too."""
    return {"cutoff": cutoff(day), "retrospective": True}


def _ids(leads: list[str]) -> pa.Array:
    return pa.array([to_18(one) for one in leads if one], pa.string())


def _read(
    store: Store, rollout: Rollout, version: str, day: date, live: Production | None = None
) -> tuple[pa.Table, datetime]:
    """A version's scores of the day (READ), and when they were made. Raises RowsMissingError without any.

    With `live`, every row must be of its version and of its bundle: ModelIntegrityError otherwise.
    """
    key = tables.scores_key(rollout.versions[version].key)
    query = store.catalogue.query("salesforce_scores", {"prediction_date": day}, daily_scores=key)
    parts, stamps = [], []
    older = store.older_bundles() if live else {}
    with store.warehouse.stream(query) as batches:
        for batch in batches:
            if live:
                _verify_scorer(batch, live, older)
            parts.append(batch.select(READ))
            stamps.append(pc.max(batch["scored_at"]).as_py())
    if not sum(map(len, parts)):
        raise RowsMissingError(
            f"{rollout.catalogue[key].name} has no rows of {day}, so nothing can be sent. "
            f"{_remedy(store, rollout, version, day)}"
        )
    return pa.Table.from_batches(parts), max(stamps)


def _remedy(store: Store, rollout: Rollout, version: str, day: date) -> str:
    """What makes scores of a day that has none."""
    if day < rollout.first_day:
        return f"It lies before first_day {rollout.first_day} of rollout.yaml. Choose a later day."
    if version in state_after(store.events()).archived:
        return f"{version} is archived: `v4 restore {version} --reason …` brings it back."
    return f"`v4 run --date {day}` makes them."


def _verify_scorer(batch: pa.RecordBatch, live: Production, older: Mapping[tuple[str, str], str]) -> None:
    """`older` are the bundles that rows from before schema 2, which name none, stand for."""
    unnamed = older.get((live.version, live.model_sha256))
    for column, wanted in (
        ("model_version", live.version),
        ("model_sha256", live.model_sha256),
        ("bundle_sha256", live.bundle_sha256),
    ):
        found = pc.unique(batch[column]).to_pylist()
        if column == "bundle_sha256":
            found = [one or unnamed for one in found]
        others = [one for one in found if one is None or one != wanted]
        if others:
            raise ModelIntegrityError(
                f"The day's scores have {column} {', '.join(str(one)[:12] for one in others)}, production has "
                f"{str(wanted)[:12]}. Nothing was sent. Run the daily job again to score with the live model."
            )


def _write(store: Store, rollout: Rollout, version: str, day: date) -> PartitionWrite | None:
    name = rollout.catalogue[tables.scores_key(rollout.versions[version].key)].name
    return store.latest_writes(day, day).get((name, day))
