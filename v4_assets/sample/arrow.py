"""The sample world as Arrow: the sources' own column names and types, in batches of at most BATCH_ROWS rows."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.sample.advisors import NO_FLAG, NO_MONTHS, REP_TYPES, Advisors
from v4_assets.sample.careers import NO_FIRM, History
from v4_assets.sample.firms import CLASSIFICATIONS, Firms
from v4_assets.sample.spec import NO_DAY, Bools, Ints

BATCH_ROWS = 100_000

CONTACTS = pa.schema(
    [
        ("RIA_CONTACT_CRD_ID", pa.int64()),
        ("PRIMARY_FIRM", pa.int64()),
        ("PRIMARY_FIRM_NAME", pa.string()),
        ("PRIMARY_FIRM_START_DATE", pa.date32()),
        ("PRIMARY_FIRM_CLASSIFICATION", pa.string()),
        ("REP_TYPE", pa.string()),
        ("PRODUCING_ADVISOR", pa.bool_()),
        ("ACTIVE", pa.bool_()),
        ("INDUSTRY_TENURE_MONTHS", pa.int64()),
        ("LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID", pa.int64()),
        ("LATEST_REGISTERED_EMPLOYMENT_COMPANY", pa.string()),
        ("LATEST_REGISTERED_EMPLOYMENT_START_DATE", pa.date32()),
        ("EMAIL", pa.string()),
        ("LINKEDIN_PROFILE_URL", pa.string()),
    ]
)
HISTORY = pa.schema(
    [
        ("RIA_CONTACT_CRD_ID", pa.int64()),
        ("PREVIOUS_REGISTRATION_COMPANY_CRD_ID", pa.int64()),
        ("PREVIOUS_REGISTRATION_COMPANY_NAME", pa.string()),
        ("PREVIOUS_REGISTRATION_COMPANY_START_DATE", pa.date32()),
        ("PREVIOUS_REGISTRATION_COMPANY_END_DATE", pa.date32()),
    ]
)
PROTOCOL = pa.schema([("firm_crd_id", pa.int64())])


def batches(rows: int, schema: pa.Schema, columns: Callable[[slice], list[pa.Array]]) -> Iterator[pa.RecordBatch]:
    """`columns(slice)` gives the arrays of those rows; nothing larger than a batch is ever built."""
    for first in range(0, rows, BATCH_ROWS):
        yield pa.RecordBatch.from_arrays(columns(slice(first, min(first + BATCH_ROWS, rows))), schema=schema)


def contact_batches(firms: Firms, advisors: Advisors) -> Iterator[pa.RecordBatch]:
    names, crds = pa.array(firms.name.tolist(), pa.string()), firms.crd
    classes = pa.array(CLASSIFICATIONS, pa.string())
    rep_types = pa.array([*REP_TYPES, None], pa.string())

    def columns(at: slice) -> list[pa.Array]:
        crd, firm, registered = advisors.crd[at], advisors.primary_firm[at], advisors.registered_firm[at]
        months, no_firm = advisors.tenure_months[at], firm == NO_FIRM
        return [
            pa.array(crd),
            pa.array(crds[firm], mask=no_firm),
            named(names, firm),
            dates(advisors.primary_start[at]),
            classes.take(pa.array(firms.classification[firm], mask=no_firm)),
            rep_types.take(pa.array(advisors.rep_type[at])),
            flags(advisors.producing[at]),
            flags(advisors.active[at]),
            pa.array(months, mask=months == NO_MONTHS),
            pa.array(crds[registered], mask=registered == NO_FIRM),
            named(names, registered),
            dates(advisors.registered_start[at]),
            only_where(advisors.has_email[at], joined("advisor", crd, "@example.com")),
            only_where(advisors.has_linkedin[at], joined("https://linkedin.example.com/in/sample-advisor-", crd)),
        ]

    return batches(len(advisors), CONTACTS, columns)


def history_batches(firms: Firms, advisors: Advisors, history: History) -> Iterator[pa.RecordBatch]:
    variants = [firms.name, np.char.upper(firms.name), np.char.add(firms.name, ", LLC")]
    names = pa.array([name for spelling in variants for name in spelling.tolist()], pa.string())

    def columns(at: slice) -> list[pa.Array]:
        firm = history.firm[at]
        spelled = np.where(firm == NO_FIRM, NO_FIRM, firm + len(firms.crd) * history.name_variant[at].astype(np.int64))
        return [
            pa.array(advisors.crd[history.advisor[at]]),
            pa.array(firms.crd[firm], mask=firm == NO_FIRM),
            named(names, spelled),
            dates(history.start[at]),
            dates(history.end[at]),
        ]

    return batches(len(history), HISTORY, columns)


def protocol_batches(members: Ints) -> Iterator[pa.RecordBatch]:
    return batches(len(members), PROTOCOL, lambda at: [pa.array(members[at])])


def named(names: pa.Array, firm: Ints) -> pa.Array:
    return names.take(pa.array(firm, mask=firm == NO_FIRM))


def dates(day: Ints) -> pa.Array:
    return pa.array(day.astype(np.int32), mask=day == NO_DAY).cast(pa.date32())


def flags(flag: Ints) -> pa.Array:
    return pa.array(flag == 1, mask=flag == NO_FLAG)


def joined(prefix: str, number: Ints, suffix: str = "") -> pa.Array:
    """prefix + number + suffix, row by row."""
    text = pa.array(number).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), text, pa.scalar(suffix), pa.scalar(""))


def only_where(present: Bools, text: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(present), text, pa.scalar(None, text.type))
