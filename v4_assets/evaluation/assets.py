"""Evaluation: outcomes of the leads, comparison of the versions' rankings, and the guide's gates."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

import dagster as dg
import pyarrow as pa

from v4_assets import sql, tables
from v4_assets.arrays import Numbers
from v4_assets.checks import Finding, gate_results, gate_specs, results, specs
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.dagster_types import MaterializeResult
from v4_assets.daily import about, daily_asset, days, sentence, upstream
from v4_assets.errors import V4Error
from v4_assets.evaluation import checks
from v4_assets.evaluation.cohorts import last_matured, widest
from v4_assets.evaluation.comparison import Judged
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.evaluation.page import Seen, about_gates, page
from v4_assets.evaluation.read import Evaluator
from v4_assets.evaluation.store import evidence_rows
from v4_assets.models import checks as model_checks
from v4_assets.models.registry import ModelRegistry
from v4_assets.names import EVALUATION_GROUP
from v4_assets.partition import Day, Desk, Written, coverage, write_partition
from v4_assets.production import events as deployments
from v4_assets.production import store as production_store
from v4_assets.production.decision import Gate
from v4_assets.production.events import Event
from v4_assets.production.gates import gates
from v4_assets.sources import lead_checks
from v4_assets.warehouse import verdicts
from v4_assets.warehouse.protocol import Warehouse, arrow_schema

WEEKS_CHARTED = 26


def lead_outcomes(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Outcomes of recently contacted leads, as known on the day."""
    key = tables.LEAD_OUTCOMES
    file = sql.load(key)

    def work(desk: Desk, day: Day) -> tuple[Written, Sequence[Finding]]:
        written = write_outcomes(desk, rollout, day)
        return written, [lead_checks.one_row_per_lead(coverage(desk, day, expected=key, actual=key))]

    return daily_asset(
        key,
        rollout=rollout,
        partitions=partitions,
        group=EVALUATION_GROUP,
        deps=upstream(file),
        description=about(file),
        kinds={"sql"},
        checks=(lead_checks.ONE_ROW_PER_LEAD,),
        work=work,
    )


def write_outcomes(desk: Desk, rollout: Rollout, day: Day) -> Written:
    """Fill the day's partition of lead_outcomes, or keep it."""
    key = tables.LEAD_OUTCOMES
    window = {
        "first_contact": widest(day.date, rollout.outcome_window_days, rollout.evaluation).first,
        "last_matured": last_matured(day.date, rollout.outcome_window_days, rollout.evaluation),
        "window_days": rollout.outcome_window_days,
    }
    query = desk.catalogue.query(key, day.params | window)
    return write_partition(desk, desk.catalogue[key], day, query, (query.text, *map(str, window.values())))


def lift_comparison(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The versions compared on the day's cohorts, and the guide's criteria as checks that never block."""
    key = tables.LIFT_COMPARISON
    table = rollout.catalogue[key]
    scores = [tables.scores_key(rollout.versions[one].key) for one in (rollout.baseline, rollout.candidate)]

    @dg.asset(
        name=key,
        deps=[tables.LEAD_OUTCOMES, tables.SCORED_LEADS, *scores],
        partitions_def=partitions,
        # The gates of a decision are read from one run, so each run evaluates one day.
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
        warehouse: dg.ResourceParam[Warehouse],
        registry: dg.ResourceParam[ModelRegistry],
        clock: dg.ResourceParam[Clock],
    ) -> MaterializeResult:
        day = only_day(context, clock)
        desk = Desk(warehouse, registry, rollout.catalogue, rollout.checks)
        with warehouse.session(), warehouse.metered() as cost:
            events = production_store.history(warehouse, rollout.catalogue)
            evaluator = Evaluator.of(desk, rollout, day, compared(rollout, events, day.date), events)
            written = write_evidence(evaluator)
            rows = stored(desk, day)
            evidence = [Evidence.from_row(row) for row in rows]
            judged = judge(desk, rollout, day, events, evidence)
            seen = shown(evaluator, evidence, judged)
        findings = checks.judge(rows, rollout.evaluation)
        return dg.MaterializeResult(
            metadata={**page(seen, rollout), **written.metadata, **cost},
            check_results=[
                *gate_results(judged, evidence, digest(evidence), key),
                *results(checks.CHECKS, {day.date: findings}, key),
            ],
        )

    return asset


def shown(evaluator: Evaluator, evidence: Sequence[Evidence], judged: Sequence[Gate]) -> Seen:
    """All stored data for the day's page in Dagster."""
    desk, day = evaluator.desk, evaluator.day
    return Seen(
        day=day.date,
        evidence=evidence,
        recorded=evidence_rows(desk.warehouse, desk.catalogue, day.date - timedelta(weeks=WEEKS_CHARTED), day.date),
        gates=judged,
        deciles=desk.warehouse.read(desk.catalogue.query(tables.LIFT_BY_DECILE, one_day(day))).to_pylist(),
        events=[event for event in evaluator.events if event.day <= day.date],
        scores={version: scores_of(desk, evaluator.rollout, version, day) for version in evaluator.versions},
    )


def scores_of(desk: Desk, rollout: Rollout, version: str, day: Day) -> Numbers:
    """A version's scores of the day, float, shape (n,)."""
    key = tables.scores_key(rollout.versions[version].key)
    query = desk.catalogue.query("score_ranks", {"prediction_date": day.date}, daily_scores=key)
    scores: Numbers = desk.warehouse.read(query)["score"].to_numpy()
    return scores


def only_day(context: dg.AssetExecutionContext, clock: Clock) -> Day:
    """The day of the run. Raises V4Error for a run over several."""
    wanted = days(context, clock)
    if len(wanted) > 1:
        raise V4Error(
            f"{wanted[0].date} to {wanted[-1].date} are {len(wanted)} days in one run, but the gates of a day are read "
            "from a run of its own. Launch one run per day."
        )
    return wanted[0]


def compared(rollout: Rollout, events: Sequence[Event], day: date) -> tuple[str, ...]:
    """The versions in parallel at the start of `day`: baseline and candidate, without those sunset before.

    Events of the day itself are ignored, so that a rerun gives the same result.
    """
    archived = deployments.state_after([event for event in events if event.day < day]).archived
    return tuple(version for version in (rollout.baseline, rollout.candidate) if version not in archived)


def write_evidence(evaluator: Evaluator) -> Written:
    """Fill the day's partitions of both tables, or keep those that are evidence.

    The deciles are written first: where evidence exists, so do its deciles.
    """
    desk, day = evaluator.desk, evaluator.day
    definition = evaluator.definition()

    @cache
    def judged() -> list[Judged]:
        return evaluator.compare()

    def comparison() -> list[pa.RecordBatch]:
        return [pa.RecordBatch.from_pylist([one.row for one in judged()], schema=arrow_schema(evidence))]

    def by_decile() -> list[pa.RecordBatch]:
        rows = [row for one in judged() for row in one.deciles]
        return [pa.RecordBatch.from_pylist(rows, schema=arrow_schema(deciles))]

    evidence, deciles = desk.catalogue[tables.LIFT_COMPARISON], desk.catalogue[tables.LIFT_BY_DECILE]
    write_partition(desk, deciles, day, by_decile, definition)
    return write_partition(desk, evidence, day, comparison, definition)


def judge(
    desk: Desk, rollout: Rollout, day: Day, events: Sequence[Event], evidence: Sequence[Evidence]
) -> tuple[Gate, ...]:
    """Every gate of the day, evaluated on the stored evidence."""
    versions = compared(rollout, events, day.date)
    return gates(
        evidence,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        model_findings=bundle_findings(desk, rollout, versions),
        live_parallel_days=verdicts.live_parallel_days(
            desk.warehouse,
            desk.catalogue,
            versions,
            since=deployments.parallel_since(events, rollout.candidate),
            until=day.date,
        ),
    )


def bundle_findings(desk: Desk, rollout: Rollout, versions: Sequence[str]) -> list[Finding]:
    """The candidate's own test figures against the baseline's; none once the baseline is archived."""
    if rollout.baseline not in versions:
        return []
    candidate, baseline = desk.registry.load(rollout.candidate), desk.registry.load(rollout.baseline)
    features = sql.load(tables.features_key(rollout.versions[rollout.candidate].key)).features
    return model_checks.judge(candidate, baseline, len(features), rollout.pre_deployment, model_checks.TEST_FIGURES)


def stored(desk: Desk, day: Day) -> list[dict[str, object]]:
    """The day's stored rows of lift_comparison: checks read the warehouse, not the rows in memory."""
    query = desk.catalogue.query(tables.LIFT_COMPARISON, one_day(day))
    rows: list[dict[str, object]] = desk.warehouse.read(query).to_pylist()
    return rows


def one_day(day: Day) -> dict[str, object]:
    """The parameters of a range that is one day."""
    return {"first_day": day.date, "last_day": day.date}
