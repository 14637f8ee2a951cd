"""The command that moves the firm's own objects aside, and back."""

from functools import partial

import click

from v4_assets.cli.output import json_option, say
from v4_assets.config.environment import load


@click.command()
@click.option("--yes", is_flag=True, help="Do it, or finish one that was begun; without it, only show the plan.")
@click.option("--undo", is_flag=True, help="Give the firm's objects their names back.")
@click.option("--copy", is_flag=True, help="Copy tables instead of renaming them.")
@json_option
def takeover(yes: bool, undo: bool, copy: bool, as_json: bool) -> None:
    """Move the firm's own objects of our names aside, or back.

    Shows a plan first: what moves to which dated name, who reads it, which columns ours does not have.
    """
    from v4_assets.operations.operate import operator
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


COMMANDS = (takeover,)
