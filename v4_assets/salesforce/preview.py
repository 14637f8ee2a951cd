"""What Salesforce would show if another version were live: how many leads change, and which of them matter.

Read-only. Compared is with what the org is known to carry; while nothing is known, with the live version's own scores.
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SalesforceSetupError, SettingsError
from v4_assets.salesforce.changes import Changes, aligned, changes
from v4_assets.salesforce.ledger import Ledger
from v4_assets.salesforce.rows import as_sent, deciles
from v4_assets.salesforce.shipment import scores_of
from v4_assets.store import Store
from v4_assets.tables import SALESFORCE_STATE
from v4_assets.warehouse.protocol import arrow_schema

TOP_DECILE = 10


@dataclass(frozen=True)
class Preview:
    """What a sync of a version would change on a day. Leads are named by their ids, in order."""

    day: date
    version: str
    compared_with: str
    """In words."""
    leads: int
    """Leads the version scored."""
    changes: Changes
    enters_top_decile: tuple[str, ...]
    leaves_top_decile: tuple[str, ...]
    enters_deprioritized: tuple[str, ...]
    """Called until now, and then no more."""
    leaves_deprioritized: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Everything countable."""
        return {
            "leads": self.leads,
            **self.changes.counts,
            "enters_top_decile": len(self.enters_top_decile),
            "leaves_top_decile": len(self.leaves_top_decile),
            "enters_deprioritized": len(self.enters_deprioritized),
            "leaves_deprioritized": len(self.leaves_deprioritized),
        }


def preview(store: Store, rollout: Rollout, clock: Clock, version: str, day: date) -> Preview:
    """What changes in Salesforce if `version` is sent for `day`. Raises RowsMissingError without its scores."""
    if version not in rollout.versions:
        raise SettingsError(f"{version} is not among the versions of rollout.yaml: {', '.join(rollout.versions)}.")
    with store.session():
        scores, _ = scores_of(store, rollout, version, day)
        carried, compared_with = _carried(store, rollout, clock, day)
    target = as_sent(scores, version).rows
    found = changes(
        target,
        carried,
        version,
        day,
        quarantine_days=rollout.salesforce.quarantine_days,
        clear_left=rollout.salesforce.leads_that_left == "clear",
    )
    known = aligned(target, carried)
    top, was_top = (_in_top(rows) for rows in (target, known))
    low, was_low = (pc.fill_null(rows["deprioritize"], False) for rows in (target, known))
    return Preview(
        day=day,
        version=version,
        compared_with=compared_with,
        leads=len(target),
        changes=found,
        enters_top_decile=_ids(target, top, was_top),
        leaves_top_decile=_ids(target, was_top, top),
        enters_deprioritized=_ids(target, low, was_low),
        leaves_deprioritized=_ids(target, was_low, low),
    )


def _carried(store: Store, rollout: Rollout, clock: Clock, day: date) -> tuple[pa.Table, str]:
    ledger = Ledger(store.warehouse, store.catalogue, clock)
    org_id = ledger.latest_org()
    if org_id:
        return ledger.state(org_id), f"what org {org_id} has confirmed"
    live = store.live()
    if live is None:
        raise SalesforceSetupError("No version is live, so there is nothing to compare with. Run `v4 init` first.")
    scores, _ = scores_of(store, rollout, live, day)
    rows = as_sent(scores, live).rows
    for field in arrow_schema(rollout.catalogue[SALESFORCE_STATE]):
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows, f"{live}'s scores of {day}, for nothing was ever sent"


def _in_top(rows: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(deciles(rows["percentile"]), TOP_DECILE), False)


def _ids(rows: pa.Table, now: pa.ChunkedArray, before: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(rows["lead_id"].filter(pc.and_(now, pc.invert(before))).to_pylist())
