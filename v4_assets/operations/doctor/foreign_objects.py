"""Probes of what is there beside us: objects of others under our names, and expirations that would delete ours."""

from collections.abc import Mapping
from functools import partial

from v4_assets import tables
from v4_assets.config.environment import Settings
from v4_assets.operations.doctor import Probe, ProbeResult, Verdict
from v4_assets.operations.doctor.warehouse import bigquery_warehouse, opened
from v4_assets.warehouse import preflight

KEPT_FIRST = (
    *(tables.DEPLOYMENTS, tables.PRODUCTION, tables.LIFT_COMPARISON, tables.LIFT_BY_DECILE, tables.PARTITION_WRITES),
    *(tables.CHECK_RESULTS, tables.LEAD_OUTCOMES, tables.TAKEOVER, tables.SCHEMA),
)
"""The record and the evidence, in the order in which their loss hurts."""


def probes(settings: Settings) -> dict[str, Probe]:
    """Name to probe."""
    on_bigquery = {"permissions": partial(permissions, settings)} if settings.warehouse == "bigquery" else {}
    return {"names free": partial(names_free, settings), "expiration": partial(expiration, settings), **on_bigquery}


def permissions(settings: Settings) -> ProbeResult:
    """Which of reading, daily work and moving in the account may do. Moving in is asked only where it is due."""
    from v4_assets.warehouse.bigquery.access import permission_sets  # noqa: PLC0415 # Google's client is slow to import

    connected, catalogue = bigquery_warehouse(settings), settings.rollout.catalogue
    found = preflight.examine(connected, catalogue)
    return judged(permission_sets(connected, catalogue, found), is_due=bool(found.obstacles))


def judged(lacking: Mapping[str, tuple[str, ...]], *, is_due: bool) -> ProbeResult:
    """FAIL when the account cannot do what is needed now: reading and daily work always, moving in when it is due."""
    text = "; ".join(f"{name}: {'lacks ' + ', '.join(what) if what else 'yes'}" for name, what in lacking.items())
    needed = [name for name, what in lacking.items() if what and (is_due or name != "moving in")]
    if needed:
        do = f"Grant the roles of docs/bigquery.md for {' and '.join(needed)}."
        return ProbeResult(Verdict.FAIL, text, do)
    return ProbeResult(Verdict.OK, text)


def names_free(settings: Settings) -> ProbeResult:
    """No object of others stands where a table or view of ours belongs."""
    with opened(settings) as connected:
        found = preflight.examine(connected, settings.rollout.catalogue)
    notes = "".join(f" {note}" for note in found.notes)
    if found.obstacles:
        names = "; ".join(map(str, found.obstacles))
        do = "`v4 takeover` shows how they are moved aside and who reads them; `v4 init` makes nothing before."
        return ProbeResult(Verdict.FAIL, f"{len(found.obstacles)} not made by this project: {names}.{notes}", do)
    return ProbeResult(Verdict.OK, f"{len(found.standing)} tables and views of ours, none of others.{notes}")


def expiration(settings: Settings) -> ProbeResult:
    """No table, view or partition of ours is deleted by itself; the record and the evidence are named first."""
    catalogue = settings.rollout.catalogue
    with opened(settings) as connected:
        standing = [
            one for one in preflight.examine(connected, catalogue).standing if one.is_ours and one.shape.expires
        ]
    if not standing:
        return ProbeResult(Verdict.OK, "nothing of ours expires")
    first = {catalogue[key].name: number for number, key in enumerate(KEPT_FIRST)}
    standing.sort(key=lambda one: first.get(one.place.name, len(first)))
    names = "; ".join(f"{one.name} expires {one.shape.expires}" for one in standing)
    do = "; ".join(f"`{_keep(one)}`" for one in standing)
    return ProbeResult(Verdict.FAIL, f"{names}. What expired cannot be recomputed.", do)


def _keep(one: preflight.Standing) -> str:
    from v4_assets.warehouse.bigquery.tables import expiration_ddl  # noqa: PLC0415 # Google's client is slow to import

    layout = one.shape.layout
    return expiration_ddl(one.place, one.shape.kind, by_time=bool(layout and layout.is_by_time))
