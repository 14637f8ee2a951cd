"""Tables and views as BigQuery's API and its DDL declare and describe them. Pure."""

import json
from collections.abc import Iterable

from google.cloud import bigquery

from v4_assets.tables import CLUSTER_COLUMN, PARTITION_COLUMN, Table, View

GOOGLE_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
"""What the API calls a type, where GoogleSQL calls it otherwise."""
LABELS = {"managed_by": "v4_assets"}


def reference(table: Table, project: str) -> bigquery.TableReference:
    """Where a table is; `project` counts where its dataset names none."""
    return bigquery.TableReference.from_string(f"{table.dataset}.{table.name}", default_project=project)


def declared(table: Table, project: str) -> bigquery.Table:
    """A table to be created: one partition per day, clustered by lead, described and labelled."""
    result = bigquery.Table(reference(table, project), schema=schema(table))
    result.description = table.description
    result.labels = LABELS
    if table.is_partitioned:
        result.time_partitioning = bigquery.TimePartitioning(field=PARTITION_COLUMN)
    if table.is_clustered:
        result.clustering_fields = [CLUSTER_COLUMN]
    return result


def schema(table: Table) -> list[bigquery.SchemaField]:
    """The table's columns with their descriptions."""
    return [bigquery.SchemaField(column.name, column.type, description=column.description) for column in table.columns]


def types(fields: Iterable[bigquery.SchemaField]) -> dict[str, str]:
    """Column to GoogleSQL type. A repeated column is an ARRAY, which no contract of ours knows."""
    found = {}
    for field in fields:
        kind = GOOGLE_TYPES.get(field.field_type, field.field_type)
        found[field.name] = f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind
    return found


def table_ddl(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS of a table, as the API would be asked for it."""
    wanted = declared(table, "any")
    columns = ",\n".join(
        f"  `{column.name}` {column.type} OPTIONS (description = {_quoted(column.description)})"
        for column in table.columns
    )
    lines = [f"CREATE TABLE IF NOT EXISTS {table.full_name} (\n{columns}\n)"]
    if wanted.time_partitioning:
        lines.append(f"PARTITION BY `{wanted.time_partitioning.field}`")
    if wanted.clustering_fields:
        lines.append(f"CLUSTER BY {', '.join(f'`{field}`' for field in wanted.clustering_fields)}")
    labels = ", ".join(f"({_quoted(key)}, {_quoted(value)})" for key, value in wanted.labels.items())
    lines.append(f"OPTIONS (description = {_quoted(wanted.description or '')}, labels = [{labels}])")
    return "\n".join(lines)


def view_ddl(view: View) -> str:
    """CREATE OR REPLACE VIEW of a view."""
    name = Table(view.name, view.dataset, view.name, ()).full_name
    return f"CREATE OR REPLACE VIEW {name} OPTIONS (description = {_quoted(view.description)}) AS\n{view.query.text}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
