"""The demo: the real jobs on sample data under a clock that is moved from morning to morning, told as it happens."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TypeVar

import click

from v4_assets import jobs, operate, tables
from v4_assets.clock import NEW_YORK
from v4_assets.operate import Outcome
from v4_assets.resources.connect import warehouse
from v4_assets.sample.load import fill
from v4_assets.sample.world import WorldSpec, build
from v4_assets.settings import Settings

WORLD = WorldSpec(scale=0.1, leads_per_week=450, through=date(2026, 1, 18))
BACKFILLED = (date(2026, 1, 5), date(2026, 1, 11))
LIVE = tuple(date(2026, 1, 12) + timedelta(days=offset) for offset in range(5))
MORNING = time(6, 30)

Result = TypeVar("Result")


def tell(settings: Settings, say: Callable[[str], None] = click.echo) -> int:
    """Run the demo into V4_HOME, saying what happens. Returns the exit code: 0 when every run succeeded.

    A V4_HOME that holds a warehouse already is left as it is: the days written in it are evidence.
    """
    if settings.demo_clock_file.exists():
        say(f"The demo is in {settings.home} already: `make dev` shows it. `make clean` removes it, to start anew.")
        return 0
    if settings.duckdb_file.exists():
        say(f"{settings.duckdb_file} exists but holds no finished demo. Remove {settings.home}, or set V4_HOME.")
        return 1
    say("A sales team's leads, scored by two versions of a model. The data is calibrated sample data.\n")
    _prepare(settings, say)
    outcomes = [_at(settings, LIVE[0], lambda now: operate.run_job(now, jobs.CHECKLIST))]
    _report(say, "pre-deployment checklist", outcomes[0])
    say(f"\nThe week before, {BACKFILLED[0]} to {BACKFILLED[1]}, is computed afterwards and marked retrospective:")
    for first, last, outcome in _at(settings, LIVE[0], lambda now: operate.backfill(now, *BACKFILLED)):
        outcomes.append(outcome)
        _report(say, f"{first} to {last}", outcome)
    say("\nThen both versions score every morning at 06:30 New York, side by side:")
    for day in LIVE:
        outcomes.append(_at(settings, day, partial(operate.run_day, day=day)))
        _report(say, f"{day:%a} {day}", outcomes[-1])
    settings.demo_clock_file.write_text(_instant(LIVE[-1]).isoformat(), encoding="utf-8")
    _best_leads(settings, say)
    say(
        f"\nEverything is in {settings.home}. Look at it with `make dev` (Dagster, http://127.0.0.1:3000) or "
        "`.venv/bin/v4 status`."
    )
    return 0 if all(outcome.success for outcome in outcomes) else 1


def _prepare(settings: Settings, say: Callable[[str], None]) -> None:
    counts = fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    say("  ".join(f"{rows:,} rows of {table}" for table, rows in counts.items()))
    live = _at(settings, LIVE[0], operate.init)
    say(f"{live.version} is live; {settings.rollout.candidate} is the challenger.\n")


def _best_leads(settings: Settings, say: Callable[[str], None]) -> None:
    catalogue = settings.rollout.catalogue
    say(f"\nThe first leads to call on {LIVE[-1]}, and why:")
    for version, entry in settings.rollout.versions.items():
        query = catalogue.query(
            "daily_scores", {"prediction_date": LIVE[-1]}, daily_scores=tables.scores_key(entry.key)
        )
        best = warehouse(settings).read(query).sort_by([("score", "descending"), ("lead_id", "ascending")]).slice(0, 3)
        for row in best.to_pylist():
            reasons = ", ".join(row[name] for name in ("reason_1", "reason_2", "reason_3") if row[name])
            say(f"  {version}  {row['lead_id']}  score {row['score']:.4f}  {reasons or '(reasons: live version only)'}")


def _report(say: Callable[[str], None], what: str, outcome: Outcome) -> None:
    verdict = "done" if outcome.success else "FAILED"
    say(f"  {what}: {verdict}, {outcome.checks_passed} checks passed")
    for failed in outcome.checks_failed:
        say(f"    {failed.severity}: {failed.asset}.{failed.check}: {failed.description}")
    for error in outcome.errors:
        say(f"    {error}")


def _instant(day: date) -> datetime:
    return datetime.combine(day, MORNING, NEW_YORK)


def _at(settings: Settings, day: date, act: Callable[[Settings], Result]) -> Result:
    return act(settings.model_copy(update={"now": _instant(day).isoformat()}))
