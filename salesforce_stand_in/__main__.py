"""The stand-in org as a process of its own: `python -m salesforce_stand_in serve FOLDER`, then `down` and `up`."""

import signal
import threading
from pathlib import Path

import click

from salesforce_stand_in.server import StandInOrg, switch

FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.group()
def main() -> None:
    """A stand-in Salesforce org on loopback."""


@main.command()
@FOLDER
@click.option("--port", type=int, default=0, help="0 takes a free one, written to FOLDER/endpoint.json.")
@click.option("--production", is_flag=True, help="Call itself a production org instead of a sandbox.")
def serve(folder: Path, port: int, production: bool) -> None:
    """Serve the org kept in FOLDER until interrupted or terminated."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with StandInOrg(folder, sandbox=not production, port=port) as org:
        click.echo(f"A stand-in Salesforce org at {org.url}, its leads in {folder}. Use it by V4_SALESFORCE=local.")
        done.wait()


@main.command()
@FOLDER
def down(folder: Path) -> None:
    """Let the org drop every connection."""
    switch(folder, down=True)


@main.command()
@FOLDER
def up(folder: Path) -> None:
    """Let the org answer again."""
    switch(folder, down=False)


if __name__ == "__main__":
    main()
