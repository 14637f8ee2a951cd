"""The command `v4`: argument parsing and output only."""

import errno
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from v4_assets.cli import adoption, ci, operations, orders, prospects, register, rollout, scripts, studies, sync
from v4_assets.cli.output import (
    ANY_DAY,
    DAY,
    TEXT,
    GivenPath,
    Number,
    Whole,
    json_option,
    optional_reason,
    outcome_text,
    say,
)
from v4_assets.config.environment import load
from v4_assets.errors import DAMAGED, V4Error
from v4_assets.sample import Story

if TYPE_CHECKING:
    from tqdm import tqdm

ENGINES = ("duckdb", "_duckdb")
"""Packages whose errors are a damaged or misused warehouse file when nothing else has explained them."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="v4-assets", prog_name="v4")
def cli() -> None:
    """Score leads with two model versions in parallel, compare them, promote, watch, roll back."""


@cli.command()
@click.option(
    "--scale", type=Number(0.001, 2), default=0.05, show_default=True, help="1.0 is production size: 788,154 advisors."
)
@click.option(
    "--leads-per-week",
    type=Whole(0, 100_000),
    default=350,
    show_default=True,
    help="Newly contacted leads per week.",
)
@click.option("--seed", type=Whole(0), default=7, show_default=True)
@click.option("--through", type=ANY_DAY, default=None, help="Last New York date of the world.  [default: 2026-01-18]")
def sample(scale: float, leads_per_week: int, seed: int, through: date | None) -> None:
    """Fill the embedded warehouse with calibrated sample data.

    The sources hold what the firm's systems would deliver.
    """
    from v4_assets.resources import warehouse
    from v4_assets.sample import world
    from v4_assets.sample.world import fill

    settings = load()
    if settings.warehouse != "duckdb":
        raise V4Error("v4 sample writes source tables, and only the embedded warehouse's. Unset V4_WAREHOUSE.")
    try:
        spec = world.WorldSpec(scale, leads_per_week, seed, through=through or world.WorldSpec.through)
    except ValueError as error:
        raise V4Error(str(error)) from error
    with _progress("rows", None) as bar:
        counts = fill(
            warehouse(settings), settings.rollout.catalogue, world.build(spec), lambda _, rows: _advance(bar, rows)
        )
    for table, rows in counts.items():
        click.echo(f"{rows:>10,}  {table}")
    click.echo(f"Sample world through {spec.through} in {settings.duckdb_file}")


@cli.command()
@click.option("--tables-only", is_flag=True, help="Adopt nothing yet: score and compare your own models first.")
@json_option
def init(tables_only: bool, as_json: bool) -> None:
    """Create or upgrade tables and views; adopt the baseline.

    Running it again changes nothing.
    """
    from v4_assets.operations import local_runs

    done = local_runs.init(load(), adopting=not tables_only)
    text = f"{done.live.version} is live." if done.live else "No version is live; `v4 init` adopts the baseline."
    if done.upgraded_from:
        text = f"The warehouse was upgraded from schema {done.upgraded_from} to {done.schema}. {text}"
    content = {"live": done.live and done.live.version, "event_id": done.live and done.live.event_id}
    say(content | {"schema": done.schema, "upgraded_from": done.upgraded_from}, text, as_json)


@cli.command()
@click.option("--date", "day", type=DAY, required=True, help="The day to score: a date, today or yesterday.")
@click.option(
    "--replace-live",
    metavar="REASON",
    callback=optional_reason,
    help="Give up what was written on that day; the reason is recorded.",
)
@json_option
def run(day: date, replace_live: str | None, as_json: bool) -> None:
    """The daily job for one day, in this process. Exit code 0: done and no blocking check failed."""
    from v4_assets.operations import local_runs

    outcome = local_runs.run_day(load(), day, replace_live=replace_live)
    say(outcome, outcome_text(outcome, f"{day}"), as_json)
    sys.exit(0 if outcome.success else 1)


@cli.command()
@click.option("--from", "first", type=DAY, required=True)
@click.option("--to", "last", type=DAY, required=True)
@click.option("--evaluate", is_flag=True, help="Also compare the versions as of each of these days.")
@json_option
def backfill(first: date, last: date, evaluate: bool, as_json: bool) -> None:
    """Score the days that have a gap. Existing partitions are kept; production and Salesforce are never touched."""
    from v4_assets.days import contiguous, days_between
    from v4_assets.operations import local_runs

    settings = load()
    runs = local_runs.backfill(settings, first, last)
    if pruned := local_runs.pruned_gaps(settings, first, last):
        left_out = ", ".join(f"{start} to {end}" for start, end in contiguous(pruned))
        click.echo(f"Left out, as `v4 prune` removed their features: {left_out}.", err=True)
    if evaluate:
        runs += local_runs.evaluate(settings, days_between(first, last))
    lines = [outcome_text(outcome, f"{start} to {end}") for start, end, outcome in runs] or ["No gaps: nothing to do."]
    say([{"from": start, "to": end, **asdict(outcome)} for start, end, outcome in runs], "\n".join(lines), as_json)
    sys.exit(0 if all(outcome.success for _, _, outcome in runs) else 1)


@cli.command()
@click.option("--model", "version", type=TEXT, required=True, help="A registered version, such as v4.1.0.")
@click.option("--input", "source", type=GivenPath(path_type=Path), required=True, help="Parquet or CSV of features.")
@click.option("--output", "target", type=GivenPath(path_type=Path), required=True, help="Parquet or CSV of scores.")
def score(version: str, source: Path, target: Path) -> None:
    """Score a file of features."""
    from v4_assets.models import files
    from v4_assets.resources import registry

    bundle = registry(load()).load(version)
    with _progress("rows", None) as bar:
        rows = files.score_file(bundle, source, target, lambda count: _advance(bar, count))
    click.echo(f"{rows:,} rows scored by {version} ({bundle.sha256[:12]}) into {target}")


@cli.command()
@click.option(
    "--story",
    "wanted",
    type=click.Choice([story.value for story in Story]),
    default=Story.ROLLOUT.value,
    show_default=True,
)
@click.option("--all", "every", is_flag=True, help="All stories.")
def demo(wanted: str, every: bool) -> None:
    """Play a rollout on sample data with the real jobs and sensors.

    The clock moves from morning to morning.
    """
    from v4_assets.sample import demo as demo_story

    sys.exit(demo_story.play(load(), wanted=list(Story) if every else [Story(wanted)]))


@cli.command()
@click.option("--port", type=Whole(1, 65_535), default=3000, show_default=True)
def dev(port: int) -> None:
    """Start the Dagster UI on V4_HOME.

    After a demo, its clock and its stand-in org are used.
    """
    from v4_assets.operations import dev as servers

    settings = load()
    if settings.now:
        where = settings.demo_clock_file if settings.demo_clock_file.exists() else "V4_NOW"
        click.echo(f"The clock stands at {settings.clock.today()} by {where}. Remove it for the real time.")
    servers.serve(settings, port, click.echo)


for command in (
    *operations.COMMANDS,
    *rollout.COMMANDS,
    *orders.COMMANDS,
    *prospects.COMMANDS,
    *studies.COMMANDS,
    sync.sync,
    *scripts.COMMANDS,
    *register.COMMANDS,
    *adoption.COMMANDS,
    *ci.COMMANDS,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: an error of the user's is one sentence and exit code 2, without a traceback."""
    try:
        sys.exit(cli(prog_name="v4", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        _refuse(_of_usage(error))
    except click.Abort:
        _refuse("Interrupted.")
    except V4Error as error:
        _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise  # without a path it is not the user's file
        _refuse(_of_files(error))
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ENGINES:
            raise
        _refuse(f"The warehouse failed: {str(error).splitlines()[0]}. {DAMAGED}")
    sys.exit(2)


def _refuse(sentence: str) -> None:
    click.echo(f"v4: {' '.join(sentence.split())}", err=True)


def _of_usage(error: click.UsageError) -> str:
    """One sentence on options or arguments that are missing, unknown or invalid."""
    path = error.ctx.command_path if error.ctx else _named_command()
    message = error.format_message().rstrip()
    return f"{message if message.endswith(('.', '?')) else message + '.'} `{path} --help` lists what it takes."


def _named_command() -> str:
    """The command that was typed, as far as it is one: click does not say whose option lacks its value."""
    path = "v4"
    command: click.Command = cli
    for word in sys.argv[1:]:
        found = command.commands.get(word) if isinstance(command, click.Group) else None
        if found is None:
            break
        path, command = f"{path} {word}", found
    return path


def _of_files(error: OSError) -> str:
    """One sentence on a file that could not be read or written."""
    where = error.filename or "The disk of V4_HOME"
    do = "Free some space" if error.errno == errno.ENOSPC else "Correct the path or its permissions"
    return f"{where}: {error.strerror or error}. {do}, then run the command again."


def _progress(unit: str, total: int | None) -> "tqdm[Any]":
    from tqdm import tqdm

    return tqdm(total=total, unit=f" {unit}", unit_scale=True, disable=None, leave=False)


def _advance(bar: "tqdm[Any]", count: int) -> None:
    bar.update(count)
