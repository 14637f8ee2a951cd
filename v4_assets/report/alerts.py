"""The alert sensor: each alert once, to the log always, to Slack where that is configured."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import dagster as dg
from pydantic import SecretStr

from v4_assets.clock import Clock
from v4_assets.config.environment import Places
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.names import ALERT_SENSOR
from v4_assets.production.attempts import next_attempt
from v4_assets.production.decision import Action
from v4_assets.production.status import Status, read_status
from v4_assets.production.weeks import name_of
from v4_assets.runs import end_left_over
from v4_assets.store import Store

NOTHING_NEW = "nothing new to report"
SECONDS_BETWEEN_TICKS = 300
RUNS_READ = 20
FORGOTTEN_AFTER = timedelta(days=1)
SLACK_SECONDS = 10
FIRST_EVENTS = 5
"""Number of events that a tick without a cursor announces; `v4 history` lists all."""


@dataclass(frozen=True)
class AlertKind:
    """A kind of alert; docs/runbook.md lists each under `says`."""

    says: str
    """Part of its text, under which the runbook lists it."""
    do: str
    """The command to start with; empty where there is nothing to do."""


KINDS = {
    "run": AlertKind("failed. See docs/runbook.md", "`v4 run --date today`, once the failed check's cause is mended"),
    "missing": AlertKind("is missing:", "`v4 run --date today`"),
    "scores": AlertKind("has no scores of", "`v4 run --date today`"),
    "sync": AlertKind("Salesforce has not received", "`v4 run --date today`: it sends what is missing"),
    "month": AlertKind("v4_prospect_scores still shows", "`v4 prospects run`"),
    "held": AlertKind("Held in", "`v4 hold --end --reason …` when it has served its purpose"),
    "ask": AlertKind("Approval is needed", "the line `v4 approve …` above, as it stands there"),
    "unfinished": AlertKind("is not finished", "wait for the sensor's next attempt, or `v4 resume`"),
    "exhausted": AlertKind("was given up", "mend the cause its runs name, then `v4 resume`"),
    "no look": AlertKind("could not be read", "`v4 doctor`"),
    "lost": AlertKind("no scores: ", "the `v4 backfill` line above, before the first of its dates"),
    "warning": AlertKind("booked calls look more like a fallen", "`v4 report`, then `v4 acknowledge --reason …`"),
    "policy": AlertKind("rollout.yaml has changed since", ""),
    "event": AlertKind("promotion started", ""),
}
"""Every kind of alert, by the first part of its key."""


@dataclass(frozen=True)
class Alert:
    """A condition that needs attention. It is announced when it appears, and again after a day of absence."""

    key: str
    """Identifies the condition; starts with a name of KINDS and a colon."""
    text: str

    @property
    def kind(self) -> AlertKind:
        """The kind of alert."""
        return KINDS[self.key.partition(":")[0]]


Rewrite = Callable[[dg.DagsterInstance, Store, Rollout, Clock, Places], str]
"""Rewrites the rollout page and returns its path or the error; never raises."""


def alert_sensor(
    rollout: Rollout, webhook: SecretStr | None, rewrite: Rewrite, *, running: bool
) -> dg.SensorDefinition:
    """The sensor, on or off as configured. Every new alert also rewrites the rollout page."""

    @dg.sensor(
        name=ALERT_SENSOR,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Announces failed runs, missing days, held and overdue decisions, and every action; once each.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        reader: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> dg.SensorResult:
        end_left_over(context.instance)
        known: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        found = current(context.instance, reader, rollout, clock)
        news = [one for one in found if one.key not in known]
        if not context.cursor:
            news = latest(news)
        for one in news:
            context.log.warning(one.text)
        if news and webhook:
            post(webhook, [one.text for one in news])
        if news and not any(one.kind is KINDS["no look"] for one in found):
            # No run reports a missing day or an order that was given up, so the page is rewritten here.
            context.log.info(rewrite(context.instance, reader, rollout, clock, places))
        # Only after posting: an alert that could not be posted is announced by the next tick.
        cursor = json.dumps(still_known(known, found, clock.now()))
        text = "; ".join(one.text for one in news) or NOTHING_NEW
        return dg.SensorResult(skip_reason=dg.SkipReason(text), cursor=cursor)

    return sensor


def latest(news: list[Alert]) -> list[Alert]:
    """The alerts of a first tick, or of one whose cursor was lost: of what was done, only the latest events."""
    events = [one for one in news if one.kind is KINDS["event"]]
    older = events[:-FIRST_EVENTS]
    return [one for one in news if one not in older]


def still_known(known: Mapping[str, str], found: Iterable[Alert], now: datetime) -> dict[str, str]:
    """Key to when an alert was last seen. A condition that reappears within a day is not announced again."""
    seen = {**known, **{one.key: now.isoformat() for one in found}}
    return {key: when for key, when in sorted(seen.items()) if now - datetime.fromisoformat(when) < FORGOTTEN_AFTER}


def current(instance: dg.DagsterInstance, store: Store, rollout: Rollout, clock: Clock) -> list[Alert]:
    """Every alert that holds now, announced before or not."""
    try:
        status = read_status(instance, store, rollout, clock)
    except V4Error as error:
        unreadable = Alert(f"no look:{type(error).__name__}", f"The rollout could not be read: {error}")
        return [*_failed_runs(instance), unreadable]
    return of_status(instance, rollout, status)


def of_status(instance: dg.DagsterInstance, rollout: Rollout, status: Status) -> list[Alert]:
    """Every alert that follows from a status, and every failed run."""
    return [
        *_failed_runs(instance),
        *held(status, rollout),
        *unfinished(instance, status, rollout),
        *_overdue(status),
        *warnings(status),
        *_actions(status),
    ]


def post(webhook: SecretStr, texts: list[str]) -> None:
    """Post to Slack. Raises V4Error, without the address, when Slack refuses it."""
    import requests  # noqa: PLC0415 # a tenth of `v4 status`, which posts nothing

    try:
        with _unlogged():
            # Slack reads &, < and > as its own: a reason must not call a whole channel.
            text = escape("\n".join(texts), quote=False)
            answer = requests.post(webhook.get_secret_value(), json={"text": text}, timeout=SLACK_SECONDS)
        status = f"it answered {answer.status_code}" if not answer.ok else ""
    except requests.RequestException as error:
        status = f"it did not answer ({type(error).__name__})"
    if status:
        # The address is a secret, and an error of the library's would print it.
        raise V4Error(
            f"Slack refused the alert: {status}. Check V4_SLACK_WEBHOOK. Not posted: {'; '.join(texts)}"
        ) from None


@contextmanager
def _unlogged() -> Iterator[None]:
    """At DEBUG the client below requests would log the path it asks for, and with it the secret."""
    logger = logging.getLogger("urllib3.connectionpool")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _failed_runs(instance: dg.DagsterInstance) -> Iterator[Alert]:
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    for run in instance.get_runs(failed, limit=RUNS_READ):
        day = run.tags.get("dagster/partition", "no day")
        yield Alert(f"run:{run.run_id}", f"Run {run.run_id} of {run.job_name} for {day} failed. See docs/runbook.md.")


def held(status: Status, rollout: Rollout) -> Iterator[Alert]:
    """A missing day, a request for approval, or a hold that needs attention."""
    decision, today, phase = status.decision, status.rollout.today, status.rollout.phase
    if status.missing_day:
        yield Alert(f"missing:{today}", f"The day {today} is missing: {decision.reason}.")
    elif decision.action is Action.ASK and decision.wanted:
        yield Alert(f"ask:{decision.wanted.value}:{today}", f"Approval is needed: {decision.reason}")
    elif decision.alert:
        week = name_of(today, rollout.policy.weeks)
        subject = "disagreement" if status.rollout.disagreement else status.subject
        yield Alert(f"held:{phase.value}:{week}:{subject}", f"Held in {phase.value}: {decision.reason}")


def unfinished(instance: dg.DagsterInstance, status: Status, rollout: Rollout) -> Iterator[Alert]:
    """An order that was given up, or that takes more than one attempt."""
    order = status.order
    if order is None:
        return
    attempt = next_attempt(instance, order.event_id, None, rollout.policy.max_attempts)
    what = f"{order.kind} to {order.version}"
    if attempt.exhausted:
        text = f"The {what} was given up, {attempt.reason}. `v4 resume` tries once more."
        yield Alert(f"exhausted:{order.event_id}", text)
    elif status.unfinished and attempt.number and attempt.number > 1:
        yield Alert(f"unfinished:{order.event_id}", f"The {what} is not finished: {attempt.reason} follows.")


def _overdue(status: Status) -> Iterator[Alert]:
    if status.overdue:
        yield Alert(f"{status.overdue.what}:{status.rollout.today}", status.overdue.text)


def warnings(status: Status) -> Iterator[Alert]:
    """Lost days, a raised early warning, thresholds that differ from those of the last close."""
    if status.lost:
        yield Alert(f"lost:{status.lost.days[0]}:{status.lost.days[-1]}", status.lost.sentence)
    warning = status.warning
    if warning and warning.alarm:
        key = f"warning:{warning.since}:{warning.alarm.day}"
        yield Alert(key, f"Early warning: {warning.sentence(status.rollout.candidate)}")
    if status.policy_change:
        yield Alert(f"policy:{status.policy_change}", status.policy_change)


def _actions(status: Status) -> Iterator[Alert]:
    for event in status.events:
        switched = f"{event.previous} → {event.version}" if event.previous else event.version
        text = f"{event.event.replace('_', ' ')}: {switched} ({event.decided_by}). {event.reason}"
        yield Alert(f"event:{event.event_id}", text)
