"""Loads a sample world into a warehouse's source tables, in place of the firm's own systems."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from v4_assets import tables
from v4_assets.sample.world import World
from v4_assets.sources import columns as source_columns
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Warehouse


def fill(
    warehouse: Warehouse,
    catalogue: Catalogue,
    world: World,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Replace the source tables by the world's, columns under their configured names. Returns rows per table.

    `progress` is called with each batch.
    """
    warehouse.create(catalogue.sources)

    def heard(table: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _renamed(batch, catalogue, table)
            progress(table, batch.num_rows)

    return {name: warehouse.replace_table(catalogue[name], heard(name, batches)) for name, _, batches in world.tables()}


def silence(warehouse: Warehouse, catalogue: Catalogue, world: World, table: str, column: str) -> int:
    """Deliver one source table again with a column that is NULL throughout. Returns its rows."""

    def silent(batch: pa.RecordBatch) -> pa.RecordBatch:
        at = batch.schema.get_field_index(column)
        return batch.set_column(at, batch.schema.field(at), pa.nulls(batch.num_rows, batch.schema.field(at).type))

    batches = next(batches for name, _, batches in world.tables() if name == table)
    renamed = (_renamed(silent(batch), catalogue, table) for batch in batches)
    return warehouse.replace_table(catalogue[table], renamed)


def _renamed(batch: pa.RecordBatch, catalogue: Catalogue, table: str) -> pa.RecordBatch:
    """The batch with the Lead table's columns under the names of rollout.yaml."""
    if table != tables.LEAD:
        return batch
    names = {column.name: catalogue.lead_columns[key] for key, column in source_columns.LEAD_COLUMNS.items()}
    return batch.rename_columns([names[name] for name in batch.schema.names])


def lead_ids(world: World) -> Iterator[str]:
    """The ids of all leads, contacted or not, 18 characters each."""
    batches = next(batches for name, _, batches in world.tables() if name == tables.LEAD)
    for batch in batches:
        yield from batch.column("Id").to_pylist()
