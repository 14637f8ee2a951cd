"""The commands about SQL: what is deployed to a warehouse, and who reads a version's own names."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from v4_assets.cli.output import json_option, say
from v4_assets.config.environment import load
from v4_assets.config.rollout_references import ReferencePlaces
from v4_assets.warehouse.render import Script, chosen


@click.group("sql")
def sql_group() -> None:
    """Print the SQL that is deployed.

    It is rendered from sql/, the table contracts and rollout.yaml.
    """


@sql_group.command()
@click.option(
    "--warehouse",
    "engine",
    type=click.Choice(["bigquery", "duckdb"]),
    default=None,
    help="In whose words.  [default: the configured warehouse's]",
)
@click.option("--version", default=None, help="Only what belongs to this version alone, such as v4.1.0.")
@click.option("--script", "name", default=None, help="Only this one, such as production_scoring_v41, tables, views.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for one file each.")
def render(engine: str | None, version: str | None, name: str | None, output: Path | None) -> None:
    """Print the scripts, or write them into a folder. Asks no warehouse and needs no credentials."""
    settings = load()
    write = _renderer(engine or settings.warehouse)
    texts = {one.name: write(one) for one in chosen(settings.rollout, version, name)}
    if output is None:
        click.echo("\n".join(texts.values()), nl=False)
        return
    output.mkdir(parents=True, exist_ok=True)
    for script, text in texts.items():
        path = output / f"{script}.sql"
        path.write_text(text, encoding="utf-8")
        click.echo(str(path))


def _renderer(engine: str) -> Callable[[Script], str]:
    if engine == "duckdb":
        from v4_assets.warehouse.duckdb.scripts import render as duckdb

        return duckdb
    from v4_assets.warehouse.bigquery.console import render as bigquery

    return bigquery


@click.command("references")
@click.option("--version", default=None, help="Whose view, tables and model.  [default: the baseline]")
@click.option("--dataset", "datasets", multiple=True, help="One more dataset to look at; may be repeated.")
@click.option(
    "--path", "paths", multiple=True, type=click.Path(path_type=Path), help="A file or folder of text; may be repeated."
)
@click.option(
    "--scheduled-queries",
    type=click.Path(path_type=Path),
    help="What `bq ls --transfer_config --format=prettyjson` says.",
)
@json_option
def show_references(
    version: str | None,
    datasets: tuple[str, ...],
    paths: tuple[Path, ...],
    scheduled_queries: Path | None,
    as_json: bool,
) -> None:
    """List what still reads a version by name.

    Exit 0: no references. 1: references found. 2: some places could not be checked.
    """
    from v4_assets.production import references
    from v4_assets.resources import store

    settings = load()
    rollout = settings.rollout
    version = version or rollout.baseline
    also = ReferencePlaces(datasets=datasets, paths=paths, scheduled_queries=scheduled_queries)
    found = references.readers(store(settings), rollout, version, also)
    looked = references.looked_at(rollout, also)
    names = references.bound_to(rollout, version).all
    lines = [f"{one.kind:<15}  {one.where}  {', '.join(one.names)}" for one in found]
    end = f"{len(found)} still read {version} by name" if found else f"Nothing reads {version} by name"
    lines.append(f"{end} ({', '.join(names)}). Looked at: {', '.join(looked)}.")
    say({"version": version, "names": names, "looked_at": looked, "readers": found}, "\n".join(lines), as_json)
    sys.exit(1 if found else 0)


COMMANDS = (sql_group, show_references)
