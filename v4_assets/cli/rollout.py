"""The commands that show a rollout: what happened, what is live, one tick of the sensor, page and lift."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from v4_assets.cli.output import DAY, INSTANT, json_option, outcome_text, say
from v4_assets.config.environment import load_existing
from v4_assets.days import verify_begun

if TYPE_CHECKING:
    from v4_assets.config.environment import Settings
    from v4_assets.production.events import Event
    from v4_assets.store import Store


@click.command()
@json_option
def history(as_json: bool) -> None:
    """List what was done to production and why, oldest first."""
    events = _events()
    lines = [
        f"{one.happened_at:%Y-%m-%d %H:%M} UTC  {one.event:<20} {one.version}  {one.decided_by}\n    {one.reason}"
        for one in events
    ]
    say(events, "\n".join(lines) or "Nothing yet; `v4 init` adopts the baseline.", as_json)


@click.command()
@click.option(
    "--on", "instant", type=INSTANT, help="A day, meaning its 00:00 in New York, or an instant.  [default: now]"
)
@json_option
def live(instant: datetime | None, as_json: bool) -> None:
    """What is live, or was at an instant."""
    from v4_assets.production import events as deployments

    now = load_existing().clock.now()
    when = instant or now
    if when > now:
        raise click.UsageError(f"{when:%Y-%m-%d %H:%M} UTC is still to come. Give --on an instant up to now.")
    found = deployments.live_at(_events(), when)
    text = f"{found.version} since {found.happened_at:%Y-%m-%d %H:%M} UTC: {found.reason}" if found else "nothing"
    say(found, f"{when:%Y-%m-%d %H:%M} UTC: {text}", as_json)


@click.command(hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1)
@click.pass_context
def look(context: click.Context, options: tuple[str, ...]) -> None:
    """Part of `v4 status` now."""
    context.fail("`v4 look` is part of `v4 status` now: run `v4 status`.")


@click.command()
@click.option("--alerts", is_flag=True, help="Look as the alert sensor does, too.")
def tick(alerts: bool) -> None:
    """Run the rollout sensor once, and the runs it requests.

    For installations without a Dagster daemon.
    """
    from v4_assets.operations import operator_actions

    settings = load_existing()
    looks = [operator_actions.tick(settings), *([operator_actions.alert(settings)] if alerts else [])]
    for one in looks:
        click.echo(one.said)
        for outcome in one.outcomes:
            click.echo(outcome_text(outcome, "run"))
    if looks[0].outcomes:
        click.echo(_now(settings))
    sys.exit(0 if all(outcome.success for one in looks for outcome in one.outcomes) else 1)


@click.command()
def report() -> None:
    """Write the rollout page now and print its path."""
    from v4_assets.operations.instance import dagster_instance
    from v4_assets.report import publishing
    from v4_assets.resources import store

    settings = load_existing()
    with dagster_instance(settings) as instance:
        click.echo(
            publishing.publish_now(
                instance, store(settings, reading=True), settings.rollout, settings.clock, settings.places
            )
        )


@click.command("lift")
@click.option("--date", "day", type=DAY, default="today", show_default=True, help="The day of evaluation.")
@click.option("--weeks", is_flag=True, help="The close of every week instead.")
@json_option
def show_lift(day: date, weeks: bool, as_json: bool) -> None:
    """Show conversion and lift by decile of both versions.

    Exit code 1 when the day was not evaluated.

    Only leads whose outcome window has ended are counted. --json has the deciles alone; the reading by the score before
    contact, shown below them, is in v4_lift_before_contact.
    """
    from v4_assets.resources import store

    settings = load_existing()
    first_day = settings.rollout.first_day
    verify_begun(first_day, settings.clock.today())
    if day < first_day:
        raise click.UsageError(f"{day} lies before first_day {first_day} of rollout.yaml. Choose a later day.")
    record = store(settings, reading=True)
    with record.session():
        rows = _deciles(record, None if weeks else day)
        second = "" if weeks else before_contact_text(record, day)
    missing = "No week has closed yet." if weeks else f"{day} was not evaluated; `v4 run --date {day}` does."
    say(rows, lift_text(rows, second) or missing, as_json)
    sys.exit(0 if rows or weeks else 1)


def _deciles(store: "Store", day: date | None) -> list[dict[str, Any]]:
    """Rows of v4_lift_by_decile, ranked within the cohort asked for rollback: of `day`, or of every week's close."""
    return store.weekly_deciles() if day is None else store.deciles(day)


def before_contact_text(store: "Store", day: date) -> str:
    """The reading by the score before contact of the same cohort; empty where there is none."""
    from v4_assets.evaluation.before_contact import in_words, of_question

    return in_words(of_question(store.lift_before_contact(day), "rollback"))


def lift_text(rows: Sequence[dict[str, Any]], before_contact: str = "") -> str:
    """One table per day of evaluation, the top decile first; below one day the reading before contact."""
    ordered = sorted(rows, key=lambda row: (row["prediction_date"], -row["decile"], row["version"]))
    tables = [_lift_table(day, list(own)) for day, own in groupby(ordered, key=lambda row: row["prediction_date"])]
    return "\n\n".join([*tables, *([before_contact] if tables and before_contact else [])])


def _lift_table(day: date, rows: Sequence[dict[str, Any]]) -> str:
    versions = sorted({row["version"] for row in rows})
    lines = [
        f"Matured on {day}",
        "decile  " + "  ".join(f"{version + ': leads':>14} {'converts':>9} {'lift':>5}" for version in versions),
    ]
    for decile, own in groupby(rows, key=lambda row: row["decile"]):
        by_version = {row["version"]: row for row in own}
        lines.append(f"{decile:>6}  " + "  ".join(_cell(by_version[version]) for version in versions))
    return "\n".join(lines)


def _cell(row: dict[str, Any]) -> str:
    rate = "–" if row["conversion_rate"] is None else f"{row['conversion_rate']:.2%}"
    lift = "–" if row["lift"] is None else f"{row['lift']:.2f}"
    return f"{row['leads']:>14,.1f} {rate:>9} {lift:>5}"


def _now(settings: "Settings") -> str:
    """What is live after a tick, and what is unfinished."""
    from v4_assets.production.events import state_after
    from v4_assets.resources import store

    state = state_after(store(settings, reading=True).events())
    left = f" {state.unfinished.event} is not completed." if state.unfinished else ""
    return f"{state.live.version if state.live else 'Nothing'} is live.{left}"


def _events() -> "list[Event]":
    from v4_assets.resources import store

    settings = load_existing()
    return store(settings, reading=True).events()


COMMANDS = (
    history,
    live,
    look,
    tick,
    report,
    show_lift,
)
