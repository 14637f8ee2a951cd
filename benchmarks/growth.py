"""What a home grows by: the daily job on some days of a sample world of production size, and one month of prospects.

Rows are weighed in a file of their own, as `v4 prune --compact` would leave them; `as it grows` is what the warehouse
file really grew by. Of a day of the Dagster instance and of the files beside it, the bytes on the disk count.

python -m benchmarks.growth FOLDER SCALE
"""

import json
import sys
import tempfile
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.features import prepare, template
from v4_assets import tables
from v4_assets.config.environment import Settings, load
from v4_assets.operations import local_runs, monthly
from v4_assets.operations.local_runs import Outcome
from v4_assets.partitions import feature_tables
from v4_assets.prospects import contracts
from v4_assets.prospects.months import month_of
from v4_assets.resources import store
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.sql import quoted

FIRST, DAYS = date(2026, 1, 12), 4
"""A day that is run before anything is weighed, and the number of days after it that are."""
FEATURES, SCORES, LEADS, RECORD = DAILY = ("features", "scores", "leads of the day", "outcomes, evidence, record")
"""Groups of tables by day; the first three grow with the number of leads."""


def at(folder: str, scale: float, day: date) -> Settings:
    """The home on the morning of a day."""
    return load({"V4_HOME": str(template(folder, scale)), "V4_NOW": f"{day}T06:30"})


def run(folder: str, scale: float, day: date) -> None:
    """The daily job of a day, as on its morning."""
    _succeeded(local_runs.run_day(at(folder, scale, day), day))


def _succeeded(outcome: Outcome) -> None:
    if not outcome.success:
        raise RuntimeError(f"A run failed: {outcome.errors} {outcome.checks_failed}")


def weigh(settings: Settings, chosen: Iterable[Table], first: date, last: date) -> int:
    """Bytes of the rows of these tables from `first` to `last`, packed into a file of their own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.duckdb"
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"ATTACH '{settings.duckdb_file}' AS here (READ_ONLY)")
            for number, table in enumerate(chosen):
                rows = f"SELECT * FROM here.{quoted(table)}"
                if table.is_partitioned:
                    rows += f" WHERE {tables.PARTITION_COLUMN} BETWEEN DATE '{first}' AND DATE '{last}'"
                connection.execute(f"CREATE TABLE t{number} AS {rows}")
            connection.execute("CHECKPOINT")
        return file.stat().st_size


def on_disk(folder: Path) -> int:
    """Bytes of every file below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def beside(settings: Settings) -> dict[str, int]:
    """Bytes of what lies beside the warehouse's rows."""
    return {
        "warehouse file, as it grows": settings.duckdb_file.stat().st_size,
        "Dagster's instance": on_disk(settings.dagster_home),
        "reports": on_disk(settings.places.reports),
        "files of dry runs": on_disk(settings.home / "salesforce"),
    }


def groups(settings: Settings) -> dict[str, list[Table]]:
    """The tables that this project writes, in groups."""
    catalogue = settings.rollout.catalogue
    features = list(feature_tables(catalogue))
    scores = [catalogue[tables.scores_key(one.key)] for one in catalogue.versions.values()]
    leads = [catalogue[tables.SCORED_LEADS]]
    taken = {table.key for table in (*features, *scores, *leads)}
    rest = [table for table in catalogue.made if table.key not in taken]
    is_monthly = {key for key in catalogue if key.startswith("prospect")}
    return {
        FEATURES: [table for table in features if table.key not in is_monthly],
        SCORES: scores,
        LEADS: leads,
        RECORD: [table for table in rest if table.key not in is_monthly],
        "features of prospects": [table for table in features if table.key in is_monthly],
        "prospects, their scores and lists": [table for table in rest if table.key in is_monthly],
    }


def main(folder: str, scale: float) -> None:
    """Print leads, advisors, and bytes a day and a month, as JSON."""
    prepare(folder, scale)
    local_runs.init(at(folder, scale, FIRST))
    run(folder, scale, FIRST)
    before = beside(at(folder, scale, FIRST))
    last = FIRST + timedelta(days=DAYS)
    for number in range(1, DAYS + 1):
        run(folder, scale, FIRST + timedelta(days=number))
    settings = at(folder, scale, last)
    grown = {name: (size - before[name]) / DAYS for name, size in beside(settings).items()}
    _succeeded(monthly.run_month(settings, month_of(last)))
    weighed = groups(settings)
    daily = {
        name: (weigh(settings, weighed[name], FIRST, last) - weigh(settings, weighed[name], FIRST, FIRST)) / DAYS
        for name in DAILY
    }
    months = {name: weigh(settings, weighed[name], month_of(last), last) for name in weighed if name not in DAILY}
    writes = store(settings).latest_writes(month_of(last), last)
    counted = {name: write.row_count for (name, _), write in writes.items()}
    catalogue = settings.rollout.catalogue
    print(
        json.dumps(
            {
                "leads": counted[catalogue[tables.SCORED_LEADS].name],
                "advisors": counted[catalogue[contracts.PROSPECTS].name],
                "daily": daily | grown,
                "monthly": months,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
