"""The commands about SQL: what is deployed to a warehouse, and who reads a version's own names."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from v4_assets.cli.output import TEXT, GivenPath, json_option, say
from v4_assets.config.environment import Settings, load
from v4_assets.config.rollout_systems import ReferencePlaces
from v4_assets.errors import V4Error
from v4_assets.warehouse.render import SCRIPT, Script, Target, chosen


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
@click.option("--version", type=TEXT, default=None, help="Only what belongs to this version alone, such as v4.1.0.")
@click.option(
    "--script",
    "name",
    type=TEXT,
    default=None,
    help="Only this one, production_scoring_v41, tables, views, or rollback.",
)
@click.option("--output", type=GivenPath(path_type=Path, file_okay=False), help="Folder for one file each.")
def render(engine: str | None, version: str | None, name: str | None, output: Path | None) -> None:
    """Print the scripts, or write them into a folder. Asks no warehouse and needs no credentials."""
    settings = load()
    engine = engine or settings.warehouse
    if name == SCRIPT:
        texts = {name: _rollback(settings, engine, version)}
    else:
        write = _renderer(engine)
        texts = {one.name: write(one) for one in chosen(settings.rollout, version, name)}
    if output is None:
        click.echo("\n".join(texts.values()), nl=False)
        return
    output.mkdir(parents=True, exist_ok=True)
    for script, text in texts.items():
        path = output / f"{script}.sql"
        path.write_text(text, encoding="utf-8")
        click.echo(str(path))


def _rollback(settings: Settings, engine: str, version: str | None) -> str:
    """The script that makes the baseline live, from the registry's own bundle of it."""
    from v4_assets.resources import registry

    rollout = settings.rollout
    if version not in (None, rollout.baseline):
        raise V4Error(f"A rollback returns to the baseline of rollout.yaml, {rollout.baseline}; {version} is not it.")
    bundle, entry = registry(settings).load(rollout.baseline), rollout.versions[rollout.baseline]
    target = Target(
        version=rollout.baseline,
        features_view=entry.features_view,
        scores_table=entry.scores_table,
        model_uri=str(bundle.path),
        model_sha256=bundle.sha256,
        bundle_sha256=bundle.bundle_sha256,
        happened_at=settings.clock.now() if settings.now else None,
    )
    if engine == "duckdb":
        from v4_assets.warehouse.duckdb.scripts import rollback_script as duckdb

        return duckdb(rollout.catalogue, target)
    from v4_assets.warehouse.bigquery.console_rollback import render as bigquery

    return bigquery(rollout.catalogue, target)


def _renderer(engine: str) -> Callable[[Script], str]:
    if engine == "duckdb":
        from v4_assets.warehouse.duckdb.scripts import render as duckdb

        return duckdb
    from v4_assets.warehouse.bigquery.console import render as bigquery

    return bigquery


@click.command("references")
@click.option("--version", type=TEXT, default=None, help="Whose view, tables and model.  [default: the baseline]")
@click.option("--dataset", "datasets", multiple=True, type=TEXT, help="One more dataset to look at; may be repeated.")
@click.option(
    "--path", "paths", multiple=True, type=GivenPath(path_type=Path), help="A file or folder of text; may be repeated."
)
@click.option("--exclude", multiple=True, type=TEXT, help="Pattern of files and folders to pass over; may be repeated.")
@click.option(
    "--scheduled-queries",
    type=GivenPath(path_type=Path),
    help="What `bq ls --transfer_config --format=prettyjson` says.",
)
@json_option
def show_references(
    version: str | None,
    datasets: tuple[str, ...],
    paths: tuple[Path, ...],
    exclude: tuple[str, ...],
    scheduled_queries: Path | None,
    as_json: bool,
) -> None:
    """List what still reads a version by name.

    One line per file; prose is listed last and delays no sunset.

    Exit 0: nothing that runs. 1: references found in what runs. 2: some places could not be checked.
    """
    from v4_assets.production import references
    from v4_assets.resources import store

    settings = load()
    rollout = settings.rollout
    version = version or rollout.baseline
    also = ReferencePlaces(datasets=datasets, paths=paths, exclude=exclude, scheduled_queries=scheduled_queries)
    found = references.readers(store(settings, reading=True), rollout, version, also)
    looked = references.looked_at(rollout, also)
    names = references.bound_to(rollout, version).all
    lines, run = references.by_file(found), references.running(found)
    end = f"{len(run)} still read {version} by name" if run else f"Nothing reads {version} by name"
    prose = f"{len(found) - len(run)} lines of prose name it. " if len(run) < len(found) else ""
    lines.append(f"{end} ({', '.join(names)}). {prose}Looked at: {', '.join(looked)}.")
    say({"version": version, "names": names, "looked_at": looked, "readers": found}, "\n".join(lines), as_json)
    sys.exit(1 if run else 0)


COMMANDS = (sql_group, show_references)
