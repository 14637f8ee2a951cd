"""What is wrong now and waits for somebody: gates and checks, a missing day, an unfinished order, refused leads."""

from collections.abc import Iterator

import dagster as dg

from v4_assets.configuration.rollout_file import Rollout
from v4_assets.policy.decision import ROLLBACK_GATES, Phase, Verdict
from v4_assets.rollout.alerts import held, unfinished
from v4_assets.rollout.assess import Assessment
from v4_assets.rollout.missing import Missing
from v4_assets.rollout.told_sync import Sync
from v4_assets.rollout.words import count

RUNS_LOOKED_AT = 50
WATCHED = (Phase.WATCH, Phase.SUNSET)
"""Phases in which the candidate is live, and a gate it fails is a problem. Before, it is what a promotion waits for."""


def problems(
    instance: dg.DagsterInstance,
    rollout: Rollout,
    assessment: Assessment,
    sync: Sync | None,
    *,
    lacking: Missing | None = None,
    asking: str | None = None,
) -> tuple[str, ...]:
    """Every open problem in a sentence. `lacking` is what of today is not there though it is due; `asking` is the run
    that asks, which has come to its last step."""
    return (
        *(one.text for one in (*held(assessment), *unfinished(instance, assessment, rollout))),
        *([lacking.text] if lacking else []),
        *_of_the_day(assessment),
        *_failed_runs(instance, assessment, asking),
        *_of_salesforce(sync),
    )


def _of_the_day(assessment: Assessment) -> Iterator[str]:
    state = assessment.state
    if state is None:
        return
    if state.status.phase in WATCHED:
        failing = (one for one in state.gates if one.name in ROLLBACK_GATES and one.verdict is Verdict.FAIL)
        yield from (f"{gate.name} fails today: {gate.reason}" for gate in failing)
    for name in state.failing_checks:
        yield f"A check of the day fails: {name}."


def _failed_runs(instance: dg.DagsterInstance, assessment: Assessment, asking: str | None) -> Iterator[str]:
    """Of each job the latest run of today, if it failed: what was repaired since is no problem."""
    today = assessment.status.today
    seen: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()}), limit=RUNS_LOOKED_AT):
        if run.job_name not in seen and run.run_id != asking and run.status is dg.DagsterRunStatus.FAILURE:
            yield f"Run {run.run_id} of {run.job_name} for {today} failed. See docs/runbook.md."
        seen.add(run.job_name)


def _of_salesforce(sync: Sync | None) -> Iterator[str]:
    if sync is None:
        return
    if sync.pending:
        yield f"{count(sync.pending, 'lead')} of the last sync wait to be sent again."
    if sync.failed:
        yield f"{count(sync.failed, 'lead')} of the last sync failed for a reason that concerns many."
    refused = max(sync.quarantined, sync.kept_back)
    if refused:
        yield f"Salesforce refuses {count(refused, 'lead')} (quarantined); salesforce_sync names them and the reasons."
