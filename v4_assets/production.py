"""Which version is live: one row, changed in one transaction with the event that says why."""

from dataclasses import asdict, dataclass
from uuid import uuid4

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.errors import ModelIntegrityError, V4Error
from v4_assets.model import Bundle
from v4_assets.resources.registry import ModelRegistry
from v4_assets.resources.warehouse import Statement, Warehouse
from v4_assets.rollout_file import Rollout
from v4_assets.tables import Catalogue


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
    rows = warehouse.read(catalogue.query(tables.PRODUCTION)).to_pylist()
    if len(rows) > 1:
        raise V4Error(
            f"{catalogue[tables.PRODUCTION].full_name} holds {len(rows)} rows, expected one. Somebody edited it by "
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


def prepare(warehouse: Warehouse, catalogue: Catalogue) -> None:
    """Create every table this project writes, and the guide's views."""
    warehouse.create(catalogue.made, catalogue.views)


def adopt(warehouse: Warehouse, rollout: Rollout, registry: ModelRegistry, clock: Clock) -> Production:
    """Make the baseline live when nothing is yet; otherwise change nothing. Returns what is live."""
    catalogue = rollout.catalogue
    live = current(warehouse, catalogue)
    if live:
        return live
    bundle = registry.load(rollout.baseline)
    entry = rollout.versions[rollout.baseline]
    adopted = Production(
        version=rollout.baseline,
        features_view=entry.features_view,
        scores_table=entry.scores_table,
        model_uri=str(bundle.path),
        model_sha256=bundle.sha256,
        event_id=uuid4().hex,
    )
    event = {
        "event_id": adopted.event_id,
        "happened_at": clock.now(),
        "event": "adopted",
        "version": adopted.version,
        "previous": None,
        "reason": f"{adopted.version} is the baseline of rollout.yaml and was live before this project kept records.",
        "gates": None,
        "evidence_sha256": None,
        "run_id": None,
    }
    warehouse.transact(
        [
            Statement(catalogue.query("adopt_production", asdict(adopted)), expected_rows=1),
            Statement(catalogue.query("record_event", event), expected_rows=1),
        ]
    )
    return adopted
