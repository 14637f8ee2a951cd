"""Features of both versions for one day: the daily SQL through its own write path, against one hand-written query.

Ours is sql/ file by file as the assets run it: seven partitions written and recorded, each in a session of its own, in
the memory the embedded warehouse is given. The rival is correlated.sql, which asks about every lead in a subquery, as
one CREATE TABLE AS in all the memory DuckDB likes; DuckDB turns such subqueries into joins where it can. Both open the
file, compute, write and close it. `verify` makes sure that what they compute is the same.

python -m benchmarks.features verify FOLDER
python -m benchmarks.features prepare|ours|correlated FOLDER SCALE [LIMIT_SECONDS]
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from threading import Timer

import duckdb
import pyarrow as pa

from benchmarks.measure import timed
from v4_assets import sql, tables
from v4_assets.clock import Clock, cutoff
from v4_assets.config.environment import Settings, load
from v4_assets.partitions import Day, write_query
from v4_assets.resources import registry, store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sql import Query
from v4_assets.warehouse import schema
from v4_assets.warehouse.duckdb.sql import to_duckdb

DAY = date(2026, 1, 12)
CHAIN = (*tables.SHARED, "features_v40", "features_v41")
CHECKED_AT = 0.02
RESULT = "correlated"


def settings_in(home: str | Path) -> Settings:
    """Settings whose V4_HOME is `home`."""
    return load({"V4_HOME": str(home)})


def template(folder: str, scale: float) -> Path:
    """The V4_HOME that holds the untouched sample world of this size; every measurement works on a copy."""
    return Path(folder) / f"world-{scale:g}"


def prepare(folder: str, scale: float) -> int:
    """A warehouse with a sample world and our empty tables. Returns the rows of the employment history."""
    settings = settings_in(template(folder, scale))
    engine, catalogue = warehouse(settings), settings.rollout.catalogue
    world = build(WorldSpec(scale=scale, leads_per_week=350, through=date(2026, 1, 18)))
    counts = fill(engine, catalogue, world)
    schema.upgrade(engine, catalogue, registry(settings), settings.clock)
    return counts[tables.HISTORY]


def ours(settings: Settings) -> None:
    """The daily SQL: departures, firms, advisors and common features once, then each version's features."""
    here = store(settings)
    day = Day(DAY, Clock(cutoff(date(2026, 1, 13))))
    for key in CHAIN:
        with here.session():
            write_query(here, key, day)


def correlated(settings: Settings, limit_seconds: float) -> None:
    """The hand-written query into a new table. Gives up after the limit, having written nothing."""
    query = correlated_query(settings)
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        limit = Timer(limit_seconds, connection.interrupt)
        limit.start()
        try:
            connection.execute(f"CREATE TABLE {RESULT} AS {to_duckdb(query.text)}", dict(query.params))
        except duckdb.InterruptException:
            print(f"stopped after {limit_seconds:.0f} s", file=sys.stderr)
        finally:
            limit.cancel()


def correlated_query(settings: Settings) -> Query:
    """correlated.sql bound to the day."""
    text = Path(__file__).with_name("correlated.sql").read_text(encoding="utf-8")
    file = sql.parse("correlated", text)
    params = {"prediction_date": DAY, "cutoff": cutoff(DAY), "retrospective": True}
    return sql.bind(file, settings.rollout.catalogue.names(), params)


def verify(folder: str) -> int:
    """Compute both in a small world and compare every feature of every lead. Returns how many leads were compared.

    Raises AssertionError naming the features that differ.
    """
    prepare(folder, CHECKED_AT)
    settings = settings_in(template(folder, CHECKED_AT))
    ours(settings)
    correlated(settings, limit_seconds=60.0)
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        rival = connection.sql(f"SELECT * FROM {RESULT} ORDER BY lead_id").to_arrow_table()
    differing = set[str]()
    for key in CHAIN[-2:]:
        table = settings.rollout.catalogue[key]
        query = Query(key, f"SELECT * FROM {table.full_name} ORDER BY lead_id")
        found = warehouse(settings).read(query)
        names = ["lead_id", *(column.name for column in table.columns if column.is_feature)]
        differing |= {name for name in names if not _same(found[name], rival[name])}
    if differing or not len(rival):
        raise AssertionError(f"The rival's query differs from sql/ in {sorted(differing)} on {len(rival)} leads.")
    return len(rival)


def _same(ours: pa.ChunkedArray, rival: pa.ChunkedArray) -> bool:
    return bool(ours.equals(rival.cast(ours.type)))


def measured(what: str, folder: str, scale: float, limit_seconds: float) -> None:
    """Time one side on a copy of the world, which is removed afterwards."""
    sides: dict[str, Callable[[Settings], None]] = {
        "ours": ours,
        "correlated": partial(correlated, limit_seconds=limit_seconds),
    }
    with tempfile.TemporaryDirectory(dir=folder) as home:
        settings = settings_in(home)
        shutil.copy(settings_in(template(folder, scale)).duckdb_file, settings.duckdb_file)
        timed(lambda: sides[what](settings))


def main(what: str, folder: str, scale: float = CHECKED_AT, limit_seconds: float = 300.0) -> None:
    """One measurement, or what it needs."""
    if what == "verify":
        print(verify(folder))
    elif what == "prepare":
        print(prepare(folder, scale))
    else:
        measured(what, folder, scale, limit_seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
