"""Operator actions on a rollout: the sensor's jobs and record, decided by a person."""

import getpass
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

import dagster as dg

from v4_assets import verdicts
from v4_assets.config.environment import Settings
from v4_assets.errors import ModelError, ModelIntegrityError, PolicyError
from v4_assets.evaluation.evidence import digest
from v4_assets.graph import build
from v4_assets.models.registry import ModelRegistry
from v4_assets.names import ACTION_JOBS, ACTION_TAG, ALERT_SENSOR, FIRST_ASSETS, ROLLOUT_SENSOR
from v4_assets.operations import operate
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.operate import Outcome
from v4_assets.production import events as deployments
from v4_assets.production import store as production_store
from v4_assets.production.archive import verify
from v4_assets.production.assets import export_registry
from v4_assets.production.events import Event, Production
from v4_assets.production.orders import Kind, Order, order_id
from v4_assets.production.status import Status, read_status
from v4_assets.resources import registry, store

RUN_KEY_TAG = "dagster/run_key"
SENSOR_TAG = "dagster/sensor_name"


@dataclass(frozen=True)
class Tick:
    """Result of one sensor tick."""

    said: str
    outcomes: tuple[Outcome, ...] = ()


def status(settings: Settings) -> Status:
    """The status of the rollout now."""
    with dagster_instance(settings) as instance:
        return read_status(instance, store(settings), settings.rollout, settings.clock)


def tick(settings: Settings, name: str = ROLLOUT_SENSOR) -> Tick:
    """One sensor tick and the runs it requests, in this process: what the daemon does, once."""
    definitions = build(settings)
    key = f"v4_tick:{name}"
    with dagster_instance(settings) as instance:
        storage = instance.daemon_cursor_storage
        context = dg.build_sensor_context(
            instance=instance,
            cursor=storage.get_cursor_values({key}).get(key),
            repository_def=definitions.get_repository_def(),
            sensor_name=name,
            resources=definitions.resources,
        )
        with context:
            result = definitions.resolve_sensor_def(name).evaluate_tick(context)
        if result.cursor is not None:
            storage.set_cursor_values({key: result.cursor})
        requests = [one for one in result.run_requests or [] if not _launched(instance, name, one)]
    outcomes = tuple(_carried_out(settings, name, one) for one in requests)
    return Tick(result.skip_message or "; ".join(str(one.run_key) for one in requests), outcomes)


def alert(settings: Settings) -> Tick:
    """One tick of the alert sensor."""
    return tick(settings, ALERT_SENSOR)


def order(settings: Settings, kind: Kind, version: str, reason: str) -> Outcome:
    """Carry out an operator's order now, in this process. Raises PolicyError when it does not fit the current state."""
    events, live = _now(settings)
    if live is None:
        raise PolicyError("Nothing is adopted yet. `v4 init` adopts the baseline.")
    state = deployments.state_after(events)
    if state.unfinished:
        raise PolicyError(
            f"{state.unfinished.event} of {state.unfinished.day} is not completed. Complete it with `v4 resume`."
        )
    problem = _refusal(settings, kind, version, live.version, state)
    if problem:
        raise PolicyError(problem)
    if kind == "promotion":
        _verify_scored(settings, version)
    return _run(
        settings,
        Order(
            event_id=order_id(kind, version, live.event_id, reason),
            kind=kind,
            version=version,
            previous=live.version if kind != "sunset" else None,
            expected_event_id=live.event_id,
            reason=reason,
            decided_by=who(),
        ),
    )


def resume(settings: Settings) -> Outcome:
    """Complete the unfinished action, however often it failed. Raises PolicyError when there is none."""
    unfinished = deployments.state_after(_now(settings)[0]).unfinished
    if unfinished is None:
        raise PolicyError("Nothing is unfinished; `v4 history` shows what was done.")
    return _run(settings, Order.again(unfinished))


def approve(settings: Settings, evidence_sha256: str) -> Event:
    """Approve the requested action on exactly the evidence it was requested for. Raises PolicyError otherwise."""
    found = status(settings)
    today, decision = found.rollout.today, found.decision
    if decision.wanted is None:
        raise PolicyError(f"Nothing waits for an approval: {decision.reason}")
    rows = store(settings).comparisons(today, today)
    if len(evidence_sha256) < 8 or not digest(rows).startswith(evidence_sha256):
        raise PolicyError(
            f"The evidence of {today} is {digest(rows)[:12]}, not {evidence_sha256[:12]}. An approval holds for "
            f"the evidence it names: run `v4 status`, then `v4 approve {digest(rows)[:12]}`."
        )
    promoting = decision.wanted.value == "promote"
    version = settings.rollout.candidate if promoting else settings.rollout.baseline
    return _record(settings, "approved", version, decision.reason, evidence_day=today, evidence_sha256=digest(rows))


def allow(settings: Settings, version: str, reason: str) -> Event:
    """Let the candidate be promoted again after a rollback or an expired trial. Raises PolicyError otherwise."""
    rollout = settings.rollout
    live = deployments.state_after(_now(settings)[0]).live
    if version != rollout.candidate or (live and live.version == version):
        raise PolicyError(
            f"{version} has nothing to be allowed: rollout.yaml's candidate is {rollout.candidate}, live is "
            f"{live.version if live else 'nothing'}. Only a candidate that is not live competes."
        )
    return _record(settings, "allowed", version, reason)


def restore(settings: Settings, version: str, reason: str) -> Event:
    """Bring an archived version back, its bundle verified. Raises PolicyError, ModelIntegrityError."""
    archived = deployments.state_after(_now(settings)[0]).archived
    if version not in archived:
        raise PolicyError(f"{version} is not archived; archived are: {', '.join(sorted(archived)) or 'none'}.")
    folders = list(settings.places.archive.glob(f"{version}-*"))
    if not folders:
        raise ModelIntegrityError(
            f"There is no {settings.places.archive}/{version}-…: bring back the folder that was there."
        )
    folder = max(folders, key=lambda one: one.stat().st_mtime)
    sums, models = verify(folder), registry(settings)
    if not _is_whole(models, version, sums):
        files = {name: (folder / name).read_bytes() for name in sums}
        models.add(version, files, {"restored_from": str(folder)}, replace=True)
    return _record(settings, "restored", version, reason)


def _is_whole(models: ModelRegistry, version: str, sums: dict[str, str]) -> bool:
    """Whether the registry still holds exactly the bundle that was archived, undamaged."""
    try:
        models.load(version)
        return dict(models.entry(version).files) == sums
    except ModelError:
        return False


def who() -> str:
    """The operator's user name on this machine."""
    return f"{getpass.getuser()} (v4)"


def _refusal(settings: Settings, kind: Kind, version: str, live: str, state: deployments.DeploymentState) -> str | None:
    """Why an order is refused; None when it is valid."""
    rollout = settings.rollout
    if version not in rollout.versions:
        return f"There is no version {version} in rollout.yaml; it has {', '.join(sorted(rollout.versions))}."
    if kind == "sunset":
        return f"{version} is live; what is live is not archived." if version == live else None
    if version == live:
        return f"{version} is live already."
    if version in state.archived:
        return f"{version} is archived. Bring it back first: `v4 restore {version} --reason …`."
    if kind == "promotion" and version in state.rolled_back:
        return f"{version} was rolled back. Allow it first: `v4 allow {version} --reason …`."
    return None


def _verify_scored(settings: Settings, version: str) -> None:
    """Refuse to promote a version whose scores for today are missing or unchecked: readers would see no rows."""
    today = settings.clock.today()
    problems = verdicts.unpassed(store(settings), today, version)
    if problems:
        raise PolicyError(
            f"{version} has no scores of {today} that passed every check: {'; '.join(problems)}. "
            f"`v4 run --date {today}` makes them."
        )


def _now(settings: Settings) -> tuple[list[Event], Production | None]:
    record = store(settings)
    with record.session():
        return record.events(), record.production()


def _record(
    settings: Settings,
    kind: str,
    version: str,
    reason: str,
    *,
    evidence_day: date | None = None,
    evidence_sha256: str | None = None,
) -> Event:
    event = Event(
        event_id=uuid4().hex,
        happened_at=settings.clock.now(),
        event=kind,
        version=version,
        reason=reason,
        decided_by=who(),
        evidence_day=evidence_day,
        evidence_sha256=evidence_sha256,
    )
    record = store(settings)
    with record.session():
        production_store.record(record, [event])
        events, live = record.events(), record.production()
    statuses = deployments.statuses(events, settings.rollout.versions, settings.rollout.candidate)
    export_registry(settings.places.registry, statuses, live)
    return event


def _run(settings: Settings, wanted: Order) -> Outcome:
    config = {"ops": {FIRST_ASSETS[wanted.kind]: {"config": wanted.config}}}
    tags = {ACTION_TAG: wanted.event_id}
    return operate.run_job(
        settings, ACTION_JOBS[wanted.kind], tags=tags, partition=settings.clock.today(), config=config
    )


def _launched(instance: dg.DagsterInstance, name: str, wanted: dg.RunRequest) -> bool:
    tags = {RUN_KEY_TAG: str(wanted.run_key), SENSOR_TAG: name}
    return bool(instance.get_runs(dg.RunsFilter(tags=tags), limit=1))


def _carried_out(settings: Settings, name: str, wanted: dg.RunRequest) -> Outcome:
    tags = {**wanted.tags, RUN_KEY_TAG: str(wanted.run_key), SENSOR_TAG: name}
    partition = date.fromisoformat(str(wanted.partition_key))
    return operate.run_job(
        settings, str(wanted.job_name), tags=tags, partition=partition, config=dict(wanted.run_config)
    )
