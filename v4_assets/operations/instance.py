"""The Dagster instance of a home. A module of its own: who only reads the record does not import the graph."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import dagster as dg

from v4_assets.atomic_files import own_folder
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
        config = settings.dagster_home / "dagster.yaml"
        if names_a_storage(config if config.exists() else _template(settings)):
            yield stack.enter_context(dagster_instance(settings))
        else:
            reading = ReadInstance(settings.dagster_home, lambda: stack.enter_context(dagster_instance(settings)))
            yield cast(dg.DagsterInstance, reading)


def _made(settings: Settings) -> Path:
    """The folder of the instance, with its dagster.yaml."""
    own_folder(settings.home)
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists():
        shutil.copy(_template(settings), config)
    return settings.dagster_home


def _template(settings: Settings) -> Path:
    """What a new instance is made of. Raises SettingsError without it."""
    if not settings.dagster_yaml.is_file():
        raise SettingsError(f"V4_DAGSTER_YAML: there is no {settings.dagster_yaml}. deploy/ holds two to choose from.")
    return settings.dagster_yaml
