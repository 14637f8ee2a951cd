"""Are the demos of two commits the same? `python -m benchmarks.same_demo OLD_HOME NEW_HOME` compares what each wrote.

Every table of every story that both have finished, row by row; the checks' results that Dagster recorded; which
partitions it shows as materialized; the leads and jobs of the stand-in org; the reports. ASIDE, ASIDE_IN, COMPARED_AS
and ORG_ASIDE list every column that is left out or changed before comparing, and why. Exit code 0: everything else is
equal; 1: something differs; 2: there is nothing to compare.
"""

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb

from v4_assets.config.environment import load
from v4_assets.names import SCORING_JOB
from v4_assets.operations.ci import checks_of_run
from v4_assets.operations.instance import dagster_instance
from v4_assets.sample import Story

ASIDE = {
    "run_id": "Dagster numbers runs at random",
    "definition_sha256": "names what made a partition, and with it the text of the SQL of a commit",
    "org_id": "each stand-in org is another",
    "job_id": "numbered by the org",
    "job_key": "made from the run",
    "sync_id": "made from the run",
    "switch_id": "the event_id of a promotion, as in v4_deployments",
}
"""Column of any table to why it is not compared."""
ASIDE_IN = {
    "v4_deployments": {
        "event_id": "of an adoption at random; of an action a hash that the adoption's id is part of",
        "action_id": "the event_id of the action's first event",
        "reason": "a sentence; what it says in numbers is in `gates` and `evidence_sha256`, which are compared",
    },
    "v4_orders": {
        "order_id": "at random, or the event_id of an action",
        "content": "names actions by their event_id; the event itself is compared in v4_deployments",
    },
    "v4_production": {
        "event_id": "as in v4_deployments",
        "model_uri": "a path under the clone",
    },
}
"""Table to column to why it is not compared there."""
WITHOUT_SENTENCES = """
list_transform(json_extract("gates", '$[*]'), lambda gate: json_merge_patch(gate, '{"reason": null}'))
"""
COMPARED_AS = {
    "mean": ("format('{:.6g}', \"mean\")", "rows come in any order, and a sum of floats depends on it (1e-14)"),
    "gates": (WITHOUT_SENTENCES, "a gate's reason is a sentence; its name, verdict and numbers are compared"),
}
"""Column to what of it is compared, and why not all."""
ORG_ASIDE = {"id": "numbered by the org", "job": "the same", "created_at": "the machine's clock"}
ORDER_ID = re.compile(r"-[0-9a-f]{8}(?=[-.])")
"""In the name of an action's report: the first digits of the event_id, which is not compared."""
UNORDERED = "EXCEPT ALL"


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True))
@click.argument("new", type=click.Path(path_type=Path, exists=True))
def main(old: Path, new: Path) -> None:
    """Print a line for everything compared. Exit code 1 when something differs, 2 when there is nothing to compare."""
    before, after = _stories(old), _stories(new)
    for home, stories in ((old, before), (new, after)):
        if not stories:
            click.echo(f"{home} holds no finished demo. Make one: V4_HOME={home} v4 demo", err=True)
            sys.exit(2)
    both = [story for story in before if story in after]
    if not both:
        click.echo(f"No story is finished in both: {old} has {', '.join(before)}, {new} {', '.join(after)}.", err=True)
        sys.exit(2)
    for story in sorted(before.keys() ^ after.keys()):
        click.echo(f"Not compared: {story}, which only {old if story in before else new} has.")
    lines = [(f"{story}: {what}", *rest) for story in both for what, *rest in _compared(before[story], after[story])]
    for what, count, differing in lines:
        click.echo(
            f"{'DIFFERS' if differing else 'equal':8}{count:>10,}  {what}{f': {differing}' if differing else ''}"
        )
    wrong = sum(bool(differing) for *_, differing in lines)
    click.echo(f"{len(lines)} comparisons, {wrong} differ.")
    for what, why in _exceptions():
        click.echo(f"  {what}: {why}")
    sys.exit(1 if wrong else 0)


def _exceptions() -> Iterator[tuple[str, str]]:
    """What is not compared, and why."""
    yield from ((f"{column}, left out", why) for column, why in ASIDE.items())
    for table, columns in ASIDE_IN.items():
        yield from ((f"{table}.{column}, left out", why) for column, why in columns.items())
    yield from ((f"{column}, in part", why) for column, (_, why) in COMPARED_AS.items())
    yield from ((f"the org's {column}, left out", why) for column, why in ORG_ASIDE.items())
    yield "sentences of Dagster's checks, left out", "wording; asset, check, result and severity are compared"
    yield "the id in a report's name, left out", "the event_id of the action"


def _stories(home: Path) -> dict[str, Path]:
    """The stories that the demo in `home` has finished, and where."""
    homes = {story.value: home if story is Story.ROLLOUT else home / "stories" / story for story in Story}
    return {story: folder for story, folder in homes.items() if (folder / "demo-clock").exists()}


def _compared(old: Path, new: Path) -> Iterator[tuple[str, int, str]]:
    """What was compared, how many rows it has, and the difference, if any."""
    yield from _tables(old / "warehouse.duckdb", new / "warehouse.duckdb")
    if (old / "org" / "org.sqlite").exists():
        yield from _org(old / "org" / "org.sqlite", new / "org" / "org.sqlite")
    for what, before, after in zip(("checks", "materializations"), _recorded(old), _recorded(new), strict=True):
        yield f"Dagster's {what}", before.total(), _difference(before, after)
    reports = [Counter[object](ORDER_ID.sub("", path.name) for path in home.glob("reports/*")) for home in (old, new)]
    yield "names of reports", reports[0].total(), _difference(*reports)


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
                aside = ASIDE.keys() | ASIDE_IN.get(table.partition(".")[2], {}).keys()
                yield what, *_rows(connection, table, [column for column in before if column not in aside])


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> tuple[int, str]:
    """Row count of the older table, and how many rows only one of the two has."""
    names = ", ".join(COMPARED_AS[name][0] if name in COMPARED_AS else f'"{name}"' for name in columns)
    schema, _, name = table.partition(".")
    one, other = (f'(SELECT {names} FROM {database}."{schema}"."{name}")' for database in ("before", "after"))
    # Equal sets of rows have equal sums; only unequal ones are looked at row by row, which takes far longer.
    sums = [
        connection.execute(f"SELECT COUNT(*), SUM(hash(r)::HUGEINT) FROM {rows} AS r").fetchall()[0]
        for rows in (one, other)
    ]
    if sums[0] == sums[1]:
        return sums[0][0], ""
    counts = [
        connection.execute(f"SELECT COUNT(*) FROM (SELECT * FROM {a} {UNORDERED} SELECT * FROM {b})").fetchall()[0][0]
        for a, b in ((one, other), (other, one))
    ]
    return sums[0][0], f"{counts[0]} rows only before, {counts[1]} only after" if any(counts) else ""


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
    """(job, partition, status, asset, check, passed, severity) of every check, and (asset, partition) shown.

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
                    checks[*key, one.passed, one.severity.value] += 1
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
