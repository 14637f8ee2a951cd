"""What the commands share: how a day is written, how an outcome is printed."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v4_assets.clock import cutoff, parse_instant
from v4_assets.config.environment import load
from v4_assets.days import FIRST_YEAR, LAST_YEAR
from v4_assets.errors import SettingsError
from v4_assets.production.events import escaped

if TYPE_CHECKING:
    from v4_assets.operations.local_runs import Outcome


BEFORE_TODAY = {"today": timedelta(), "yesterday": timedelta(days=1)}
"""Days that have a name, in New York by the configured clock."""
EMPTY = "is empty. Is a variable that it is made of not set?"


class Day(click.ParamType[date]):
    """A date, or one of BEFORE_TODAY. Only with `to_come` it may lie after today."""

    name = "day"

    def __init__(self, *, to_come: bool = False) -> None:
        self.to_come = to_come

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date meant by the text."""
        if isinstance(value, date):
            return value
        if value in BEFORE_TODAY:
            return load().clock.today() - BEFORE_TODAY[value]
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date. Write it like 2026-01-05, or today or yesterday.", param, ctx)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail(f"{value!r} is not in the years {FIRST_YEAR} to {LAST_YEAR}. Correct the year.", param, ctx)
        if not self.to_come and day > (today := load().clock.today()):
            self.fail(f"{day} has not begun in New York, where it is {today}. Give today or a day before.", param, ctx)
        return day


class Instant(click.ParamType[datetime]):
    """An instant, or a day, which means its 00:00 in New York."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant meant by the text."""
        if isinstance(value, datetime):
            return value
        if value in BEFORE_TODAY:
            return cutoff(DAY.convert(value, param, ctx))
        try:
            return parse_instant(value)
        except SettingsError as error:
            self.fail(str(error), param, ctx)


class GivenText(click.ParamType[str]):
    """A text that says something: an empty one would mean that the option was left out."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        if not value.strip():
            self.fail(f"The value {EMPTY}", param, ctx)
        return str(value)


class GivenPath(click.Path):
    """A path that says something: an empty one is a variable that is not set, and would mean the current folder.

    With `in_folder` its folder must be there.
    """

    def __init__(self, *, in_folder: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.in_folder = in_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path meant by the text."""
        if not str(value).strip():
            self.fail(f"The path {EMPTY}", param, ctx)
        path = super().convert(value, param, ctx)
        if self.in_folder and not Path(value).parent.is_dir():
            self.fail(f"There is no folder {Path(value).parent}. Make it, or correct the path.", param, ctx)
        return path


class Whole(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


class Number(click.FloatRange):
    """A float within bounds. NaN, which compares as neither below nor above, is refused too."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number meant by the text."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is not a number between {self.min} and {self.max}.", param, ctx)
        return number


def given_reason(_: click.Context, __: click.Parameter, value: str) -> str:
    """A reason that says something, its control characters written out."""
    if not value.strip():
        raise click.BadParameter("The reason is empty. It is recorded: write why, such as --reason 'lift fell'.")
    return escaped(value.strip())


def optional_reason(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The same where the option may be left out."""
    return None if value is None else given_reason(context, parameter, value)


DAY = Day()
ANY_DAY = Day(to_come=True)
INSTANT = Instant()
TEXT = GivenText()
NEW_FILE = GivenPath(path_type=Path, dir_okay=False, in_folder=True)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def outcome_text(outcome: "Outcome", what: str) -> str:
    """How a run ended, its failed checks and errors indented below."""
    verdict = "done" if outcome.success else "FAILED"
    lines = [f"{what}: {verdict}, {outcome.checks_passed} checks passed (run {outcome.run_id})"]
    lines += [
        f"  {failed.severity}  {failed.asset}.{failed.check}: {failed.description}" for failed in outcome.checks_failed
    ]
    lines += [f"  {error}" for error in outcome.errors]
    lines += [f"  waits: {outcome.waits}"] if outcome.waits else []
    return "\n".join(lines)


def say(content: object, text: str, as_json: bool) -> None:
    """Print for a person, or plain values for a script."""
    click.echo(json_text(content) if as_json else text)


def json_text(content: object) -> str:
    """JSON; dataclasses as objects, dates and instants as ISO 8601."""
    return json.dumps(content, indent=2, default=_plain)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value.isoformat()
