"""Serve local-bigquery on 127.0.0.1. Runs in the emulator's own environment and imports nothing of this project.

The emulator keeps its tables in DuckLake, whose DuckDB extensions come from packages here, because a test machine may
download none. Three things it does otherwise than the service, and they are mended here: two requests for one job id
at once end in an error of its own store, a commit that lost to another one says so in DuckLake's words, and a job that
was running when the emulator died stays RUNNING for ever.

It is slow in other ways, which are mended too: to find a table or a column it lists all there are, and every job leaves
a table; it reads its own records again and again; it translates a statement whenever it comes; and each of its many
small queries wakes all of DuckDB's threads.
"""

import argparse
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
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


def jobs_in_memory(data: Path) -> None:
    """Jobs are kept in memory, and every change of one is a line of a file, which outlives a kill.

    A job that an earlier process left unfinished ends in an error.
    """
    from local_bigquery.jobs import store
    from local_bigquery.models import Job

    data.mkdir(parents=True, exist_ok=True)
    file = os.open(data / "jobs.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    jobs: dict[tuple[str, str], str] = {}

    def save(job: Job) -> Job:
        text = json.dumps(job.dump())
        jobs[job.jobReference.projectId, job.jobReference.jobId] = text
        os.write(file, f"{text}\n".encode())
        return job

    def load(project: str, job_id: str) -> Job | None:
        text = jobs.get((project, job_id))
        return Job.model_validate_json(text) if text else None

    def listed(
        project: str,
        states: list[str] | None = None,
        parent: str | None = None,
        least: int | None = None,
        most: int | None = None,
    ) -> list[Job]:
        found = []
        for (project_id, job_id), text in list(jobs.items()):
            job = Job.model_validate_json(text)
            created = int(job.statistics.creationTime)
            if (
                (project_id, job.statistics.parentJobId) == (project, parent)
                and (states is None or job.status.state in states)
                and (least or created) <= created <= (most or created)
            ):
                found.append((-created, job_id, job))
        return [job for _, _, job in sorted(found, key=lambda one: one[:2])]

    with (data / "jobs.jsonl").open(encoding="utf-8") as lines:
        for job in map(Job.model_validate_json, lines):
            jobs[job.jobReference.projectId, job.jobReference.jobId] = json.dumps(job.dump())
    for job in map(Job.model_validate_json, list(jobs.values())):
        if job.status.state != "DONE":
            status = {"state": "DONE", "errorResult": LOST, "errors": [LOST]}
            statistics = job.statistics.replace(endTime=job.statistics.creationTime)
            save(job.replace(status=status, statistics=statistics))
    store.save, store.load, store.list_ = save, load, listed


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


class Kept:
    """Answers that hold until what they tell about is changed."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, ...], Any] = {}
        self.changes = 0

    def get(self, question: tuple[str, ...], ask: Callable[[], Any]) -> Any:
        before = self.changes
        if question in self.answers:
            return self.answers[question]
        found = ask()
        if before == self.changes:
            self.answers[question] = found
        return found

    def changed(self, table: tuple[str, ...] = ()) -> None:
        """All of it, or a table of this name."""
        self.changes += 1
        if not table:
            self.answers.clear()
        for question in list(self.answers):
            if [part.casefold() for part in question[-3:]] == [part.casefold() for part in table]:
                self.answers.pop(question, None)


ANSWERS = set[str]()
"""Names of tables of answers. DuckDB searches all names for similar ones before it says that one is missing."""
RECORDS, SHAPES, ROWS, RESULTS = Kept(), Kept(), Kept(), Kept()
"""What the emulator wrote down of its objects; columns of tables; which tables there are and their numbers of rows;
columns of answers."""
NO_CHANGE = re.compile(
    r"\s*(SELECT|USE|EXPLAIN|BEGIN|ROLLBACK|CREATE (OR REPLACE )?TEMP|\w+ OR REPLACE INTO emulator\.)"
)
OF_ANSWERS = 'CREATE OR REPLACE TABLE "emulator"."_results".'
OF_ONE_TABLE = re.compile(
    r'\s*(CREATE TABLE(?: IF NOT EXISTS)?|DROP TABLE(?= "[^"]+"."[^"]+"."v4_staging_)) "([^"]+)"\."([^"]+)"\."([^"]+)"'
)
"""No view reads a table that is new, or one that rows are staged in."""
ANSWER = re.compile(f'{OF_ANSWERS}"([^"]+)"')
OF_ROWS = re.compile(r"\s*(INSERT|UPDATE|DELETE|COMMIT)")


def changed_by(text: str) -> tuple[Kept, ...]:
    """What a statement may change. One of several words, such as WITH … INSERT, may change everything."""
    if text.startswith(OF_ANSWERS):
        return (RESULTS,)
    if NO_CHANGE.match(text):
        return ()
    return (ROWS,) if OF_ROWS.match(text) else (ROWS, SHAPES, RESULTS)


class Cursor:
    """A cursor that was just made and therefore has no temporary tables, unless it is a session's.

    The relation it was asked for last is given again.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor, self.is_fresh = cursor, False
        self.last: tuple[Any, Any] = None, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)

    def execute(self, text: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        self.last = None, None
        kept, of_one = changed_by(text), OF_ONE_TABLE.match(text)
        table = of_one.groups()[1:] if of_one else ()
        if answer := ANSWER.match(text):
            ANSWERS.add(answer[1])
        for one in kept:
            one.changed(table)
        try:
            return self.cursor.execute(text, *parameters)
        finally:
            for one in kept:
                one.changed(table)

    def sql(self, text: str, *, params: Any = None) -> duckdb.DuckDBPyRelation:
        asked = text, params
        if self.last[0] != asked:
            if self.is_fresh and text == TEMPORARY:
                text = "SELECT NULL WHERE FALSE"
            self.last = asked, self.cursor.sql(text, params=params)
        return self.last[1]


class Connection:
    """The connection, whose cursors are those above."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self.connection.cursor())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def found_by_name() -> None:
    """A table and its columns are looked up by name, not among all tables, and once until they change."""
    from local_bigquery.catalog import names, tabledata, tables
    from local_bigquery.engine import database, types
    from local_bigquery.errors import not_found
    from local_bigquery.sql.rules import partitions

    listed, is_hidden, connection = database.objects, partitions._hidden, database.connection

    @cache
    def earlier_answers() -> set[str]:
        return {name for name, *_ in listed("emulator", tables.RESULTS)}

    def nullable(project: str, dataset: str, table: str) -> dict[str, bool]:
        text = COLUMNS.format(lake=database.quote(f"__ducklake_metadata_{project}"))
        asked = ("nullable", project, dataset, table)
        return SHAPES.get(asked, lambda: dict(database.fetch(text, [dataset, table])))

    def objects(project: str, dataset: str, table: str | None = None) -> list[tuple[str, str, int]]:
        if table is None:
            return listed(project, dataset)
        if project in database._attached:
            text = FOUND.format(lake=database.quote(f"__ducklake_metadata_{project}"))
            return ROWS.get((project, dataset, table), lambda: database.fetch(text, [dataset, table]))
        if table not in ANSWERS and table not in earlier_answers():
            return []
        try:
            [(rows,)] = database.fetch(f"SELECT COUNT(*) FROM {database.quote(project, dataset, table)}")
        except duckdb.CatalogException:
            return []
        return [(table, "TABLE", rows)]

    def looked_up(project: str, dataset: str, table: str) -> list[Any]:
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

    def columns(project: str, dataset: str, table: str) -> list[Any]:
        kept = RESULTS if dataset == tables.RESULTS else SHAPES
        return kept.get((project, dataset, table), lambda: looked_up(project, dataset, table))

    def hidden(table: Any) -> bool:
        if table.catalog not in database._attached:
            return table.db != tables.RESULTS and is_hidden(table)
        return tables.INGESTION_TIME in nullable(table.catalog, table.db, table.name)

    database.objects, tables.columns, partitions._hidden = objects, columns, hidden
    tabledata.columns = columns
    database.connection = cache(lambda: Connection(connection()))


def answered_at_once() -> None:
    """The rows of an answer are found by the snapshot that its columns were."""
    from local_bigquery.catalog import tables

    write = tables.write

    def write_at_once(cursor: Cursor, text: str, bound: Any, place: Any, *how: Any, isolated: bool = False) -> bool:
        if isolated or place[1] != tables.RESULTS:
            return write(cursor, text, bound, place, *how, isolated=isolated)
        cursor.cursor.execute("BEGIN")
        try:
            done = write(cursor, text, bound, place, *how)
        except BaseException:
            cursor.cursor.execute("ROLLBACK")
            raise
        cursor.cursor.execute("COMMIT")
        return done

    tables.write = write_at_once


def asked_once() -> None:
    """What the emulator wrote down is kept in memory until it writes again, and a fresh cursor is not searched."""
    from local_bigquery.catalog import metadata, row_access
    from local_bigquery.jobs import query

    fetch, execute, run = metadata.fetch, metadata.execute, query.execute

    def fetch_once(text: str, keys: Sequence[str] = ()) -> list[Any]:
        return RECORDS.get((text, *keys), lambda: fetch(text, list(keys)))

    def write(text: str, values: list[Any]) -> None:
        RECORDS.changed()
        try:
            execute(text, values)
        finally:
            RECORDS.changed()

    def run_fresh(cursor: Cursor, *args: Any, session: Any = None, **how: Any) -> Any:
        cursor.is_fresh = session is None
        return run(cursor, *args, session=session, **how)

    metadata.fetch, metadata.execute, query.execute, row_access.fetch = fetch_once, write, run_fresh, fetch_once


def records_read_once() -> None:
    """Records are parsed once, until one is written. They are not changed in place: a change makes a new record."""
    from local_bigquery.catalog import metadata

    listed = metadata.list_

    def list_once(model: type, *keys: str) -> list[Any]:
        return RECORDS.get(("model", model.__name__, *keys), lambda: listed(model, *keys))

    metadata.list_ = list_once


TRANSLATIONS = 2000
"""Statements kept."""
NOT_KEPT = re.compile(
    r"@@|\*`|INFORMATION_SCHEMA|__TABLES__|SYSTEM_TIME|EXTERNAL_QUERY|_USER\b|v4_staging_", re.IGNORECASE
)
"""What a translation depends on beyond its text, its parameters and its tables; and tables that are used once."""


@dataclass(frozen=True)
class Translation:
    """A statement in DuckDB's words, and what it was translated by."""

    text: str
    used: frozenset[str]
    tables: dict[tuple[str, str, str], Any]
    """Tables it names, and their columns."""


class Translations:
    """Queries and changes of rows that were translated before, while every table they name has the same columns."""

    def __init__(self) -> None:
        from local_bigquery.jobs import query
        from local_bigquery.sql import translate

        self.parse, self.translate = translate.parse, query.translate
        self.trees: dict[str, list[Any]] = {}
        self.kept: dict[tuple[Any, ...], Translation] = {}

    def parsed(self, text: str) -> list[Any]:
        """The trees of a text, which no one changes where it is a query or a change of rows."""
        from sqlglot import exp

        if text in self.trees:
            return self.trees[text]
        trees: list[Any] = self.parse(text)
        of_rows = len(trees) == 1 and isinstance(trees[0], exp.Query | exp.Insert | exp.Delete | exp.Update)
        if of_rows and not NOT_KEPT.search(text):
            trees[0].meta["kept_as"] = text
            _put(self.trees, text, trees)
        return trees

    def translated(self, tree: Any, context: Any) -> tuple[str, dict[str, Any]]:
        """The statement as DuckDB takes it, and the values it binds."""
        from local_bigquery.catalog import row_access

        text = tree.meta.get("kept_as")
        if text is None or context.functions or row_access.secured():
            return self.translate(tree, context)
        parameters = tuple(sorted(context.parameters.items()))
        scope = context.project_id, context.dataset_id, frozenset(context.temporary), frozenset(context.variables)
        key = (text, parameters, *scope)
        found = self.kept.get(key)
        if found is None or not self.holds(tree, found):
            return self.translated_and_kept(tree, context, key)
        context.used.clear()
        context.used |= found.used
        context.referenced |= found.tables.keys()
        return found.text, {name: context.values[name] for name in found.used}

    def translated_and_kept(self, tree: Any, context: Any, key: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
        """The same, kept for the next time where nothing but text, parameters and tables decides on it."""
        from local_bigquery.catalog import tables

        before, position = set(context.referenced), context.position
        context.referenced.clear()
        text, bound = self.translate(tree, context)
        named = set(context.referenced)
        context.referenced |= before
        # A variable lies in a table whose name is new each time.
        if (
            position == context.position
            and "__variable_" not in text
            and tables.RESULTS not in {one[1] for one in named}
        ):
            columns = {one: tables.columns(*one) for one in named}
            _put(self.kept, key, Translation(text, frozenset(context.used), columns))
        return text, bound

    def holds(self, tree: Any, found: Translation) -> bool:
        """Whether every table is there as it was."""
        from local_bigquery.catalog import names, tables
        from local_bigquery.errors import BigQueryError
        from local_bigquery.sql.rules import tables as rules
        from sqlglot import exp

        target = names.target(tree)
        for name, columns in found.tables.items():
            is_target = target is not None and name[1:] == (target.db, target.name)
            try:
                rules._check(tree, exp.table_(name[2], name[1], name[0], quoted=True), is_target)
                if tables.columns(*name) is not columns:
                    return False
            except BigQueryError:
                return False
        return True


def _put(kept: dict[Any, Any], key: Any, value: Any) -> None:
    if len(kept) >= TRANSLATIONS:
        kept.clear()
    kept[key] = value


def translated_once() -> None:
    """A statement is parsed and translated once, and the rows of an answer are read without either."""
    from local_bigquery.catalog import tables
    from local_bigquery.grpc import read
    from local_bigquery.jobs import query
    from local_bigquery.sql import script

    translations = Translations()
    script.parse, query.translate = translations.parsed, translations.translated
    script.parse_script = lru_cache(TRANSLATIONS)(script.parse_script)
    parse, translate = read.parse, read.translate

    def parsed(text: str) -> list[Any]:
        answer = ROWS_OF_ANSWER.fullmatch(text)
        return [answer] if answer and answer[2] == tables.RESULTS else parse(text)

    def translated(tree: Any, context: Any) -> tuple[str, dict[str, Any]]:
        return (
            (f"SELECT * FROM {tables.name(*tree.groups())}", {})
            if isinstance(tree, re.Match)
            else translate(tree, context)
        )

    read.parse, read.translate = parsed, translated


ROWS_OF_ANSWER = re.compile(r"SELECT \* FROM `([^`.]+)\.([^`.]+)\.([^`.]+)`")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rest-port", "storage-port"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    for name in EXTENSIONS:
        duckdb_extensions.import_extension(name)
    duckdb.connect = connect

    jobs_in_memory(options.data)
    as_the_service_does()
    options_without_a_value()
    found_by_name()
    answered_at_once()
    asked_once()
    records_read_once()
    translated_once()
    from local_bigquery import cli

    cli.main(
        [
            *("serve", "--host", "127.0.0.1", "--port", options.rest_port, "--grpc-port", options.storage_port),
            *("--project", options.project, "--data-dir", str(options.data)),
        ]
    )


if __name__ == "__main__":
    main()
