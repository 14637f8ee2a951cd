"""The sample world: the four source tables, as a pure function of a WorldSpec.

Calibrated sample data, not the firm's: people, firms and addresses are made up; rates, shares and effects are set so
that models trained on it behave as the documented ones did.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.sample import source_tables
from v4_assets.sample.advisors import Advisors, build_advisors
from v4_assets.sample.as_of import AsOf, Facts
from v4_assets.sample.careers import History, build_history, build_jobs
from v4_assets.sample.firms import Firms, build_firms, protocol_members
from v4_assets.sample.leads import Leads, build_leads
from v4_assets.sample.outcomes import call_stamps
from v4_assets.sample.world_spec import Ints, Regime, WorldSpec
from v4_assets.sources import types as source_columns
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import ARROW_TYPES, Warehouse

__all__ = ["Regime", "World", "WorldSpec", "build"]


@dataclass(frozen=True)
class World:
    """Compact arrays of the whole world; text is made batch by batch in `tables`."""

    spec: WorldSpec
    firms: Firms
    advisors: Advisors
    history: History
    leads: Leads
    facts: Facts
    """As of the day after contact, of the leads contacted in the window."""
    call_stamp: Ints
    """int64 microseconds UTC per lead; NO_STAMP for never."""

    def tables(self) -> Iterator[tuple[str, pa.Schema, Iterator[pa.RecordBatch]]]:
        """(table key, schema, batches of at most 100,000 rows) of the four sources; consume each before the next."""
        leads = source_tables.lead_batches(self.spec, self.firms, self.advisors, self.leads, self.call_stamp)
        yield "lead", source_tables.LEAD, leads
        yield "ria_contacts_current", source_tables.CONTACTS, source_tables.contact_batches(self.firms, self.advisors)
        history = source_tables.history_batches(self.firms, self.advisors, self.history)
        yield "contact_registered_employment_history", source_tables.HISTORY, history
        members = source_tables.protocol_batches(protocol_members(self.spec, self.firms))
        yield "broker_protocol_members", source_tables.PROTOCOL, members


def build(spec: WorldSpec) -> World:
    """The world of `spec`, bit for bit the same every time. About 7 s and 0.6 GB at scale 1.0."""
    firms = build_firms(spec)
    jobs = build_jobs(spec, firms)
    advisors = build_advisors(spec, firms, jobs)
    history = build_history(spec, firms, jobs)
    leads = build_leads(spec, advisors)
    window = slice(0, leads.in_window)
    facts = AsOf(firms, advisors, history).facts(leads.advisor[window], leads.contact_day[window] + 1)
    call_stamp = call_stamps(spec, leads, facts)
    return World(spec, firms, advisors, history, leads, facts, call_stamp)


BEGINS = ("CreatedDate", "PREVIOUS_REGISTRATION_COMPANY_START_DATE")
"""Columns that say when a row began to exist."""


def fill(
    warehouse: Warehouse,
    catalogue: Catalogue,
    world: World,
    progress: Callable[[str, int], None] = lambda table, rows: None,
    *,
    known_at: datetime | None = None,
    silent: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, int]:
    """Replace the source tables by the world's, columns under their configured names. Returns rows per table.

    `progress` is called with each batch. The tables hold what the firm's systems know at `known_at`, or all of the
    world. `silent` names tables with a column, by its default or own name, that is delivered NULL throughout.
    """
    warehouse.create(catalogue.sources)

    def heard(table: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            known = _known(batch, known_at) if known_at else batch
            column = silent.get(table, "")
            yield _silent(_delivered(_silent(known, column), catalogue, table), column)
            progress(table, known.num_rows)

    return {name: warehouse.replace_table(catalogue[name], heard(name, batches)) for name, _, batches in world.tables()}


def _known(batch: pa.RecordBatch, instant: datetime) -> pa.RecordBatch:
    """Without rows that begin after the instant; a later date or stamp of the others is NULL."""
    for column in BEGINS:
        if column in batch.schema.names:
            batch = batch.filter(pc.fill_null(pc.invert(_after(batch, column, instant)), True))
    for at, field in enumerate(batch.schema):
        if pa.types.is_date(field.type) or pa.types.is_timestamp(field.type):
            later = pc.fill_null(_after(batch, field.name, instant), False)
            batch = batch.set_column(at, field, pc.if_else(later, pa.scalar(None, field.type), batch.column(at)))
    return batch


def _after(batch: pa.RecordBatch, column: str, instant: datetime) -> pa.Array:
    values = batch.column(column)
    limit = instant.astimezone(NEW_YORK).date() if pa.types.is_date(values.type) else instant
    return pc.greater(values, pa.scalar(limit, values.type))


def _silent(batch: pa.RecordBatch, column: str) -> pa.RecordBatch:
    at = batch.schema.get_field_index(column)
    if at < 0:
        return batch
    return batch.set_column(at, batch.schema.field(at), pa.nulls(batch.num_rows, batch.schema.field(at).type))


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
