"""Small random worlds, dense in the cases where an as-of query goes wrong.

A dozen advisors share seven firms, so counts collide and ties are common; every date lies on, or one day beside, a
border of some window around the day asked about; every nullable column is null somewhere. The same `random.Random`
state gives the same world.
"""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from v4_assets_tests.reference import NEW_YORK, Row, World, months_before

INTERESTING_DAYS = (
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2025, 2, 28),
    date(2025, 3, 1),
    date(2025, 3, 9),  # clocks go forward
    date(2025, 3, 10),
    date(2025, 5, 31),
    date(2025, 7, 15),
    date(2025, 11, 2),  # clocks go back
    date(2025, 11, 3),
    date(2025, 12, 31),
    date(2026, 1, 1),
)

FIRMS = tuple(range(10, 17))
CROWDED_FIRM = 10
ADVISORS = (1234, *range(1001, 1011), 2**63 - 1)
CROWD = tuple(range(5001, 5041))
FIRM_NAMES = {
    10: ("Merrill Lynch Wealth", "Acme Advisors", "zeta merrill", None),
    11: ("Acme Advisors", "MORGAN stanley & Co", "Zeta Partners"),
    12: ("Helpline Partners", "Help-Line Partners", None),
    13: (None,),
    14: ("Northwestern Mutual", "Northwestern  Mutual", "North Western Mutual"),
    15: ("Société Conseil", "stifel, Nicolaus", "Ameriprise", "Éclair lpl", ""),
    16: ("Edward D. Jones", "Edward Jones", "Raymond James", "Wells Fargo Advisors", "Dubs & Co", "UB S"),
}
UNREADABLE_CRDS = ("no crd", "CRD#", "-", "99999999999999999999", "9223372036854775808", "\uff11\uff12")
ABSENT_CRDS = (None, "", "  ", "\t")
COMPANIES = (None, None, "", "Acme Advisors", "Sav vy LLC", "SAVY", "Acme Advisors", "Beta Planning")
OWN_COMPANIES = ("SAVVY", "The sAvVy Group, Inc.", "xsavvyx")
CLASSIFICATIONS = ("Independent RIA", "Large Independent RIA (fee only)", "independent ria", "Independent", "Wirehouse")
REP_TYPES = ("IA", "DR", "BD", "NA", "ia", "IA DR")
EMAILS = ("a@example.com", "b@example.com", "", "  ", "\t")
PROFILES = ("https://example.com/in/a", "https://example.com/in/b", "", " ")
CONTACT_PREFERENCE = (
    "PRIMARY_FIRM_START_DATE",
    "PRIMARY_FIRM",
    "LATEST_REGISTERED_EMPLOYMENT_START_DATE",
    "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID",
    "INDUSTRY_TENURE_MONTHS",
    "REP_TYPE",
    "PRIMARY_FIRM_CLASSIFICATION",
    "PRODUCING_ADVISOR",
    "LATEST_REGISTERED_EMPLOYMENT_COMPANY",
)
# Departures in the last 90 days and in the 90 before: on, and one beside, the borders of 1.5 times and half.
DEPARTURE_PACES = ((3, 2), (4, 2), (1, 2), (0, 2), (2, 4), (1, 4), (6, 4), (2, 1), (0, 0), (1, 0), (3, 0))
DEPARTURE_DAYS_AGO = (0, 1, 89, 90, 91, 100, 179, 180, 181, 300, 364, 365, 366)
BORDER_DAYS_AGO = (0, 43, 44, 90, 180, 365, 1095)
BORDER_MONTHS_AGO = (1, 11, 12, 13, 24, 36, 48, 59, 60, 120, 180, 240)

INT, TEXT, DATE, STAMP, BOOL = pa.int64(), pa.string(), pa.date32(), pa.timestamp("us", tz="UTC"), pa.bool_()
SCHEMAS = {
    "lead": pa.schema(
        {
            "Id": TEXT,
            "FA_CRD__c": TEXT,
            "LeadSource": TEXT,
            "Email": TEXT,
            "LinkedIn_Profile_Apollo__c": TEXT,
            "Company": TEXT,
            "CreatedDate": STAMP,
            "stage_entered_contacting__c": STAMP,
            "Stage_Entered_Call_Scheduled__c": STAMP,
        }
    ),
    "ria_contacts_current": pa.schema(
        {
            "RIA_CONTACT_CRD_ID": INT,
            "PRIMARY_FIRM": INT,
            "PRIMARY_FIRM_NAME": TEXT,
            "PRIMARY_FIRM_START_DATE": DATE,
            "PRIMARY_FIRM_CLASSIFICATION": TEXT,
            "REP_TYPE": TEXT,
            "PRODUCING_ADVISOR": BOOL,
            "ACTIVE": BOOL,
            "INDUSTRY_TENURE_MONTHS": INT,
            "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID": INT,
            "LATEST_REGISTERED_EMPLOYMENT_COMPANY": TEXT,
            "LATEST_REGISTERED_EMPLOYMENT_START_DATE": DATE,
            "EMAIL": TEXT,
            "LINKEDIN_PROFILE_URL": TEXT,
        }
    ),
    "contact_registered_employment_history": pa.schema(
        {
            "RIA_CONTACT_CRD_ID": INT,
            "PREVIOUS_REGISTRATION_COMPANY_CRD_ID": INT,
            "PREVIOUS_REGISTRATION_COMPANY_NAME": TEXT,
            "PREVIOUS_REGISTRATION_COMPANY_START_DATE": DATE,
            "PREVIOUS_REGISTRATION_COMPANY_END_DATE": DATE,
        }
    ),
    "broker_protocol_members": pa.schema({"firm_crd_id": INT}),
}


def tables(world: World) -> dict[str, pa.Table]:
    """The world as Arrow tables with the sources' names and types, ready to load into a warehouse."""
    rows = {
        "lead": world.leads,
        "ria_contacts_current": world.contacts,
        "contact_registered_employment_history": world.history,
        "broker_protocol_members": world.protocol,
    }
    return {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in SCHEMAS.items()}


def random_world(rng: random.Random, day: date, leads: int = 40) -> World:
    """A world around `day` with `leads` distinct leads and some duplicates, in shuffled row order."""
    history = [row for advisor in ADVISORS for row in _career(rng, day, advisor)]
    contacts = [_contact(rng, day, advisor) for advisor in ADVISORS if rng.random() < 0.85]
    if rng.random() < 0.6:
        _add_leavers(rng, day, history)
    if rng.random() < 0.6:
        _add_movers(rng, day, history, contacts)
    contacts += [_duplicate_contact(rng, day, row) for row in contacts if rng.random() < 0.5]
    history += [_renamed(rng, day, row) if rng.random() < 0.7 else dict(row) for row in history if rng.random() < 0.3]
    originals = [_lead(rng, day, number) for number in range(leads)]
    duplicates = [_duplicate_lead(rng, day, row) for row in _some(rng, originals)]
    protocol = [{"firm_crd_id": firm} for firm in (*rng.choices(FIRMS, k=rng.randrange(5)), 999, None)]
    world = World(originals + duplicates, contacts, history, protocol)
    for rows in (world.leads, world.contacts, world.history, world.protocol):
        rng.shuffle(rows)
    return world


# --- dates and stamps ----------------------------------------------------------------------------------------------


def border_dates(day: date) -> tuple[date, ...]:
    """The borders of every window around `day`, the days beside them, and the ends of nearby months and years."""
    borders = [day - timedelta(days=days) for days in BORDER_DAYS_AGO]
    borders += [months_before(day, months) for months in BORDER_MONTHS_AGO]
    borders += [day.replace(day=1), date(day.year, 1, 1), date(2024, 2, 29), date(2023, 3, 1)]
    return tuple(border + timedelta(days=days) for border in borders for days in (-1, 0, 1))


def _date(rng: random.Random, day: date) -> date:
    """Mostly a border; else any day of the last three years, the distant past, or soon after `day`."""
    draw = rng.random()
    if draw < 0.7:
        return rng.choice(border_dates(day))
    if draw < 0.88:
        return day - timedelta(days=rng.randrange(1100))
    if draw < 0.96:
        return day - timedelta(days=rng.randrange(1100, 12_000))
    return day + timedelta(days=rng.randrange(1, 120))


def _stamps_about(day: date) -> tuple[datetime, ...]:
    """Instants about the New York midnight that opens `day`, and about the midnights it is mistaken for."""
    midnight = datetime.combine(day, time(0), tzinfo=NEW_YORK).astimezone(UTC)
    tomorrow = datetime.combine(day + timedelta(days=1), time(0), tzinfo=NEW_YORK).astimezone(UTC)
    utc_midnight = datetime.combine(day, time(0), tzinfo=UTC)
    shifts = [timedelta(0)]
    for shift in (timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=30), timedelta(hours=1)):
        shifts += [shift, -shift]
    borders = tuple(instant + shift for instant in (midnight, tomorrow, utc_midnight) for shift in shifts)
    return (*[midnight] * 3, *borders)


def _stamp(rng: random.Random, day: date) -> datetime:
    if rng.random() < 0.5:
        return rng.choice(_stamps_about(day))
    return rng.choice(_stamps_about(day - timedelta(days=rng.choice((1, 2, 3, 43, 44, 90)))))


# --- rows ----------------------------------------------------------------------------------------------------------


def _maybe(rng: random.Random, chance_of_null: float, value: Any) -> Any:
    return None if rng.random() < chance_of_null else value


def _some(rng: random.Random, rows: list[Row]) -> list[Row]:
    return rng.sample(rows, k=min(len(rows), rng.randint(2, 8)))


def _altered(rng: random.Random, row: Row, other: Row) -> Row:
    """A duplicate of `row`: identical, or with one or several columns taken from `other`."""
    columns = rng.sample(list(row), k=rng.choice((0, 1, 1, 2, len(row) // 2)))
    return row | {column: other[column] for column in columns}


def _job(rng: random.Random, advisor: int, firm: int | None, start: date | None, end: date | None) -> Row:
    return {
        "RIA_CONTACT_CRD_ID": advisor,
        "PREVIOUS_REGISTRATION_COMPANY_CRD_ID": firm,
        "PREVIOUS_REGISTRATION_COMPANY_NAME": None if firm is None else rng.choice(FIRM_NAMES[firm]),
        "PREVIOUS_REGISTRATION_COMPANY_START_DATE": start,
        "PREVIOUS_REGISTRATION_COMPANY_END_DATE": end,
    }


def _renamed(rng: random.Random, day: date, row: Row) -> Row:
    """The same employment under another of the firm's names, or with another end."""
    firm, start = row["PREVIOUS_REGISTRATION_COMPANY_CRD_ID"], row["PREVIOUS_REGISTRATION_COMPANY_START_DATE"]
    end = rng.choice((row["PREVIOUS_REGISTRATION_COMPANY_END_DATE"], None, day, day - timedelta(days=1)))
    return _job(rng, row["RIA_CONTACT_CRD_ID"], firm, start, end)


def _career(rng: random.Random, day: date, advisor: int) -> list[Row]:
    """Up to six jobs: overlapping, open, ended on `day`, ended before they start, moved on one day, tied in start."""
    jobs: list[Row] = []
    for _ in range(rng.choice((0, 1, 2, 3, 4, 6))):
        start = _maybe(rng, 0.04, _date(rng, day))
        end = _maybe(rng, 0.4, rng.choice((_date(rng, day), _date(rng, day), day, start or day)))
        if start and end and end < start and rng.random() < 0.7:
            start, end = end, start
        if jobs and rng.random() < 0.35:
            edge = rng.choice(("START", "END"))
            start = rng.choice(jobs)[f"PREVIOUS_REGISTRATION_COMPANY_{edge}_DATE"]
        jobs.append(_job(rng, advisor, _maybe(rng, 0.05, rng.choice(FIRMS)), start, end))
    return jobs


def _add_leavers(rng: random.Random, day: date, history: list[Row]) -> None:
    """Enough recorded ends (or starts) at one firm to bring its net change near the -10 border, or well above 0."""
    wanted, net = rng.choice((-11, -10, -9, -14, 4)), _net_change(history, day)
    borders = (months_before(day, 12), months_before(day, 11), day - timedelta(days=1), day - timedelta(days=60))
    for advisor in CROWD[: abs(wanted - net)]:
        inside = rng.choice(borders)
        start, end = (months_before(day, 50), inside) if wanted < net else (inside, None)
        history.append(_job(rng, advisor, CROWDED_FIRM, start, end))
    if rng.random() < 0.5:
        history.append(_job(rng, CROWD[0], CROWDED_FIRM, months_before(day, 40), rng.choice(borders)))


def _net_change(history: list[Row], day: date) -> int:
    """Roughly the crowded firm's net change so far; it only steers the world toward the border."""
    first, at_firm = months_before(day, 12), "PREVIOUS_REGISTRATION_COMPANY_CRD_ID"
    total = 0
    for row in (row for row in history if row[at_firm] == CROWDED_FIRM):
        start, end = (row[f"PREVIOUS_REGISTRATION_COMPANY_{edge}_DATE"] for edge in ("START", "END"))
        total += int(start is not None and first <= start < day) - int(end is not None and first <= end < day)
    return total


def _add_movers(rng: random.Random, day: date, history: list[Row], contacts: list[Row]) -> None:
    """Advisors who left one firm on a border of the departure windows, their old job still open."""
    firm, (last, prior) = rng.choice((CROWDED_FIRM, 11, 12)), rng.choice(DEPARTURE_PACES)
    days_ago = [rng.choice((1, 89, 90)) for _ in range(last)] + [rng.choice((91, 179, 180)) for _ in range(prior)]
    days_ago += rng.choices(DEPARTURE_DAYS_AGO if rng.random() < 0.3 else (0, 181, 300, 364, 365, 366), k=3)
    for advisor, days in zip(CROWD[-len(days_ago) :], days_ago, strict=True):
        moved = day - timedelta(days=days)
        history.append(_job(rng, advisor, firm, moved - timedelta(days=rng.choice((1, 400, 2000))), None))
        history.append(_job(rng, advisor, rng.choice(FIRMS), moved - timedelta(days=rng.choice((0, 2, 3000))), moved))
        contact = _contact(rng, day, advisor)
        contacts.append(contact | {"PRIMARY_FIRM": 99, "PRIMARY_FIRM_START_DATE": moved})


def _contact(rng: random.Random, day: date, advisor: int) -> Row:
    firm, latest = rng.choice(FIRMS), rng.choice(FIRMS)
    moved = rng.choice((_date(rng, day), day - timedelta(days=rng.choice(DEPARTURE_DAYS_AGO))))
    registered = rng.choice((_date(rng, day), _date(rng, day), day, day + timedelta(days=1)))
    return {
        "RIA_CONTACT_CRD_ID": advisor,
        "PRIMARY_FIRM": _maybe(rng, 0.1, firm),
        "PRIMARY_FIRM_NAME": rng.choice(FIRM_NAMES[firm]),
        "PRIMARY_FIRM_START_DATE": _maybe(rng, 0.15, moved),
        "PRIMARY_FIRM_CLASSIFICATION": _maybe(rng, 0.1, rng.choice(CLASSIFICATIONS)),
        "REP_TYPE": _maybe(rng, 0.1, rng.choice(REP_TYPES)),
        "PRODUCING_ADVISOR": rng.choice((True, True, True, False, None)),
        "ACTIVE": rng.choice((True, False, None)),
        "INDUSTRY_TENURE_MONTHS": rng.choice((None, 0, 1, 59, 60, 61, 119, 120, 179, 180, 239, 240, 700)),
        "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID": _maybe(rng, 0.1, latest),
        "LATEST_REGISTERED_EMPLOYMENT_COMPANY": rng.choice(FIRM_NAMES[latest]),
        "LATEST_REGISTERED_EMPLOYMENT_START_DATE": _maybe(rng, 0.1, registered),
        "EMAIL": _maybe(rng, 0.4, rng.choice(EMAILS)),
        "LINKEDIN_PROFILE_URL": _maybe(rng, 0.4, rng.choice(PROFILES)),
    }


def _duplicate_contact(rng: random.Random, day: date, row: Row) -> Row:
    """The same advisor again, alike in the first few columns of the preference and drawn anew in the others."""
    alike = CONTACT_PREFERENCE[: rng.randint(0, len(CONTACT_PREFERENCE))]
    other = _contact(rng, day, row["RIA_CONTACT_CRD_ID"])
    return other | {column: row[column] for column in alike}


def _fa_crd(rng: random.Random) -> str | None:
    """Mostly an advisor of the world in one of the spellings people type; else unknown, unreadable or absent."""
    draw = rng.random()
    if draw < 0.05:
        return rng.choice(ABSENT_CRDS)
    if draw < 0.13:
        return rng.choice(UNREADABLE_CRDS)
    crd = str(rng.choice((*ADVISORS, *ADVISORS, CROWD[0], CROWD[-1], 404)))
    return rng.choice((crd, crd, crd, f"CRD# {crd[:2]}-{crd[2:]}", f" {crd} ", f"000{crd}", f"-{crd}", f"{crd}x"))


def _lead(rng: random.Random, day: date, number: int) -> Row:
    contacting = rng.choice((_stamp(rng, day), *(_stamp(rng, day - timedelta(days=9)) for _ in range(2))))
    return {
        "Id": f"00Q{number:015d}",
        "FA_CRD__c": _fa_crd(rng),
        "LeadSource": rng.choice((None, "Provided List", "LinkedIn")),
        "Email": _maybe(rng, 0.3, rng.choice(EMAILS)),
        "LinkedIn_Profile_Apollo__c": _maybe(rng, 0.3, rng.choice(PROFILES)),
        "Company": rng.choice(OWN_COMPANIES) if rng.random() < 0.06 else rng.choice(COMPANIES),
        "CreatedDate": _maybe(rng, 0.05, contacting - timedelta(days=rng.choice((0, 1, 30)))),
        "stage_entered_contacting__c": _maybe(rng, 0.05, contacting),
        "Stage_Entered_Call_Scheduled__c": _maybe(rng, 0.75, _stamp(rng, day)),
    }


def _duplicate_lead(rng: random.Random, day: date, row: Row) -> Row:
    """The same Id again. Copies that differ in nothing but their call stamp share it: which of two would count is not
    defined."""
    other = _altered(rng, row, _lead(rng, day, 0)) | {"Id": row["Id"]}
    call = "Stage_Entered_Call_Scheduled__c"
    if rng.random() < 0.3:
        other[call] = _stamp(rng, day)
    alike = all(other[column] == row[column] for column in row if column not in (call, "LeadSource"))
    return other | {call: row[call]} if alike and row[call] and other[call] else other
