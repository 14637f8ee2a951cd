"""The commands by which a person decides: promote, roll back, sunset, hold, resume, approve, allow, restore."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from v4_assets.cli.output import INSTANT, TEXT, given_reason, outcome_text
from v4_assets.config.environment import load, load_existing

if TYPE_CHECKING:
    from v4_assets.production.orders import Kind


yes_option = click.option("--yes", is_flag=True, help="Do it without asking about what it overrides.")
reason_option = click.option("--reason", required=True, callback=given_reason, help="Why; it is recorded.")


@click.command()
@click.option("--version", type=TEXT, default=None, help="What to make live.  [default: the candidate]")
@reason_option
@yes_option
def promote(version: str | None, reason: str, yes: bool) -> None:
    """Make a version live now, without the sensor's gates.

    The job and the record are the sensor's own. What it overrides is printed, asked about and recorded.
    """
    _order("promotion", version or load().rollout.candidate, reason, yes=yes)


@click.command()
@click.option("--version", type=TEXT, default=None, help="What to go back to.  [default: the baseline]")
@reason_option
def rollback(version: str | None, reason: str) -> None:
    """Make the earlier version live again now.

    Switches warehouse, Salesforce and registry, and records the reason. Supersedes an unfinished promotion or sunset,
    and passes a hold.
    """
    _order("rollback", version or load().rollout.baseline, reason)


@click.command()
@reason_option
@yes_option
def sunset(reason: str, yes: bool) -> None:
    """Archive the baseline and stop scoring with it.

    What it overrides is printed, asked about and recorded.
    """
    _order("sunset", load().rollout.baseline, reason, yes=yes)


@click.command()
@reason_option
@click.option("--until", type=INSTANT, help="A day, meaning its 00:00 in New York, or an instant.")
@click.option("--end", is_flag=True, help="End the hold in force instead.")
def hold(reason: str, until: datetime | None, end: bool) -> None:
    """Stop automatic switches, resumes and syncs.

    Scores, evaluation and alerts go on, and `v4 rollback` passes.
    """
    from v4_assets.operations import operator_actions as holding
    from v4_assets.production import orders

    if end == bool(until):
        raise click.UsageError("Give either --until WHEN, to begin a hold, or --end, to end it.")
    settings = load_existing()
    event = holding.begin_hold(settings, reason, until) if until else holding.end_hold(settings, reason)
    ended = "The hold is ended: the sensor decides again at its next tick, and the next run sends the scores."
    click.echo(orders.hold_sentence(event) if until else ended)
    _rewrite_page()


@click.command()
def resume() -> None:
    """Finish an action that was started and did not complete."""
    from v4_assets.operations import operator_actions

    outcome = operator_actions.resume(load())
    click.echo(outcome_text(outcome, "resumed"))
    sys.exit(0 if outcome.success else 1)


@click.command()
@click.argument("evidence_sha256", type=TEXT)
def approve(evidence_sha256: str) -> None:
    """Approve what the sensor asks for.

    EVIDENCE_SHA256 (8 characters or more) is the evidence named in its request.
    """
    from v4_assets.operations import operator_actions

    settings = load_existing()
    event = operator_actions.approve(settings, evidence_sha256)
    kind = "promotion" if event.version == settings.rollout.candidate else "sunset"
    hours = settings.rollout.policy.promotion.approval_valid_hours
    click.echo(
        f"The {kind} of {event.version} is approved on evidence {str(event.evidence_sha256)[:12]}, for {hours} hours."
    )
    status = operator_actions.status(settings)
    if status.order:
        click.echo("The sensor carries it out at its next tick; without a daemon, `v4 tick` does.")
    else:
        click.echo(f"It is not carried out now: {status.decision.reason}")
    _rewrite_page()


@click.command()
@click.argument("version", type=TEXT)
@reason_option
def allow(version: str, reason: str) -> None:
    """Let a version that was rolled back be promoted again."""
    from v4_assets.operations import operator_actions

    operator_actions.allow(load(), version, reason)
    click.echo(f"{version} may be promoted again.")
    _rewrite_page()


@click.command()
@reason_option
def acknowledge(reason: str) -> None:
    """End a raised early warning; its sum begins at 0 again."""
    from v4_assets.operations import operator_actions

    operator_actions.acknowledge(load(), reason)
    click.echo("The early warning is acknowledged; its sum begins at 0 again.")
    _rewrite_page()


@click.command()
@click.argument("version", type=TEXT)
@reason_option
def restore(version: str, reason: str) -> None:
    """Bring an archived version back.

    Its bundle is verified, and the next daily run scores with it.
    """
    from v4_assets.operations import operator_actions

    operator_actions.restore(load(), version, reason)
    click.echo(f"{version} is back: it is scored from the next run on.")
    _rewrite_page()


def _rewrite_page() -> None:
    from v4_assets.operations.instance import dagster_instance
    from v4_assets.report import publishing
    from v4_assets.resources import store

    settings = load_existing()
    with dagster_instance(settings) as instance:
        click.echo(publishing.rewrite(instance, store(settings), settings.rollout, settings.clock, settings.places))


def _confirm(text: str) -> None:
    """Ask whether to override. Raises PolicyError unless the answer is yes; without a terminal there is none."""
    from v4_assets.errors import PolicyError

    click.echo(f"This overrides: {text}", err=True)
    try:
        if click.confirm("Do it all the same?", err=True):
            return
    except click.Abort:
        pass
    raise PolicyError("Not confirmed, so nothing was changed. `--yes` does it without asking.")


def _order(kind: "Kind", version: str, reason: str, *, yes: bool = True) -> None:
    from v4_assets.operations import operator_actions
    from v4_assets.production import references
    from v4_assets.resources import store

    settings = load_existing()
    outcome = operator_actions.order(settings, kind, version, reason, *([] if yes else [_confirm]))
    click.echo(outcome_text(outcome, f"{kind} to {version}" if kind != "sunset" else f"sunset of {version}"))
    if outcome.success:
        click.echo(references.left_behind(store(settings), settings.rollout, store(settings).events()[-1]))
    if not outcome.success:
        click.echo("What has begun is carried through by the sensor, or by `v4 resume`.")
    sys.exit(0 if outcome.success else 1)


COMMANDS = (promote, rollback, sunset, hold, resume, approve, allow, acknowledge, restore)
