"""The sample world's source tables as Arrow: their column names and types, with the dirt of hand-filled lead fields."""

from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.sample import leads as style
from v4_assets.sample.advisors import FIRST_CRD, NO_FLAG, NO_MONTHS, REP_TYPES, Advisors
from v4_assets.sample.careers import NO_FIRM, History
from v4_assets.sample.firms import CLASSIFICATIONS, Firms
from v4_assets.sample.leads import NO_ADVISOR, Leads
from v4_assets.sample.world_spec import NO_DAY, NO_STAMP, Bools, Ints, WorldSpec

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


STAMP = pa.timestamp("us", tz="UTC")
LEAD = pa.schema(
    [
        ("Id", pa.string()),
        ("FA_CRD__c", pa.string()),
        ("LeadSource", pa.string()),
        ("Email", pa.string()),
        ("LinkedIn_Profile_Apollo__c", pa.string()),
        ("Company", pa.string()),
        ("CreatedDate", STAMP),
        ("stage_entered_contacting__c", STAMP),
        ("Stage_Entered_Call_Scheduled__c", STAMP),
    ]
)
BASE_62 = np.frombuffer((digits + ascii_uppercase + ascii_lowercase).encode(), dtype=np.uint8)
CHECK = np.frombuffer((ascii_uppercase + "012345").encode(), dtype=np.uint8)
ID_PREFIX = b"00QSM0"
ID_DIGITS = 9
FIRST_SERIAL, MOST_SKIPPED = 62**8, 60
GARBAGE_CRDS = ("N/A", "unknown", "#", "see notes", "-")
BLANK_CRDS = ("", " ", "   ")
OWN_COMPANIES = ("Savvy Wealth", "SAVVY ADVISORS", "savvy", "Team sAvVy Sample")
FREE_TEXT_COMPANIES = ("Self-employed", "Retired", "Sample Family Office (private)", "n/a", "Independent")


def lead_batches(
    spec: WorldSpec, firms: Firms, advisors: Advisors, leads: Leads, call_stamp: Ints
) -> Iterator[pa.RecordBatch]:
    """The rows in the order of their creation, as the ids number them."""
    rng = spec.rng("lead text")
    order = np.argsort(leads.created_stamp, kind="stable")
    serial = FIRST_SERIAL + np.cumsum(rng.integers(1, MOST_SKIPPED, size=len(leads)))
    pick = rng.integers(0, 2**31, size=len(leads))
    sources = pa.array(style.SOURCES, pa.string())

    def columns(at: slice) -> list[pa.Array]:
        rows, draw = order[at], pick[at]
        crd = _lead_crds(leads, advisors, rows, draw)
        return [
            salesforce_ids(serial[at]),
            _crd_texts(leads.crd_style[rows], crd, draw),
            sources.take(pa.array(leads.source[rows])),
            only_where(leads.has_email[rows], joined("lead", serial[at] - FIRST_SERIAL, "@example.com")),
            only_where(
                leads.has_linkedin[rows],
                joined("https://linkedin.example.com/in/sample-lead-", serial[at] - FIRST_SERIAL),
            ),
            _companies(firms, advisors, leads.company_style[rows], leads.advisor[rows], draw),
            _stamps(leads.created_stamp[rows]),
            _stamps(leads.contact_stamp[rows]),
            _stamps(call_stamp[rows]),
        ]

    return batches(len(leads), LEAD, columns)


def salesforce_ids(serial: Ints) -> pa.Array:
    """18 characters: 15 that grow with the serial, then Salesforce's 3, which code the capitals of each five."""
    text = np.empty((len(serial), 18), dtype=np.uint8)
    text[:, : len(ID_PREFIX)] = np.frombuffer(ID_PREFIX, dtype=np.uint8)
    for place in range(ID_DIGITS):
        text[:, 14 - place] = BASE_62[serial // 62**place % 62]
    is_capital = (text[:, :15] >= ord("A")) & (text[:, :15] <= ord("Z"))
    text[:, 15:] = CHECK[is_capital.reshape(-1, 3, 5) @ (1 << np.arange(5))]
    offsets = np.arange(0, 18 * len(serial) + 1, 18, dtype=np.int32)
    return pa.StringArray.from_buffers(len(serial), pa.py_buffer(offsets), pa.py_buffer(text))


def _lead_crds(leads: Leads, advisors: Advisors, rows: Ints, draw: Ints) -> Ints:
    """The number in FA_CRD__c: the advisor's, or one below every advisor's that matches none."""
    advisor = leads.advisor[rows]
    unmatched = 100_000 + draw % (FIRST_CRD - 100_000)
    return unmatched if not len(advisors) else np.where(advisor == NO_ADVISOR, unmatched, advisors.crd[advisor])


def _crd_texts(crd_style: Ints, crd: Ints, draw: Ints) -> pa.Array:
    number = pa.array(crd).cast(pa.string())
    head, tail = pc.utf8_slice_codeunits(number, 0, 3), pc.utf8_slice_codeunits(number, 3)
    texts = {
        style.PREFIXED: pc.binary_join_element_wise(pa.scalar("CRD# "), head, pa.scalar("-"), tail, pa.scalar("")),
        style.SPACED: pc.binary_join_element_wise(pa.scalar(" "), number, pa.scalar("  "), pa.scalar("")),
        style.PADDED: pc.utf8_lpad(number, 10, "0"),
        style.NULL: pa.nulls(len(crd), pa.string()),
        style.BLANK: _choice(BLANK_CRDS, draw),
        style.GARBAGE: _choice(GARBAGE_CRDS, draw),
        style.OVERFLOWING: pc.binary_join_element_wise(number, pa.scalar("99999999999999999999"), pa.scalar("")),
    }
    text = number
    for wanted, styled in texts.items():
        text = pc.if_else(pa.array(crd_style == wanted), styled, text)
    return text


def _companies(firms: Firms, advisors: Advisors, company_style: Ints, advisor: Ints, draw: Ints) -> pa.Array:
    """Mostly the advisor's primary firm; another firm, nothing, our own name or free text otherwise."""
    names = pa.array(firms.name.tolist(), pa.string())
    primary = advisors.primary_firm[advisor] if len(advisors) else advisor
    anywhere = draw % len(firms.crd)
    elsewhere = (advisor == NO_ADVISOR) | (company_style == style.OTHER_FIRM)
    text = named(names, np.where(elsewhere, anywhere, primary))
    texts = {
        style.NO_COMPANY: pa.nulls(len(draw), pa.string()),
        style.OWN_PEOPLE: _choice(OWN_COMPANIES, draw),
        style.FREE_TEXT: _choice(FREE_TEXT_COMPANIES, draw),
    }
    for wanted, styled in texts.items():
        text = pc.if_else(pa.array(company_style == wanted), styled, text)
    return text


def _choice(options: tuple[str, ...], draw: Ints) -> pa.Array:
    return pa.array(options, pa.string()).take(pa.array(draw % len(options)))


def _stamps(stamp: Ints) -> pa.Array:
    return pa.array(stamp, mask=stamp == NO_STAMP).cast(STAMP)
