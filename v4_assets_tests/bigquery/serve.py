"""Serve local-bigquery on 127.0.0.1. Runs in the emulator's own environment and imports nothing of this project.

The emulator keeps its tables in DuckLake, whose DuckDB extensions come from packages here, because a test machine may
download none. Three things it does otherwise than the service, and they are mended here: two requests for one job id
at once end in an error of its own store, a commit that lost to another one says so in DuckLake's words, and a job that
was running when the emulator died stays RUNNING for ever.

It is slow in other ways, which are mended too: to find a table or a column it lists all there are, and every job leaves
a table; it reads its own records again and again; and each of its many small queries wakes all of DuckDB's threads.
"""

import argparse
import json
import re
import threading
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extensions

EXTENSIONS = ("ducklake", "spatial", "inet", "avro")
LOST = {"reason": "backendError", "message": "The job was lost when the service was restarted."}
LOST_COMMIT = re.compile(r"Failed to commit (?P<name>DuckLake) transaction")
ABORTED = "Transaction is aborted due to concurrent update against one of its tables. Transaction ID: unknown"

FOUND = """
SELECT t.table_name, 'TABLE', COALESCE(n.record_count, 0)
FROM {lake}.ducklake_table AS t
JOIN {lake}.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
LEFT JOIN {lake}.ducklake_table_stats AS n ON n.table_id = t.table_id
WHERE t.end_snapshot IS NULL AND s.schema_name = $1 AND t.table_name = $2
UNION ALL
SELECT v.view_name, 'VIEW', 0
FROM {lake}.ducklake_view AS v
JOIN {lake}.ducklake_schema AS s ON s.schema_id = v.schema_id AND s.end_snapshot IS NULL
WHERE v.end_snapshot IS NULL AND s.schema_name = $1 AND v.view_name = $2
"""
"""A table or view by its name, in DuckLake's own tables."""
COLUMNS = """
SELECT c.column_name, c.nulls_allowed
FROM {lake}.ducklake_column AS c
JOIN {lake}.ducklake_table AS t ON t.table_id = c.table_id AND t.end_snapshot IS NULL
JOIN {lake}.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
WHERE c.end_snapshot IS NULL AND c.parent_column IS NULL AND s.schema_name = $1 AND t.table_name = $2
"""
TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"

connect_plainly = duckdb.connect


def connect(*args: Any, **kwargs: Any) -> duckdb.DuckDBPyConnection:
    """As duckdb.connect, with DuckLake loaded, and the time zone set when the extension that knows zones is there."""
    config = dict(kwargs.pop("config", {}))
    zone = config.pop("TimeZone", None)
    connection: duckdb.DuckDBPyConnection = connect_plainly(*args, **{**kwargs, "config": config})
    if zone:
        connection.execute(f"SET GLOBAL TimeZone = '{zone}'")
    connection.execute("LOAD ducklake")
    connection.execute("SET threads = 1")
    return connection


def end_lost_jobs(data: Path) -> None:
    """Give every job that an earlier process left unfinished an error."""
    file = data / "emulator.duckdb"
    if not file.exists():
        return
    with connect_plainly(str(file)) as connection:
        unfinished = connection.execute(
            "SELECT project_id, job_id, resource FROM jobs WHERE state <> 'DONE'"
        ).fetchall()
        for project, job, text in unfinished:
            resource = json.loads(text)
            resource["status"] = {"state": "DONE", "errorResult": LOST, "errors": [LOST]}
            resource["statistics"]["endTime"] = resource["statistics"]["creationTime"]
            connection.execute(
                "UPDATE jobs SET state = 'DONE', resource = ? WHERE project_id = ? AND job_id = ?",
                [json.dumps(resource), project, job],
            )


def as_the_service_does() -> None:
    """One request for a job at a time, and lost commits in the service's words."""
    from local_bigquery import errors
    from local_bigquery.jobs import runner

    lock, submit = threading.Lock(), runner.submit

    def submit_alone(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return submit(*args, **kwargs)

    runner.submit = submit_alone
    errors.DUCKDB_ERRORS.insert(0, (LOST_COMMIT, "invalidQuery", ABORTED))


def options_without_a_value() -> None:
    """An option set to NULL is cleared where a table is altered, and ignored where it is created."""
    from local_bigquery.catalog import ddl, options
    from sqlglot import exp

    with_values = options.options

    def known(node: Any, mapping: dict[str, Any], evaluate: Any) -> dict[str, Any]:
        if node is None:
            return {}
        cleared = [one for one in node.find_all(exp.Property) if isinstance(one.args.get("value"), exp.Null)]
        names = {mapping[one.name.lower()].key for one in cleared if one.name.lower() in mapping}
        others = {name: option for name, option in mapping.items() if option.key not in names}
        is_altered = isinstance(node, exp.AlterSet)
        return with_values(node, others, evaluate) | (dict.fromkeys(names) if is_altered else {})

    ddl.options = known


def found_by_name() -> None:
    """A table and its columns are looked up by name, not among all tables."""
    from local_bigquery.catalog import names, tabledata, tables
    from local_bigquery.engine import database, types
    from local_bigquery.errors import not_found
    from local_bigquery.sql.rules import partitions

    listed, is_hidden = database.objects, partitions._hidden

    def nullable(project: str, dataset: str, table: str) -> dict[str, bool]:
        lake = database.quote(f"__ducklake_metadata_{project}")
        return dict(database.fetch(COLUMNS.format(lake=lake), [dataset, table]))

    def objects(project: str, dataset: str, table: str | None = None) -> list[tuple[str, str, int]]:
        if table is None:
            return listed(project, dataset)
        if project in database._attached:
            lake = database.quote(f"__ducklake_metadata_{project}")
            return database.fetch(FOUND.format(lake=lake), [dataset, table])
        try:
            [(rows,)] = database.fetch(f"SELECT COUNT(*) FROM {database.quote(project, dataset, table)}")
        except duckdb.CatalogException:
            return []
        return [(table, "TABLE", rows)]

    def columns(project: str, dataset: str, table: str) -> list[Any]:
        catalog, schema, name = tables.physical(project, dataset, table)
        found = nullable(catalog, schema, name) if catalog in database._attached else {}
        with database.cursor() as cursor:
            try:
                relation = cursor.sql(f"SELECT * FROM {database.quote(catalog, schema, name)} LIMIT 0")
            except duckdb.CatalogException:
                raise not_found("Table", names.label(project, dataset, table)) from None
            return [
                types.field(column, kind, not found.get(column, True))
                for column, kind in zip(relation.columns, relation.types, strict=True)
                if column != tables.INGESTION_TIME or dataset == tables.RESULTS
            ]

    def hidden(table: Any) -> bool:
        if table.catalog not in database._attached:
            return table.db != tables.RESULTS and is_hidden(table)
        return tables.INGESTION_TIME in nullable(table.catalog, table.db, table.name)

    database.objects, tables.columns, partitions._hidden = objects, columns, hidden
    tabledata.columns = columns


class Fresh:
    """A cursor that was just made and therefore has no temporary tables."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)

    def sql(self, text: str, **how: Any) -> Any:
        return self.cursor.sql("SELECT NULL WHERE FALSE" if text == TEMPORARY else text, **how)


def asked_once() -> None:
    """What the emulator wrote down is kept in memory until it writes again, and a fresh cursor is not searched."""
    from local_bigquery.catalog import metadata
    from local_bigquery.jobs import query

    fetch, execute, run = metadata.fetch, metadata.execute, query.execute
    kept: dict[tuple[str, ...], list[Any]] = {}
    written = [0]

    def fetch_once(text: str, keys: list[str]) -> list[Any]:
        before, question = written[0], (text, *keys)
        if question in kept:
            return kept[question]
        found = fetch(text, keys)
        if before == written[0]:
            kept[question] = found
        return found

    def write(text: str, values: list[Any]) -> None:
        written[0] += 1
        try:
            execute(text, values)
        finally:
            written[0] += 1
            kept.clear()

    def run_fresh(cursor: Any, *args: Any, session: Any = None, **how: Any) -> Any:
        return run(cursor if session else Fresh(cursor), *args, session=session, **how)

    metadata.fetch, metadata.execute, query.execute = fetch_once, write, run_fresh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rest-port", "storage-port"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    for name in EXTENSIONS:
        duckdb_extensions.import_extension(name)
    end_lost_jobs(options.data)
    duckdb.connect = connect

    as_the_service_does()
    options_without_a_value()
    found_by_name()
    asked_once()
    from local_bigquery import cli

    cli.main(
        [
            *("serve", "--host", "127.0.0.1", "--port", options.rest_port, "--grpc-port", options.storage_port),
            *("--project", options.project, "--data-dir", str(options.data)),
        ]
    )


if __name__ == "__main__":
    main()
