"""Texts of materialized views and routines in a dataset, which no single query returns."""

from google.cloud import bigquery


def materialized_views(client: bigquery.Client, place: bigquery.DatasetReference) -> dict[str, str]:
    """Every materialized view and its query."""
    return {
        item.table_id: str(client.get_table(item.reference).mview_query)
        for item in client.list_tables(place)
        if item.table_type == "MATERIALIZED_VIEW"
    }


def routines(client: bigquery.Client, place: bigquery.DatasetReference) -> dict[str, str]:
    """Every routine and its body; one that runs elsewhere has none, and its whole description stands for it."""
    found = (client.get_routine(item.reference) for item in client.list_routines(place))
    return {one.routine_id: one.body or str(one.to_api_repr()) for one in found}
