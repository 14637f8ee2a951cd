"""Operator actions on a rollout: orders, holds, permissions and ticks, on the sensor's own jobs and record."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import dagster as dg

from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import Settings
from v4_assets.definitions import build
from v4_assets.errors import PolicyError
from v4_assets.evaluation.evidence import digest
from v4_assets.names import ACTION_JOBS, ACTION_TAG, ALERT_SENSOR, FIRST_ASSETS, ROLLOUT_SENSOR
from v4_assets.operations import local_runs, order_rules
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.local_runs import Outcome
from v4_assets.operations.order_rules import Confirm, accepted
from v4_assets.production import events as deployments
from v4_assets.production import orders, recorded_orders
from v4_assets.production import production_row as production_store
from v4_assets.production.archive import bring_back
from v4_assets.production.assets import export_registry
from v4_assets.production.events import Event, Production
from v4_assets.production.orders import Kind, Order, gates_json, order_id
from v4_assets.production.status import Status, read_status
from v4_assets.resources import registry, store

RUN_KEY_TAG = "dagster/run_key"
SENSOR_TAG = "dagster/sensor_name"
SHORTEST_SHA256 = 8
"""Characters of an evidence's sha256 that an approval must name."""


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
        asked = result.run_requests or []
        launched = [_launched(instance, name, one) for one in asked]
    outcomes = tuple(_carried_out(settings, name, one) for one, run in zip(asked, launched, strict=True) if not run)
    said = [_said(one, run) for one, run in zip(asked, launched, strict=True)]
    return Tick(result.skip_message or "; ".join(said), outcomes)


def alert(settings: Settings) -> Tick:
    """One tick of the alert sensor."""
    return tick(settings, ALERT_SENSOR)


def order(settings: Settings, kind: Kind, version: str, reason: str, confirm: Confirm = accepted) -> Outcome:
    """Carry out an operator's order now, in this process. Raises PolicyError when it does not fit the current state.

    `confirm` is asked about what the order overrides, which is recorded.
    """
    events, live = _now(settings)
    if live is None:
        raise PolicyError("Nothing is adopted yet. `v4 init` adopts the baseline.")
    state = deployments.state_after(events)
    if state.unfinished and not orders.supersedes(kind, state.unfinished):
        raise PolicyError(
            f"{state.unfinished.event} of {state.unfinished.day} is not completed. Complete it with `v4 resume`."
        )
    problem = order_rules.refusal(settings, kind, version, live.version, state)
    if problem:
        raise PolicyError(problem)
    if kind == "promotion":
        order_rules.verify_scored(settings, version)
    override = order_rules.override(settings, kind, version, status(settings))
    if override:
        confirm(override.text)
        reason = f"{reason} (overrides: {override.text})"
    wanted = Order(
        event_id=order_id(kind, version, live.event_id, reason),
        kind=kind,
        version=version,
        previous=live.version if kind != "sunset" else None,
        expected_event_id=live.event_id,
        reason=reason,
        decided_by=local_runs.operator(),
        gates=gates_json(override.gates) if override and override.gates else None,
    )
    return _run(settings, orders.superseding(wanted, state.unfinished))


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
    if len(evidence_sha256) < SHORTEST_SHA256 or not digest(rows).startswith(evidence_sha256):
        raise PolicyError(
            f"{evidence_sha256[:12]!r} is not the evidence of {today}, named by {SHORTEST_SHA256} characters or more. "
            "Nothing was approved. `v4 status` shows what is asked today and the line that approves it."
        )
    promoting = decision.wanted.value == "promote"
    version = settings.rollout.candidate if promoting else settings.rollout.baseline
    return add_event(
        settings,
        "approved",
        version,
        decision.reason,
        evidence_day=today,
        evidence_sha256=digest(rows),
        bundle_sha256=store(settings).artifact_of(rows, version).bundle_sha256,
    )


def allow(settings: Settings, version: str, reason: str) -> Event:
    """Let the candidate be promoted again after a rollback or an expired trial. Raises PolicyError otherwise."""
    rollout = settings.rollout
    live = deployments.state_after(_now(settings)[0]).live
    if version != rollout.candidate or (live and live.version == version):
        raise PolicyError(
            f"{version} has nothing to be allowed: rollout.yaml's candidate is {rollout.candidate}, live is "
            f"{live.version if live else 'nothing'}. Only a candidate that is not live competes."
        )
    return add_event(settings, "allowed", version, reason)


def allow_changes(settings: Settings, reason: str) -> tuple[str, int]:
    """Permit one sync to change more leads than the limit. Returns the version and the write of its scores of today.

    Raises PolicyError for an empty reason, and when nothing is live or scored.
    """
    record, live = store(settings), _now(settings)[1]
    if not reason.strip():
        raise PolicyError("The reason is empty. It is recorded: write why, such as --reason 'features were mended'.")
    if live is None:
        raise PolicyError("Nothing is adopted yet. `v4 init` adopts the baseline.")
    today, now = settings.clock.today(), settings.clock.now()
    with record.session():
        return live.version, recorded_orders.permit_large_change(
            record, today, live.version, reason.strip(), now, local_runs.operator()
        )


def acknowledge(settings: Settings, reason: str) -> Event:
    """End the early warning that was raised: its sum begins at 0 again. Raises PolicyError when there is none."""
    warning = status(settings).warning
    if warning is None or warning.alarm is None:
        raise PolicyError(
            "No early warning is raised, so there is nothing to acknowledge. `v4 status` shows the state."
        )
    said = f"{reason} ({warning.sentence(settings.rollout.candidate)})"
    return add_event(settings, "acknowledged", settings.rollout.candidate, said)


def restore(settings: Settings, version: str, reason: str) -> Event:
    """Bring an archived version back, its bundle verified. Raises PolicyError, ModelIntegrityError."""
    archived = deployments.state_after(_now(settings)[0]).archived
    if version not in archived:
        raise PolicyError(f"{version} is not archived; archived are: {', '.join(sorted(archived)) or 'none'}.")
    bring_back(settings.places.archive, version, registry(settings))
    return add_event(settings, "restored", version, reason)


def _now(settings: Settings) -> tuple[list[Event], Production | None]:
    record = store(settings)
    with record.session():
        return record.events(), record.production()


def add_event(settings: Settings, kind: str, version: str, reason: str, **others: Any) -> Event:
    """Record an operator's event; `others` are further fields of the event."""
    event = Event(
        event_id=uuid4().hex,
        happened_at=settings.clock.now(),
        event=kind,
        version=version,
        reason=reason,
        decided_by=local_runs.operator(),
        **others,
    )
    record = store(settings)
    with record.session():
        production_store.record(record, [event])
        events, live = record.events(), record.production()
    statuses = deployments.statuses(events, settings.rollout.versions, settings.rollout.candidate)
    export_registry(settings.places.registry, statuses, live)
    return event


def _run(settings: Settings, wanted: Order) -> Outcome:
    record, tags = store(settings), {ACTION_TAG: wanted.event_id}
    with record.session():
        carried = recorded_orders.give(record, wanted, settings.clock.now())
        config = {"ops": {FIRST_ASSETS[wanted.kind]: {"config": carried}}}
        return local_runs.run_job(
            settings, ACTION_JOBS[wanted.kind], tags=tags, partition=settings.clock.today(), config=config
        )


def _launched(instance: dg.DagsterInstance, name: str, wanted: dg.RunRequest) -> dg.DagsterRun | None:
    """The run that another tick, of the daemon's or of `v4 tick`, has launched for the same request."""
    tags = {RUN_KEY_TAG: str(wanted.run_key), SENSOR_TAG: name}
    return next(iter(instance.get_runs(dg.RunsFilter(tags=tags), limit=1)), None)


def _said(wanted: dg.RunRequest, launched: dg.DagsterRun | None) -> str:
    what = f"{wanted.job_name} for {wanted.partition_key}, {wanted.run_key}"
    return f"{what}: launched before, run {launched.run_id} is {launched.status.value}" if launched else what


def _carried_out(settings: Settings, name: str, wanted: dg.RunRequest) -> Outcome:
    tags = {**wanted.tags, RUN_KEY_TAG: str(wanted.run_key), SENSOR_TAG: name}
    partition = date.fromisoformat(str(wanted.partition_key))
    with store(settings).session():
        return local_runs.run_job(
            settings, str(wanted.job_name), tags=tags, partition=partition, config=dict(wanted.run_config)
        )


def begin_hold(settings: Settings, reason: str, until: datetime) -> Event:
    """Hold switches, resumes and syncs of the sensor and the daily run. Raises PolicyError for an end in the past."""
    now = settings.clock.now()
    if until <= now:
        given, present = (f"{one.astimezone(NEW_YORK):%Y-%m-%d %H:%M}" for one in (until, now))
        raise PolicyError(f"--until {given} is not after now, {present} in New York. Give a later day or instant.")
    return add_event(settings, orders.HELD, _live(settings), reason, hold_until=until)


def end_hold(settings: Settings, reason: str) -> Event:
    """End the hold in force. Raises PolicyError when there is none."""
    if orders.hold_at(store(settings).events(), settings.clock.now()) is None:
        raise PolicyError("Nothing is on hold, so there is no hold to end. `v4 history` lists earlier ones.")
    return add_event(settings, orders.RELEASED, _live(settings), reason)


def _live(settings: Settings) -> str:
    live = store(settings).live()
    if live is None:
        raise PolicyError("Nothing is adopted yet, so nothing happens by itself. `v4 init` adopts the baseline.")
    return live
