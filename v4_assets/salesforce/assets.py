"""The live version's scores in Salesforce. In the daily job and after every switch it is the same asset."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.checks import Finding, specs
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.dagster_types import MaterializeResult
from v4_assets.errors import SalesforceError, SalesforceSetupError
from v4_assets.names import ALLOW_CHANGES_TAG, PRODUCTION_ALIAS, SALESFORCE_GROUP, SALESFORCE_SYNC
from v4_assets.production.assets import only_today
from v4_assets.salesforce import checks, sync
from v4_assets.salesforce.client.crm import CRM
from v4_assets.salesforce.dry_run import DryRun, dry_run
from v4_assets.salesforce.fields import examine
from v4_assets.salesforce.shipment import Shipment, verified
from v4_assets.salesforce.sync import Report
from v4_assets.store import Store

SHOWN_REFUSED = 50

Results = Iterator[dg.AssetCheckResult | dg.AssetObservation | MaterializeResult]


def salesforce_sync(
    rollout: Rollout, partitions: dg.DailyPartitionsDefinition, *, sends: bool = True
) -> dg.AssetsDefinition:
    """The sync. With `sends` False, for a dry run, it declares no checks: nothing is sent that could be checked."""
    catalogue = rollout.catalogue

    @dg.asset(
        name=SALESFORCE_SYNC,
        deps=[PRODUCTION_ALIAS, *(tables.scores_key(entry.key) for entry in rollout.versions.values())],
        partitions_def=partitions,
        group_name=SALESFORCE_GROUP,
        kinds={"salesforce"},
        check_specs=specs(checks.CHECKS, SALESFORCE_SYNC) if sends else [],
        description=(
            "Brings the leads of Salesforce to carry today's scores of the version that is live.\n\n"
            "- Only what differs from what the org has confirmed is sent.\n"
            "- Every row is accounted for in `v4_salesforce_sync_log`.\n"
            "- What Salesforce refuses for good is kept out for some days, and listed below with its reason.\n"
            "- The run is green only when every row is accounted for; `docs/salesforce.md` tells the whole."
        ),
        metadata={"dagster/table_name": catalogue[tables.SALESFORCE_SYNC_LOG].full_name.replace("`", "")},
    )
    def asset(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
        salesforce: dg.ResourceParam[CRM],
    ) -> Results:
        only_today(context, clock)
        shipment = verified(store, rollout, clock.today())
        if salesforce.org is None:
            written = dry_run(store.warehouse, rollout, clock, salesforce.folder, shipment)
            yield dg.MaterializeResult(metadata=_of_dry_run(written, shipment) | _looked_at(clock))
            return
        fields = examine(rollout.salesforce.fields, salesforce.org.lead_fields(), list(rollout.versions))
        yield _result(checks.fields_exist(fields.wrong, fields.absent), warn=not fields.wrong)
        if fields.wrong:
            raise SalesforceSetupError(
                f"Fields of Lead are not fit for the scores: {'; '.join(fields.wrong)}. Nothing was sent. "
                "docs/salesforce.md tells an admin how they are made and made visible to us."
            )
        report = sync.synchronise(
            store.warehouse,
            rollout,
            clock,
            salesforce,
            salesforce.org,
            shipment,
            fields,
            run_id=context.run_id,
            allowed=context.run.tags.get(ALLOW_CHANGES_TAG),
            tell=context.log.info,
        )
        yield from map(partial(_result, warn=False), _judge(report, rollout, len(shipment.sent.rows)))
        if report.problems:
            # A failed step materializes nothing, and who mends it wants the refused leads most.
            shown = _of(report, shipment, salesforce.target)
            yield dg.AssetObservation(SALESFORCE_SYNC, partition=context.partition_key, metadata=shown)
            raise SalesforceError(f"Everything that happened is recorded, but {'; '.join(report.problems)}.")
        yield dg.MaterializeResult(metadata=_of(report, shipment, salesforce.target) | _looked_at(clock))

    return asset


def _looked_at(clock: Clock) -> dict[str, Any]:
    """When, by our clock: the event log has only the machine's."""
    return {"looked_at": dg.MetadataValue.timestamp(clock.now())}


def _judge(report: Report, rollout: Rollout, leads: int) -> Sequence[Finding]:
    sent, shown = len(report.changes.rows), report.read_back
    return (
        checks.accounted(sent, report.accounts),
        checks.failure_rate(report.refused, sent, rollout.salesforce.max_failure_rate, report.accounts),
        checks.read_back(shown.asked, len(shown.differing), shown.examples),
        checks.distribution(shown.deciles, shown.deprioritized, shown.mean_score),
        checks.coverage(leads, report.uncovered),
    )


def _result(finding: Finding, *, warn: bool) -> dg.AssetCheckResult:
    """One check's answer. An optional field that is absent is worth a warning, anything else an error."""
    return dg.AssetCheckResult(
        check_name=finding.check.name,
        asset_key=SALESFORCE_SYNC,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        description=f"{'ok' if finding.passed else 'not ok'}: found {finding.actual}, expected {finding.expected}",
        metadata={
            "actual": finding.actual,
            "expected": finding.expected,
            **({"details": "\n".join(finding.details)} if finding.details else {}),
        },
    )


def _of(report: Report, shipment: Shipment, target: str) -> dict[str, Any]:
    return {
        "version": report.version,
        "target": target,
        "sent": len(report.changes.rows),
        "confirmed": report.leads("confirmed"),
        "pending": report.leads("pending"),
        "refused": report.leads("quarantined", "failed"),
        "refused_leads": _refused_leads(report.remaining.quarantined.slice(0, SHOWN_REFUSED).to_pylist()),
        "failure_rate": float(report.failure_rate),
        "changed_share": round(report.changes.changed_share, 4),
        "jobs": report.jobs,
        "org": report.org_id,
        "limit_not_applied": report.exempt or "–",
        "malformed_ids": len(shipment.sent.malformed),
        "duplicates": shipment.sent.twice,
        **{name: count for name, count in report.changes.counts.items() if name != "to_send"},
        "read_back": f"{report.read_back.asked:,} leads, {'all' if report.read_back.everything else 'a sample'}",
    }


def _refused_leads(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The leads that are kept out for now, and Salesforce's own reason for each."""
    records = [
        dg.TableRecord(
            {
                "lead": row["lead_id"],
                "code": row["refused_code"],
                "reason": row["refused_message"] or "–",
                "since": str(row["refused_on"]),
            }
        )
        for row in rows
    ]
    columns = ("lead", "code", "reason", "since")
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns]))


def _of_dry_run(written: DryRun, shipment: Shipment) -> dict[str, Any]:
    return {
        "target": "dry-run: nothing was sent and nothing changed",
        "version": shipment.version,
        "would_send": len(written.changes.rows),
        "would_be_held": written.would_be_held,
        "changed_share": written.changes.changed_share,
        **{name: count for name, count in written.changes.counts.items() if name != "to_send"},
        "summary": dg.MetadataValue.path(str(written.summary)),
        "files": dg.MetadataValue.json([str(file) for file in written.files]),
    }
