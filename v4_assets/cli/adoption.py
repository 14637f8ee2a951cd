"""The commands of an adoption: the firm's objects moved aside and back, the hand-run system compared with ours."""

from datetime import date
from functools import partial
from pathlib import Path

import click

from v4_assets.cli.output import DAY, NEW_FILE, TEXT, json_option, say
from v4_assets.config.environment import load, load_existing
from v4_assets.errors import SettingsError


@click.command()
@click.option("--yes", is_flag=True, help="Do it, or finish one that was begun; without it, only show the plan.")
@click.option("--undo", is_flag=True, help="Give the firm's objects their names back.")
@click.option("--copy", is_flag=True, help="Copy tables instead of renaming them.")
@json_option
def takeover(yes: bool, undo: bool, copy: bool, as_json: bool) -> None:
    """Move the firm's own objects of our names aside, or back.

    Shows a plan first: what moves to which dated name, who reads it, which columns ours does not have.
    """
    from v4_assets.operations.local_runs import operator
    from v4_assets.operations.takeover.move_in import MoveIn
    from v4_assets.operations.takeover.plan import as_text, done_text, plan, undone_text
    from v4_assets.operations.takeover.undo import Undo
    from v4_assets.resources import store

    if yes and undo:
        raise click.UsageError("--yes takes over, --undo takes it back: give one of them.")
    settings = load()
    record = store(settings, any_schema=True)
    if not (yes or undo):
        found = plan(record, settings.rollout, settings.clock, copy=copy)
        say(found, as_text(found), as_json)
        return
    progress = partial(click.echo, err=True)
    if undo:
        done = Undo(record, settings.rollout, settings.clock, operator(), progress).run()
        say(done, undone_text(done), as_json)
        return
    done = MoveIn(record, settings.rollout, settings.clock, operator(), progress).run(copy=copy)
    say(done, done_text(done) if done.moves else as_text(done), as_json)


@click.command("migration")
@click.option("--date", "day", type=DAY, default=None, help="Which day.  [default: the latest that both sides have]")
@click.option("--version", type=TEXT, default=None, help="Only this version, such as v4.0.0.")
@click.option("--features", type=TEXT, metavar="DATASET.NAME", help="Their table or view of features; needs --version.")
@click.option("--scores", type=TEXT, metavar="DATASET.NAME", help="Their table of scores; needs --version.")
@click.option("--output", type=NEW_FILE, help="Where the Markdown is written.")
@json_option
def migration_report(
    day: date | None,
    version: str | None,
    features: str | None,
    scores: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Compare hand-run tables and the org with ours.

    Per feature the share of cells that differ and why; for scores the rank correlation, deciles that move and call
    flags that flip. Hand-run tables are found where `v4 takeover` keeps them.
    """
    from v4_assets.atomic_files import atomic_write
    from v4_assets.operations.migration.report import Migration
    from v4_assets.operations.migration.text import as_markdown, in_brief
    from v4_assets.resources import crm, store

    settings = load_existing()
    rollout = settings.rollout
    if version not in (None, *rollout.versions):
        raise SettingsError(f"{version!r} is not among the versions of rollout.yaml: {', '.join(rollout.versions)}.")
    if (features or scores) and not version:
        raise click.UsageError("--features and --scores name tables of one version: add --version.")
    comparison = Migration(store(settings), rollout, settings.clock, crm(settings), day, features, scores)
    found = comparison.report([version] if version else list(rollout.versions))
    target = output or settings.places.reports / "migration.md"
    path = atomic_write(target, as_markdown(found).encode(), private=True)  # it names leads
    say(found, f"{in_brief(found)}\nThe report is {path}.", as_json)


COMMANDS = (takeover, migration_report)
