"""What a sync would send, without an org: the effect of a switch, and the files of a dry run.

Nothing is sent and no table changes. The scores are compared with the last known state of the org; before the first
sync, a preview compares them with the live version's scores.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SalesforceSetupError, SettingsError
from v4_assets.salesforce.ledger import Ledger
from v4_assets.salesforce.plan import DayScores, SyncPlan, aligned, csv, deciles, plan_sync
from v4_assets.salesforce.scores import scores_of
from v4_assets.store import Store
from v4_assets.tables import SALESFORCE_STATE
from v4_assets.warehouse.protocol import arrow_schema

TOP_DECILE = 10


@dataclass(frozen=True)
class Preview:
    """What a sync of a version would change on a day. Leads are listed by id, in order."""

    day: date
    version: str
    compared_with: str
    """The state that the plan was compared with, as text."""
    leads: int
    """Leads that the version scored."""
    plan: SyncPlan
    enters_top_decile: tuple[str, ...]
    leaves_top_decile: tuple[str, ...]
    enters_deprioritized: tuple[str, ...]
    """Called until now, not called after the switch."""
    leaves_deprioritized: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """All counts, by the names of the CLI."""
        return {
            "leads": self.leads,
            **self.plan.counts,
            "enters_top_decile": len(self.enters_top_decile),
            "leaves_top_decile": len(self.leaves_top_decile),
            "enters_deprioritized": len(self.enters_deprioritized),
            "leaves_deprioritized": len(self.leaves_deprioritized),
        }


@dataclass(frozen=True)
class DryRun:
    """The files of a dry run, and the plan they show."""

    plan: SyncPlan
    would_be_held: bool
    """Whether the limit on changes would stop the sync."""
    files: tuple[Path, ...]
    """CSV files, one for each job."""
    summary: Path


def preview(store: Store, rollout: Rollout, clock: Clock, version: str, day: date) -> Preview:
    """What changes in Salesforce if `version` is sent for `day`. Raises RowsMissingError without its scores."""
    if version not in rollout.versions:
        raise SettingsError(f"{version} is not among the versions of rollout.yaml: {', '.join(rollout.versions)}.")
    with store.session():
        scores = scores_of(store, rollout, version, day)
        carried, compared_with = _carried(store, rollout, clock, day)
    plan = plan_sync(scores, carried, rollout.salesforce)
    target = scores.rows
    known = aligned(target, carried)
    top, was_top = (_in_top(rows) for rows in (target, known))
    low, was_low = (pc.fill_null(rows["deprioritize"], False) for rows in (target, known))
    return Preview(
        day=day,
        version=version,
        compared_with=compared_with,
        leads=len(target),
        plan=plan,
        enters_top_decile=_ids(target, top, was_top),
        leaves_top_decile=_ids(target, was_top, top),
        enters_deprioritized=_ids(target, low, was_low),
        leaves_deprioritized=_ids(target, was_low, low),
    )


def dry_run(store: Store, rollout: Rollout, clock: Clock, folder: Path, scores: DayScores) -> DryRun:
    """Write the CSV of each job and a summary into `folder`, in place of the files of an earlier dry run.

    The plan is compared with the known state of the last org synced; without one, every lead is sent.
    """
    rules, ledger = rollout.salesforce, Ledger(store.warehouse, store.catalogue, clock)
    org_id = ledger.latest_org()
    plan = plan_sync(scores, ledger.state(org_id or ""), rules)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{scores.day}_{scores.version}"
    for stale in folder.glob(f"{stem}_job*.csv"):
        stale.unlink()
    columns = tuple((name, key) for key, name in rules.fields.model_dump().items() if name)
    files = []
    for number, start in enumerate(range(0, len(plan.rows), rules.rows_per_job), start=1):
        file = folder / f"{stem}_job{number}.csv"
        file.write_bytes(csv(plan.rows.slice(start, rules.rows_per_job), columns, scores.scored_at))
        files.append(file)
    held = plan.changed_share > rules.max_changed_share and org_id is not None
    summary = folder / f"{stem}_summary.json"
    content = {
        "dry_run": True,
        "prediction_date": scores.day.isoformat(),
        "model_version": scores.version,
        "compared_with_org": org_id,
        **plan.counts,
        "changed_share": round(plan.changed_share, 4),
        "would_be_held": held,
        "malformed_ids": list(scores.malformed),
        "files": [file.name for file in files],
    }
    summary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return DryRun(plan, held, tuple(files), summary)


def _carried(store: Store, rollout: Rollout, clock: Clock, day: date) -> tuple[pa.Table, str]:
    ledger = Ledger(store.warehouse, store.catalogue, clock)
    org_id = ledger.latest_org()
    if org_id:
        return ledger.state(org_id), f"the values that org {org_id} has confirmed"
    live = store.live()
    if live is None:
        raise SalesforceSetupError("No version is live, so the preview has no baseline. Run `v4 init` first.")
    rows = scores_of(store, rollout, live, day).rows
    for field in arrow_schema(rollout.catalogue[SALESFORCE_STATE]):
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows, f"{live}'s scores of {day}: no sync has run yet"


def _in_top(rows: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(deciles(rows["percentile"]), TOP_DECILE), False)


def _ids(rows: pa.Table, now: pa.ChunkedArray, before: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(rows["lead_id"].filter(pc.and_(now, pc.invert(before))).to_pylist())
