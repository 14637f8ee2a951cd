"""Put a sample world into a warehouse, where the firm's own systems would have put the real one."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from v4_assets.resources.warehouse import Warehouse
from v4_assets.sample.world import World
from v4_assets.tables import Catalogue


def fill(
    warehouse: Warehouse,
    catalogue: Catalogue,
    world: World,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Replace the source tables by the world's. Returns rows per table; `progress` hears of each batch."""
    warehouse.create(catalogue.sources)

    def heard(table: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            progress(table, batch.num_rows)

    return {name: warehouse.replace_table(catalogue[name], heard(name, batches)) for name, _, batches in world.tables()}
