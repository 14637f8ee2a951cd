"""The Lead object as Salesforce would export it: ids with check characters, and the dirt of hand-filled fields."""

from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.sample import leads as style
from v4_assets.sample.advisors import FIRST_CRD, Advisors
from v4_assets.sample.arrow import batches, joined, named, only_where
from v4_assets.sample.firms import Firms
from v4_assets.sample.leads import NO_ADVISOR, Leads
from v4_assets.sample.spec import NO_STAMP, Ints, WorldSpec

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
