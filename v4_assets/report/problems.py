"""Open problems: gates and checks that fail, a missing day, an unfinished order, failed runs, refused leads."""

from collections.abc import Iterator

import dagster as dg

from v4_assets.config.rollout import Rollout
from v4_assets.production import holds
from v4_assets.production.decision import ROLLBACK_GATES, Verdict
from v4_assets.production.status import Status
from v4_assets.production.syncs import Sync
from v4_assets.report.alerts import held, unfinished, warnings
from v4_assets.report.wording import count

RUNS_READ = 50


def problems(
    instance: dg.DagsterInstance, rollout: Rollout, status: Status, *, asking: str | None = None
) -> tuple[str, ...]:
    """Every open problem in a sentence. `asking` is the run that asks, at its last step."""
    return (
        *([holds.sentence(status.hold)] if status.hold and status.hold.event_id not in status.subject else []),
        *(alert.text for alert in (*held(status, rollout), *unfinished(instance, status, rollout))),
        *([status.overdue.text] if status.overdue else _carried(status)),
        *(alert.text for alert in warnings(status)),
        *_of_today(status),
        *_failed_runs(instance, status, asking),
        *_of_salesforce(status.sync),
    )


def _carried(status: Status) -> Iterator[str]:
    if status.carries:
        yield f"Salesforce carries {status.carries}'s scores, live is {status.rollout.live}."


def _of_today(status: Status) -> Iterator[str]:
    state = status.state
    if state is None:
        return
    failing = (one for one in state.gates if one.name in ROLLBACK_GATES and one.verdict is Verdict.FAIL)
    yield from (f"{gate.name} fails today: {gate.reason}" for gate in failing)
    for name in state.failing_checks:
        yield f"A check of today fails: {name}."


def _failed_runs(instance: dg.DagsterInstance, status: Status, asking: str | None) -> Iterator[str]:
    """The latest run of each of today's jobs, if it failed: a failure that was repaired since is not a problem."""
    today = status.rollout.today
    seen: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()}), limit=RUNS_READ):
        if run.job_name not in seen and run.run_id != asking and run.status is dg.DagsterRunStatus.FAILURE:
            yield f"Run {run.run_id} of {run.job_name} for {today} failed. See docs/runbook.md."
        seen.add(run.job_name)


def _of_salesforce(sync: Sync | None) -> Iterator[str]:
    if sync is None:
        return
    if sync.owed:
        yield f"Salesforce lacks scores of the last sync: {sync.owed.rstrip('.')}."
    elif sync.pending:
        yield f"{count(sync.pending, 'lead')} are pending in Salesforce; the next sync sends them."
    refused = max(sync.quarantined, sync.kept_back)
    if refused:
        yield f"Salesforce refuses {count(refused, 'lead')} (quarantined); salesforce_sync names them and the reasons."
