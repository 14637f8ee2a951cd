"""A rollout page to look at: a promotion, a rollback by two bad weeks, and everything that can stand on the page."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from v4_assets.clock import NEW_YORK
from v4_assets.evaluation.evidence import Evidence
from v4_assets.policy.decision import Gate, Phase, RolloutStatus, Verdict
from v4_assets.record.deployments import Event
from v4_assets.rollout.orders import gates_json
from v4_assets.rollout.outlook import MET, MISSED, OPEN, Criterion, Outlook
from v4_assets.rollout.publishing import draw, publish
from v4_assets.rollout.report import Report
from v4_assets.rollout.told_sync import Sync
from v4_assets.settings import load
from v4_assets_tests.evidences import evidence

DAY = date(2026, 2, 9)
NOW = datetime(2026, 2, 9, 13, 0, tzinfo=UTC)
NASTY = 'Ann said <script>alert("x")</script> ![seen](http://evil.example/p.png) [here](http://evil.example) <b>now</b>'
LIFTS = (2.4, 2.3, 2.35, 1.12, 1.04)
FAILED = tuple(Gate("top_decile_lift", Verdict.FAIL, f"lift is {lift}", lift, 1.5, 1.3) for lift in LIFTS[-2:])


def event(kind: str, version: str, day: date, reason: str, **changes: object) -> Event:
    """Something that happened at 08:00 in New York."""
    when = datetime(day.year, day.month, day.day, 13, 0, tzinfo=UTC)
    return Event(f"{kind}-{day}", when, kind, version, reason, "rollout_sensor", **changes)  # type: ignore[arg-type] # test data


EVENTS = (
    event("adopted", "v4.0.0", date(2026, 1, 5), "v4.0.0 is the baseline."),
    event("promotion_started", "v4.1.0", date(2026, 1, 12), NASTY, previous="v4.0.0"),
    event(
        "rollback_started",
        "v4.0.0",
        DAY,
        "top_decile_lift failed at 2 consecutive week-closes.",
        previous="v4.1.0",
        gates=gates_json(FAILED),
    ),
)


def rows() -> list[Evidence]:
    """Five Sundays and the day itself, of both versions."""
    return [
        evidence(prediction_date=day, version=version, lift=lift, lift_low=lift - 0.4, lift_high=lift + 0.5)
        for number, lift in enumerate(LIFTS)
        for day in [DAY - timedelta(days=7 * (len(LIFTS) - 1 - number))]
        for version, lift in (("v4.0.0", 1.4), ("v4.1.0", lift))
    ]


def deciles() -> list[dict[str, object]]:
    """Conversion of both versions: decile by decile 0.5 % and 0.6 % more."""
    return [
        {
            "version": version,
            "decile": decile,
            "conversion_rate": decile * step,
            "conversion_rate_low": decile * step * 0.8,
            "conversion_rate_high": decile * step * 1.2,
        }
        for version, step in (("v4.0.0", 0.005), ("v4.1.0", 0.006))
        for decile in range(1, 11)
    ]


def report() -> Report:
    """All of it."""
    there = NOW.astimezone(NEW_YORK)
    recorded = rows()
    return Report(
        status=RolloutStatus(Phase.ROLLED_BACK, "v4.0.0", "v4.1.0", "v4.0.0", DAY, live_since=DAY, phase_since=DAY),
        statuses={"v4.0.0": "production", "v4.1.0": "deprecated"},
        events=EVENTS,
        evidence=[row for row in recorded if row.prediction_date == DAY],
        evidence_sha256="e" * 64,
        gates=(*FAILED[-1:], Gate("auc", Verdict.INCONCLUSIVE, "as chance may explain", 0.58, 0.59, 0.61)),
        at=there,
        outlook=Outlook(
            "v4.1.0 was rolled back. `v4 allow v4.1.0 --reason …` lets it compete again.",
            (Criterion("a lift", "2.1", MET), Criterion("days", "5", OPEN), Criterion("an AUC", "0.5", MISSED)),
        ),
        problems=(NASTY,),
        sync=Sync(there, "local", "v4.0.0", there, 5_000, 4_997, 0, 1, 2, 7),
        checks={"coverage": "ok: found 5000, expected 5000"},
        deciles=deciles(),
        recorded=recorded,
    )


def written(folder: Path) -> Path:
    """The page, drawn and written into the folder."""
    made = report()
    return publish(folder, made, draw(made, load({}).rollout))
