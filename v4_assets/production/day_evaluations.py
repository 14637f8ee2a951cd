"""Evaluations of days: the latest judgement of the tables of a day, and of days before it that a decision reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from v4_assets import recorded_checks, tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import week_closes
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production import gates
from v4_assets.production.decision import ADDED, GATE_NAMES, Gate, History, RolloutStatus, Verdict
from v4_assets.production.weeks import changed_since, name_of, with_records
from v4_assets.recorded_checks import CheckResult, Judgement
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

JUDGED = (tables.LIFT_COMPARISON, tables.LEAD_OUTCOMES)
"""What is judged of every day beside the tables of the versions' scores."""


@dataclass(frozen=True)
class DayEvaluation:
    """What the latest judgements of a day's tables found, whichever runs made them."""

    gates: tuple[Gate, ...]
    evidence_sha256: str
    failing: tuple[str, ...]
    """Checks that failed as errors, of every table of the day and of the sync; they stand in the way of promotion."""


@dataclass(frozen=True)
class NotEvaluated:
    """Why a day cannot be acted on."""

    reason: str
    is_stale: bool = False
    """All is judged, and something was written again since: the day is there, and must be judged again."""


@dataclass(frozen=True)
class _Day:
    """The latest writes of a day and the latest judgement of each table."""

    day: date
    keys: Mapping[str, str]
    """Table name to its key, which is the asset's name."""
    writes: Mapping[str, PartitionWrite]
    judged: Mapping[str, Judgement]

    def missing(self, name: str) -> str | None:
        """Why the latest write of a table is not judged; None when it is."""
        if name not in self.writes or name not in self.judged:
            return f"{self.keys[name]} of {self.day} was not checked"
        return None

    def stale(self, name: str) -> str | None:
        """What was written since a table was judged; None when nothing was."""
        judged, write = self.judged[name], self.writes[name]
        again = "run the day again"
        if judged.sequence != write.sequence:
            return (
                f"{self.keys[name]} of {self.day} was written again (write {write.sequence}) after it was checked "
                f"(write {judged.sequence or 'unknown'}); {again}"
            )
        for source, sequence in (judged.inputs or {}).items():
            latest = self.writes[source].sequence if source in self.writes else 0
            if latest != sequence:
                return (
                    f"{self.keys[source]} of {self.day} was written again (write {latest}) after {self.keys[name]} was "
                    f"checked on write {sequence} of it; {again}"
                )
        return None


def evaluation_of(store: Store, day: date, compared: Sequence[str]) -> DayEvaluation | NotEvaluated:
    """The evaluation of a day by its latest judgements. `compared` are the versions whose data must be judged."""
    found = _read(store, day)
    lineage = {key for version in compared for key in store.catalogue.lineage(version)}
    wanted = [store.catalogue[key].name for key in (*JUDGED, *sorted(lineage))]
    comparison = wanted[0]
    if comparison not in found.judged:
        return NotEvaluated(f"lift_comparison of {day} was not evaluated")
    if missing := [reason for name in wanted if (reason := found.missing(name))]:
        return NotEvaluated(f"{'; '.join(missing)}; run the day again")
    if stale := [reason for name in wanted if (reason := found.stale(name))]:
        return NotEvaluated(stale[0], is_stale=True)
    gates = found.judged[comparison].by_check
    if absent := [name for name in GATE_NAMES if name not in gates and name not in ADDED]:
        return NotEvaluated(f"the evaluation of {day} left out the gates {', '.join(absent)}; run the day again")
    shas = {str(gates[name].evidence_sha256) for name in GATE_NAMES if name in gates}
    if len(shas) != 1:
        return NotEvaluated(f"the gates of {day} were taken on different evidence; run the day again")
    failing = _failing(store, found, wanted)
    return DayEvaluation(tuple(_gate(gates, name) for name in GATE_NAMES), shas.pop(), failing)


def gates_of_day(store: Store, day: date) -> tuple[Gate, ...]:
    """The gates as they were judged last; none where the day was not judged."""
    judged = recorded_checks.latest(store, day).get(store.catalogue[tables.LIFT_COMPARISON].name)
    found = judged.by_check if judged else {}
    complete = all(name in found or name in ADDED for name in GATE_NAMES)
    return tuple(_gate(found, name) for name in GATE_NAMES) if complete else ()


def checks_of_sync(store: Store, day: date, run_id: str) -> dict[str, CheckResult]:
    """What a run's sync found, by check; empty where it had none."""
    name = store.catalogue[tables.SALESFORCE_SYNCS].name
    mine = [one for one in recorded_checks.all_of(store, day, day) if one.table_name == name and one.run_id == run_id]
    return mine[-1].by_check if mine else {}


def _read(store: Store, day: date) -> _Day:
    keys = {table.name: key for key, table in store.catalogue.items()}
    writes = {name: write for (name, _), write in store.latest_writes(day, day).items()}
    return _Day(day, keys, writes, recorded_checks.latest(store, day))


def _failing(store: Store, found: _Day, wanted: Sequence[str]) -> tuple[str, ...]:
    """Errors of the day's tables, its sources and its sync, by asset and check; the gates are judged apart."""
    sync = store.catalogue[tables.SALESFORCE_SYNCS].name
    sources = store.catalogue[tables.SOURCE_OBSERVATIONS].name
    names = [*wanted[1:], *(name for name in (sources, sync) if name in found.judged)]
    errors = [
        f"{'salesforce_sync' if name == sync else found.keys[name]}.{one.check_name}"
        for name in names
        for one in found.judged[name].results
        if one.is_error
    ]
    return tuple(dict.fromkeys(errors))


def _gate(found: Mapping[str, CheckResult], name: str) -> Gate:
    if name not in found:
        return Gate(name, Verdict.INCONCLUSIVE, "The day was evaluated by a release without this gate; run it again.")
    one = found[name]
    return Gate(one.check_name, one.verdict, one.reason, one.actual, one.threshold, one.bound, alert=one.alert)


def first_day_read(rollout: Rollout, today: date) -> date:
    """Far enough back for every streak of weeks a policy can require."""
    weeks = max(rollout.policy.promotion.weeks_running, *rollout.policy.rollback.weeks_running.model_dump().values(), 2)
    return today - timedelta(days=max(7 * (weeks + 2), rollout.policy.sunset.healthy_days + 7))


def history(store: Store, rollout: Rollout, status: RolloutStatus, recorded: list[Evidence]) -> History:
    """Every day read, judged as it was recorded; days without a record by the thresholds of today."""
    events, first = store.events(), min((row.prediction_date for row in recorded), default=status.today)
    found = gates.history_of(
        recorded,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        covered=week_closes.covered(store, rollout, events, status.today),
        live_on=week_closes.live_on(events, rollout),
    )
    name = store.catalogue[tables.LIFT_COMPARISON].name
    writes = store.latest_writes(first, status.today)
    sequences = {day: write.sequence for (table, day), write in writes.items() if table == name}
    return with_records(found, week_closes.recorded(store, first, status.today), sequences, status.live_since)


def policy_change(store: Store, rollout: Rollout, clock: Clock) -> str | None:
    today, weeks = clock.today(), rollout.policy.weeks
    recorded = week_closes.recorded(store, first_day_read(rollout, today), today)
    return changed_since(recorded, rollout.policy, rollout.evaluation, lambda day: name_of(day, weeks))
