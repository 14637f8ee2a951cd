"""The asset that sends the live version's scores to Salesforce: in the daily job and after every switch."""

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
from v4_assets.salesforce.client.org import CRM
from v4_assets.salesforce.fields import examine
from v4_assets.salesforce.preview import DryRun, dry_run
from v4_assets.salesforce.scores import live_scores
from v4_assets.salesforce.sync import SyncResult
from v4_assets.store import Store

SHOWN_REFUSED = 50

Results = Iterator[dg.AssetCheckResult | dg.AssetObservation | MaterializeResult]


def salesforce_sync(
    rollout: Rollout, partitions: dg.DailyPartitionsDefinition, *, sends: bool = True
) -> dg.AssetsDefinition:
    """The sync. With `sends` False, for a dry run, it declares no checks, because nothing is sent."""
    catalogue = rollout.catalogue

    @dg.asset(
        name=SALESFORCE_SYNC,
        deps=[PRODUCTION_ALIAS, *(tables.scores_key(entry.key) for entry in rollout.versions.values())],
        partitions_def=partitions,
        group_name=SALESFORCE_GROUP,
        kinds={"salesforce"},
        check_specs=specs(checks.CHECKS, SALESFORCE_SYNC) if sends else [],
        description=(
            "Sends today's scores of the live version to the leads in Salesforce.\n\n"
            "- Only leads whose values differ from the confirmed ones are sent.\n"
            "- Every row is accounted for in `v4_salesforce_sync_log`.\n"
            "- Leads that Salesforce rejects permanently are quarantined for some days and listed below.\n"
            "- The run is green only when every row is accounted for. Details: `docs/salesforce.md`."
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
        scores = live_scores(store, rollout, clock.today())
        if salesforce.org is None:
            written = dry_run(store, rollout, clock, salesforce.folder, scores)
            yield dg.MaterializeResult(metadata=_of_dry_run(written) | _looked_at(clock))
            return
        fields = examine(rollout.salesforce.fields, salesforce.org.lead_fields(), list(rollout.versions))
        yield _result(checks.fields_exist(fields.wrong, fields.absent), warn=not fields.wrong)
        if fields.wrong:
            raise SalesforceSetupError(
                f"Fields of Lead do not fit the scores: {'; '.join(fields.wrong)}. Nothing was sent. "
                "An admin can create or correct them: docs/salesforce.md."
            )
        result = sync.synchronise(
            store.warehouse,
            rollout,
            clock,
            salesforce,
            salesforce.org,
            scores,
            fields,
            run_id=context.run_id,
            allowed=context.run.tags.get(ALLOW_CHANGES_TAG),
            log=context.log.info,
        )
        yield from map(partial(_result, warn=False), _judge(result, rollout))
        if result.problems:
            # A failed step materializes nothing, and the operator needs the refused leads to fix it.
            shown = _of(result, salesforce.target)
            yield dg.AssetObservation(SALESFORCE_SYNC, partition=context.partition_key, metadata=shown)
            raise SalesforceError(f"The sync is not complete: {'; '.join(result.problems)}.")
        yield dg.MaterializeResult(metadata=_of(result, salesforce.target) | _looked_at(clock))

    return asset


def _looked_at(clock: Clock) -> dict[str, Any]:
    """The time by the project's clock; the event log has the machine's."""
    return {"looked_at": dg.MetadataValue.timestamp(clock.now())}


def _judge(result: SyncResult, rollout: Rollout) -> Sequence[Finding]:
    sent, shown = len(result.plan.rows), result.read_back
    return (
        checks.accounted(sent, result.accounts),
        checks.failure_rate(result.refused, sent, rollout.salesforce.max_failure_rate, result.accounts),
        checks.read_back(shown.asked, len(shown.differing), shown.examples),
        checks.distribution(shown.deciles, shown.deprioritized, shown.mean_score),
        checks.coverage(len(result.plan.scores.rows), result.uncovered),
    )


def _result(finding: Finding, *, warn: bool) -> dg.AssetCheckResult:
    """The Dagster result of a check. An absent optional field is a warning, anything else an error."""
    return dg.AssetCheckResult(
        check_name=finding.check.name,
        asset_key=SALESFORCE_SYNC,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        description=_sentence(finding),
        metadata={
            "actual": finding.actual,
            "expected": finding.expected,
            **({"details": "\n".join(finding.details)} if finding.details else {}),
        },
    )


def _sentence(finding: Finding) -> str:
    if finding.passed:
        return f"ok: {finding.actual}"
    return f"not ok: found {finding.actual}, expected {finding.expected}"


def _of(result: SyncResult, target: str) -> dict[str, Any]:
    scores = result.plan.scores
    return {
        "version": scores.version,
        "target": target,
        "sent": len(result.plan.rows),
        "confirmed": result.leads("confirmed"),
        "pending": result.leads("pending"),
        "refused": result.leads("quarantined", "failed"),
        "refused_leads": _refused_leads(result.pending.quarantined.slice(0, SHOWN_REFUSED).to_pylist()),
        "failure_rate": float(result.failure_rate),
        "changed_share": round(result.plan.changed_share, 4),
        "jobs": result.jobs,
        "org": result.org_id,
        "limit_not_applied": result.exempt or "–",
        "malformed_ids": len(scores.malformed),
        "duplicates": scores.duplicates,
        **{name: count for name, count in result.plan.counts.items() if name != "to_send"},
        "read_back": f"{result.read_back.asked:,} leads, {'all' if result.read_back.everything else 'a sample'}",
    }


def _refused_leads(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The quarantined leads, with Salesforce's reason for each."""
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


def _of_dry_run(written: DryRun) -> dict[str, Any]:
    return {
        "target": "dry-run: nothing was sent and nothing changed",
        "version": written.plan.scores.version,
        "would_send": len(written.plan.rows),
        "would_be_held": written.would_be_held,
        "changed_share": written.plan.changed_share,
        **{name: count for name, count in written.plan.counts.items() if name != "to_send"},
        "summary": dg.MetadataValue.path(str(written.summary)),
        "files": dg.MetadataValue.json([str(file) for file in written.files]),
    }
