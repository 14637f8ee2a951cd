"""The sensor that tells people: once per change of state, to the log always, to Slack where that is configured."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import dagster as dg
import requests
from pydantic import SecretStr

from v4_assets.clock import Clock
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.errors import V4Error
from v4_assets.policy.decision import Action
from v4_assets.record import production
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout.assess import Assessment, assess
from v4_assets.rollout.attempts import next_attempt
from v4_assets.rollout.missing import missing
from v4_assets.rollout.runs import end_left_over
from v4_assets.settings import Places

NAME = "alert_sensor"
SECONDS_BETWEEN_LOOKS = 300
RUNS_LOOKED_AT = 20
FORGOTTEN_AFTER = timedelta(days=1)
SLACK_SECONDS = 10


@dataclass(frozen=True)
class Kind:
    """A kind of alert; docs/runbook.md tells of each under `says`."""

    says: str
    """Words of its text, by which the runbook lists it."""
    do: str
    """The command to begin with; empty where there is nothing to do."""


KINDS = {
    "run": Kind("failed. See docs/runbook.md", "`v4 run --date today`, once the failed check's cause is mended"),
    "missing": Kind("is missing:", "`v4 run --date today`"),
    "scores": Kind("has no scores of", "`v4 run --date today`"),
    "sync": Kind("Salesforce has not got", "`v4 run --date today`: it sends what is missing"),
    "held": Kind("Held in", "`v4 look`"),
    "ask": Kind("A person must decide", "`v4 look`, then `v4 approve EVIDENCE`"),
    "unfinished": Kind("is not through", "wait for the sensor's next attempt, or `v4 resume`"),
    "exhausted": Kind("was given up", "mend the cause its runs name, then `v4 resume`"),
    "no look": Kind("could not be looked at", "`v4 doctor`"),
    "event": Kind("promotion started", ""),
}
"""Every kind of alert, by how its conditions' keys begin."""


@dataclass(frozen=True)
class Condition:
    """Something a person should know. It is told when it appears, and again when it was gone for a day."""

    key: str
    """The same as long as it is the same matter; it begins with a name of KINDS and a colon."""
    text: str

    @property
    def kind(self) -> Kind:
        """What kind of alert it is."""
        return KINDS[self.key.partition(":")[0]]


Rewrite = Callable[[dg.DagsterInstance, Warehouse, Rollout, Clock, Places], str]
"""Writes the rollout page anew and says what became of that; it does not raise."""


def alert_sensor(
    rollout: Rollout, webhook: SecretStr | None, rewrite: Rewrite, *, running: bool
) -> dg.SensorDefinition:
    """The sensor, on or off as configured. With every piece of news the rollout page is written anew."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Tells of failed runs, missing days, held and overdue decisions, and every action; once each.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> dg.SensorResult:
        end_left_over(context.instance)
        known: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        found = conditions(context.instance, warehouse, rollout, clock)
        news = [one for one in found if one.key not in known]
        for one in news:
            context.log.warning(one.text)
        if news and webhook:
            post(webhook, [one.text for one in news])
        if news:
            # No run tells of a day that is missing, or of an order that was given up.
            context.log.info(rewrite(context.instance, warehouse, rollout, clock, places))
        # Only after the posting: what could not be told is told at the next look.
        told = json.dumps(still_known(known, found, clock.now()))
        said = "; ".join(one.text for one in news) or "nothing new to tell"
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=told)

    return sensor


def still_known(known: Mapping[str, str], found: Iterable[Condition], now: datetime) -> dict[str, str]:
    """Key to when a condition was last seen. One that was away for a night only, until the day's run, is no news."""
    seen = {**known, **{one.key: now.isoformat() for one in found}}
    return {key: when for key, when in sorted(seen.items()) if now - datetime.fromisoformat(when) < FORGOTTEN_AFTER}


def conditions(instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout, clock: Clock) -> list[Condition]:
    """Everything worth telling now, told before or not."""
    found = list(_failed_runs(instance))
    try:
        assessment = assess(instance, warehouse, rollout, clock)
        found += held(assessment)
        found += unfinished(instance, assessment, rollout)
        found += _missing(instance, warehouse, rollout, clock, assessment)
        found += _actions(warehouse, rollout)
    except V4Error as error:
        found.append(Condition(f"no look:{type(error).__name__}", f"The rollout could not be looked at: {error}"))
    return found


def post(webhook: SecretStr, texts: list[str]) -> None:
    """To Slack. Raises V4Error without the address when Slack does not take it."""
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
        raise V4Error(f"Slack took no alert: {status}. Check V4_SLACK_WEBHOOK. Not told: {'; '.join(texts)}") from None


@contextmanager
def _unlogged() -> Iterator[None]:
    """At DEBUG the client below requests would log the path it asks for, and with it the secret."""
    logger = logging.getLogger("urllib3.connectionpool")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _failed_runs(instance: dg.DagsterInstance) -> Iterator[Condition]:
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    for run in instance.get_runs(failed, limit=RUNS_LOOKED_AT):
        day = run.tags.get("dagster/partition", "no day")
        yield Condition(
            f"run:{run.run_id}", f"Run {run.run_id} of {run.job_name} for {day} failed. See docs/runbook.md."
        )


def held(assessment: Assessment) -> Iterator[Condition]:
    """A day that is missing, a question to a person, or a hold that is worth telling."""
    decision, today = assessment.decision, assessment.status.today
    if assessment.missing_day:
        yield Condition(f"missing:{today}", f"The day {today} is missing: {decision.reason}.")
    elif decision.action is Action.ASK and decision.wanted:
        yield Condition(f"ask:{decision.wanted.value}:{today}", f"A person must decide: {decision.reason}")
    elif decision.alert:
        week = today.isocalendar()
        matter = "disagreement" if assessment.status.disagreement else assessment.matter
        kind = f"{assessment.status.phase.value}:{week.year}-W{week.week:02d}:{matter}"
        yield Condition(f"held:{kind}", f"Held in {assessment.status.phase.value}: {decision.reason}")


def unfinished(instance: dg.DagsterInstance, assessment: Assessment, rollout: Rollout) -> Iterator[Condition]:
    """An order that was given up, or that takes more than one attempt."""
    order = assessment.order
    if order is None:
        return
    attempt = next_attempt(instance, order.event_id, None, rollout.policy.max_attempts)
    what = f"{order.kind} to {order.version}"
    if attempt.exhausted:
        yield Condition(
            f"exhausted:{order.event_id}", f"The {what} was given up, {attempt.reason}. `v4 resume` tries once more."
        )
    elif assessment.unfinished and attempt.number and attempt.number > 1:
        yield Condition(f"unfinished:{order.event_id}", f"The {what} is not through: {attempt.reason} follows.")


def _missing(
    instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout, clock: Clock, assessment: Assessment
) -> Iterator[Condition]:
    found = missing(instance, warehouse, rollout, clock, assessment)
    if found:
        yield Condition(f"{found.what}:{assessment.status.today}", found.text)


def _actions(warehouse: Warehouse, rollout: Rollout) -> Iterator[Condition]:
    for event in production.history(warehouse, rollout.catalogue):
        text = f"{event.event.replace('_', ' ')}: {event.version} ({event.decided_by}). {event.reason}"
        yield Condition(f"event:{event.event_id}", text)
