"""The Dagster instance of a home. A module of its own: who only reads the record does not import the graph."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from v4_assets import dagster_storage
from v4_assets.config.environment import Settings
from v4_assets.errors import SettingsError


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance under V4_HOME, made on first use."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists():
        if not settings.dagster_yaml.is_file():
            raise SettingsError(
                f"V4_DAGSTER_YAML: there is no {settings.dagster_yaml}. deploy/ holds two to choose from."
            )
        shutil.copy(settings.dagster_yaml, config)
    with dagster_storage.opened(settings.dagster_home) as instance:
        yield instance
