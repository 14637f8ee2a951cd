"""The feature definitions once more, in plain Python: what the warehouse's SQL is checked against.

Written from the feature definitions alone, one short function per definition, every row looked at every time. Slow and
obvious on purpose: nothing here is shared with the SQL, so both are wrong together only if the definitions are.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Row = dict[str, Any]

NEW_YORK = ZoneInfo("America/New_York")
LARGEST_INT64 = 2**63 - 1
NEVER_MOVED_DAYS = 9999
WIREHOUSES = (
    "MERRILL",
    "MORGAN STANLEY",
    "UBS",
    "WELLS FARGO",
    "EDWARD JONES",
    "RAYMOND JAMES",
    "AMERIPRISE",
    "LPL",
    "NORTHWESTERN MUTUAL",
    "STIFEL",
)

V4_0_0 = (
    "tenure_bucket",
    "experience_bucket",
    "is_experience_missing",
    "mobility_tier",
    "firm_rep_count_at_contact",
    "firm_net_change_12mo",
    "firm_stability_tier",
    "has_firm_data",
    "is_wirehouse",
    "is_broker_protocol",
    "has_email",
    "has_linkedin",
    "mobility_x_heavy_bleeding",
    "short_tenure_x_high_mobility",
)
V4_1_0 = (
    "tenure_months",
    "tenure_bucket",
    "experience_years",
    "mobility_3yr",
    "mobility_tier",
    "firm_rep_count_at_contact",
    "firm_net_change_12mo",
    "firm_stability_tier",
    "has_firm_data",
    "is_wirehouse",
    "is_broker_protocol",
    "has_email",
    "has_linkedin",
    "mobility_x_heavy_bleeding",
    "short_tenure_x_high_mobility",
    "is_recent_mover",
    "days_since_last_move",
    "firm_departures_corrected",
    "bleeding_velocity_encoded",
    "is_independent_ria",
    "is_ia_rep_type",
    "is_dual_registered",
)
FEATURES = {"v4.0.0": V4_0_0, "v4.1.0": V4_1_0}
NO_FIRM = {
    "tenure_months": 0,
    "tenure_bucket": "Unknown",
    "firm_rep_count_at_contact": 0,
    "firm_net_change_12mo": 0,
    "firm_stability_tier": "Unknown",
    "has_firm_data": 0,
    "is_wirehouse": 0,
    "is_broker_protocol": 0,
    "firm_departures_corrected": 0,
    "bleeding_velocity_encoded": 0,
}


@dataclass
class World:
    """The four source tables as lists of rows, keyed by the sources' own column names."""

    leads: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    protocol: list[Row] = field(default_factory=list)


class Spell(NamedTuple):
    """One usable row of employment history; `end` is None while the employment is open."""

    advisor: int
    firm: int
    start: date
    end: date | None

    def covers(self, day: date) -> bool:
        return self.start <= day and (self.end is None or self.end >= day)


class CurrentFirm(NamedTuple):
    firm: int
    start: date
    name: str | None


class Departure(NamedTuple):
    """An inferred departure: `advisor` left `firm` on the day the present primary firm began."""

    advisor: int
    firm: int
    on: date


# --- dates and text -----------------------------------------------------------------------------------------------


def new_york_midnight(day: date) -> datetime:
    """The cut-off of `day`: what happened before this instant is known."""
    return datetime.combine(day, time(0), tzinfo=NEW_YORK)


def months_between(earlier: date, later: date) -> int:
    """Month boundaries crossed, BigQuery's DATE_DIFF(later, earlier, MONTH)."""
    return (later.year * 12 + later.month) - (earlier.year * 12 + earlier.month)


def months_before(day: date, months: int) -> date:
    """BigQuery's DATE_SUB(day, INTERVAL months MONTH): a day past the month's end becomes its last day."""
    year, month_index = divmod(day.year * 12 + day.month - 1 - months, 12)
    last_day = monthrange(year, month_index + 1)[1]
    return date(year, month_index + 1, min(day.day, last_day))


def ascii_upper(text: str) -> str:
    return text.translate(str.maketrans(ascii_lowercase, ascii_uppercase))


def is_present(text: str | None) -> bool:
    return text is not None and text.strip() != ""


def advisor_crd(fa_crd: str | None) -> int | None:
    """The digits 0-9 of the field as a number; None without digits, or beyond a signed 64-bit integer."""
    digits = re.sub("[^0-9]", "", fa_crd or "")
    return int(digits) if digits and int(digits) <= LARGEST_INT64 else None


# --- one row per lead, contact and employment ----------------------------------------------------------------------


def _ascending(value: Any) -> tuple[bool, Any]:
    """Sort key: smallest first, null last."""
    return (value is None, value)


def _descending(value: date | int | None) -> tuple[bool, int]:
    """Sort key: largest (or latest, or true) first, null last."""
    if value is None:
        return (True, 0)
    return (False, -(value.toordinal() if isinstance(value, date) else int(value)))


def _largest_wins(value: Any) -> tuple[bool, Any]:
    """Key for max(): the largest value wins, null loses to all."""
    return (value is not None, value)


def _lead_rank(row: Row) -> tuple[Any, ...]:
    call = row["Stage_Entered_Call_Scheduled__c"]
    stamps = ("stage_entered_contacting__c", "CreatedDate")
    columns = (*stamps, "FA_CRD__c", "Company", "Email", "LinkedIn_Profile_Apollo__c")
    return (call is not None, *(_largest_wins(row[column]) for column in columns), _largest_wins(call))


def distinct_leads(world: World) -> dict[str, Row]:
    """One row per Id, chosen among duplicates before anything is filtered."""
    return {
        lead_id: max((row for row in world.leads if row["Id"] == lead_id), key=_lead_rank)
        for lead_id in sorted({row["Id"] for row in world.leads})
    }


def _contact_rank(row: Row) -> tuple[Any, ...]:
    return (
        _descending(row["PRIMARY_FIRM_START_DATE"]),
        _ascending(row["PRIMARY_FIRM"]),
        _descending(row["LATEST_REGISTERED_EMPLOYMENT_START_DATE"]),
        _ascending(row["LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID"]),
        _descending(row["INDUSTRY_TENURE_MONTHS"]),
        _ascending(row["REP_TYPE"]),
        _ascending(row["PRIMARY_FIRM_CLASSIFICATION"]),
        _descending(row["PRODUCING_ADVISOR"]),
        _ascending(row["LATEST_REGISTERED_EMPLOYMENT_COMPANY"]),
    )


def contact_of(world: World, advisor: int | None) -> Row | None:
    """The advisor's contact row, the best ranked one among duplicates; None when there is none."""
    rows = [row for row in world.contacts if advisor is not None and row["RIA_CONTACT_CRD_ID"] == advisor]
    return min(rows, key=_contact_rank, default=None)


def _spell(row: Row) -> Spell | None:
    """The row as a spell; None when firm or start is missing, or it ends before it starts."""
    spell = Spell(
        advisor=row["RIA_CONTACT_CRD_ID"],
        firm=row["PREVIOUS_REGISTRATION_COMPANY_CRD_ID"],
        start=row["PREVIOUS_REGISTRATION_COMPANY_START_DATE"],
        end=row["PREVIOUS_REGISTRATION_COMPANY_END_DATE"],
    )
    if spell.firm is None or spell.start is None:
        return None
    return None if spell.end is not None and spell.end < spell.start else spell


def spells(world: World) -> set[Spell]:
    """The usable employment history, distinct on (advisor, firm, start, end)."""
    return {spell for row in world.history if (spell := _spell(row)) is not None}


# --- which leads are scored ----------------------------------------------------------------------------------------


def is_scored(row: Row, day: date) -> bool:
    cutoff = new_york_midnight(day)
    contacted, called = row["stage_entered_contacting__c"], row["Stage_Entered_Call_Scheduled__c"]
    in_contacting = contacted is not None and contacted < cutoff
    in_call_scheduled = called is not None and called < cutoff
    own_people = "SAVVY" in ascii_upper(row["Company"] or "")
    return is_present(row["FA_CRD__c"]) and in_contacting and not in_call_scheduled and not own_people


def scored_leads(world: World, day: date) -> dict[str, Row]:
    """The leads scored on New York date `day`: lead_id -> advisor_crd (int or None), has_email, has_linkedin (0/1)."""
    return {
        lead_id: {
            "advisor_crd": advisor_crd(row["FA_CRD__c"]),
            "has_email": int(is_present(row["Email"])),
            "has_linkedin": int(is_present(row["LinkedIn_Profile_Apollo__c"])),
        }
        for lead_id, row in distinct_leads(world).items()
        if is_scored(row, day)
    }


# --- the advisor and the firm --------------------------------------------------------------------------------------


def current_firm(world: World, advisor: int | None, day: date) -> CurrentFirm | None:
    """The history row that covers `day`, latest start first, then smallest firm; else the contact's latest
    registered firm when it started by `day`; else None."""
    covering = [spell for spell in spells(world) if spell.advisor == advisor and spell.covers(day)]
    if covering:
        latest = max(spell.start for spell in covering)
        firm = min(spell.firm for spell in covering if spell.start == latest)
        return CurrentFirm(firm, latest, _name_in_history(world, advisor, firm, latest, day))
    contact = contact_of(world, advisor)
    if contact is None:
        return None
    firm = contact["LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID"]
    start = contact["LATEST_REGISTERED_EMPLOYMENT_START_DATE"]
    if firm is None or start is None or start > day:
        return None
    return CurrentFirm(firm, start, contact["LATEST_REGISTERED_EMPLOYMENT_COMPANY"])


def _name_in_history(world: World, advisor: int | None, firm: int, start: date, day: date) -> str | None:
    """The smallest name on the rows of this advisor, firm and start that cover `day`."""
    names = (
        row["PREVIOUS_REGISTRATION_COMPANY_NAME"]
        for row in world.history
        if (spell := _spell(row)) is not None
        and (spell.advisor, spell.firm, spell.start) == (advisor, firm, start)
        and spell.covers(day)
    )
    return min((name for name in names if name is not None), default=None)


def industry_tenure_months(world: World, advisor: int | None) -> int | None:
    contact = contact_of(world, advisor)
    return None if contact is None else contact["INDUSTRY_TENURE_MONTHS"]


def experience_years(world: World, advisor: int | None) -> float:
    """V4.1.0: the contact's industry tenure in years, 0 when unknown."""
    return (industry_tenure_months(world, advisor) or 0) / 12


def experience_years_before(world: World, advisor: int | None, day: date) -> float:
    """V4.0.0: years in the jobs begun before the current one and over by `day`, an open end counting to `day`;
    the industry tenure where no current firm is known."""
    current = current_firm(world, advisor, day)
    if current is None:
        return experience_years(world, advisor)
    earlier = [spell for spell in spells(world) if spell.advisor == advisor and spell.start < current.start]
    over = [(spell.start, spell.end or day) for spell in earlier if spell.end is None or spell.end <= day]
    return sum(months_between(start, end) for start, end in over) / 12


def mobility_3yr(world: World, advisor: int | None, day: date) -> int:
    """Distinct firms started in (day - 3 years, day]."""
    after = months_before(day, 36)
    return len({spell.firm for spell in spells(world) if spell.advisor == advisor and after < spell.start <= day})


def firm_rep_count(world: World, firm: int, day: date) -> int:
    """Distinct advisors with a history row at the firm that covers `day`."""
    return len({spell.advisor for spell in spells(world) if spell.firm == firm and spell.covers(day)})


def firm_net_change_12mo(world: World, firm: int, day: date) -> int:
    """Distinct advisors who started at the firm in [day - 12 months, day), less those who ended there in it."""
    first = months_before(day, 12)
    at_firm = [spell for spell in spells(world) if spell.firm == firm]
    started = {spell.advisor for spell in at_firm if first <= spell.start < day}
    ended = {spell.advisor for spell in at_firm if spell.end is not None and first <= spell.end < day}
    return len(started) - len(ended)


def inferred_departures(world: World) -> list[Departure]:
    """At most one per advisor: on PRIMARY_FIRM_START_DATE they left the other firm they had joined last before it
    (tie: smallest firm id), whether or not that job's end has been recorded."""
    departures = (_departure(world, advisor) for advisor in {row["RIA_CONTACT_CRD_ID"] for row in world.contacts})
    return sorted(departure for departure in departures if departure is not None)


def _departure(world: World, advisor: int) -> Departure | None:
    contact = contact_of(world, advisor)
    if contact is None or contact["PRIMARY_FIRM"] is None or contact["PRIMARY_FIRM_START_DATE"] is None:
        return None
    on = contact["PRIMARY_FIRM_START_DATE"]
    others = [
        spell
        for spell in spells(world)
        if spell.advisor == advisor and spell.firm != contact["PRIMARY_FIRM"] and spell.start < on
    ]
    if not others:
        return None
    latest = max(spell.start for spell in others)
    return Departure(advisor, min(spell.firm for spell in others if spell.start == latest), on)


def departures_between(departures: Iterable[Departure], firm: int, first: date, before: date) -> int:
    """Distinct advisors inferred to have left `firm` in [first, before)."""
    return len({left.advisor for left in departures if left.firm == firm and first <= left.on < before})


# --- tiers, buckets and codes --------------------------------------------------------------------------------------


def tenure_bucket(months: int) -> str:
    bounds = ((12, "0-12"), (24, "12-24"), (48, "24-48"), (120, "48-120"))
    return next((bucket for bound, bucket in bounds if months < bound), "120+")


def experience_bucket(years: float) -> str:
    bounds = ((5, "0-5"), (10, "5-10"), (15, "10-15"), (20, "15-20"))
    return next((bucket for bound, bucket in bounds if years < bound), "20+")


def mobility_tier(firms: int) -> str:
    return {0: "Stable", 1: "Low_Mobility"}.get(firms, "High_Mobility")


def firm_stability_tier(net_change: int) -> str:
    if net_change < -10:
        return "Heavy_Bleeding"
    if net_change < 0:
        return "Light_Bleeding"
    return "Growing" if net_change > 0 else "Stable"


def bleeding_velocity(last_year: int, last_90_days: int, prior_90_days: int) -> int:
    """0 stable, 1 decelerating, 2 steady, 3 accelerating."""
    if last_year < 3:
        return 0
    if last_90_days > 1.5 * prior_90_days:
        return 3
    return 1 if last_90_days < 0.5 * prior_90_days else 2


def is_wirehouse(name: str | None) -> int:
    return int(any(house in ascii_upper(name or "") for house in WIREHOUSES))


# --- the features --------------------------------------------------------------------------------------------------


def features(world: World, day: date, version: str) -> dict[str, Row]:
    """Every scored lead's features as of `day`: lead_id -> feature -> value, in the version's order.

    Flags, counts, months and days are int, experience_years is float, tiers and buckets are str; none is ever None.
    Raises ValueError for a version other than v4.0.0 and v4.1.0.
    """
    if version not in FEATURES:
        raise ValueError(f"unknown version {version!r}: expected one of {', '.join(FEATURES)}")
    departures = inferred_departures(world)
    result = {}
    for lead_id, lead in scored_leads(world, day).items():
        advisor = lead["advisor_crd"]
        row = lead | _advisor_features(world, day, advisor) | _firm_features(world, day, advisor, departures)
        row |= _interactions(row)
        result[lead_id] = {name: row[name] for name in FEATURES[version]}
    return result


def _advisor_features(world: World, day: date, advisor: int | None) -> Row:
    """What is known of the advisor, whether or not a current firm is."""
    contact = contact_of(world, advisor) or {}
    moved = contact.get("PRIMARY_FIRM_START_DATE")
    producing = contact.get("PRODUCING_ADVISOR") is True
    firms = mobility_3yr(world, advisor, day)
    no_firm = current_firm(world, advisor, day) is None
    return {
        "experience_years": experience_years(world, advisor),
        "experience_bucket": experience_bucket(experience_years_before(world, advisor, day)),
        "is_experience_missing": int(no_firm and industry_tenure_months(world, advisor) is None),
        "mobility_3yr": firms,
        "mobility_tier": mobility_tier(firms),
        "is_recent_mover": int(moved is not None and day - timedelta(days=365) <= moved <= day),
        "days_since_last_move": (day - moved).days if moved is not None and moved <= day else NEVER_MOVED_DAYS,
        "is_independent_ria": int(
            producing and "Independent RIA" in (contact.get("PRIMARY_FIRM_CLASSIFICATION") or "")
        ),
        "is_ia_rep_type": int(producing and contact.get("REP_TYPE") == "IA"),
        "is_dual_registered": int(producing and contact.get("REP_TYPE") == "DR"),
    }


def _firm_features(world: World, day: date, advisor: int | None, departures: list[Departure]) -> Row:
    """What is known of the current firm; everything at its missing value without one."""
    current = current_firm(world, advisor, day)
    if current is None:
        return NO_FIRM
    tenure = months_between(current.start, day)
    net_change = firm_net_change_12mo(world, current.firm, day)
    days_ago = {days: day - timedelta(days=days) for days in (365, 180, 90)}
    last_year = departures_between(departures, current.firm, days_ago[365], day)
    last_90_days = departures_between(departures, current.firm, days_ago[90], day)
    prior_90_days = departures_between(departures, current.firm, days_ago[180], days_ago[90])
    return {
        "tenure_months": tenure,
        "tenure_bucket": tenure_bucket(tenure),
        "firm_rep_count_at_contact": firm_rep_count(world, current.firm, day),
        "firm_net_change_12mo": net_change,
        "firm_stability_tier": firm_stability_tier(net_change),
        "has_firm_data": 1,
        "is_wirehouse": is_wirehouse(current.name),
        "is_broker_protocol": int(any(row["firm_crd_id"] == current.firm for row in world.protocol)),
        "firm_departures_corrected": last_year,
        "bleeding_velocity_encoded": bleeding_velocity(last_year, last_90_days, prior_90_days),
    }


def _interactions(row: Row) -> Row:
    mobile = row["mobility_3yr"] >= 2
    short_tenure = row["tenure_bucket"] != "Unknown" and row["tenure_months"] < 24
    return {
        "mobility_x_heavy_bleeding": int(mobile and row["firm_net_change_12mo"] < -10),
        "short_tenure_x_high_mobility": int(mobile and short_tenure),
    }
