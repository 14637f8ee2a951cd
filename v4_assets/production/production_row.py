"""How the live version changes: one row, changed in one transaction with the event that says why."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from uuid import uuid4

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import ConcurrentWriteError, ModelIntegrityError, StaleDecisionError
from v4_assets.evaluation.evidence import digest
from v4_assets.models.bundle import Bundle
from v4_assets.production.events import Event, Production, escaped
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement


def approved_bundle(store: Store, version: str) -> Bundle:
    """The version's bundle; when it is the live one, exactly the artifact that went live.

    Raises ModelIntegrityError when the registry has another model under the live version's name.
    """
    bundle = store.registry.load(version)
    live = store.production()
    if live and live.version == version and (problem := _difference(bundle, live.model_sha256, live.bundle_sha256)):
        raise ModelIntegrityError(
            f"{bundle.path} is not the {version} that is live: {problem} production runs. A live version is never "
            f"changed in place: register the new model as a new version, and remove {bundle.path} from the registry."
        )
    return bundle


def _difference(bundle: Bundle, model_sha256: str, bundle_sha256: str | None) -> str | None:
    """How a registered bundle differs from the artifact of these hashes, up to "not the one that"; None if it is it."""
    if bundle.sha256 != model_sha256:
        return f"its booster is {bundle.sha256[:12]}, not the {model_sha256[:12]} that"
    if bundle.bundle_sha256 != bundle_sha256:
        return (
            f"its booster is the same, its features.json is another (bundle {bundle.bundle_sha256[:12]}), not the "
            f"{str(bundle_sha256)[:12]} that"
        )
    return None


def adopt(store: Store, rollout: Rollout, clock: Clock) -> Production:
    """Make the baseline live when nothing is yet; otherwise change nothing. Returns what is live."""
    live = store.production()
    if live:
        return live
    adopted = _row(store, rollout, rollout.baseline, uuid4().hex)
    event = Event(
        event_id=adopted.event_id,
        happened_at=clock.now(),
        event="adopted",
        version=adopted.version,
        reason=f"{adopted.version} is the baseline of rollout.yaml and was live before this project kept records.",
        decided_by="v4 init",
        bundle_sha256=adopted.bundle_sha256,
    )
    store.warehouse.transact(
        [
            Statement(store.catalogue.query("adopt_production", asdict(adopted)), expected_rows=1),
            _recorded(store, event),
        ]
    )
    return adopted


def switch(
    store: Store,
    rollout: Rollout,
    event: Event,
    *,
    expected_event_id: str,
    model_sha256: str | None,
    bundle_sha256: str | None = None,
) -> Production:
    """Make `event.version` live and record the event, in one transaction; harmless when that is done already.

    Raises StaleDecisionError, changing nothing, when production or the evidence is not what was decided on, and
    ModelIntegrityError when the registry's model is not the one that was judged (`model_sha256` and `bundle_sha256`;
    None asks nothing).
    """
    live = store.production()
    if live and live.event_id == event.event_id:
        return live
    wanted = _row(store, rollout, event.version, event.event_id)
    for what, found, judged in (
        ("booster", wanted.model_sha256, model_sha256),
        ("bundle", str(wanted.bundle_sha256), bundle_sha256),
    ):
        if judged and found != judged:
            raise ModelIntegrityError(
                f"The registry's {event.version} has {what} {found[:12]}, what was judged is {judged[:12]}. Only the "
                "artifact that was judged goes live: restore it, or let the new one be judged under a new version."
            )
    event = replace(event, bundle_sha256=wanted.bundle_sha256)
    table = store.catalogue[tables.LIFT_COMPARISON]
    params = {
        **asdict(wanted),
        "expected_event_id": expected_event_id,
        "evidence_table": table.name,
        "evidence_day": event.evidence_day.isoformat() if event.evidence_day else None,
        "evidence_sequence": _evidence_sequence(store, event),
    }
    try:
        store.warehouse.transact(
            [
                Statement(store.catalogue.query("switch_production", params), expected_rows=1),
                _recorded(store, event),
            ]
        )
    except ConcurrentWriteError as error:
        now = store.production()
        if now and now.event_id == event.event_id:
            return now  # the same decision, carried out by another run
        raise StaleDecisionError(
            f"{event.event} to {event.version} was decided when {expected_event_id[:12]} was the last switch; now it "
            f"is {now.event_id[:12] if now else 'nothing'}, or the evidence was written again. Nothing was changed; "
            "the next tick decides on what is there now."
        ) from error
    return wanted


def record(store: Store, events: Sequence[Event], *, expected_event_id: str | None = None) -> None:
    """Add events to the history, all or none; with `expected_event_id` only if production is still as it was then."""
    guard = (
        [
            Statement(
                store.catalogue.query("confirm_production", {"expected_event_id": expected_event_id}), expected_rows=1
            )
        ]
        if expected_event_id
        else []
    )
    store.warehouse.transact([*guard, *(_recorded(store, event) for event in events)])


def _recorded(store: Store, event: Event) -> Statement:
    row = asdict(event)
    row["reason"] = escaped(event.reason)
    for name in ("evidence_day", "hold_until"):
        row[name] = row[name].isoformat() if row[name] else None
    return Statement(store.catalogue.query("record_event", row), expected_rows=1)


def _row(store: Store, rollout: Rollout, version: str, event_id: str) -> Production:
    bundle, entry = store.registry.load(version), rollout.versions[version]
    return Production(
        version=version,
        features_view=entry.features_view,
        scores_table=entry.scores_table,
        model_uri=str(bundle.path),
        model_sha256=bundle.sha256,
        bundle_sha256=bundle.bundle_sha256,
        event_id=event_id,
    )


def _evidence_sequence(store: Store, event: Event) -> int:
    """The write of the evidence that was decided on, 0 where none was. Raises StaleDecisionError when it changed."""
    if event.evidence_day is None:
        return 0
    found = digest(store.comparisons(event.evidence_day, event.evidence_day))
    if found != event.evidence_sha256:
        raise StaleDecisionError(
            f"The evidence of {event.evidence_day} is {found[:12]}, decided on was {str(event.evidence_sha256)[:12]}. "
            "Nothing was changed; the next tick decides on what is there now."
        )
    day: date = event.evidence_day
    return store.latest_writes(day, day)[store.catalogue[tables.LIFT_COMPARISON].name, day].sequence
