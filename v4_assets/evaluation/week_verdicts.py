"""Verdicts of days that can close a week: recorded by the thresholds then in force, and held against late labels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import watch_basis
from v4_assets.evaluation.cohorts import Reach, cohort, without
from v4_assets.evaluation.comparison import compare, served
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.read import Evaluator
from v4_assets.partitions import Day
from v4_assets.production import events as deployments
from v4_assets.production import week_history
from v4_assets.production.criteria import Covered
from v4_assets.production.decision import ROLLBACK_GATES, Verdict
from v4_assets.production.events import Event
from v4_assets.production.gates import evidence_gates, history_of
from v4_assets.production.orders import gates_json
from v4_assets.production.week_history import Recorded
from v4_assets.production.weeks import can_close, name_of
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement

RECORDED_DAYS = 70
"""Days back whose verdicts are recorded where they are not yet: those before the upgrade that brought the record."""


def live_on(events: Sequence[Event], rollout: Rollout) -> Callable[[date], str]:
    """The version that the rollback gates of a day judge: the live one of its start, before any the baseline."""

    def live(day: date) -> str:
        switch = deployments.state_after([event for event in events if event.day < day]).live
        known = switch is not None and switch.version in (rollout.baseline, rollout.candidate)
        return switch.version if switch and known else rollout.baseline

    return live


def covered(store: Store, rollout: Rollout, events: Sequence[Event], day: date) -> Covered | None:
    """The conversions that the line for covered leads is scaled by, fixed by the running or the latest watch.

    None without any watch: the cohort itself measures them.
    """
    known = watch_basis.bases(store)
    switches = [event.event_id for event in events if event.event in deployments.SWITCHES and event.day < day]
    found = [known[one] for one in switches if one in known]
    return found[-1].covered if found else None


def record(store: Store, rollout: Rollout, day: Day, events: Sequence[Event]) -> None:
    """Record the verdicts of the day, and of live days before it that have no record yet. Nothing is ever changed."""
    weeks, first = rollout.policy.weeks, day.date - timedelta(days=RECORDED_DAYS)
    name = store.catalogue[tables.LIFT_COMPARISON].name
    writes = {one: write for (table, one), write in store.latest_writes(first, day.date).items() if table == name}
    known = {(one.day, one.sequence) for one in recorded(store, first, day.date)}
    wanted = [
        one
        for one, write in sorted(writes.items())
        if can_close(one, weeks) and (one, write.sequence) not in known and (one == day.date or not write.retrospective)
    ]
    if not wanted:
        return
    live = live_on(events, rollout)
    judged = history_of(
        [row for row in store.comparisons(wanted[0], wanted[-1]) if row.prediction_date in wanted],
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        covered=covered(store, rollout, events, day.date),
        live_on=live,
    )
    statements = []
    for one in judged:
        row = {
            "day": one,
            "sequence": writes[one].sequence,
            "retrospective": writes[one].retrospective,
            "recorded_at": day.clock.now(),
            "live_version": live(one),
            "policy_sha256": week_history.thresholds_sha256(rollout.policy, rollout.evaluation),
            "policy": week_history.thresholds(rollout.policy, rollout.evaluation),
            "gates": gates_json(judged[one].gates),
            "run_id": day.run_id,
        }
        statements.append(Statement(store.catalogue.query("record_week_close", row)))
    if statements:
        store.warehouse.transact(statements)


def recorded(store: Store, first: date, last: date) -> list[Recorded]:
    """The recorded verdicts of some days."""
    rows = store.rows(tables.WEEK_CLOSES, {"first_day": first, "last_day": last})
    return [Recorded.from_row(row) for row in rows]


def late_labels(evaluator: Evaluator) -> list[str]:
    """Rollback gates of the last recorded close whose verdict would be another by what is known of its cohort now."""
    store, rollout, day = evaluator.store, evaluator.rollout, evaluator.day.date
    before = [
        one for one in recorded(store, day - timedelta(days=14), day - timedelta(days=1)) if not one.retrospective
    ]
    if not before or day in {one.day for one in before}:
        return []
    close = before[-1]
    rows = [row for row in store.comparisons(close.day, close.day) if row.question == "rollback"]
    mine = next((row for row in rows if row.version == close.live_version), None)
    if mine is None or mine.cohort_from < evaluator.whole.first or mine.silent_days:
        return []
    now = _now(evaluator, rows, Reach(mine.cohort_from, mine.cohort_to))
    judged = evidence_gates(
        now,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        live=close.live_version,
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        covered=covered(store, rollout, evaluator.events, day),
    )
    then = {gate.name: gate for gate in close.verdicts}
    week = name_of(close.day, rollout.policy.weeks)
    return [
        f"{week} closed with {gate.name} {then[gate.name].verdict.name}; by the calls known now it is "
        f"{gate.verdict.name}: {gate.reason}"
        for gate in judged
        if gate.name in ROLLBACK_GATES and gate.name in then and _differs(gate.verdict, then[gate.name].verdict)
    ]


def _differs(now: Verdict, then: Verdict) -> bool:
    """A verdict that convicts does so no more, or one that did not would."""
    return (now is Verdict.FAIL) != (then is Verdict.FAIL)


def _now(evaluator: Evaluator, rows: Sequence[Evidence], reach: Reach) -> list[Evidence]:
    """The same cohort by the calls known on the evaluator's day."""
    found, scores = evaluator.leads_of(reach)
    chosen = cohort(without(found, ()), reach)
    artifacts = {
        version: evaluator.store.artifacts(version, reach.first_scored, reach.last_scored) for version in scores
    }
    versions = {version: served(table, chosen.rows[version], artifacts[version]) for version, table in scores.items()}
    dated = replace(evaluator.occasion(), prediction_date=rows[0].prediction_date)
    return [one.evidence for one in compare(dated, "rollback", chosen, versions)]
