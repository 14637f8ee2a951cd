"""The SQL that makes the features, executed, against the definitions written once more in plain Python.

Random worlds find the borders nobody thought of; the named tables below state those somebody did, rows in and rows out.
"""

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.sql import Query
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures import reference, worlds
from v4_assets_tests.fixtures.reference import Row, SourceRows
from v4_assets_tests.fixtures.warehouses import ProjectWarehouse, default_catalogue

WORLDS_PER_DAY = range(10)
FEW = range(4)
"""Those that are looked at in every run."""
VERSIONS = {"v4.0.0": "features_v40", "v4.1.0": "features_v41"}
CHAIN = (*tables.SHARED, *VERSIONS.values())

DAY = date(2025, 6, 15)
ONE_DAY = timedelta(days=1)
ADVISOR, FIRM, OTHER_FIRM, NEW_FIRM = 1001, 10, 11, 99
LEAD_ID = "00Q000000000000001"
LATEST = "LATEST_REGISTERED_EMPLOYMENT"


def fill(project: ProjectWarehouse, world: SourceRows) -> None:
    """Replace the four sources by those of the world."""
    for key, rows in worlds.tables(world).items():
        project.warehouse.replace_table(project.catalogue[key], rows.to_batches())


def computed_rows(project: ProjectWarehouse, name: str, day: date, retrospective: bool = False) -> dict[str, Row]:
    """sql/NAME.sql of the day, computed from what the sources hold: lead_id -> columns. Every lead must come once."""
    params = {"prediction_date": day, "cutoff": cutoff(day), "retrospective": retrospective}
    if name == tables.SCORED_LEADS:
        query = project.catalogue.query(name, params)
    else:
        query = sql.compose(name, [(key, key) for key in tables.SHARED], project.catalogue.names(), params)
    found = project.warehouse.read(query).to_pylist()
    by_lead = {row["lead_id"]: row for row in found}
    assert len(by_lead) == len(found)
    return by_lead


def features_of(project: ProjectWarehouse, world: SourceRows, day: date = DAY) -> Row:
    """Both versions' features of the world's one lead."""
    fill(project, world)
    rows = [computed_rows(project, name, day)[LEAD_ID] for name in VERSIONS.values()]
    return {key: value for row in rows for key, value in row.items()}


def new_project(folder: Path) -> ProjectWarehouse:
    """A warehouse with every table, empty."""
    project = ProjectWarehouse(DuckDBWarehouse(path=str(folder / "warehouse.duckdb")), default_catalogue())
    project.warehouse.create(project.catalogue.values())
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectWarehouse]:
    project = new_project(tmp_path_factory.mktemp("project"))
    with project.warehouse.session():
        yield project


# --- random worlds -------------------------------------------------------------------------------------------------


def same(got: object, wanted: object) -> bool:
    """Equal in value and type; a float within 1e-12."""
    if isinstance(wanted, float) and isinstance(got, float):
        return math.isclose(got, wanted, rel_tol=0, abs_tol=1e-12)
    return type(got) is type(wanted) and got == wanted


def differences(found: dict[str, Row], expected: dict[str, Row]) -> list[str]:
    """Every lead and column in which the two differ."""
    lines = [f"{lead}: only {'found' if lead in found else 'expected'}" for lead in found.keys() ^ expected.keys()]
    for lead in sorted(found.keys() & expected.keys()):
        lines += [
            f"{lead}.{name}: found {found[lead][name]!r}, expected {wanted!r}"
            for name, wanted in expected[lead].items()
            if not same(found[lead][name], wanted)
        ]
    return lines


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(FEW, id="few"),
        pytest.param(WORLDS_PER_DAY[FEW.stop :], id="the others", marks=pytest.mark.extended),
    ],
)
@pytest.mark.parametrize("day", [*worlds.QUICK, *worlds.OTHERS], ids=str)
def test_every_lead_and_feature_of_random_worlds_is_what_the_reference_says(tmp_path, day, seeds):
    project, compared = new_project(tmp_path), 0
    with project.warehouse.session():
        for seed in seeds:
            world = worlds.random_world(random.Random(f"{day} {seed}"), day)
            fill(project, world)
            late = seed % 2 == 1
            scored = computed_rows(project, tables.SCORED_LEADS, day, late)
            assert differences(scored, reference.scored_leads(world, day, late)) == [], f"scored_leads, seed {seed}"
            for version, name in VERSIONS.items():
                found = computed_rows(project, name, day, late)
                assert differences(found, reference.features(world, day, version, late)) == [], f"{name}, seed {seed}"
                assert {row["advisor_crd"] for row in found.values()} == {row["advisor_crd"] for row in scored.values()}
            compared += len(scored)
    assert compared > len(seeds) * 10


def test_the_comparison_itself_tells_types_values_and_leads_apart():
    expected = {"a": {"n": 1, "x": 0.5}}
    assert differences({"a": {"n": 1, "x": 0.5 + 1e-13}}, expected) == []
    assert differences({"a": {"n": 1.0, "x": 0.5}}, expected) == ["a.n: found 1.0, expected 1"]
    assert differences({"a": {"n": True, "x": 0.5}}, expected) == ["a.n: found True, expected 1"]
    assert differences({"a": {"n": 1, "x": 0.5 + 1e-11}}, expected) == ["a.x: found 0.50000000001, expected 0.5"]
    assert differences({}, expected) == ["a: only expected"]


# --- rows in -------------------------------------------------------------------------------------------------------


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micros: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)


def lead(**columns) -> Row:
    row = dict.fromkeys(worlds.SCHEMAS["lead"].names) | {"Id": LEAD_ID, "FA_CRD__c": str(ADVISOR)}
    return row | {"stage_entered_contacting__c": utc(2020, 1, 1)} | columns


def contact(advisor: int = ADVISOR, **columns) -> Row:
    return dict.fromkeys(worlds.SCHEMAS["ria_contacts_current"].names) | {"RIA_CONTACT_CRD_ID": advisor} | columns


def job(start: date | None, end: date | None = None, firm: int | None = FIRM, advisor: int = ADVISOR, name=None) -> Row:
    values = (advisor, firm, name, start, end)
    return dict(zip(worlds.SCHEMAS["contact_registered_employment_history"].names, values, strict=True))


def chosen(row: Row, expected: Row) -> Row:
    return {name: row[name] for name in expected}


# --- which leads are scored ----------------------------------------------------------------------------------------

MIDNIGHTS = [
    pytest.param(date(2025, 3, 9), utc(2025, 3, 9, 5), id="spring-day-opens-in-winter-time"),
    pytest.param(date(2025, 3, 10), utc(2025, 3, 10, 4), id="day-after-spring-opens-in-summer-time"),
    pytest.param(date(2025, 11, 2), utc(2025, 11, 2, 4), id="autumn-day-opens-in-summer-time"),
    pytest.param(date(2025, 11, 3), utc(2025, 11, 3, 5), id="day-after-autumn-opens-in-winter-time"),
    pytest.param(date(2024, 2, 29), utc(2024, 2, 29, 5), id="leap-day"),
    pytest.param(date(2026, 1, 1), utc(2026, 1, 1, 5), id="new-year"),
]


@pytest.mark.parametrize(("day", "midnight"), MIDNIGHTS)
def test_a_lead_is_scored_when_contacted_before_and_not_called_before_new_york_midnight(project, day, midnight):
    before = midnight - timedelta(microseconds=1)
    fill(
        project,
        SourceRows(
            [
                lead(Id="00QContactedBefore", stage_entered_contacting__c=before),
                lead(Id="00Q0000ContactedAt", stage_entered_contacting__c=midnight),
                lead(Id="00Q000CalledBefore", Stage_Entered_Call_Scheduled__c=before),
                lead(Id="00Q0000000CalledAt", Stage_Entered_Call_Scheduled__c=midnight),
                lead(Id="00QNeverContacted0", stage_entered_contacting__c=None),
            ]
        ),
    )
    scored = computed_rows(project, "scored_leads", day)
    assert sorted(scored) == ["00Q0000000CalledAt", "00QContactedBefore"]
    assert scored["00QContactedBefore"]["contacted_on"] == day - ONE_DAY


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"FA_CRD__c": "1001"}, (1001, 0, 0), id="plain"),
        pytest.param({"FA_CRD__c": " CRD# 10-01 "}, (1001, 0, 0), id="stray-characters"),
        pytest.param({"FA_CRD__c": "999999999999999999"}, (10**18 - 1, 0, 0), id="largest-crd"),
        pytest.param({"FA_CRD__c": "1000000000000000000"}, (None, 0, 0), id="19-digits"),
        pytest.param({"FA_CRD__c": "0000000000000001001"}, (None, 0, 0), id="19-digits-with-zeros"),
        pytest.param({"FA_CRD__c": "9223372036854775808"}, (None, 0, 0), id="overflowed-crd"),
        pytest.param({"FA_CRD__c": "1001.0"}, (1001, 0, 0), id="decimal-of-an-export"),
        pytest.param({"FA_CRD__c": "CRD 1001.000 (FINRA)"}, (1001, 0, 0), id="decimal-in-a-text"),
        pytest.param({"FA_CRD__c": "1001.5"}, (None, 0, 0), id="another-decimal"),
        pytest.param({"FA_CRD__c": "1001.05"}, (None, 0, 0), id="another-decimal-with-a-zero"),
        pytest.param({"FA_CRD__c": "1001,0"}, (None, 0, 0), id="decimal-comma"),
        pytest.param({"FA_CRD__c": "1,001"}, (1001, 0, 0), id="thousands"),
        pytest.param({"FA_CRD__c": "1.001E+3"}, (None, 0, 0), id="exponent"),
        pytest.param({"FA_CRD__c": "1e3"}, (None, 0, 0), id="bare-exponent"),
        pytest.param({"FA_CRD__c": "0"}, (None, 0, 0), id="zero"),
        pytest.param({"FA_CRD__c": "\u00a0"}, None, id="no-break-space"),
        pytest.param({"FA_CRD__c": "\u200b\x0b"}, None, id="nothing-to-see"),
        pytest.param({"Email": "\u00a0"}, (1001, 0, 0), id="blank-email"),
        pytest.param({"FA_CRD__c": "n/a"}, (None, 0, 0), id="no-digits"),
        pytest.param({"FA_CRD__c": "\t"}, None, id="blank-crd"),
        pytest.param({"FA_CRD__c": None}, None, id="null-crd"),
        pytest.param({"Email": "a@example.com", "LinkedIn_Profile_Apollo__c": " "}, (1001, 1, 0), id="email-only"),
        pytest.param({"Email": "\t", "LinkedIn_Profile_Apollo__c": "in/a"}, (1001, 0, 1), id="profile-only"),
        pytest.param({"Company": "the sAvVy group"}, None, id="own-people"),
        pytest.param({"Company": "Sav vy"}, (1001, 0, 0), id="other-company"),
    ],
)
def test_a_scored_lead_carries_its_crd_and_contact_flags(project, columns, expected):
    fill(project, SourceRows([lead(**columns)]))
    found = [
        (row["advisor_crd"], row["has_email"], row["has_linkedin"])
        for row in computed_rows(project, "scored_leads", DAY).values()
    ]
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize("crd", [pytest.param("n/a", id="no-digits"), pytest.param("9" * 19, id="overflowed")])
def test_a_lead_without_a_usable_crd_is_scored_with_every_firm_feature_at_its_missing_value(project, crd):
    world = SourceRows([lead(FA_CRD__c=crd, Email="a@example.com")], [contact()], [job(date(2020, 1, 1))])
    fill(project, world)
    old, new = (computed_rows(project, name, DAY)[LEAD_ID] for name in VERSIONS.values())
    assert old["advisor_crd"] is new["advisor_crd"] is None
    assert [old[name] for name in reference.FEATURES["v4.0.0"]] == [
        *("Unknown", "0-5", 1, "Stable", 0, 0, "Unknown", 0, 0, 0, 1, 0, 0, 0)
    ]
    assert [new[name] for name in reference.FEATURES["v4.1.0"]] == [
        *(0, "Unknown", 0.0, 0, "Stable", 0, 0, "Unknown", 0, 0, 0, 1, 0, 0, 0),
        *(0, 9999, 0, 0, 0, 0, 0),
    ]


def test_equal_scores_are_ordered_by_a_salted_hash_of_the_lead_id_alone(project):
    ids = [f"00Q{number:015d}" for number in range(200)]
    fill(project, SourceRows([lead(Id=one, Email="a@example.com" if one.endswith("7") else None) for one in ids]))
    hashed = {one: int(hashlib.md5(f"v4-tie-break:{one}".encode()).hexdigest()[:15], 16) for one in ids}
    for name in ("scored_leads", *VERSIONS.values()):
        assert {one: row["tie_break"] for one, row in computed_rows(project, name, DAY).items()} == hashed
    assert sorted(ids, key=hashed.__getitem__) != ids


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        (["001A0000006Vm9r"], ["001A0000006Vm9rIAC"]),
        (["00QZZZZZZZZZZZZ"], ["00QZZZZZZZZZZZZ255"]),
        (["001A0000006Vm9r", "001A0000006Vm9rIAC"], ["001A0000006Vm9rIAC"]),
        (["001A0000006Vm9R", "001A0000006Vm9r"], ["001A0000006Vm9RIAS", "001A0000006Vm9rIAC"]),
        (["00Q00000000000", "00Q0000000000011", "00Q-00000000001", "", None], []),
    ],
)
def test_an_id_of_15_characters_is_the_same_lead_as_its_18_and_other_lengths_are_set_aside(project, written, listed):
    fill(project, SourceRows([lead(Id=one) for one in written]))
    assert sorted(computed_rows(project, "scored_leads", DAY)) == listed


# --- the advisor and the firm --------------------------------------------------------------------------------------

LONG_AGO, HOUSE_NAME = date(2010, 1, 1), "Merrill Lynch"
FEBRUARY_29, NEW_YEAR, FIRST_OF_JUNE = date(2024, 2, 29), date(2026, 1, 1), date(2025, 6, 1)


@pytest.mark.parametrize(
    ("day", "jobs", "expected"),
    [
        pytest.param(
            DAY,
            [job(date(2024, 1, 1), None, 12, name=HOUSE_NAME), job(date(2024, 1, 1), None, 11, name="Acme")],
            {"is_wirehouse": 0, "tenure_months": 17, "mobility_3yr": 2, "firm_rep_count_at_contact": 1},
            id="two-firms-started-on-one-day-the-smaller-id-is-current",
        ),
        pytest.param(
            DAY,
            [job(date(2020, 1, 1), DAY, name=HOUSE_NAME), job(DAY, None, 11)],
            {"is_wirehouse": 0, "tenure_months": 0, "tenure_bucket": "0-12", "mobility_3yr": 1},
            id="moved-on-the-day-to-the-new-firm",
        ),
        pytest.param(
            DAY,
            [job(DAY, DAY, 12, name=HOUSE_NAME), job(DAY, None, 11)],
            {"is_wirehouse": 0, "mobility_3yr": 2, "short_tenure_x_high_mobility": 1},
            id="two-moves-on-one-day",
        ),
        pytest.param(
            DAY,
            [job(date(2020, 1, 1), DAY)],
            {"has_firm_data": 1, "firm_rep_count_at_contact": 1, "firm_net_change_12mo": 0},
            id="an-end-on-the-day-is-still-employed",
        ),
        pytest.param(
            DAY,
            [job(date(2020, 1, 1), DAY - ONE_DAY)],
            {"has_firm_data": 0, "firm_rep_count_at_contact": 0, "tenure_bucket": "Unknown"},
            id="an-end-the-day-before-is-not",
        ),
        pytest.param(
            FEBRUARY_29,
            [job(date(2023, 2, 28)), job(date(2023, 2, 27), advisor=1), job(date(2023, 2, 28), advisor=2)],
            {"firm_net_change_12mo": 2, "firm_stability_tier": "Growing", "tenure_months": 12},
            id="twelve-months-before-leap-day-begin-on-28-february",
        ),
        pytest.param(
            FEBRUARY_29,
            [job(date(2021, 2, 28), None, 11), job(date(2021, 3, 1), None, 12)],
            {"mobility_3yr": 1, "mobility_tier": "Low_Mobility"},
            id="three-years-before-leap-day-begin-after-28-february",
        ),
        pytest.param(
            date(2025, 2, 28),
            [job(date(2024, 2, 28)), job(date(2024, 2, 27), advisor=1), job(FEBRUARY_29, advisor=2)],
            {"firm_net_change_12mo": 2, "tenure_months": 12, "tenure_bucket": "12-24"},
            id="28-february-after-a-leap-year-keeps-its-day",
        ),
        pytest.param(
            FIRST_OF_JUNE,
            [job(date(2025, 5, 31))],
            {"tenure_months": 1, "tenure_bucket": "0-12"},
            id="one-day-over-a-month-boundary-is-a-month",
        ),
        pytest.param(
            date(2025, 5, 31), [job(date(2025, 5, 1))], {"tenure_months": 0}, id="thirty-days-within-a-month-are-none"
        ),
        pytest.param(
            NEW_YEAR,
            [job(date(2024, 12, 31)), job(date(2025, 1, 1), advisor=1), job(LONG_AGO, date(2025, 12, 31), advisor=2)],
            {"tenure_months": 13, "tenure_bucket": "12-24", "firm_net_change_12mo": 0},
            id="new-year-looks-back-to-new-year",
        ),
        pytest.param(
            DAY,
            [*[job(date(2015, 6, 1), date(2020, 6, 1), 11)] * 2, job(date(2020, 6, 1))],
            {"experience_bucket": "5-10", "is_experience_missing": 0},
            id="sixty-months-counted-once-however-often-the-row-comes",
        ),
        pytest.param(
            DAY,
            [job(date(2021, 1, 1), date(2020, 1, 1)), job(None), job(date(2020, 1, 1), None, None)],
            {"has_firm_data": 0, "mobility_3yr": 0, "experience_bucket": "0-5", "is_experience_missing": 1},
            id="impossible-rows-are-ignored",
        ),
    ],
)
def test_employment_decides_the_features_of_advisor_and_firm(project, day, jobs, expected):
    assert chosen(features_of(project, SourceRows([lead()], [], jobs), day), expected) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(
            {"PRIMARY_FIRM_START_DATE": DAY - timedelta(days=365)},
            {"is_recent_mover": 1, "days_since_last_move": 365},
            id="moved-365-days-ago",
        ),
        pytest.param(
            {"PRIMARY_FIRM_START_DATE": DAY - timedelta(days=366)},
            {"is_recent_mover": 0, "days_since_last_move": 366},
            id="moved-366-days-ago",
        ),
        pytest.param(
            {"PRIMARY_FIRM_START_DATE": DAY + ONE_DAY},
            {"is_recent_mover": 0, "days_since_last_move": 9999},
            id="moves-tomorrow",
        ),
        pytest.param(
            {"INDUSTRY_TENURE_MONTHS": 119},
            {"experience_years": 119 / 12, "experience_bucket": "5-10", "is_experience_missing": 0},
            id="one-month-short-of-ten-years",
        ),
        pytest.param(
            {"INDUSTRY_TENURE_MONTHS": 240}, {"experience_years": 20.0, "experience_bucket": "20+"}, id="twenty-years"
        ),
        pytest.param(
            {
                "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID": FIRM,
                "LATEST_REGISTERED_EMPLOYMENT_COMPANY": HOUSE_NAME,
                "LATEST_REGISTERED_EMPLOYMENT_START_DATE": DAY,
            },
            {"has_firm_data": 1, "is_wirehouse": 1, "tenure_bucket": "0-12", "firm_rep_count_at_contact": 0},
            id="registered-today-without-a-history-row",
        ),
        pytest.param(
            {
                "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID": FIRM,
                "LATEST_REGISTERED_EMPLOYMENT_START_DATE": DAY + ONE_DAY,
            },
            {"has_firm_data": 0, "tenure_bucket": "Unknown"},
            id="registers-tomorrow",
        ),
        pytest.param(
            {"PRODUCING_ADVISOR": None, "REP_TYPE": "IA", "PRIMARY_FIRM_CLASSIFICATION": "Independent RIA"},
            {"is_independent_ria": 0, "is_ia_rep_type": 0, "is_dual_registered": 0},
            id="producing-unknown",
        ),
        pytest.param(
            {"PRODUCING_ADVISOR": True, "REP_TYPE": "DR", "PRIMARY_FIRM_CLASSIFICATION": "Large Independent RIA"},
            {"is_independent_ria": 1, "is_ia_rep_type": 0, "is_dual_registered": 1},
            id="producing-and-dual",
        ),
    ],
)
def test_the_contact_decides_the_features_it_feeds(project, columns, expected):
    assert chosen(features_of(project, SourceRows([lead()], [contact(**columns)])), expected) == expected


def world_with_leavers(*days_ago: int) -> SourceRows:
    """The lead's firm, and one advisor each who left it so many days before DAY, the old job's end not yet recorded."""
    world = SourceRows([lead()], [contact()], [job(LONG_AGO)])
    for advisor, days in enumerate(days_ago, start=1):
        world.history.append(job(LONG_AGO, advisor=advisor))
        world.history.append(job(date(2005, 1, 1), DAY, OTHER_FIRM, advisor))
        world.contacts.append(
            contact(advisor, PRIMARY_FIRM=NEW_FIRM, PRIMARY_FIRM_START_DATE=DAY - timedelta(days=days))
        )
    return world


@pytest.mark.parametrize(
    ("days_ago", "departures", "velocity"),
    [
        pytest.param((1, 365), 2, 0, id="two-are-too-few"),
        pytest.param((0, 366, -1), 0, 0, id="outside-the-year"),
        pytest.param((1, 90, 91), 3, 3, id="two-after-one"),
        pytest.param((1, 1, 1, 91, 180), 5, 2, id="three-after-two-is-exactly-one-and-a-half"),
        pytest.param((90, 91, 180), 3, 2, id="one-after-two-is-exactly-half"),
        pytest.param((91, 180, 181), 3, 1, id="none-after-two"),
        pytest.param((181, 200, 365), 3, 2, id="none-after-none"),
    ],
)
def test_departures_are_read_from_where_the_leavers_work_now(project, days_ago, departures, velocity):
    found = features_of(project, world_with_leavers(*days_ago))
    assert (found["firm_departures_corrected"], found["bleeding_velocity_encoded"]) == (departures, velocity)


MOVED = date(2025, 6, 1)


@pytest.mark.parametrize(
    ("jobs", "departures"),
    [
        pytest.param(
            [job(LONG_AGO), job(date(2005, 1, 1), MOVED, OTHER_FIRM)], 1, id="latest-start-not-the-recorded-end"
        ),
        pytest.param([job(LONG_AGO), job(date(2011, 1, 1), None, OTHER_FIRM)], 0, id="another-firm-joined-later"),
        pytest.param([job(LONG_AGO), job(LONG_AGO, None, OTHER_FIRM)], 1, id="tie-goes-to-the-smaller-id"),
        pytest.param([job(LONG_AGO), job(LONG_AGO, None, 9)], 0, id="tie-goes-to-the-smaller-id-elsewhere"),
        pytest.param([job(LONG_AGO), job(MOVED, None, NEW_FIRM)], 1, id="never-the-new-firm-itself"),
        pytest.param([job(MOVED)], 0, id="begun-on-the-day-of-the-move"),
        pytest.param([job(MOVED - ONE_DAY)], 1, id="begun-the-day-before-the-move"),
        pytest.param([job(LONG_AGO, date(2009, 1, 1))], 0, id="an-impossible-row"),
    ],
)
def test_a_mover_left_the_other_firm_joined_last_before_the_move(project, jobs, departures):
    mover = contact(7, PRIMARY_FIRM=NEW_FIRM, PRIMARY_FIRM_START_DATE=MOVED)
    history = [job(LONG_AGO), *(row | {"RIA_CONTACT_CRD_ID": 7} for row in jobs)]
    assert features_of(project, SourceRows([lead()], [mover], history))["firm_departures_corrected"] == departures


# --- what must not change a result ---------------------------------------------------------------------------------


def computed(project: ProjectWarehouse, day: date) -> dict[str, dict[str, Row]]:
    return {name: computed_rows(project, name, day) for name in (tables.SCORED_LEADS, *VERSIONS.values())}


def test_a_past_day_computed_after_its_leads_converted_is_the_same(project):
    day = date(2025, 11, 3)
    world = worlds.random_world(random.Random(5), day)
    fill(project, world)
    before = computed(project, day)
    for row in world.leads:
        # Every row of a lead converts, whichever spelling of its Id it has.
        if (found := reference.lead_id(row["Id"])) in before[tables.SCORED_LEADS]:
            row["Stage_Entered_Call_Scheduled__c"] = cutoff(day) + timedelta(days=ord(found[-4]) % 2)
    world.leads.append(lead(Id="00Q999999999999999", stage_entered_contacting__c=cutoff(day)))
    fill(project, world)
    assert computed(project, day) == before
    assert len(before[tables.SCORED_LEADS]) > 10


def test_the_row_order_of_the_sources_does_not_matter(project):
    day, rng = date(2025, 5, 31), random.Random(11)
    world = worlds.random_world(rng, day)
    fill(project, world)
    before = computed(project, day)
    for _ in range(4):
        for rows in (world.leads, world.contacts, world.history, world.protocol):
            rng.shuffle(rows)
        fill(project, world)
        assert computed(project, day) == before


def test_copies_of_a_lead_that_differ_in_their_call_alone_give_one_answer_in_any_order(project):
    early, late = cutoff(DAY) - ONE_DAY, cutoff(DAY) + ONE_DAY
    copies = [lead(Stage_Entered_Call_Scheduled__c=call) for call in (early, late)]
    answers = []
    for order in (copies, copies[::-1]):
        fill(project, SourceRows(order))
        answers.append(sorted(computed_rows(project, tables.SCORED_LEADS, DAY)))
    assert answers[0] == answers[1]


def test_a_leads_features_do_not_depend_on_the_other_leads(project):
    day = date(2025, 3, 10)
    world = worlds.random_world(random.Random(3), day)
    fill(project, world)
    all_leads = computed(project, day)
    some = {reference.lead_id(row["Id"]) for row in world.leads[::3]}
    fill(project, replace(world, leads=[row for row in world.leads if reference.lead_id(row["Id"]) in some]))
    for name, rows in computed(project, day).items():
        assert rows == {one: row for one, row in all_leads[name].items() if one in some}


def test_a_rerun_is_identical_row_for_row(project):
    day = date(2025, 7, 15)
    fill(project, worlds.random_world(random.Random(8), day))
    stored = [materialized(project, day, sequence) for sequence in (1, 2)]
    assert stored[0] == stored[1]
    assert all(rows.num_rows > 0 for rows in stored[0].values())


def materialized(project: ProjectWarehouse, day: date, sequence: int) -> dict[str, pa.Table]:
    """The daily chain written table by table, as read back from the partitions."""
    log, stored = project.catalogue[tables.PARTITION_WRITES], {}
    params = {"prediction_date": day, "cutoff": cutoff(day), "retrospective": False}
    for key in CHAIN:
        table = project.catalogue[key]
        write = PartitionWrite(table.name, day, utc(2025, 7, 15, 10), False, "0" * 64, None, None, sequence)
        project.warehouse.replace_partition(table, write, project.catalogue.query(key, params), log)
        stored[key] = project.warehouse.read(Query(key, f"SELECT * FROM {table.full_name} ORDER BY 1, 2"))
    return stored


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(
            {}, {"has_firm_data": 1, "firm_rep_count_at_contact": 1, "tenure_months": 17}, id="with-a-company-id"
        ),
        pytest.param(
            {f"{LATEST}_COMPANY_CRD_ID": None},
            {
                **{"has_firm_data": 0, "firm_rep_count_at_contact": 0, "firm_net_change_12mo": 0},
                **{"firm_stability_tier": "Unknown", "firm_departures_corrected": 0, "is_broker_protocol": 0},
                **{"tenure_months": 17, "tenure_bucket": "12-24", "is_wirehouse": 1, "is_experience_missing": 0},
            },
            id="without-one",
        ),
        pytest.param(
            {f"{LATEST}_COMPANY_CRD_ID": 0},
            {"has_firm_data": 0, "firm_stability_tier": "Unknown", "tenure_bucket": "12-24", "is_wirehouse": 1},
            id="a-placeholder-is-none",
        ),
        pytest.param(
            {f"{LATEST}_COMPANY_CRD_ID": None, f"{LATEST}_COMPANY": None},
            {"tenure_bucket": "12-24", "is_wirehouse": 0},
            id="without-a-name",
        ),
        pytest.param(
            {f"{LATEST}_COMPANY_CRD_ID": None, f"{LATEST}_START_DATE": DAY + ONE_DAY},
            {"tenure_bucket": "Unknown", "is_wirehouse": 0, "is_experience_missing": 1},
            id="begun-later",
        ),
    ],
)
def test_a_registration_without_a_company_id_is_no_firm_but_tells_tenure_and_wirehouse(project, columns, expected):
    registration = {f"{LATEST}_COMPANY": HOUSE_NAME, f"{LATEST}_START_DATE": date(2024, 1, 20)}
    registration |= {f"{LATEST}_COMPANY_CRD_ID": FIRM} | columns
    row = dict.fromkeys(worlds.SCHEMAS["ria_contacts_current"].names) | {"RIA_CONTACT_CRD_ID": ADVISOR}
    world = SourceRows([lead()], [row | registration], [job(LONG_AGO, advisor=7)], [{"firm_crd_id": FIRM}])
    assert chosen(features_of(project, world), expected) == expected
    for version in VERSIONS:
        both = reference.features(world, DAY, version)[LEAD_ID]
        assert both == chosen(features_of(project, world), both)
