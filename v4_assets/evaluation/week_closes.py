"""Verdicts of days that can close a week: recorded by the thresholds then in force, and held against late labels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import watch_calibration
from v4_assets.evaluation.cohorts import LATE_DAYS, Reach, cohort, without
from v4_assets.evaluation.comparison import compare, served
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.lead_flow import left_out, silences
from v4_assets.partitions import Day
from v4_assets.production import events as deployments
from v4_assets.production.criteria import Covered
from v4_assets.production.decision import PROMOTION_LIFT, ROLLBACK_GATES, Evaluated, Verdict
from v4_assets.production.events import Event
from v4_assets.production.gates import evidence_gates, history_of
from v4_assets.production.orders import gates_json
from v4_assets.production.weeks import Recorded, can_close, closes, name_of, thresholds, thresholds_sha256, with_records
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
    known = watch_calibration.bases(store)
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
            "policy_sha256": thresholds_sha256(rollout.policy, rollout.evaluation),
            "policy": thresholds(rollout.policy, rollout.evaluation),
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
    """Gates of the last recorded close whose verdict would be another by what is known of its cohort now.

    The close is judged by the thresholds and the version it was recorded with. Days whose evidence is void close no
    week. A close is not compared when it is more than LATE_DAYS ago, compared other versions than today's, or reaches
    back further than today's lead_outcomes.
    """
    close = _last_close(evaluator)
    if close is None:
        return []
    store, day = evaluator.store, evaluator.day.date
    policy, evaluation = close.thresholds_of(evaluator.rollout.policy, evaluator.rollout.evaluation)
    rows = store.comparisons(close.day, close.day)
    if not rows or {row.version for row in rows} != set(evaluator.versions):
        return []
    if min(row.cohort_from for row in rows) < evaluator.whole.first - timedelta(days=LATE_DAYS):
        return []
    then = replace(
        evaluator,
        rollout=evaluator.rollout.model_copy(update={"policy": policy, "evaluation": evaluation}),
        writes=store.latest_writes(min(row.cohort_from for row in rows), day),
    )
    judged = evidence_gates(
        _known_now(then, rows),
        candidate=evaluator.rollout.candidate,
        baseline=evaluator.rollout.baseline,
        live=close.live_version,
        policy=policy,
        evaluation=evaluation,
        covered=covered(store, evaluator.rollout, evaluator.events, close.day),
    )
    decides = dict.fromkeys(ROLLBACK_GATES, Verdict.FAIL)
    if close.live_version != evaluator.rollout.candidate:
        decides[PROMOTION_LIFT] = Verdict.PASS
    recorded_as = {gate.name: gate for gate in close.verdicts}
    week = name_of(close.day, evaluator.rollout.policy.weeks)
    return [
        f"{week} closed with {gate.name} {recorded_as[gate.name].verdict.name}; by the calls known now it is "
        f"{gate.verdict.name}: {gate.reason}"
        for gate in judged
        if gate.name in decides.keys() & recorded_as.keys()
        and (gate.verdict is decides[gate.name]) != (recorded_as[gate.name].verdict is decides[gate.name])
    ]


def _last_close(evaluator: Evaluator) -> Recorded | None:
    """The record of the latest close before the day; None where it is older than LATE_DAYS or has no record."""
    store, day = evaluator.store, evaluator.day.date
    first, name = day - timedelta(days=RECORDED_DAYS), store.catalogue[tables.LIFT_COMPARISON].name
    writes = {one: write for (table, one), write in store.latest_writes(first, day).items() if table == name}
    known = recorded(store, first, day)
    history = with_records(
        {one: Evaluated((), write.retrospective) for one, write in writes.items()},
        known,
        {one: write.sequence for one, write in writes.items()},
    )
    found = closes(history, day, evaluator.rollout.policy.weeks, lambda one, evaluated: not evaluated.retrospective)
    last = max((close.day for close in found.values()), default=None)
    if last is None or last < day - timedelta(days=LATE_DAYS):
        return None
    return next((one for one in known if (one.day, one.sequence) == (last, writes[last].sequence)), None)


def _known_now(then: Evaluator, rows: Sequence[Evidence]) -> list[Evidence]:
    """The cohorts of a close by the calls known on the evaluator's day, without the contact days that are silent."""
    reaches = {row.question: Reach(row.cohort_from, row.cohort_to) for row in rows}
    whole = Reach(min(one.first for one in reaches.values()), max(one.last for one in reaches.values()))
    silent = _silent(then, rows[0].prediction_date)
    found, scores = then.leads_of(whole)
    found = without(found, silent)
    artifacts = {
        version: then.store.artifacts(version, whole.first_scored, whole.last_scored) for version in then.versions
    }
    dated = replace(then.occasion(), prediction_date=rows[0].prediction_date)
    evidence: list[Evidence] = []
    for question, reach in reaches.items():
        chosen = cohort(found, reach, silent)
        versions = {
            version: served(table, chosen.rows[version], artifacts[version]) for version, table in scores.items()
        }
        evidence += [one.evidence for one in compare(dated, question, chosen, versions)]
    return evidence


def _silent(then: Evaluator, close: date) -> set[date]:
    """Days of contact left out, by the calls known at the close and those known now."""
    at_close, limits = replace(then, day=replace(then.day, date=close)), then.rollout.evaluation
    calls = {day: max(at_close.calls.get(day, 0), then.calls.get(day, 0)) for day in at_close.calls | then.calls}
    last = then.day.date - timedelta(days=1)
    return left_out(silences(calls, at_close.whole.first, last, limits.silent_calls, limits.holidays))
