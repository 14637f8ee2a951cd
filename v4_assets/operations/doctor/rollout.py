"""Probes of what is rolled out: the models, who is live, Salesforce, Dagster, what is unfinished, what is missing."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import dagster as dg

from v4_assets import resources
from v4_assets.config.environment import Settings
from v4_assets.config.rollout_policy import Evaluation
from v4_assets.definitions import build
from v4_assets.errors import SalesforceSetupError
from v4_assets.evaluation.evidence import Evidence
from v4_assets.names import ALERT_SENSOR, DAILY_JOB, ROLLOUT_SENSOR
from v4_assets.operations.doctor import Probe, ProbeResult, Verdict
from v4_assets.operations.doctor.warehouse import in_demo, opened
from v4_assets.operations.instance import dagster_instance
from v4_assets.production import events as deployments
from v4_assets.production import overdue
from v4_assets.production import production_row as production_store
from v4_assets.resources import registry
from v4_assets.runs import unfinished, why_gone
from v4_assets.salesforce.client.http import Patience
from v4_assets.salesforce.client.org import Org, OrgIdentity
from v4_assets.salesforce.field_preflight import examine
from v4_assets.store import Store

IMPATIENT = Patience(connect_seconds=5.0, read_seconds=30.0, waits=(1.0,))
"""A person waits for the answer."""
EVIDENCE_DAYS = 14
"""Days back within which the latest evidence is looked for."""
SWITCHED = {ROLLOUT_SENSOR: "sensors", ALERT_SENSOR: "sensors", f"{DAILY_JOB}_schedule": "schedule"}
"""Schedule and sensors, and the setting that switches each."""


def probes(settings: Settings) -> dict[str, Probe]:
    """Name to probe."""
    return {
        **{f"model {version}": partial(model, settings, version) for version in settings.rollout.versions},
        "live version": partial(live, settings),
        "verdicts": partial(verdicts, settings),
        "Salesforce": partial(salesforce, settings),
        "graph": partial(graph, settings),
        "Dagster": partial(dagster, settings),
        "schedule and sensors": partial(switches, settings),
        "unfinished order": partial(order, settings),
        "runs left over": partial(runs, settings),
    }


def model(settings: Settings, version: str) -> ProbeResult:
    """A configured version is registered, and its files are the approved ones."""
    bundle = registry(settings).load(version)
    return ProbeResult(Verdict.OK, f"bundle {bundle.bundle_sha256[:12]}, hashes verified ({bundle.path})")


def live(settings: Settings) -> ProbeResult:
    """Something is live, its artifact is the one that went live, and the history says the same."""
    rollout = settings.rollout
    with opened(settings, any_schema=False) as connected:
        record = Store(connected, rollout.catalogue, registry(settings))
        now = record.production()
        events, carried = record.events(), overdue.recorded_syncs(record).differs_from(now.version if now else None)
        if now is None:
            return ProbeResult(
                Verdict.WARN,
                "No version is live: days are scored, production and Salesforce wait.",
                "`v4 init` adopts the baseline.",
            )
        production_store.approved_bundle(record, now.version)
    status = deployments.rollout_status(
        events,
        baseline=rollout.baseline,
        candidate=rollout.candidate,
        today=settings.clock.today(),
        production=(now.version, now.event_id),
    )
    if status.disagreement:
        return ProbeResult(
            Verdict.FAIL, f"{status.disagreement}.", "Restore the row of the latest switch (`v4 history`)."
        )
    if carried:
        do = "`v4 resume` where an order is unfinished, otherwise `v4 run --date today`."
        return ProbeResult(Verdict.WARN, f"{now.version}, but Salesforce carries {carried}'s scores.", do)
    return ProbeResult(Verdict.OK, f"{now.version} (bundle {str(now.bundle_sha256)[:12]}) since {status.live_since}")


def verdicts(settings: Settings) -> ProbeResult:
    """The volume can decide a rollback and a promotion: the longest cohort holds enough conversions for either."""
    rollout, today = settings.rollout, settings.clock.today()
    with opened(settings, any_schema=False) as connected:
        record = Store(connected, rollout.catalogue, registry(settings))
        rows, state = (
            record.comparisons(today - timedelta(days=EVIDENCE_DAYS), today),
            deployments.state_after(record.events()),
        )
    if not rows:
        return ProbeResult(Verdict.OK, f"nothing was evaluated in the last {EVIDENCE_DAYS} days, so no volume is known")
    latest = max(row.prediction_date for row in rows)
    by_question = {row.question: row for row in rows if row.prediction_date == latest}
    rollback, promotion = (_decides(by_question[one], rollout.evaluation) for one in ("rollback", "promotion"))
    tried = state.live is None or rollout.candidate not in {state.live.version, *state.rolled_back}
    if promotion.verdict is Verdict.FAIL and not tried:
        # No promotion waits for a verdict while the candidate is live, or rolled back and not allowed again.
        promotion = replace(promotion, verdict=Verdict.WARN)
    if rollback.verdict is promotion.verdict is not Verdict.OK:
        return replace(rollback, found=f"{rollback.found} {promotion.found}")
    return max(rollback, promotion, key=lambda one: list(Verdict).index(one.verdict))


def _decides(row: Evidence, limits: Evaluation) -> ProbeResult:
    """Whether cohorts at the rate of this one hold enough conversions to decide its question."""
    days, needed = (row.cohort_to - row.cohort_from).days + 1, getattr(limits.min_conversions, row.question)
    expected = row.conversions / days * limits.max_days
    found = (
        f"{row.conversions} conversions in {days} days: about {expected:.0f} in {limits.max_days}, {needed} are needed"
    )
    advice = "Raise `evaluation.max_days`, or lower `min_conversions` and see `v4 odds --from-data`."
    if expected + 2 * expected**0.5 < needed:
        return ProbeResult(Verdict.FAIL, f"No cohort can decide a {row.question}: {found}.", advice)
    if expected < needed:
        return ProbeResult(Verdict.WARN, f"Most cohorts cannot decide a {row.question}: {found}.", advice)
    return ProbeResult(Verdict.OK, f"{row.question}: {found}")


def salesforce(settings: Settings) -> ProbeResult:
    """The org is the configured one, its fields are fit, and enough of its daily requests are left."""
    org = None if settings.salesforce == "dry-run" else resources.salesforce(settings, IMPATIENT)
    if org is None:
        return ProbeResult(Verdict.OK, "dry-run: nothing is sent, the day only writes the files it would send")
    try:
        return _org(settings, org)
    except SalesforceSetupError:
        if settings.salesforce != "local" or not in_demo(settings):
            raise
        return ProbeResult(
            Verdict.OK, "the demo's stand-in org is stopped, as the demo leaves it", "`v4 dev` starts it."
        )


def _org(settings: Settings, org: Org) -> ProbeResult:
    identity, target = org.identity(), settings.salesforce_target
    if target and identity != OrgIdentity(target.org_id_18, target.sandbox):
        do = "Set V4_SALESFORCE_ORG_ID and V4_SALESFORCE_SANDBOX to the org you mean."
        return ProbeResult(Verdict.FAIL, f"{identity} answers, configured is {target.org_id_18}.", do)
    fields = examine(settings.rollout.salesforce.fields, org.lead_fields(), list(settings.rollout.versions))
    if fields.wrong:
        return ProbeResult(
            Verdict.FAIL, "; ".join(fields.wrong), "docs/salesforce.md tells an admin how fields are made."
        )
    left, floor = org.requests_left(), target.request_floor if target else 0
    text = f"{settings.salesforce} org {identity.org_id} ({'sandbox' if identity.is_sandbox else 'production'})"
    if left <= floor:
        do = "Wait for the next day, or lower V4_SALESFORCE_REQUEST_FLOOR."
        return ProbeResult(Verdict.FAIL, f"{text} has {left:,} requests left, {floor:,} are for others.", do)
    if fields.absent:
        text = f"{text}; optional fields are not there: {', '.join(fields.absent)}"
        return ProbeResult(Verdict.WARN, text, "Make them, or leave them out of `fields` in rollout.yaml.")
    return ProbeResult(Verdict.OK, f"{text}: fields are fit, {left:,} requests left")


def graph(settings: Settings) -> ProbeResult:
    """The graph that every run loads can be built: assets, checks, jobs, schedule, sensors."""
    repository = build(settings).get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    assets = repository.asset_graph.materializable_asset_keys
    return ProbeResult(Verdict.OK, f"{len(assets)} assets in {len(jobs)} jobs")


def dagster(settings: Settings) -> ProbeResult:
    """The Dagster instance answers; a daemon is alive where schedule or sensors are on."""
    if not is_there(settings):
        do = "`v4 dev` makes it from V4_DAGSTER_YAML, and so does the first daily run."
        return ProbeResult(Verdict.WARN, f"There is no instance in {settings.dagster_home} yet.", do)
    with dagster_instance(settings) as instance:
        if outdated := _outdated(instance):
            do = f"Stop its processes, then `DAGSTER_HOME={settings.dagster_home} dagster instance migrate`."
            return ProbeResult(Verdict.FAIL, f"Its storage of {', '.join(outdated)} is of an earlier Dagster.", do)
        latest = instance.get_runs(limit=1)
        daemons = instance.get_daemon_statuses()
        storage = type(instance.run_storage).__name__
    text = f"{storage} answers, latest run {latest[0].run_id[:8] if latest else 'none'}"
    silent = sorted(name for name, status in daemons.items() if not status.healthy)
    if silent and (settings.schedule or settings.sensors):
        do = "Start `dagster-daemon run` (or `v4 dev`) with this V4_HOME; until then nothing runs by itself."
        return ProbeResult(Verdict.FAIL, f"{text}; no sign of life of {', '.join(silent)}.", do)
    return ProbeResult(Verdict.OK, f"{text}, {'no daemon' if silent else 'the daemon is alive'}")


def switches(settings: Settings) -> ProbeResult:
    """Which of schedule and sensors are on; what was switched in the UI holds against the settings."""
    by_hand = {}
    if is_there(settings):
        with dagster_instance(settings) as instance:
            states = {state.instigator_name: state.status for state in instance.all_instigator_state()}
        known = {"RUNNING": True, "STOPPED": False}
        by_hand = {name: known[one.value] for name, one in states.items() if name in SWITCHED and one.value in known}
    configured = {name: bool(getattr(settings, setting)) for name, setting in SWITCHED.items()}
    on = configured | by_hand
    text = ", ".join(f"{name} {'on' if is_on else 'off'}" for name, is_on in on.items())
    against = sorted(name for name, is_on in by_hand.items() if is_on != configured[name])
    if against:
        do = "Switch them back on Dagster's page (Automation), or make V4_SCHEDULE and V4_SENSORS say the same."
        return ProbeResult(Verdict.WARN, f"{text}; {', '.join(against)} against the settings.", do)
    return ProbeResult(Verdict.OK, text)


def order(settings: Settings) -> ProbeResult:
    """No promotion, rollback or sunset is half done."""
    with opened(settings, any_schema=False) as connected:
        record = Store(connected, settings.rollout.catalogue, registry(settings))
        begun = deployments.state_after(record.events()).unfinished
    if begun:
        return ProbeResult(
            Verdict.WARN, f"{begun.event} of {begun.day} ({begun.version}) is not finished.", "`v4 resume`"
        )
    return ProbeResult(Verdict.OK, "none")


def runs(settings: Settings) -> ProbeResult:
    """No run is left STARTED by a process that is gone."""
    if not is_there(settings):
        return ProbeResult(Verdict.OK, "none")
    with dagster_instance(settings) as instance:
        found = [(run, why_gone(instance, run)) for run in unfinished(instance)]
    left = [f"run {run.run_id} ({_what(run)}) is {run.status.value}: {why}" for run, why in found if why]
    if left:
        return ProbeResult(Verdict.WARN, " ".join(left), "`v4 tick` reports it failed; then `v4 run --date today`.")
    return ProbeResult(
        Verdict.OK, ", ".join(f"run {run.run_id[:8]} ({_what(run)}) is at work" for run, _ in found) or "none"
    )


def is_there(settings: Settings) -> bool:
    """Whether a Dagster instance was made; opening it would make one."""
    return (settings.dagster_home / "dagster.yaml").exists()


def _outdated(instance: dg.DagsterInstance) -> list[str]:
    """What the instance keeps in tables older than this Dagster's."""
    kept = {"runs": instance.run_storage, "events": instance.event_log_storage, "schedules": instance.schedule_storage}
    versions = {name: storage.alembic_version() for name, storage in kept.items() if storage is not None}
    return [name for name, version in versions.items() if version is not None and version[0] != version[1]]


def _what(run: dg.DagsterRun) -> str:
    return f"{run.job_name} of {run.tags.get('dagster/partition', 'no day')}"
