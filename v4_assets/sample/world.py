"""The sample world: the four source tables, as a pure function of a WorldSpec.

Calibrated sample data, not the firm's: people, firms and addresses are made up; rates, shares and effects are set so
that models trained on it behave as the documented ones did.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from v4_assets.sample import arrow, lead_rows
from v4_assets.sample.advisors import Advisors, build_advisors
from v4_assets.sample.as_of import AsOf, Facts
from v4_assets.sample.careers import build_jobs
from v4_assets.sample.firms import Firms, build_firms, protocol_members
from v4_assets.sample.history import History, build_history
from v4_assets.sample.leads import Leads, build_leads
from v4_assets.sample.outcomes import call_stamps
from v4_assets.sample.spec import Ints, Regime, WorldSpec

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
        leads = lead_rows.lead_batches(self.spec, self.firms, self.advisors, self.leads, self.call_stamp)
        yield "lead", lead_rows.LEAD, leads
        yield "ria_contacts_current", arrow.CONTACTS, arrow.contact_batches(self.firms, self.advisors)
        history = arrow.history_batches(self.firms, self.advisors, self.history)
        yield "contact_registered_employment_history", arrow.HISTORY, history
        members = arrow.protocol_batches(protocol_members(self.spec, self.firms))
        yield "broker_protocol_members", arrow.PROTOCOL, members


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
