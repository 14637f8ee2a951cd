"""Evaluation: outcomes of the leads, comparison of the versions' rankings, and the guide's gates."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import dagster as dg
import pyarrow as pa

from v4_assets import recorded_checks, sql, tables
from v4_assets.checks import Finding, gate_results, gate_specs, of_finding, results, specs
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult, about, daily_asset, days, sentence, upstream
from v4_assets.days_in_parallel import Judge
from v4_assets.errors import V4Error
from v4_assets.evaluation import booked_calls, checks, watch_calibration, week_closes
from v4_assets.evaluation.before_contact import Row
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.cohorts import LATE_DAYS, last_matured, widest
from v4_assets.evaluation.comparison import Judged
from v4_assets.evaluation.dagster_page import about_gates, page
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.evaluation.lift_before_contact import write_reading
from v4_assets.models import checks as model_checks
from v4_assets.names import EVALUATION_GROUP
from v4_assets.partitions import Day, coverage, metadata_of, write_partition
from v4_assets.production import events as deployments
from v4_assets.production.decision import Gate
from v4_assets.production.events import Event
from v4_assets.production.gates import gates
from v4_assets.production.weeks import thresholds_sha256
from v4_assets.prospects import contracts
from v4_assets.recorded_checks import Judgement, of_gate
from v4_assets.sources import checks as source_checks
from v4_assets.store import Store
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite

WEEKS_CHARTED = 26


def lead_outcomes(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Outcomes of recently contacted leads, as known on the day."""
    key = tables.LEAD_OUTCOMES
    file = sql.load(key)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        write = write_outcomes(store, rollout, day)
        return write, lambda store: [source_checks.one_row_per_lead(coverage(store, day, expected=key, actual=key))]

    return daily_asset(
        key,
        rollout=rollout,
        partitions=partitions,
        group=EVALUATION_GROUP,
        # A list is read as it was given out before a contact: what is made of one later makes no outcome stale.
        deps=upstream(file) - {contracts.PROSPECT_LIST, contracts.PROSPECT_LISTS},
        description=about(file),
        kinds={"sql"},
        checks=(source_checks.ONE_ROW_PER_LEAD,),
        work=work,
    )


def write_outcomes(store: Store, rollout: Rollout, day: Day) -> PartitionWrite:
    """Fill the day's partition of lead_outcomes, or keep it."""
    key = tables.LEAD_OUTCOMES
    first = widest(day.date, rollout.outcome_window_days, rollout.evaluation).first
    window = {
        "first_contact": first - timedelta(days=LATE_DAYS),
        "last_matured": last_matured(day.date, rollout.outcome_window_days, rollout.evaluation),
        "window_days": rollout.outcome_window_days,
    }
    query = store.catalogue.query(key, day.params | window)
    return write_partition(store, store.catalogue[key], day, query, (query.text, *map(str, window.values())))


def lift_comparison(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The versions compared on the day's cohorts, and the guide's criteria as checks that never block."""
    key = tables.LIFT_COMPARISON
    table = rollout.catalogue[key]
    scores = [tables.scores_key(rollout.versions[one].key) for one in (rollout.baseline, rollout.candidate)]

    @dg.asset(
        name=key,
        deps=[tables.LEAD_OUTCOMES, tables.SCORED_LEADS, *scores],
        partitions_def=partitions,
        # Dagster shows the checks of a run over a range on no day, so each run evaluates one.
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        group_name=EVALUATION_GROUP,
        description=f"{sentence(table.description)}\n\n{about_gates(rollout)}",
        kinds={"python"},
        check_specs=[*gate_specs(key), *specs(checks.CHECKS, key)],
        # No column schema: Dagster would show it above the figures. The linked SQL file has it.
        metadata={"dagster/table_name": f"{table.dataset}.{table.name}"},
    )
    def asset(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
    ) -> MaterializeResult:
        day = only_day(context, clock, store)
        with store.session(), store.warehouse.metered() as cost:
            events = store.events()
            evaluator = Evaluator.of(store, rollout, day, compared(rollout, events, day.date), events)
            started = time.monotonic()
            write = write_evidence(evaluator)
            written = metadata_of(write, day, time.monotonic() - started)
            judged = judge_day(evaluator, write, context.log)
            record(judged, evaluator, write, clock)
            figures = shown(evaluator, judged)
        return dg.MaterializeResult(
            metadata={**figures, **written, **cost},
            check_results=[
                *gate_results(judged.gates, judged.evidence, digest(judged.evidence), key, judged.before_contact),
                *results(checks.CHECKS, {day.date: judged.findings}, key),
            ],
        )

    return asset


@dataclass(frozen=True)
class DayJudged:
    """A day's evidence and what it was judged to be."""

    evidence: list[Evidence]
    before_contact: list[Row]
    gates: tuple[Gate, ...]
    findings: list[Finding]
    warning: Warning | None


def judge_day(evaluator: Evaluator, write: PartitionWrite, log: logging.Logger) -> DayJudged:
    """Every gate and check of the day, on its stored evidence; what the watch and the weeks need is recorded."""
    store, rollout, day, events = evaluator.store, evaluator.rollout, evaluator.day, evaluator.events
    rows = store.comparison_rows(day.date, day.date)
    evidence = [Evidence.from_row(row) for row in rows]
    basis = watch_calibration.record_basis(evaluator)
    if basis:
        booked_calls.count_calls(evaluator, basis)
    gates_of_day = judge(store, rollout, day, events, evidence)
    week_closes.record(store, rollout, day, events)
    warning = booked_calls.read_warning(store, rollout, events, day.date)
    changed = week_closes.late_labels(evaluator)
    before_contact = read_before_contact(evaluator, write, log)
    findings = [
        *checks.judge(rows, rollout.evaluation, evaluator.fresh_silences),
        checks.early_warning(warning, rollout.candidate),
        checks.closes_hold(changed),
    ]
    return DayJudged(evidence, before_contact, gates_of_day, findings, warning)


def read_before_contact(evaluator: Evaluator, write: PartitionWrite, log: logging.Logger) -> list[Row]:
    """The day's rows of lift_before_contact. They decide nothing: the day is judged without one that cannot be made."""
    try:
        return write_reading(evaluator, write) if evaluator.rollout.prospects.enabled else []
    except V4Error as error:
        log.warning(f"There is no reading by the score before contact: {error}")
        return []


def record(judged: DayJudged, evaluator: Evaluator, write: PartitionWrite, clock: Clock) -> None:
    """Record the judgement of the day's evidence."""
    rollout, day, sha256 = evaluator.rollout, evaluator.day, digest(judged.evidence)
    policy = thresholds_sha256(rollout.policy, rollout.evaluation)
    found = (
        *(of_gate(gate, sha256, policy) for gate in judged.gates),
        *(of_finding(finding, policy) for finding in judged.findings),
    )
    run = str(day.run_id)
    judgement = Judgement(write.table_name, day.date, write.sequence, evaluator.inputs, run, clock.now(), found)
    recorded_checks.record(evaluator.store, [judgement])


def shown(evaluator: Evaluator, judged: DayJudged) -> dict[str, Any]:
    """What the page of the day shows, as it stands in the warehouse."""
    store, day = evaluator.store, evaluator.day
    return page(
        evaluator.rollout,
        day.date,
        evidence=judged.evidence,
        before_contact=judged.before_contact,
        recorded=store.comparisons(day.date - timedelta(weeks=WEEKS_CHARTED), day.date),
        gates=judged.gates,
        warning=judged.warning,
        deciles=store.deciles(day.date),
        events=[event for event in evaluator.events if event.day <= day.date],
        scores=evaluator.scores,
    )


def only_day(context: dg.AssetExecutionContext, clock: Clock, store: Store) -> Day:
    """The day of the run. Raises V4Error for a run over several."""
    wanted = days(context, clock, store)
    if len(wanted) > 1:
        raise V4Error(
            f"{wanted[0].date} to {wanted[-1].date} are {len(wanted)} days in one run, but each run compares the "
            "versions as of one day. Launch one run per day."
        )
    return wanted[0]


def compared(rollout: Rollout, events: Sequence[Event], day: date) -> tuple[str, ...]:
    """The versions in parallel at the start of `day`: baseline and candidate, without those sunset before.

    Events of the day itself are ignored, so that a rerun gives the same result.
    """
    archived = deployments.state_after([event for event in events if event.day < day]).archived
    return tuple(version for version in (rollout.baseline, rollout.candidate) if version not in archived)


def write_evidence(evaluator: Evaluator) -> PartitionWrite:
    """Fill the day's partitions of both tables, or keep them where evidence says so.

    The deciles are written first: where evidence exists, so do its deciles.
    """
    store, day = evaluator.store, evaluator.day
    definition = evaluator.definition()

    @cache
    def judged() -> list[Judged]:
        return evaluator.compare()

    def comparison() -> list[pa.RecordBatch]:
        return [pa.RecordBatch.from_pylist([one.row for one in judged()], schema=arrow_schema(evidence))]

    def by_decile() -> list[pa.RecordBatch]:
        rows = [row for one in judged() for row in one.deciles]
        return [pa.RecordBatch.from_pylist(rows, schema=arrow_schema(deciles))]

    evidence, deciles = store.catalogue[tables.LIFT_COMPARISON], store.catalogue[tables.LIFT_BY_DECILE]
    write_partition(store, deciles, day, by_decile, definition)
    return write_partition(store, evidence, day, comparison, definition)


def judge(
    store: Store, rollout: Rollout, day: Day, events: Sequence[Event], evidence: Sequence[Evidence]
) -> tuple[Gate, ...]:
    """Every gate of the day, evaluated on the stored evidence."""
    versions = compared(rollout, events, day.date)
    live = week_closes.live_on(events, rollout)(day.date)
    return gates(
        evidence,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        live=live,
        covered=week_closes.covered(store, rollout, events, day.date),
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        model_findings=bundle_findings(store, rollout, versions),
        live_parallel_days=recorded_checks.live_parallel_days(
            store,
            versions,
            since=deployments.parallel_since(events, rollout.candidate),
            until=day.date,
        ),
    )


def bundle_findings(store: Store, rollout: Rollout, versions: Sequence[str]) -> list[Finding]:
    """The candidate's own test figures against the baseline's; none once the baseline is archived."""
    if rollout.baseline not in versions:
        return []
    candidate, baseline = store.registry.load(rollout.candidate), store.registry.load(rollout.baseline)
    features = sql.load(tables.features_key(rollout.versions[rollout.candidate].key)).features
    return model_checks.judge(
        candidate,
        baseline,
        len(features),
        rollout.pre_deployment,
        model_checks.TEST_FIGURES,
        rollout.evaluation.interval_level,
    )
