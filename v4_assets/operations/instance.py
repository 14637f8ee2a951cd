"""The Dagster instance of a home. A module of its own: who only reads the record does not import the graph."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import dagster as dg

from v4_assets.config.environment import Settings
from v4_assets.dagster_reading import ReadInstance, names_a_storage
from v4_assets.errors import SettingsError


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance under V4_HOME, made on first use."""
    from v4_assets import dagster_storage  # noqa: PLC0415 # as long as Dagster itself; readers do without

    home = _made(settings)
    with dagster_storage.opened(home) as instance:
        yield instance


@contextmanager
def read_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The same for a command that reads: the real instance is opened only for what ReadInstance does not answer.

    That is every answer where dagster.yaml names a storage of its own.
    """
    with ExitStack() as stack:
        if names_a_storage(_made(settings)):
            yield stack.enter_context(dagster_instance(settings))
        else:
            reading = ReadInstance(settings.dagster_home, lambda: stack.enter_context(dagster_instance(settings)))
            yield cast(dg.DagsterInstance, reading)


def _made(settings: Settings) -> Path:
    """The folder of the instance, with its dagster.yaml."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists():
        if not settings.dagster_yaml.is_file():
            raise SettingsError(
                f"V4_DAGSTER_YAML: there is no {settings.dagster_yaml}. deploy/ holds two to choose from."
            )
        shutil.copy(settings.dagster_yaml, config)
    return settings.dagster_home
