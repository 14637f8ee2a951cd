"""Are the demos of two commits the same? `python -m benchmarks.same_demo OLD_HOME NEW_HOME` compares what each wrote.

Every table of every story's warehouse row by row, the checks' results that Dagster recorded, which partitions it shows
as materialized, and the leads and jobs of the stand-in org. ASIDE lists every column that is left out and why. Exit
code 0: everything else is equal.
"""

import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb

from v4_assets.config.environment import load
from v4_assets.names import SCORING_JOB
from v4_assets.operations.instance import dagster_instance
from v4_assets.production.evaluations import checks_of_run
from v4_assets.sample import Story

ASIDE = {
    "run_id": "Dagster numbers runs at random",
    "definition_sha256": "names what made a partition, and with it the text of the SQL of a commit",
    "model_uri": "a path under the clone",
    "org_id": "each stand-in org is another",
    "job_id": "numbered by the org",
    "job_key": "made from the run",
    "sync_id": "made from the run",
}
"""Column of a table to why it is not compared."""
ROUNDED = {"mean": 9}
"""Column to its decimals that are compared: rows come in any order, and a sum of floats depends on it (1e-14)."""
ORG_ASIDE = {"id": "numbered by the org", "job": "the same", "created_at": "the machine's clock"}
UNORDERED = "EXCEPT ALL"


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True))
@click.argument("new", type=click.Path(path_type=Path, exists=True))
def main(old: Path, new: Path) -> None:
    """Print a line for everything compared. Exit code 1 when something differs."""
    homes = [(name, home, new / home.relative_to(old)) for name, home in _homes(old)]
    lines = [
        (f"{name}: {what}", count, differing) for name, *pair in homes for what, count, differing in _compared(*pair)
    ]
    for what, count, differing in lines:
        click.echo(
            f"{'DIFFERS' if differing else 'equal':8}{count:>10,}  {what}{f': {differing}' if differing else ''}"
        )
    wrong = sum(bool(differing) for *_, differing in lines)
    click.echo(f"{len(lines)} comparisons, {wrong} differ.")
    click.echo(f"Left out: {', '.join(sorted(ASIDE))}. Rounded: {', '.join(ROUNDED)}.")
    sys.exit(1 if wrong or not lines else 0)


def _homes(old: Path) -> Iterator[tuple[str, Path]]:
    """The stories that the older demo has finished."""
    for story in Story:
        home = old if story is Story.ROLLOUT else old / "stories" / story
        if (home / "demo-clock").exists():
            yield story, home


def _compared(old: Path, new: Path) -> Iterator[tuple[str, int, str]]:
    """What was compared, how many rows it has, and the difference, if any."""
    yield from _tables(old / "warehouse.duckdb", new / "warehouse.duckdb")
    if (old / "org" / "org.sqlite").exists():
        yield from _org(old / "org" / "org.sqlite", new / "org" / "org.sqlite")
    for what, before, after in zip(("checks", "materializations"), _recorded(old), _recorded(new), strict=True):
        yield f"Dagster's {what}", before.total(), _difference(before, after)
    reports = [{path.name for path in (home / "reports").iterdir()} for home in (old, new)]
    yield "names of reports", len(reports[0]), ", ".join(sorted(reports[0] ^ reports[1])[:3])


def _tables(old: Path, new: Path) -> Iterator[tuple[str, int, str]]:
    with duckdb.connect() as connection:
        for name, file in (("before", old), ("after", new)):
            connection.execute(f"ATTACH '{file}' AS {name} (READ_ONLY)")
        columns: dict[str, dict[str, list[str]]] = {"before": {}, "after": {}}
        query = (
            "SELECT database_name, schema_name || '.' || table_name, column_name FROM duckdb_columns() "
            "WHERE database_name IN ('before', 'after') AND table_name IN (SELECT table_name FROM duckdb_tables()) "
            "ORDER BY column_index"
        )
        for database, table, column in connection.execute(query).fetchall():
            columns[database].setdefault(table, []).append(column)
        for table in sorted(columns["before"].keys() | columns["after"].keys()):
            before, after = (columns[database].get(table) for database in ("before", "after"))
            if before is None:
                yield f"{table}, a new table", 0, ""
            elif after is None or not set(before) <= set(after):
                yield table, 0, "a table or a column is missing"
            else:
                added = ", ".join(column for column in after if column not in before)
                what = f"{table}, apart from new columns {added}" if added else table
                yield what, *_rows(connection, table, [column for column in before if column not in ASIDE])


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> tuple[int, str]:
    """Row count of the older table, and how many rows only one of the two has."""
    names = ", ".join(f'round("{name}", {ROUNDED[name]})' if name in ROUNDED else f'"{name}"' for name in columns)
    schema, _, name = table.partition(".")
    one, other = (f'(SELECT {names} FROM {database}."{schema}"."{name}")' for database in ("before", "after"))
    counts = [
        connection.execute(f"SELECT COUNT(*) FROM (SELECT * FROM {a} {UNORDERED} SELECT * FROM {b})").fetchall()[0][0]
        for a, b in ((one, other), (other, one))
    ]
    total = connection.execute(f"SELECT COUNT(*) FROM {one}").fetchall()[0][0]
    return total, f"{counts[0]} rows only before, {counts[1]} only after" if any(counts) else ""


def _org(old: Path, new: Path) -> Iterator[tuple[str, int, str]]:
    """The tables of the stand-in org."""
    for table in ("lead", "field", "job", "result"):
        before, after = (Counter[object](_org_rows(file, table)) for file in (old, new))
        yield f"org's {table}", before.total(), _difference(before, after)


def _org_rows(file: Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        names = ", ".join(name for name in found if name not in ORG_ASIDE)
        return connection.execute(f"SELECT {names} FROM {table}").fetchall()


def _recorded(home: Path) -> tuple[Counter[object], Counter[object]]:
    """(job, partition, status, asset, check, passed, severity, sentence) of every check, and (asset, partition) shown.

    Without the checks of SCORING, which answer once for a range of past days: commits may cut the range differently.
    The verdict on each of its days is in v4_partition_verdicts.
    """
    checks: Counter[object] = Counter()
    with dagster_instance(load({"V4_HOME": str(home)})) as instance:
        for run in instance.get_runs():
            if run.job_name == SCORING_JOB:
                continue
            for asset, found in checks_of_run(instance, run.run_id).items():
                for name, one in found.items():
                    key = (run.job_name, run.tags.get("dagster/partition"), run.status.value, asset, name)
                    checks[*key, one.passed, one.severity.value, one.description] += 1
        made = Counter(
            (key.to_user_string(), partition)
            for key in instance.all_asset_keys()
            for partition in instance.get_materialized_partitions(key)
        )
    return checks, Counter(made)


def _difference(before: Counter[object], after: Counter[object]) -> str:
    only = [*(before - after), *(after - before)]
    return f"{len(only)} on one side only, such as {only[0]}" if only else ""


if __name__ == "__main__":
    main()
