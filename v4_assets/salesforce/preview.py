"""What a sync would send: the effect of a switch, and the files of a dry run.

Nothing is sent. The scores are compared with the values that the configured org has confirmed; an org without a record
is read. Without an org, a preview compares them with the live version's scores.
"""

import csv as csv_format
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.atomic_files import private_folder
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SalesforceSetupError, SettingsError
from v4_assets.salesforce import verify
from v4_assets.salesforce.client.org import CRM, Org
from v4_assets.salesforce.field_preflight import examine
from v4_assets.salesforce.ledger import Ledger, SyncRecord
from v4_assets.salesforce.plan import SyncPlan, Terms, aligned, plan_sync
from v4_assets.salesforce.rows import DayScores, csv, deciles
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
    held: str | None
    """Which changes are above the limit, so that the sync would send nothing; None when none are."""
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
    compared_with: str
    columns: tuple[tuple[str, str], ...]
    """(field name, key) beside Id, as rollout.yaml has them."""
    header: tuple[str, ...]
    """The first line of the files, read again; what it would be when there is nothing to send."""
    files: tuple[Path, ...]
    """CSV files, one for each job."""
    summary: Path

    def record(self, run_id: str | None) -> SyncRecord:
        """The row of salesforce_syncs. A dry run delivers nothing and owes nothing."""
        scores = self.plan.scores
        return SyncRecord(
            sync_id=uuid4().hex,
            target="dry-run",
            org_id=None,
            prediction_date=scores.day,
            model_version=scores.version,
            run_id=run_id,
            leads=len(scores.rows),
            held_back=len(self.plan.quarantined),
        )


@dataclass(frozen=True)
class KnownState:
    """What the scores are compared with."""

    rows: pa.Table
    """Columns of salesforce_state."""
    terms: Terms
    of: str
    """In words."""
    org_id: str | None = None


def preview(store: Store, rollout: Rollout, clock: Clock, crm: CRM, version: str, day: date) -> Preview:
    """What changes in Salesforce if `version` is sent for `day`. Raises RowsMissingError without its scores."""
    if version not in rollout.versions:
        raise SettingsError(f"{version} is not among the versions of rollout.yaml: {', '.join(rollout.versions)}.")
    with store.session():
        scores = scores_of(store, rollout, version, day)
        carried = _known(store, rollout, clock, crm, scores) or _live(store, rollout, day)
    plan = plan_sync(scores, carried.rows, rollout.salesforce, carried.terms)
    target = scores.rows
    known = aligned(target, carried.rows)
    top, was_top = (_in_top(rows) for rows in (target, known))
    low, was_low = (pc.fill_null(rows["deprioritize"], False) for rows in (target, known))
    return Preview(
        day=day,
        version=version,
        compared_with=carried.of,
        leads=len(target),
        plan=plan,
        held=plan.too_many(rollout.salesforce.max_changed_share),
        enters_top_decile=_ids(target, top, was_top),
        leaves_top_decile=_ids(target, was_top, top),
        enters_deprioritized=_ids(target, low, was_low),
        leaves_deprioritized=_ids(target, was_low, low),
    )


def dry_run(store: Store, rollout: Rollout, clock: Clock, crm: CRM, scores: DayScores) -> DryRun:
    """Write the CSV of each job and a summary into the CRM's folder, in place of the files of an earlier dry run.

    The plan is compared with the known state of the only org on record; without one, every lead is sent.
    """
    rules, folder = rollout.salesforce, crm.folder
    carried = _known(store, rollout, clock, crm, scores)
    if carried is None:
        schema = arrow_schema(rollout.catalogue[SALESFORCE_STATE])
        carried = KnownState(schema.empty_table(), Terms(full=True), "nothing: no single org is on record")
    plan = plan_sync(scores, carried.rows, rules, carried.terms)
    private_folder(folder)
    stem = f"{scores.day}_{scores.version}"
    for stale in folder.glob(f"{stem}_job*.csv"):
        stale.unlink()
    columns = tuple((name, key) for key, name in rules.fields.model_dump().items() if name)
    files = []
    for number, start in enumerate(range(0, len(plan.rows), rules.rows_per_job), start=1):
        file = folder / f"{stem}_job{number}.csv"
        file.write_bytes(csv(plan.rows.slice(start, rules.rows_per_job), columns, scores.scored_at))
        files.append(file)
    held = plan.too_many(rules.max_changed_share) is not None
    summary = folder / f"{stem}_summary.json"
    content = {
        "dry_run": True,
        "prediction_date": scores.day.isoformat(),
        "model_version": scores.version,
        "compared_with_org": carried.org_id,
        **plan.counts,
        "changed_share": round(plan.changed_share, 4),
        "would_be_held": held,
        "malformed_ids": list(scores.malformed),
        "files": [file.name for file in files],
    }
    summary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    header = _header(files) or ("Id", *(name for name, _ in columns))
    return DryRun(plan, held, carried.of, columns, header, tuple(files), summary)


def _known(store: Store, rollout: Rollout, clock: Clock, crm: CRM, scores: DayScores) -> KnownState | None:
    """The state of the configured org, never of another one; None without an org."""
    ledger = Ledger(store.warehouse, store.catalogue, clock)
    org_id = crm.org_id
    if org_id is None and crm.org is None:
        # A dry run names no org. One org on record can only be the one that is meant.
        orgs = ledger.orgs()
        org_id = orgs[0] if len(orgs) == 1 else None
    state = ledger.state(org_id) if org_id else None
    if org_id and state is not None and len(state):
        terms = Terms(full=ledger.full_is_due(org_id, scores.day, rollout.salesforce.full_sync_days))
        return KnownState(state, terms, f"the values that org {org_id} has confirmed", org_id)
    return org_state(rollout, clock, crm.org, scores) if crm.org else None


def org_state(rollout: Rollout, clock: Clock, org: Org, scores: DayScores) -> KnownState:
    """The org as it shows itself, read in full. Raises SalesforceSetupError for fields that do not fit."""
    identity = org.identity()
    fields = examine(rollout.salesforce.fields, org.lead_fields(), list(rollout.versions))
    if fields.wrong:
        raise SalesforceSetupError(f"Fields of Lead do not fit the scores: {'; '.join(fields.wrong)}.")
    rows = verify.seed(org, identity, fields, scores.rows, scores.day, clock.now())
    of = f"the values that org {identity.org_id} shows: no sync has run there yet"
    return KnownState(rows, Terms(full=True, first=True), of, identity.org_id)


def _live(store: Store, rollout: Rollout, day: date) -> KnownState:
    """The live version's scores, in place of an org's values."""
    live = store.live()
    if live is None:
        raise SalesforceSetupError("No version is live, so the preview has no baseline. Run `v4 init` first.")
    rows = scores_of(store, rollout, live, day).rows
    for field in arrow_schema(rollout.catalogue[SALESFORCE_STATE]):
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return KnownState(rows, Terms(full=True), f"{live}'s scores of {day}: no single org is on record")


def _header(files: list[Path]) -> tuple[str, ...]:
    """The first line of every file; those that differ one after the other."""
    found = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as text:
            found.append(tuple(next(csv_format.reader(text))))
    return tuple(name for one in dict.fromkeys(found) for name in one)


def _in_top(rows: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(deciles(rows["percentile"]), TOP_DECILE), False)


def _ids(rows: pa.Table, now: pa.ChunkedArray, before: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(rows["lead_id"].filter(pc.and_(now, pc.invert(before))).to_pylist())
