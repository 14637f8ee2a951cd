"""The commands about a rollout: what happened, what is live, promote, roll back, approve, what a policy would do."""

import sys
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from v4_assets.cli.output import DAY, json_option, say, told
from v4_assets.clock import cutoff, parse_instant
from v4_assets.config.environment import load, load_existing

if TYPE_CHECKING:
    from v4_assets.production.events import Event
    from v4_assets.production.orders import Kind


def _reason(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("The reason is empty. It is recorded: write why, such as --reason 'lift fell'.")
    return value.strip()


reason_option = click.option("--reason", required=True, callback=_reason, help="Why; it is recorded.")


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
@click.option("--on", "instant", help="A day, meaning its 00:00 in New York, or an instant.  [default: now]")
@json_option
def live(instant: str | None, as_json: bool) -> None:
    """What is live, or was at an instant."""
    from v4_assets.production import events as deployments

    when = _instant(instant) if instant else load_existing().clock.now()
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
    from v4_assets.operations import actions

    settings = load_existing()
    looks = [actions.tick(settings), *([actions.alert(settings)] if alerts else [])]
    for one in looks:
        click.echo(one.said)
        for outcome in one.outcomes:
            click.echo(told(outcome, "run"))
    sys.exit(0 if all(outcome.success for one in looks for outcome in one.outcomes) else 1)


@click.command()
@click.option("--version", default=None, help="What to make live.  [default: the candidate]")
@reason_option
def promote(version: str | None, reason: str) -> None:
    """Make a version live now, without the sensor's gates.

    The job and the record are the sensor's own.
    """
    _order("promotion", version or load().rollout.candidate, reason)


@click.command()
@click.option("--version", default=None, help="What to go back to.  [default: the baseline]")
@reason_option
def rollback(version: str | None, reason: str) -> None:
    """Make the earlier version live again now.

    Switches warehouse, Salesforce and registry, and records the reason.
    """
    _order("rollback", version or load().rollout.baseline, reason)


@click.command()
@reason_option
def sunset(reason: str) -> None:
    """Archive the baseline and stop scoring with it."""
    _order("sunset", load().rollout.baseline, reason)


@click.command()
def resume() -> None:
    """Finish an action that was started and did not complete."""
    from v4_assets.operations import actions

    outcome = actions.resume(load())
    click.echo(told(outcome, "resumed"))
    sys.exit(0 if outcome.success else 1)


@click.command()
@click.argument("evidence_sha256")
def approve(evidence_sha256: str) -> None:
    """Approve what the sensor asks for.

    EVIDENCE_SHA256 (8 characters or more) is the evidence named in its request.
    """
    from v4_assets.operations import actions

    event = actions.approve(load(), evidence_sha256)
    click.echo(
        f"{event.version}: approved on evidence {str(event.evidence_sha256)[:12]}. The sensor acts on its next tick."
    )
    _rewrite_page()


@click.command()
@click.argument("version")
@reason_option
def allow(version: str, reason: str) -> None:
    """Let a version that was rolled back be promoted again."""
    from v4_assets.operations import actions

    actions.allow(load(), version, reason)
    click.echo(f"{version} may be promoted again.")
    _rewrite_page()


@click.command()
@click.argument("version")
@reason_option
def restore(version: str, reason: str) -> None:
    """Bring an archived version back.

    Its bundle is verified, and the next daily run scores with it.
    """
    from v4_assets.operations import actions

    actions.restore(load(), version, reason)
    click.echo(f"{version} is back: it is scored from the next run on.")
    _rewrite_page()


@click.command()
def report() -> None:
    """Write the rollout page now and print its path."""
    from v4_assets.operations.instance import dagster_instance
    from v4_assets.report import publishing
    from v4_assets.resources import store

    settings = load_existing()
    with dagster_instance(settings) as instance:
        click.echo(publishing.publish_now(instance, store(settings), settings.rollout, settings.clock, settings.places))


@click.command("lift")
@click.option("--date", "day", type=DAY, default="today", show_default=True, help="The day of evaluation.")
@click.option("--weeks", is_flag=True, help="The close of every week instead.")
@json_option
def show_lift(day: date, weeks: bool, as_json: bool) -> None:
    """Show conversion and lift by decile of both versions.

    Only leads whose outcome window has ended are counted.
    """
    from v4_assets.cli import lift
    from v4_assets.resources import store

    settings = load_existing()
    rows = lift.by_decile(store(settings), None if weeks else day)
    say(rows, lift.as_text(rows) or f"{day} was not evaluated; `v4 run --date {day}` does.", as_json)


def _rewrite_page() -> None:
    from v4_assets.operations.instance import dagster_instance
    from v4_assets.report import publishing
    from v4_assets.resources import store

    settings = load_existing()
    with dagster_instance(settings) as instance:
        click.echo(publishing.rewrite(instance, store(settings), settings.rollout, settings.clock, settings.places))


def _order(kind: "Kind", version: str, reason: str) -> None:
    from v4_assets.operations import actions
    from v4_assets.production import references
    from v4_assets.resources import store

    settings = load_existing()
    outcome = actions.order(settings, kind, version, reason)
    click.echo(told(outcome, f"{kind} to {version}" if kind != "sunset" else f"sunset of {version}"))
    if outcome.success:
        click.echo(references.left_behind(store(settings), settings.rollout, _events()[-1]))
    if not outcome.success:
        click.echo("What has begun is carried through by the sensor, or by `v4 resume`.")
    sys.exit(0 if outcome.success else 1)


def _events() -> "list[Event]":
    from v4_assets.resources import store

    settings = load_existing()
    return store(settings).events()


def _instant(text: str) -> datetime:
    try:
        return cutoff(date.fromisoformat(text))
    except ValueError:
        return parse_instant(text)


COMMANDS = (history, live, look, tick, promote, rollback, sunset, resume, approve, allow, restore, report, show_lift)
