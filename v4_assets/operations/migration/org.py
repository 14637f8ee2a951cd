"""What the org holds, against our scores of the versions that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SalesforceError
from v4_assets.operations.migration import scores
from v4_assets.operations.migration.compared_rows import Ours, Scored
from v4_assets.operations.migration.scores import ScoreDifference
from v4_assets.salesforce.client.org import Org
from v4_assets.salesforce.preview import org_state
from v4_assets.salesforce.scores import scores_of

TOLERANCE = 0.005
"""The org keeps two decimals."""


@dataclass(frozen=True)
class OrgSection:
    """The org's values that are of one version."""

    version: str
    day: date
    leads: int
    """Leads of the org that carry them."""
    scores: ScoreDifference


@dataclass(frozen=True)
class OrgComparison:
    """The whole org."""

    sections: tuple[OrgSection, ...] = ()
    versions: tuple[tuple[str, int], ...] = ()
    """Version as the org names it, empty for none, and its leads with a score."""
    skipped: str = ""
    """Why nothing is compared."""


def compare_org(ours: Ours, clock: Clock, org: Org, days: Mapping[str, date]) -> OrgComparison:
    """The org's values against our scores of `days`, by version."""
    scored = {version: found for version, day in days.items() if (found := ours.scored(version, day))}
    if not scored:
        return OrgComparison(skipped="no version has scores here")
    first = next(iter(scored))
    try:
        wanted = scores_of(ours.store, ours.rollout, first, days[first])
        rows = org_state(ours.rollout, clock, org, wanted).rows
    except SalesforceError as error:
        return OrgComparison(skipped=f"it could not be read: {str(error).rstrip('.')}")
    rows = rows.filter(pc.is_valid(rows["score"])).combine_chunks()
    names = pc.fill_null(rows["model_version"].combine_chunks(), "")
    counted = [(one["values"], one["counts"]) for one in names.value_counts().to_pylist()]
    sections = []
    for version, found in scored.items():
        part = rows.filter(_of(names, version, ours.rollout))
        if len(part):
            sections.append(OrgSection(version, days[version], len(part), _compared(found, part)))
    skipped = "" if sections else "no lead carries a score of a version that is compared"
    return OrgComparison(tuple(sections), tuple(sorted(counted, key=lambda one: -one[1])), skipped)


def _of(names: pa.Array, version: str, rollout: Rollout) -> pa.Array:
    """Leads whose values are the version's. Values of no version of ours are what the baseline takes over."""
    known = pc.utf8_lower(names)
    of = pc.equal(known, version.lower())
    if version != rollout.baseline:
        return of
    ours = pa.array([one.lower() for one in rollout.versions], pa.string())
    return pc.or_(of, pc.invert(pc.is_in(known, value_set=ours)))


def _compared(ours: Scored, rows: pa.Table) -> ScoreDifference:
    shown = scores.served(rows, rows["lead_id"].combine_chunks())
    if shown is None:
        raise AssertionError("the org's state has a column score")
    return scores.compare(ours.served, shown, ours.tie_break, TOLERANCE)
