"""Operator commands: status, doctor, prune."""

import sys
from typing import TYPE_CHECKING

import click

from v4_assets.cli.output import Whole, json_option, say
from v4_assets.config.environment import load, load_existing
from v4_assets.errors import SettingsError

if TYPE_CHECKING:
    from v4_assets.operations.doctor import ProbeResult


@click.command("status")
@json_option
def show_status(as_json: bool) -> None:
    """Show what is live, scored and sent, and what is to do.

    Exit code 1 when something is to do.
    """
    from v4_assets.operations.status import status
    from v4_assets.operations.status_text import as_text

    content = status(load_existing())
    say(content, as_text(content), as_json)
    sys.exit(1 if content["to_do"] else 0)


@click.command("doctor")
@json_option
def show_doctor(as_json: bool) -> None:
    """Check everything the daily run depends on. Changes nothing. Exit code 1 when anything fails."""
    from v4_assets.operations import doctor

    results = _examined()
    say(results, doctor.as_text(results), as_json)
    sys.exit(1 if doctor.failed(results) else 0)


@click.command("prune")
@click.option(
    "--keep-days",
    type=Whole(30, 36_500),
    default=400,
    show_default=True,
    help="Keep runs and files newer than this many days.",
)
@click.option("--yes", is_flag=True, help="Delete; without it, only list what would be deleted.")
@click.option("--compact", is_flag=True, help="With --yes: give the space back to the disk.")
def prune_old(keep_days: int, yes: bool, compact: bool) -> None:
    """Delete Dagster's old runs, old daily files and old features.

    Features go from the embedded warehouse alone, after keep_features_days of rollout.yaml. Every other table stays,
    and so do models, archive and everything about actions.
    """
    from v4_assets.operations import prune

    if compact and not yes:
        raise click.UsageError("--compact rewrites files: give it with --yes.")
    settings = load_existing()
    found = prune.old(settings, keep_days)
    if yes:
        prune.remove(settings, found)
    done = "deleted" if yes else "would be deleted; --yes does it"
    click.echo(f"{len(found.run_ids)} runs and {len(found.files)} files older than {keep_days} days: {done}.")
    if kept := settings.rollout.keep_features_days if settings.warehouse == "duckdb" else None:
        click.echo(f"{found.partitions} partitions of features older than {kept} days: {done}.")
    if compact:
        from v4_assets.operations import prune as compacting

        click.echo(f"{compacting.compact(settings) / 2**20:,.1f} MiB were given back to the disk.")


def _examined() -> "list[ProbeResult]":
    from v4_assets.operations import doctor
    from v4_assets.operations.doctor import foreign_objects, rollout
    from v4_assets.operations.doctor import warehouse as warehouse_probes

    try:
        settings = load()
    except SettingsError as error:
        return [doctor.ProbeResult(doctor.Verdict.FAIL, str(error), "Nothing else can be probed before.", "settings")]
    sound = doctor.ProbeResult(doctor.Verdict.OK, f"{settings.warehouse}, {settings.salesforce}; rollout.yaml is sound")
    probes = {**warehouse_probes.probes(settings), **foreign_objects.probes(settings), **rollout.probes(settings)}
    return doctor.examine({"settings": lambda: sound, **probes})


COMMANDS = (show_status, show_doctor, prune_old)
