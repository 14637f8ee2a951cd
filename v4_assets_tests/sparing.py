"""Library work that tests do once instead of hundreds of times; it has nothing to do with this project's claims.

Dagster reads its hundred migrations for every SQLite file it makes: they are read once. A private key is validated
whenever it is read, for a tenth of a second: the same bytes are the same key.
"""

from functools import cache, lru_cache

import jwt.algorithms
from alembic.config import Config
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives import serialization

_migrations: dict[str, ScriptDirectory] = {}
_read_migrations = ScriptDirectory.from_config


def migrations(config: Config) -> ScriptDirectory:
    """Dagster's migrations, read once."""
    place = config.get_main_option("script_location") or ""
    if place not in _migrations:
        _migrations[place] = _read_migrations(config)
    return _migrations[place]


@cache
def spared() -> None:
    """Once in a process."""
    ScriptDirectory.from_config = migrations
    read_key = lru_cache(serialization.load_pem_private_key)
    serialization.load_pem_private_key = read_key
    jwt.algorithms.load_pem_private_key = read_key
