"""What the commands share: how a day is written, how an outcome is printed."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v4_assets.clock import FIRST_YEAR, LAST_YEAR, cutoff, parse_instant
from v4_assets.config.environment import load
from v4_assets.production.events import escaped

if TYPE_CHECKING:
    from v4_assets.operations.local_runs import Outcome


class Day(click.ParamType[date]):
    """A date, or `today` or `yesterday` in New York by the configured clock."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date meant by the text."""
        if isinstance(value, date):
            return value
        if value in ("today", "yesterday"):
            return load().clock.today() - timedelta(days=value == "yesterday")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date. Write it like 2026-01-05, or today or yesterday.", param, ctx)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail(f"{value!r} is not in the years {FIRST_YEAR} to {LAST_YEAR}. Correct the year.", param, ctx)
        return day


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
            self.fail("The path is empty. Is a variable that it is made of not set?", param, ctx)
        path = super().convert(value, param, ctx)
        if self.in_folder and not Path(value).parent.is_dir():
            self.fail(f"There is no folder {Path(value).parent}. Make it, or correct the path.", param, ctx)
        return path


class Number(click.FloatRange):
    """A float within bounds. NaN, which compares as neither below nor above, is refused too."""

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


def instant_of(text: str) -> datetime:
    """A day, meaning its 00:00 in New York, or an instant. Raises SettingsError and click.UsageError."""
    if text in ("today", "yesterday") or _is_date(text):
        return cutoff(DAY.convert(text, None, None))
    return parse_instant(text)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def say(content: object, text: str, as_json: bool) -> None:
    """Print for a person, or plain values for a script."""
    click.echo(json_text(content) if as_json else text)


def json_text(content: object) -> str:
    """JSON; dataclasses as objects, dates and instants as ISO 8601."""
    return json.dumps(content, indent=2, default=_plain)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value.isoformat()
