"""Which version is live: one row, changed in one transaction with the event that says why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from uuid import uuid4

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import ConcurrentWriteError, ModelIntegrityError, StaleDecisionError, V4Error
from v4_assets.evaluation.evidence import digest
from v4_assets.evaluation.store import evidence_rows
from v4_assets.models.bundle import Bundle
from v4_assets.models.registry import ModelRegistry
from v4_assets.production import events as deployments
from v4_assets.production.events import Event
from v4_assets.tables import Catalogue
from v4_assets.warehouse.latest_writes import latest_writes
from v4_assets.warehouse.protocol import Statement, Warehouse, rows_of


@dataclass(frozen=True)
class Production:
    """The row of ml_features.v4_production."""

    version: str
    features_view: str
    scores_table: str
    model_uri: str
    model_sha256: str
    event_id: str


def current(warehouse: Warehouse, catalogue: Catalogue) -> Production | None:
    """What is live; None before anything was adopted. Raises V4Error when the table holds more than one row."""
    rows = rows_of(warehouse.read(catalogue.query(tables.PRODUCTION)))
    if len(rows) > 1:
        raise V4Error(
            f"{catalogue[tables.PRODUCTION].full_name} holds {len(rows)} rows, expected one. It was edited by "
            "hand: delete all but the row whose event_id is the latest in the deployments table."
        )
    return Production(**rows[0]) if rows else None


def live_version(warehouse: Warehouse, catalogue: Catalogue) -> str | None:
    """The live version; None before anything was adopted."""
    live = current(warehouse, catalogue)
    return live.version if live else None


def approved_bundle(warehouse: Warehouse, catalogue: Catalogue, registry: ModelRegistry, version: str) -> Bundle:
    """The version's bundle; when it is the live one, exactly the artifact that went live.

    Raises ModelIntegrityError when the registry has another model under the live version's name.
    """
    bundle = registry.load(version)
    live = current(warehouse, catalogue)
    if live and live.version == version and live.model_sha256 != bundle.sha256:
        raise ModelIntegrityError(
            f"{bundle.path} is not the {version} that is live: sha256 is {bundle.sha256[:12]}, production runs "
            f"{live.model_sha256[:12]}. A live version is never retrained in place: register the new model as a new "
            f"version, and remove {bundle.path} from the registry."
        )
    return bundle


def adopt(warehouse: Warehouse, rollout: Rollout, registry: ModelRegistry, clock: Clock) -> Production:
    """Make the baseline live when nothing is yet; otherwise change nothing. Returns what is live."""
    catalogue = rollout.catalogue
    live = current(warehouse, catalogue)
    if live:
        return live
    adopted = _row(rollout, registry, rollout.baseline, uuid4().hex)
    event = Event(
        event_id=adopted.event_id,
        happened_at=clock.now(),
        event="adopted",
        version=adopted.version,
        reason=f"{adopted.version} is the baseline of rollout.yaml and was live before this project kept records.",
        decided_by="v4 init",
    )
    warehouse.transact(
        [
            Statement(catalogue.query("adopt_production", asdict(adopted)), expected_rows=1),
            _recorded(catalogue, event),
        ]
    )
    return adopted


def switch(
    warehouse: Warehouse,
    rollout: Rollout,
    registry: ModelRegistry,
    event: Event,
    *,
    expected_event_id: str,
    model_sha256: str | None,
) -> Production:
    """Make `event.version` live and record the event, in one transaction; harmless when that is done already.

    Raises StaleDecisionError, changing nothing, when production or the evidence is not what was decided on, and
    ModelIntegrityError when the registry's model is not the one that was judged (`model_sha256`; None asks nothing).
    """
    catalogue = rollout.catalogue
    live = current(warehouse, catalogue)
    if live and live.event_id == event.event_id:
        return live
    wanted = _row(rollout, registry, event.version, event.event_id)
    if model_sha256 and wanted.model_sha256 != model_sha256:
        raise ModelIntegrityError(
            f"The registry's {event.version} is {wanted.model_sha256[:12]}, what was judged is {model_sha256[:12]}. "
            "Only the artifact that was judged goes live: restore it, or let the new one be judged under a new version."
        )
    table = catalogue[tables.LIFT_COMPARISON]
    params = {
        **asdict(wanted),
        "expected_event_id": expected_event_id,
        "evidence_table": table.name,
        "evidence_day": event.evidence_day.isoformat() if event.evidence_day else None,
        "evidence_sequence": _evidence_sequence(warehouse, catalogue, event),
    }
    try:
        warehouse.transact(
            [
                Statement(catalogue.query("switch_production", params), expected_rows=1),
                _recorded(catalogue, event),
            ]
        )
    except ConcurrentWriteError as error:
        now = current(warehouse, catalogue)
        if now and now.event_id == event.event_id:
            return now  # the same decision, carried out by another run
        raise StaleDecisionError(
            f"{event.event} to {event.version} was decided when {expected_event_id[:12]} was the last switch; now it "
            f"is {now.event_id[:12] if now else 'nothing'}, or the evidence was written again. Nothing was changed; "
            "the next tick decides on what is there now."
        ) from error
    return wanted


def record(
    warehouse: Warehouse, catalogue: Catalogue, events: Sequence[Event], *, expected_event_id: str | None = None
) -> None:
    """Add events to the history, all or none; with `expected_event_id` only if production is still as it was then."""
    guard = (
        [Statement(catalogue.query("confirm_production", {"expected_event_id": expected_event_id}), expected_rows=1)]
        if expected_event_id
        else []
    )
    warehouse.transact([*guard, *(_recorded(catalogue, event) for event in events)])


def history(warehouse: Warehouse, catalogue: Catalogue) -> list[Event]:
    """Every event, oldest first."""
    return deployments.in_order(Event(**row) for row in rows_of(warehouse.read(catalogue.query(tables.DEPLOYMENTS))))


def _recorded(catalogue: Catalogue, event: Event) -> Statement:
    row = {**asdict(event), "evidence_day": event.evidence_day.isoformat() if event.evidence_day else None}
    return Statement(catalogue.query("record_event", row), expected_rows=1)


def _row(rollout: Rollout, registry: ModelRegistry, version: str, event_id: str) -> Production:
    bundle, entry = registry.load(version), rollout.versions[version]
    return Production(
        version=version,
        features_view=entry.features_view,
        scores_table=entry.scores_table,
        model_uri=str(bundle.path),
        model_sha256=bundle.sha256,
        event_id=event_id,
    )


def _evidence_sequence(warehouse: Warehouse, catalogue: Catalogue, event: Event) -> int:
    """The write of the evidence that was decided on, 0 where none was. Raises StaleDecisionError when it changed."""
    if event.evidence_day is None:
        return 0
    found = digest(evidence_rows(warehouse, catalogue, event.evidence_day, event.evidence_day))
    if found != event.evidence_sha256:
        raise StaleDecisionError(
            f"The evidence of {event.evidence_day} is {found[:12]}, decided on was {str(event.evidence_sha256)[:12]}. "
            "Nothing was changed; the next tick decides on what is there now."
        )
    day: date = event.evidence_day
    return latest_writes(warehouse, catalogue, day, day)[catalogue[tables.LIFT_COMPARISON].name, day].sequence
