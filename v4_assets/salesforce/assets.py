"""The asset that sends the live version's scores to Salesforce: in the daily job and after every switch."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from uuid import uuid4

import dagster as dg

from v4_assets import recorded_checks, tables
from v4_assets.checks import Finding, specs, unasked
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult
from v4_assets.errors import SalesforceError, SalesforceSetupError, V4Error, ValuesOutOfRangeError
from v4_assets.names import ACTION_TAG, PRODUCTION_ALIAS, SALESFORCE_GROUP, SALESFORCE_SYNC
from v4_assets.production import orders, recorded_orders
from v4_assets.production.assets import only_today
from v4_assets.production.decision import Verdict
from v4_assets.production.events import Event
from v4_assets.production.recorded_orders import LargeChange
from v4_assets.recorded_checks import ERROR, WARN, CheckResult, Judgement
from v4_assets.salesforce import checks, sync
from v4_assets.salesforce.client.org import CRM, Org
from v4_assets.salesforce.field_preflight import Fields, examine
from v4_assets.salesforce.ledger import Ledger, SyncRecord
from v4_assets.salesforce.plan import SyncPlan
from v4_assets.salesforce.preview import dry_run
from v4_assets.salesforce.rows import ROW, DayScores
from v4_assets.salesforce.scores import live_scores
from v4_assets.salesforce.sync_result import SyncResult, looked_at, of_dry_run, of_sync
from v4_assets.store import Store

Results = Iterator[dg.AssetCheckResult | dg.AssetObservation | MaterializeResult]


def salesforce_sync(
    rollout: Rollout,
    partitions: dg.DailyPartitionsDefinition,
    *,
    sends: bool = True,
    hooks: Set[dg.HookDefinition] = frozenset(),
) -> dg.AssetsDefinition:
    """The sync. With `sends` False, for a dry run, it has no checks of the org's answers."""
    catalogue = rollout.catalogue

    asked = checks.CHECKS if sends else checks.ALWAYS

    @dg.asset(
        name=SALESFORCE_SYNC,
        deps=[PRODUCTION_ALIAS, *(tables.scores_key(entry.key) for entry in rollout.versions.values())],
        partitions_def=partitions,
        group_name=SALESFORCE_GROUP,
        kinds={"salesforce"},
        check_specs=specs(asked, SALESFORCE_SYNC),
        hooks=hooks,
        output_required=False,  # without a live version the step waits, and so does the report
        description=(
            "Sends today's scores of the live version to the leads in Salesforce.\n\n"
            "- Only leads whose call flag, decile or version differs from the confirmed one, or whose score moved, are "
            "sent; once a week every difference.\n"
            "- Every row is accounted for in `v4_salesforce_sync_log`, every sync in `v4_salesforce_syncs`.\n"
            "- Leads that Salesforce rejects for their own sake are quarantined for some days and listed below.\n"
            "- The run is green only when the day's scores are delivered. Details: `docs/salesforce.md`."
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
        if store.live() is None:
            waits = "No version is live yet, so nothing was sent. `v4 init` adopts the baseline."
            yield dg.AssetObservation(SALESFORCE_SYNC, partition=context.partition_key, metadata={"waits": waits})
            yield from unasked(asked, SALESFORCE_SYNC, waits)
            return
        attempt = _Attempt(context, store, rollout, clock, salesforce)
        if hold := attempt.hold():
            attempt.version = store.live()
            attempt.owes(orders.hold_sentence(hold))
            yield from unasked(asked, SALESFORCE_SYNC, orders.hold_sentence(hold))
            yield dg.MaterializeResult(metadata={"held": orders.hold_sentence(hold)})
            return
        try:
            yield from attempt.results()
        except V4Error as error:
            attempt.owes(str(error))
            raise
        finally:
            attempt.keep()

    return asset


@dataclass
class _Attempt:
    """One execution of the asset."""

    context: dg.AssetExecutionContext
    store: Store
    rollout: Rollout
    clock: Clock
    crm: CRM
    version: str | None = None
    org_id: str | None = None
    is_recorded: bool = False
    permission: LargeChange | None = None
    """To change more leads than the limit."""
    found: list[CheckResult] = field(default_factory=list)
    """What was checked so far, as it is shown in Dagster."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store.warehouse, self.rollout.catalogue, self.clock)

    def hold(self) -> Event | None:
        """The hold in force; None without one, and for a run that carries out an order: a person gave it."""
        if ACTION_TAG in self.context.run.tags:
            return None
        return orders.hold_at(self.store.events(), self.clock.now())

    def owes(self, why: str) -> None:
        """Record that the day's scores were not delivered, unless the sync itself has recorded how it ended."""
        if not self.is_recorded:
            self.ledger.record(
                SyncRecord(
                    uuid4().hex, self.crm.target, self.org_id, self.clock.today(), self.version, self.context.run_id,
                    owed=why,
                )
            )  # fmt: skip

    def keep(self) -> None:
        """Keep what was checked, for the decisions of the day."""
        name, day = self.rollout.catalogue[tables.SALESFORCE_SYNCS].name, self.clock.today()
        judged = Judgement(name, day, None, None, self.context.run_id, self.clock.now(), tuple(self.found))
        recorded_checks.record(self.store, [judged])

    def _shown(self, finding: Finding, *, warn: bool = False) -> dg.AssetCheckResult:
        """The Dagster result of a check, which is kept. An absent optional field only warns."""
        verdict = Verdict.PASS if finding.passed else Verdict.FAIL
        result = CheckResult(finding.check.name, verdict, WARN if warn else ERROR, _sentence(finding))
        self.found.append(result)
        return dg.AssetCheckResult(
            check_name=result.check_name,
            asset_key=SALESFORCE_SYNC,
            passed=result.passed,
            severity=dg.AssetCheckSeverity[result.severity],
            description=result.reason,
            metadata={
                "actual": finding.actual,
                "expected": finding.expected,
                **({"details": "\n".join(finding.details)} if finding.details else {}),
            },
        )

    def results(self) -> Results:
        """Checks and materialization."""
        self.version = self.store.live()
        try:
            scores = live_scores(self.store, self.rollout, self.clock.today())
        except ValuesOutOfRangeError as error:
            yield self._shown(checks.values(ROW.empty_table(), str(error)))
            raise
        if self.crm.org is None:
            yield from self._dry_run(scores)
        else:
            yield from self._sync(self.crm.org, scores)

    def _dry_run(self, scores: DayScores) -> Results:
        written = dry_run(self.store, self.rollout, self.clock, self.crm, scores)
        self.ledger.record(written.record(self.context.run_id))
        self.is_recorded = True
        names = ["Id", *(name for name, _ in written.columns)]
        most = self.rollout.salesforce.max_changed_share
        yield self._shown(checks.columns(written.header, names))
        yield from map(self._shown, _of_scores(written.plan))
        yield self._shown(checks.limit(written.plan, most, None))
        yield dg.MaterializeResult(metadata=of_dry_run(written) | looked_at(self.clock))

    def _sync(self, org: Org, scores: DayScores) -> Results:
        fields = self._fields(org)
        yield self._shown(checks.fields_exist(fields.wrong, fields.absent), warn=not fields.wrong)
        if fields.wrong:
            raise SalesforceSetupError(
                f"Fields of Lead do not fit the scores: {'; '.join(fields.wrong)}. Nothing was sent. "
                "An admin can create or correct them: docs/salesforce.md."
            )
        self.permission = recorded_orders.large_change_of(self.store, scores.day, scores.version)
        prepared = sync.prepare(
            self.store.warehouse, self.rollout, self.clock, self.crm, org, scores, fields,
            run_id=self.context.run_id, log=self.context.log.info,
            allowed=self.permission.reason if self.permission else None,
        )  # fmt: skip
        self.org_id = prepared.sync.org_id
        yield self._shown(checks.limit(prepared.plan, self.rollout.salesforce.max_changed_share, prepared.exempt))
        yield self._shown(checks.values(prepared.plan.scores.rows))
        yield self._shown(checks.count(prepared.plan))
        try:
            result = prepared.send()
        except V4Error:
            # The org has nothing to show against them.
            yield self._shown(checks.distribution(prepared.plan.scores.rows))
            raise
        self.is_recorded = True
        yield from map(self._shown, _judge(result))
        if result.problems:
            # A failed step materializes nothing, and the operator needs the refused leads to fix it.
            shown = of_sync(result, self.crm.target)
            yield dg.AssetObservation(SALESFORCE_SYNC, partition=self.context.partition_key, metadata=shown)
            raise SalesforceError(f"The sync is not complete: {'; '.join(result.problems)}.")
        self._used_up()
        yield dg.MaterializeResult(metadata=of_sync(result, self.crm.target) | looked_at(self.clock))

    def _fields(self, org: Org) -> Fields:
        return examine(self.rollout.salesforce.fields, org.lead_fields(), list(self.rollout.versions))

    def _used_up(self) -> None:
        """Once delivered, nothing more is allowed for these scores."""
        if self.permission:
            recorded_orders.done(self.store, self.permission, self.clock.now(), f"run {self.context.run_id}")


def _of_scores(plan: SyncPlan) -> Sequence[Finding]:
    rows = plan.scores.rows
    return checks.values(rows), checks.distribution(rows), checks.count(plan)


def _judge(result: SyncResult) -> Sequence[Finding]:
    shown, rules, leads = result.read_back, result.rules, len(result.plan.scores.rows)
    return (
        checks.accounted(result.sent, result.accounts),
        checks.failure_rate(result.refused, leads, rules.max_failure_rate, result.accounts),
        checks.read_back(shown.asked, len(shown.differing), result.repaired, shown.examples),
        checks.distribution(result.plan.scores.rows, shown.deciles, shown.deprioritized, shown.mean_score),
        checks.coverage(leads, result.uncovered, result.absent, rules.max_uncovered_share),
        checks.delivered(result.problems),
    )


def _sentence(finding: Finding) -> str:
    if finding.passed:
        return f"ok: {finding.actual}"
    return f"not ok: found {finding.actual}, expected {finding.expected}"
