"""The command that brings a model trained elsewhere."""

import json
import sys
from datetime import date
from pathlib import Path

import click

from v4_assets.cli.output import DAY
from v4_assets.config.environment import load
from v4_assets.errors import V4Error
from v4_assets.models.choices import NULL_RULES, ORDER, UNUSUAL, Nulls

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("version")
@click.option("--model", "booster", type=FILE, required=True, help="The booster, XGBoost's JSON or UBJ.")
@click.option("--features", type=FILE, help="Its feature list. Without one, a draft is printed and nothing registered.")
@click.option("--metrics", type=FILE, help="Its test figures, JSON.")
@click.option("--without-figures", is_flag=True, help="Register without figures; the checklist will not pass.")
@click.option("--expect", type=FILE, help="Known answers: Parquet or CSV of inputs and the author's `score`.")
@click.option("--rounds", help="Which trees score: all, best (up to best_iteration), or a number of rounds.")
@click.option(
    "--nulls", type=click.Choice(NULL_RULES), default="error", help="What a NULL becomes where the list is silent."
)
@click.option(
    "--confirm", "confirmed", type=click.Choice([ORDER, UNUSUAL]), multiple=True, help="Needs no known answers."
)
@click.option(
    "--test-period", type=DAY, nargs=2, default=None, help="First and last day of contact of the test's leads."
)
@click.option("--data", type=click.Path(path_type=Path), help="Rows to profile it on.  [default: its latest features]")
def register(
    version: str,
    booster: Path,
    features: Path | None,
    metrics: Path | None,
    without_figures: bool,
    expect: Path | None,
    rounds: str | None,
    nulls: Nulls,
    confirmed: tuple[str, ...],
    test_period: tuple[date, date] | None,
    data: Path | None,
) -> None:
    """Check and profile your own model, and register it."""
    from v4_assets.models.registering import Brought, draft_list, register_files

    settings = load()
    if features is None:
        content, notes = draft_list(settings, version, booster)
        click.echo(json.dumps(content, indent=1))
        click.echo("Nothing was registered. Confirm in this draft, then give it with --features:", err=True)
        click.echo("\n".join(f"- {note}" for note in notes), err=True)
        sys.exit(1)
    if metrics is None and not without_figures:
        raise V4Error("No test figures: the pre-deployment checklist needs them. Give --metrics, or --without-figures.")
    if test_period and test_period[1] < test_period[0]:
        raise V4Error(f"The test period ends on {test_period[1]}, before it begins. Give its first day first.")
    brought = Brought(booster, features, metrics, data, expect, rounds, nulls, confirmed, test_period)
    entry = register_files(settings, version, brought)
    click.echo(f"{version} is registered: {entry.path} ({entry.files['model.json'][:12]})")


COMMANDS = (register,)
