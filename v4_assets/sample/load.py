"""Loads a sample world into a warehouse's source tables, in place of the firm's own systems."""

import zlib
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from v4_assets import tables
from v4_assets.sample.world import World
from v4_assets.sources import columns as source_columns
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import ARROW_TYPES, Warehouse


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
            yield _delivered(batch, catalogue, table)
            progress(table, batch.num_rows)

    return {name: warehouse.replace_table(catalogue[name], heard(name, batches)) for name, _, batches in world.tables()}


def silence(warehouse: Warehouse, catalogue: Catalogue, world: World, table: str, column: str) -> int:
    """Deliver one source table again with a column, by its default or own name, NULL throughout. Returns its rows."""

    def silent(batch: pa.RecordBatch) -> pa.RecordBatch:
        at = batch.schema.get_field_index(column)
        if at < 0:
            return batch
        return batch.set_column(at, batch.schema.field(at), pa.nulls(batch.num_rows, batch.schema.field(at).type))

    batches = next(batches for name, _, batches in world.tables() if name == table)
    delivered = (silent(_delivered(silent(batch), catalogue, table)) for batch in batches)
    return warehouse.replace_table(catalogue[table], delivered)


def _delivered(batch: pa.RecordBatch, catalogue: Catalogue, table: str) -> pa.RecordBatch:
    """The batch as rollout.yaml has the source: the Lead table's own names, and the columns of single versions."""
    brought = catalogue.brought.get(table, ())
    keys = [zlib.crc32(str(key).encode()) for key in batch.column(0).to_pylist()] if brought else []
    if table == tables.LEAD:
        names = {column.name: catalogue.lead_columns[key] for key, column in source_columns.LEAD_COLUMNS.items()}
        batch = batch.rename_columns([names[name] for name in batch.schema.names])
        for key in source_columns.OPTIONAL_LEAD_COLUMNS.keys() & catalogue.lead_columns.keys():
            batch = batch.append_column(catalogue.lead_columns[key], pa.nulls(batch.num_rows, pa.bool_()))
    for column in brought:
        # Chosen by the row's key alone, so that neither the other columns nor the order of the rows matter.
        start = zlib.crc32(column.name.encode())
        values = [column.sample[(key ^ start) % len(column.sample)] for key in keys]
        batch = batch.append_column(column.name, pa.array(values, ARROW_TYPES[column.type]))
    return batch


def lead_ids(world: World) -> Iterator[str]:
    """The ids of all leads, contacted or not, 18 characters each."""
    batches = next(batches for name, _, batches in world.tables() if name == tables.LEAD)
    for batch in batches:
        yield from batch.column("Id").to_pylist()
