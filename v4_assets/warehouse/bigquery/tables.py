"""Tables and views as BigQuery's API and its DDL declare and describe them. Pure."""

import json
from collections.abc import Iterable, Mapping

from google.cloud import bigquery

from v4_assets.sql import Column
from v4_assets.tables import CLUSTER_COLUMN, PARTITION_COLUMN, Table, View
from v4_assets.warehouse.table_differences import BY_RANGE, Kind, Layout, Shape

GOOGLE_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
"""The API's name of a type to GoogleSQL's, where they differ."""
LABELS = {"managed_by": "v4_assets"}
"""Of every table and view this project makes."""
KINDS: dict[str, Kind] = {
    "TABLE": "table",
    "VIEW": "view",
    "MATERIALIZED_VIEW": "materialized view",
    "EXTERNAL": "external table",
    "SNAPSHOT": "snapshot",
}


def reference(table: Table, project: str) -> bigquery.TableReference:
    """Reference to a table; `project` applies when its dataset names none."""
    return bigquery.TableReference.from_string(f"{table.dataset}.{table.name}", default_project=project)


def declared(table: Table, project: str) -> bigquery.Table:
    """A table to be created: one partition per day, clustered by lead, described and labelled."""
    result = bigquery.Table(reference(table, project), schema=fields(table))
    result.description = table.description
    result.labels = LABELS
    if table.is_partitioned:
        result.time_partitioning = bigquery.TimePartitioning(field=PARTITION_COLUMN)
    if table.is_clustered:
        result.clustering_fields = [CLUSTER_COLUMN]
    return result


def fields(table: Table) -> list[bigquery.SchemaField]:
    """The table's columns with their descriptions."""
    return [bigquery.SchemaField(column.name, column.type, description=column.description) for column in table.columns]


def types(schema: Iterable[bigquery.SchemaField]) -> dict[str, str]:
    """Column to GoogleSQL type. A repeated column is an ARRAY, which no declared table has."""
    found = {}
    for field in schema:
        kind = GOOGLE_TYPES.get(field.field_type, field.field_type)
        found[field.name] = f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind
    return found


def shape(found: bigquery.Table) -> Shape:
    """A table as the API describes it."""
    by_day = found.time_partitioning
    if by_day is None:
        partitioned = BY_RANGE if found.range_partitioning else None
    else:
        field = by_day.field or "the time of arrival"
        partitioned = field if by_day.type_ == bigquery.TimePartitioningType.DAY else f"{field} by {by_day.type_}"
    return Shape(
        columns=types(found.schema),
        required=frozenset(field.name for field in found.schema if field.mode == "REQUIRED"),
        kind=KINDS.get(found.table_type or "TABLE", "external table"),
        layout=Layout(partitioned, tuple(found.clustering_fields or ())),
        expires=expiration(found),
        is_marked=LABELS.items() <= found.labels.items(),
    )


def expiration(found: bigquery.Table) -> str | None:
    """When a table, view or partition is deleted by itself, in words; None means never."""
    parts = [f"on {found.expires:%Y-%m-%d}"] if found.expires else []
    if found.time_partitioning and found.time_partitioning.expiration_ms:
        parts.append(f"each partition after {found.time_partitioning.expiration_ms / 86_400_000:g} days")
    return " and ".join(parts) or None


def expiration_ddl(table: Table, kind: Kind = "table", *, by_time: bool, at: str = "NULL", days: str = "NULL") -> str:
    """ALTER that sets the expirations, or removes them by NULL: a CREATE ignores an option that is NULL and takes the
    dataset's default.
    """
    wanted = [f"expiration_timestamp = {at}"] + ([f"partition_expiration_days = {days}"] if by_time else [])
    of = kind.upper() if "view" in kind else "TABLE"
    return f"ALTER {of} {table.full_name} SET OPTIONS ({', '.join(wanted)})"


def add_columns_ddl(table: Table, columns: Iterable[Column]) -> str:
    """ALTER TABLE of a table for the columns to be added."""
    added = ",\n".join(f"ADD COLUMN IF NOT EXISTS {_column(column)}" for column in columns)
    return f"ALTER TABLE {table.full_name}\n{added}"


def table_ddl(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS of a table, equal to what the API call creates."""
    wanted = declared(table, "any")
    columns = ",\n".join(f"  {_column(column)}" for column in table.columns)
    lines = [f"CREATE TABLE IF NOT EXISTS {table.full_name} (\n{columns}\n)"]
    if wanted.time_partitioning:
        lines.append(f"PARTITION BY `{wanted.time_partitioning.field}`")
    if wanted.clustering_fields:
        lines.append(f"CLUSTER BY {', '.join(f'`{field}`' for field in wanted.clustering_fields)}")
    lines.append(options(table.description))
    return "\n".join(lines)


def view_ddl(view: View) -> str:
    """CREATE OR REPLACE VIEW of a view."""
    name = Table(view.name, view.dataset, view.name, ()).full_name
    return f"CREATE OR REPLACE VIEW {name} {options(view.description)} AS\n{view.query.text}"


def options(description: str | None, labels: Mapping[str, str] = LABELS) -> str:
    """OPTIONS of a CREATE: labels, and the description where there is one."""
    pairs = ", ".join(f"({_quoted(key)}, {_quoted(value)})" for key, value in labels.items())
    described = f"description = {_quoted(description)}, " if description else ""
    return f"OPTIONS ({described}labels = [{pairs}])"


def _column(column: Column) -> str:
    return f"`{column.name}` {column.type} OPTIONS (description = {_quoted(column.description)})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
