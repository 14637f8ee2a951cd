"""Tables as BigQuery's API declares and describes them. Pure."""

from collections.abc import Iterable

from google.cloud import bigquery

from v4_assets.tables import CLUSTER_COLUMN, PARTITION_COLUMN, Table

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
