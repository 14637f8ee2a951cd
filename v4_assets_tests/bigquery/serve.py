"""Serve local-bigquery on 127.0.0.1. Runs in the emulator's own environment and imports nothing of this project.

The emulator keeps its tables in DuckLake, whose DuckDB extensions come from packages here, because a test machine may
download none. Three things it does otherwise than the service, and they are mended here: two requests for one job id
at once end in an error of its own store, a commit that lost to another one says so in DuckLake's words, and a job that
was running when the emulator died stays RUNNING for ever. A fourth is slow: to find a table it lists all tables there
are, and every job leaves one.
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

connect_plainly = duckdb.connect


def connect(*args: Any, **kwargs: Any) -> duckdb.DuckDBPyConnection:
    """As duckdb.connect, with DuckLake loaded, and the time zone set when the extension that knows zones is there."""
    config = dict(kwargs.pop("config", {}))
    zone = config.pop("TimeZone", None)
    connection = connect_plainly(*args, config=config, **kwargs)
    if zone:
        connection.execute(f"SET GLOBAL TimeZone = '{zone}'")
    connection.execute("LOAD ducklake")
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


def found_by_name() -> None:
    """A table is looked up by its name, not among all tables."""
    from local_bigquery.engine import database

    listed = database.objects

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

    database.objects = objects


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
    found_by_name()
    from local_bigquery import cli

    cli.main(
        [
            *("serve", "--host", "127.0.0.1", "--port", options.rest_port, "--grpc-port", options.storage_port),
            *("--project", options.project, "--data-dir", str(options.data)),
        ]
    )


if __name__ == "__main__":
    main()
