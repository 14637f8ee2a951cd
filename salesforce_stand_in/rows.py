"""What a job does with the rows of its CSV: validate, update the leads, write each row into the result files.

As in Salesforce, a row is refused by itself, in words of its own, and the others are saved. An empty cell leaves a
field as it is, #N/A empties it. Rows are saved in groups of 200, and within a group a lead stands once.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from salesforce_stand_in.faults import Faults
from salesforce_stand_in.fields import OrgField, RowError, Value, reader
from salesforce_stand_in.store import Store
from v4_assets.config.salesforce import is_record_id, to_18

GROUP = 200
LEAD = "00Q"


@dataclass
class Saved:
    """Rows of the result files."""

    succeeded: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)


@dataclass
class Group:
    """The group of a job's rows that is being saved: how many rows were read, and the leads of its own."""

    read: int = 0
    leads: set[str] = field(default_factory=set)

    def has(self, lead_id: str) -> bool:
        """Take the next row; whether its lead is there already."""
        if self.read % GROUP == 0:
            self.leads.clear()
        self.read += 1
        known = lead_id in self.leads
        self.leads.add(lead_id)
        return known


@dataclass(frozen=True)
class _Column:
    field: OrgField
    read: Callable[[str], Value]
    at: int


def unknown_column(header: Sequence[str], visible: Iterable[str]) -> str | None:
    """The first column that is no field the user can see; Salesforce names no other."""
    known = {name.lower() for name in visible}
    return next((name for name in header if name.lower() not in known), None)


def save(store: Store, faults: Faults, group: Group, header: Sequence[str], rows: Sequence[list[str]]) -> Saved:
    """Update the leads of the rows; what became of each."""
    fields = {name.lower(): each for name, each in store.visible().items()}
    at_id = next((at for at, name in enumerate(header) if name.lower() == "id"), None)
    columns = [
        _Column(fields[name.lower()], reader(fields[name.lower()]), at) for at, name in enumerate(header) if at != at_id
    ]
    ids = [to_18(row[at_id]) if at_id is not None and at_id < len(row) else "" for row in rows]
    states = store.states(ids)
    saved, changes = Saved(), []
    for lead_id, row in zip(ids, rows, strict=True):
        try:
            _check(lead_id, states.get(lead_id), group.has(lead_id), faults)
            changes.append([*_changes(columns, row), lead_id])
        except RowError as refused:
            saved.failed.append(["" if faults.script.blank_failed_ids else lead_id, str(refused), *row])
        else:
            saved.succeeded.append([lead_id, "false", *row])
    store.update([column.field.name for column in columns], changes)
    flow = faults.script.overwrites
    if flow:
        cells = [cell for value in flow.values() for cell in (True, value)]
        store.update(list(flow), [[*cells, change[-1]] for change in changes])
    return saved


def lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines of CSV, every cell in quotes."""
    written: list[str] = []
    csv.writer(_Sink(written.append), quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return written


@dataclass(frozen=True)
class _Sink:
    write: Callable[[str], object]


def _check(lead_id: str, state: tuple[bool, bool] | None, is_there: bool, faults: Faults) -> None:
    if not lead_id:
        raise RowError("MISSING_ARGUMENT:Id not specified in an update call:--")
    if not is_record_id(lead_id) or not lead_id.startswith(LEAD):
        raise RowError(f"MALFORMED_ID:Lead ID: id value of incorrect type: {lead_id}:Id --")
    if is_there:
        raise RowError(f"DUPLICATE_VALUE:Duplicate id specified: {lead_id}:Id --")
    if refused := faults.strike_row(lead_id):
        raise RowError(refused)
    if state is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--")
    deleted, converted = state
    if deleted:
        raise RowError("ENTITY_IS_DELETED:entity is deleted:--")
    if converted:
        raise RowError("CANNOT_UPDATE_CONVERTED_LEAD:cannot reference converted lead:--")


def _changes(columns: Sequence[_Column], row: Sequence[str]) -> list[Value]:
    changes: list[Value] = []
    for column in columns:
        text = row[column.at]
        if text and not column.field.updateable:
            raise RowError(
                f"INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: {column.field.name}. Please check "
                f"the security settings of this field:{column.field.name} --"
            )
        changes += [bool(text), column.read(text) if text else None]
    return changes
