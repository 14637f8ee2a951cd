"""Moving objects aside and back in BigQuery.

BigQuery renames tables but no views, refuses to rename a table with rows in its streaming buffer, and commits each DDL
statement by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
from google.cloud import bigquery

from v4_assets.errors import WarehouseError
from v4_assets.sql import Query
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.errors import explained
from v4_assets.warehouse.bigquery.tables import expiration as expiration_text
from v4_assets.warehouse.bigquery.tables import expiration_ddl, options, reference
from v4_assets.warehouse.protocol import MOVABLE, Content, Expiration
from v4_assets.warehouse.table_differences import Kind

MILLISECONDS_A_DAY = 86_400_000


@dataclass(frozen=True)
class BigQueryMoving:
    """The Moving protocol on BigQuery."""

    client: bigquery.Client
    run: Callable[[Query], None]
    read: Callable[[Query], pa.Table]

    def hindrance(self, place: Table, kind: Kind) -> str | None:
        """Kinds that cannot be moved, tables whose latest rows are not yet part of them, views whose query fails."""
        if kind not in MOVABLE:
            return f"a {kind} cannot be renamed: give it another name yourself, then run `v4 takeover` again"
        if kind == "table" and self._found(place).streaming_buffer:
            return (
                "rows are still in its streaming buffer, which BigQuery does not rename: stop what streams into it, "
                "wait up to 90 minutes, then run `v4 takeover` again"
            )
        if kind != "table":
            try:
                self._planned(place)
            except WarehouseError as error:
                return f"its query fails ({error}): repair or drop the view, then run `v4 takeover` again"
        return None

    def rename(self, table: Table, name: str) -> None:
        """ALTER TABLE RENAME TO: rows, layout, labels and grants stay with the table."""
        self._run(table, f"ALTER TABLE {table.full_name} RENAME TO `{name}`")

    def copy(self, table: Table, name: str) -> None:
        """CREATE TABLE COPY: rows, layout and labels."""
        self._run(table, f"CREATE TABLE {replace(table, name=name).full_name} COPY {table.full_name}")

    def drop(self, place: Table, kind: Kind) -> None:
        """DROP."""
        self._run(place, f"DROP {kind.upper()} IF EXISTS {place.full_name}")

    def content(self, table: Table) -> Content:
        """Count of the rows and two sums over their fingerprints; bills one full read."""
        row = "FARM_FINGERPRINT(TO_JSON_STRING(t))"
        text = (
            f"SELECT COUNT(*) AS n, SUM(MOD({row}, 1000000007)) AS s, BIT_XOR({row}) AS x FROM {table.full_name} AS t"
        )
        [found] = self.read(Query(f"content_of_{table.name}", text)).to_pylist()
        return Content(found["n"], f"{found['s']} {found['x']}")

    def view_text(self, place: Table) -> str:
        """Its query after AS."""
        found = self._found(place)
        return f"AS\n{found.mview_query or found.view_query}"

    def put_view(self, place: Table, text: str, kind: Kind, like: Table | None = None) -> None:
        """CREATE OR REPLACE, with the description and labels of `like`, never expiring."""
        found = self._found(like) if like else None
        named = f" {options(found.description, found.labels)}" if found else ""
        self._run(place, f"CREATE OR REPLACE {kind.upper()} {place.full_name}{named} {text}")
        self.keep(place, kind)

    def expiration(self, place: Table) -> Expiration:
        """Of the table, and of its partitions."""
        found = self._found(place)
        milliseconds = found.time_partitioning.expiration_ms if found.time_partitioning else None
        return Expiration(found.expires, milliseconds / MILLISECONDS_A_DAY if milliseconds else None)

    def set_expiration(self, place: Table, kind: Kind, wanted: Expiration) -> None:
        """ALTER SET OPTIONS, where it differs."""
        if self.expiration(place) != wanted:
            by_time = self._found(place).time_partitioning is not None
            at = f"TIMESTAMP '{wanted.at:%Y-%m-%d %H:%M:%S.%f}+00:00'" if wanted.at else "NULL"
            days = f"{wanted.partition_days:g}" if wanted.partition_days else "NULL"
            self._run(place, expiration_ddl(place, kind, by_time=by_time, at=at, days=days))

    def keep(self, place: Table, kind: Kind) -> None:
        """Remove the expiration that a new object took from its dataset, and read it back."""
        self.set_expiration(place, kind, Expiration())
        left = expiration_text(self._found(place))
        if left:
            raise WarehouseError(
                f"{place.dataset}.{place.name} still expires {left}, expected never. Remove its expiration yourself, "
                "then run the command again."
            )

    def authorizations(self, datasets: Iterable[str], places: Iterable[Table]) -> list[tuple[str, str]]:
        """From the access lists of the datasets."""
        references = {place: self._reference(place) for place in places}
        wanted = {(one.project, one.dataset_id, one.table_id): place for place, one in references.items()}
        found = []
        for dataset in datasets:
            with explained(dataset):
                entries = self.client.get_dataset(
                    bigquery.DatasetReference.from_string(dataset, default_project=self.client.project)
                ).access_entries
            for entry in entries:
                view: Mapping[str, str] = entry.entity_id if entry.entity_type == "view" else {}
                key = tuple(view.get(name, "") for name in ("projectId", "datasetId", "tableId"))
                if key in wanted:
                    found.append((dataset, f"{wanted[key].dataset}.{wanted[key].name}"))
        return found

    def _planned(self, place: Table) -> None:
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
        with explained(place.name):
            self.client.query(f"SELECT * FROM {place.full_name}", job_config=config)

    def _run(self, place: Table, text: str) -> None:
        self.run(Query(f"move_{place.name}", text))

    def _reference(self, place: Table) -> bigquery.TableReference:
        return reference(place, self.client.project)

    def _found(self, place: Table) -> bigquery.Table:
        with explained(place.name):
            return self.client.get_table(self._reference(place))
