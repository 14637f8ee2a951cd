"""The commands of the monthly job: `v4 prospects run`, `list` and `preview`."""

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v4_assets.cli.output import NEW_FILE, TEXT, json_option, optional_reason, outcome_text, say
from v4_assets.config.environment import load, load_existing

if TYPE_CHECKING:
    from v4_assets.operations.monthly import Handed, Tested
    from v4_assets.prospects.lists import Difference

SHOWN = 5
"""CRD numbers of a difference shown on a terminal; --json has all of them."""


class Month(click.ParamType[date]):
    """A month, or `this` for the present one in New York by the configured clock."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The first day of the month meant by the text."""
        from v4_assets.errors import V4Error
        from v4_assets.prospects.months import month_of, parse

        if isinstance(value, date):
            return value
        if value == "this":
            return month_of(load().clock.today())
        try:
            return parse(value)
        except V4Error as error:
            self.fail(str(error), param, ctx)


month_option = click.option(
    "--month", type=Month(), default="this", show_default=True, help="The month, as 2026-02, or this."
)


@click.group()
def prospects() -> None:
    """Score every advisor once a month; make the list to contact."""


@prospects.command("run")
@month_option
@click.option("--test", "only_test", is_flag=True, help="Score a sample of 1,000 with every version; write nothing.")
@click.option(
    "--replace-live",
    metavar="REASON",
    callback=optional_reason,
    help="Give up what the month holds already; the reason is recorded.",
)
@json_option
def run_month(month: date, only_test: bool, replace_live: str | None, as_json: bool) -> None:
    """The monthly job for one month, in this process. Exit code 0: done and no blocking check failed."""
    from v4_assets.operations import monthly

    if only_test and replace_live:
        raise click.UsageError("--test writes nothing, so it replaces nothing: leave out one of the two.")
    if only_test:
        tested = monthly.test_sample(load(), month)
        say(tested, "\n".join(map(_tested_text, tested)), as_json)
        return
    outcome = monthly.run_month(load(), month, replace_live=replace_live)
    say(outcome, outcome_text(outcome, f"{month:%Y-%m}"), as_json)
    sys.exit(0 if outcome.success else 1)


@prospects.command("list")
@month_option
@click.option("--output", "target", type=NEW_FILE, help="The CSV file.  [default: under V4_HOME]")
@click.option(
    "--again",
    metavar="REASON",
    callback=optional_reason,
    help="Make it again after it was given out, from today's live version.",
)
@json_option
def give_out(month: date, target: Path | None, again: str | None, as_json: bool) -> None:
    """Write the month's list as CSV and record it as given out.

    Every later call writes the same list, until --again makes another edition.
    """
    from v4_assets.operations import monthly

    handed = monthly.give_out(load_existing(), month, target, again=again)
    say(handed, _handed_text(handed), as_json)


@prospects.command("preview")
@month_option
@click.option("--version", type=TEXT, help="The version to compare with.  [default: the one that is not live]")
@json_option
def preview_list(month: date, version: str | None, as_json: bool) -> None:
    """Show how the month's list would differ under another version. Changes nothing."""
    from v4_assets.operations import monthly

    difference = monthly.preview(load_existing(), month, version)
    say(difference, _difference_text(difference), as_json)


def _tested_text(one: "Tested") -> str:
    best = f"; best of them: CRD {one.best}" + (f". {one.narrative}" if one.narrative else "")
    return (
        f"{one.version}: {one.features} features, {one.advisors:,} advisors scored from {one.lowest:.4f} to "
        f"{one.highest:.4f}, nothing written{best}"
    )


def _handed_text(handed: "Handed") -> str:
    given = handed.given
    when = f"given out now by {given.given_out_by}" if handed.is_new else f"given out on {given.day} before"
    left = ", ".join(f"{count:,} {reason}" for reason, count in sorted(handed.left_out.items()))
    return (
        f"{handed.path}: {given.advisors:,} advisors by {given.model_version}, edition {given.edition} of "
        f"{handed.month}, {when}.\nLeft out of a list made today: {left or 'none'}."
    )


def _difference_text(difference: "Difference") -> str:
    lines = [difference.sentence]
    for what, crds in (("leave", difference.leave), ("come", difference.come)):
        if crds:
            more = ", …" if len(crds) > SHOWN else ""
            lines.append(f"  {what}: CRD {', '.join(map(str, crds[:SHOWN]))}{more}")
    return "\n".join(lines)


COMMANDS = (prospects,)
