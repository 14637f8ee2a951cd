"""The reference itself, against values worked out by hand."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from v4_assets_tests.fixtures.reference import (
    FEATURES,
    Departure,
    Row,
    SourceRows,
    advisor_crd,
    bleeding_velocity,
    current_firm,
    experience_bucket,
    features,
    firm_stability_tier,
    inferred_departures,
    is_wirehouse,
    lead_id,
    mobility_tier,
    months_before,
    months_between,
    scored_leads,
    tenure_bucket,
)
from v4_assets_tests.fixtures.worlds import INTERESTING_DAYS, SCHEMAS, random_world, tables

DAY = date(2025, 6, 15)
ADVISOR, FIRM, OTHER_FIRM = 1001, 10, 11
LEAD_ID = "00Q000000000000001"


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micros: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)


def lead(**columns) -> Row:
    row = dict.fromkeys(SCHEMAS["lead"].names) | {"Id": LEAD_ID, "FA_CRD__c": str(ADVISOR)}
    return row | {"stage_entered_contacting__c": utc(2020, 1, 1)} | columns


def contact(advisor: int = ADVISOR, **columns) -> Row:
    return dict.fromkeys(SCHEMAS["ria_contacts_current"].names) | {"RIA_CONTACT_CRD_ID": advisor} | columns


def job(start: date | None, end: date | None = None, firm: int | None = FIRM, advisor: int = ADVISOR, name=None) -> Row:
    values = (advisor, firm, name, start, end)
    return dict(zip(SCHEMAS["contact_registered_employment_history"].names, values, strict=True))


def feature(name: str, world: SourceRows, day: date = DAY):
    """The feature of the world's one lead, from whichever version takes it."""
    version = next(version for version, names in FEATURES.items() if name in names)
    return features(world, day, version)[LEAD_ID][name]


def with_jobs(*jobs: Row, **contact_columns) -> SourceRows:
    return SourceRows([lead()], [contact(**contact_columns)], list(jobs))


# --- which leads are scored ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "stamp", "scored"),
    [
        pytest.param(date(2025, 6, 15), utc(2025, 6, 15, 3, 59, 59, 999999), True, id="last-instant-before"),
        pytest.param(date(2025, 6, 15), utc(2025, 6, 15, 4), False, id="at-midnight"),
        pytest.param(date(2025, 3, 9), utc(2025, 3, 9, 4, 59), True, id="spring-day-still-opens-in-winter-time"),
        pytest.param(date(2025, 3, 9), utc(2025, 3, 9, 5), False, id="spring-day-at-midnight"),
        pytest.param(date(2025, 3, 10), utc(2025, 3, 10, 4), False, id="day-after-spring-opens-in-summer-time"),
        pytest.param(date(2025, 11, 2), utc(2025, 11, 2, 4), False, id="autumn-day-still-opens-in-summer-time"),
        pytest.param(date(2025, 11, 3), utc(2025, 11, 3, 4, 59), True, id="day-after-autumn-opens-in-winter-time"),
        pytest.param(date(2025, 11, 3), utc(2025, 11, 3, 5), False, id="day-after-autumn-at-midnight"),
    ],
)
def test_a_lead_is_scored_when_contacted_before_new_york_midnight(day, stamp, scored):
    world = SourceRows([lead(stage_entered_contacting__c=stamp)])
    assert (LEAD_ID in scored_leads(world, day)) is scored


def test_a_lead_that_converts_later_is_still_scored_on_the_days_before():
    called = utc(2025, 6, 15, 4)
    world = SourceRows([lead(Stage_Entered_Call_Scheduled__c=called)])
    assert [LEAD_ID in scored_leads(world, day) for day in (DAY, DAY + timedelta(days=1))] == [True, False]


@pytest.mark.parametrize(
    ("columns", "scored"),
    [
        pytest.param({"stage_entered_contacting__c": None}, False, id="never-contacted"),
        pytest.param({"FA_CRD__c": None}, False, id="null-crd"),
        pytest.param({"FA_CRD__c": "  "}, False, id="blank-crd"),
        pytest.param({"FA_CRD__c": "no crd"}, True, id="crd-without-digits"),
        pytest.param({"Company": "The sAvVy Group"}, False, id="own-people"),
        pytest.param({"Company": "Acme"}, True, id="other-company"),
        pytest.param({"Company": None}, True, id="null-company"),
    ],
)
def test_a_lead_needs_a_crd_and_another_company(columns, scored):
    assert (LEAD_ID in scored_leads(SourceRows([lead(**columns)]), DAY)) is scored


@pytest.mark.parametrize(
    ("text", "crd"),
    [
        ("CRD# 12-34", 1234),
        ("0012", 12),
        ("no crd", None),
        ("999999999999999999", 10**18 - 1),
        ("1000000000000000000", None),
        ("123.0", 123),
        ("123.10", None),
        ("1.23E2", None),
        ("1,234", 1234),
        ("12,34", None),
        ("0", None),
        ("\uff11\uff12", None),
    ],
)
def test_the_crd_is_the_ascii_digits_of_a_whole_number(text, crd):
    assert advisor_crd(text) == crd


@pytest.mark.parametrize(
    ("text", "widened"),
    [
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("00Q000000000001", "00Q000000000001EAA"),
        ("00QZZZZZZZZZZZZ", "00QZZZZZZZZZZZZ255"),
        ("001A0000006Vm9rIAC", "001A0000006Vm9rIAC"),
        ("00Q00000000000", None),
        ("00Q0000000000011", None),
        ("00Q00000000000-", None),
        ("", None),
        (None, None),
    ],
)
def test_an_id_is_widened_by_salesforce_s_checksum(text, widened):
    assert lead_id(text) == widened


def test_only_a_filled_email_and_profile_count_as_present():
    world = SourceRows([lead(Email=" \t", LinkedIn_Profile_Apollo__c="in/a")])
    assert scored_leads(world, DAY) == {LEAD_ID: {"advisor_crd": ADVISOR, "has_email": 0, "has_linkedin": 1}}
    assert (feature("has_email", world), feature("has_linkedin", world)) == (0, 1)


@pytest.mark.parametrize(
    ("first", "second", "crd"),
    [
        pytest.param({"CreatedDate": utc(2025, 1, 1)}, {}, 1, id="created-beats-null"),
        pytest.param({}, {"stage_entered_contacting__c": utc(2021, 1, 1)}, 2, id="later-contacting"),
        pytest.param({}, {}, 2, id="largest-crd-text"),
        pytest.param(
            {"Stage_Entered_Call_Scheduled__c": utc(2025, 6, 16)},
            {"stage_entered_contacting__c": utc(2021, 1, 1)},
            1,
            id="call-stamp-first",
        ),
    ],
)
def test_duplicate_leads_count_once_by_the_agreed_preference(first, second, crd):
    world = SourceRows([lead(FA_CRD__c="1") | first, lead(FA_CRD__c="2") | second])
    assert scored_leads(world, DAY)[LEAD_ID]["advisor_crd"] == crd


# --- current firm --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        pytest.param([job(date(2020, 1, 1)), job(date(2022, 1, 1), None, 12)], 12, id="latest-start-wins"),
        pytest.param([job(date(2020, 1, 1), None, 12), job(date(2020, 1, 1), None, 11)], 11, id="tie-smallest-firm"),
        pytest.param([job(DAY, DAY)], FIRM, id="one-day-job-on-the-day"),
        pytest.param([job(date(2020, 1, 1), DAY - timedelta(days=1))], None, id="ended-the-day-before"),
        pytest.param([job(DAY + timedelta(days=1))], None, id="starts-the-day-after"),
        pytest.param([job(date(2020, 1, 1), None, None)], None, id="no-firm"),
        pytest.param([job(None)], None, id="no-start"),
    ],
)
def test_the_current_firm_is_the_covering_row_started_last(jobs, expected):
    current = current_firm(SourceRows(history=jobs), ADVISOR, DAY)
    assert (current and current.firm) == expected
    assert feature("has_firm_data", with_jobs(*jobs)) == int(expected is not None)


@pytest.mark.parametrize(
    ("firm", "start", "expected"),
    [
        pytest.param(11, DAY, (11, DAY, "Acme"), id="started-on-the-day"),
        pytest.param(11, DAY + timedelta(days=1), None, id="starts-later"),
        pytest.param(11, None, None, id="no-start"),
        pytest.param(None, DAY, (None, DAY, "Acme"), id="no-company-id"),
    ],
)
def test_without_a_covering_row_the_latest_registered_firm_counts(firm, start, expected):
    latest = {
        "LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID": firm,
        "LATEST_REGISTERED_EMPLOYMENT_COMPANY": "Acme",
        "LATEST_REGISTERED_EMPLOYMENT_START_DATE": start,
    }
    world = SourceRows(contacts=[contact(**latest)], history=[job(date(2020, 1, 1), date(2021, 1, 1))])
    assert current_firm(world, ADVISOR, DAY) == expected


def test_the_smallest_name_among_the_covering_rows_is_the_firms_name():
    start = date(2020, 1, 1)
    jobs = [job(start, name="UBS"), job(start, DAY, name="Acme"), job(start, date(2021, 1, 1), name="AAA"), job(start)]
    assert current_firm(SourceRows(history=jobs), ADVISOR, DAY) == (FIRM, start, "Acme")


def test_a_lead_without_firm_has_every_firm_feature_at_its_missing_value():
    world = SourceRows([lead(FA_CRD__c="no crd", Email="a@example.com")], [contact()], [job(date(2020, 1, 1))])
    assert list(features(world, DAY, "v4.0.0")[LEAD_ID].values()) == [
        *("Unknown", "0-5", 1, "Stable", 0, 0, "Unknown", 0, 0, 0, 1, 0, 0, 0)
    ]
    assert list(features(world, DAY, "v4.1.0")[LEAD_ID].values()) == [
        *(0, "Unknown", 0.0, 0, "Stable", 0, 0, "Unknown", 0, 0, 0, 1, 0, 0, 0),
        *(0, 9999, 0, 0, 0, 0, 0),
    ]


# --- the advisor ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "months", "bucket"),
    [
        pytest.param(date(2025, 5, 31), 1, "0-12", id="a-boundary-crossed-is-a-month"),
        pytest.param(date(2024, 6, 30), 12, "12-24", id="twelve-boundaries-in-less-than-a-year"),
        pytest.param(date(2023, 7, 1), 23, "12-24", id="23-months"),
        pytest.param(date(2021, 6, 15), 48, "48-120", id="48-months"),
        pytest.param(date(2015, 6, 1), 120, "120+", id="120-months"),
    ],
)
def test_tenure_counts_month_boundaries(start, months, bucket):
    world = with_jobs(job(start))
    assert (feature("tenure_months", world), feature("tenure_bucket", world)) == (months, bucket)


def test_v410_experience_is_the_industry_tenure():
    assert feature("experience_years", with_jobs(job(date(2020, 1, 1)), INDUSTRY_TENURE_MONTHS=30)) == 2.5
    assert feature("experience_years", with_jobs()) == 0.0


@pytest.mark.parametrize(
    ("jobs", "industry_months", "bucket", "missing"),
    [
        pytest.param([job(date(2020, 1, 1))], 240, "0-5", 0, id="no-job-before-the-current-one"),
        pytest.param([], 240, "20+", 0, id="no-firm-takes-industry-tenure"),
        pytest.param([], None, "0-5", 1, id="neither-is-missing"),
        pytest.param([job(date(2020, 1, 1))], None, "0-5", 0, id="a-firm-is-enough"),
        pytest.param(
            [job(date(2015, 1, 1), date(2020, 1, 9), 11), job(date(2020, 1, 9))], None, "5-10", 0, id="60-months"
        ),
        pytest.param([job(date(2015, 6, 30), None, 11), job(date(2024, 1, 1))], None, "10-15", 0, id="open-end-to-day"),
        pytest.param(
            [job(date(2000, 1, 1), DAY + timedelta(days=1), 11), job(date(2024, 1, 1))], None, "0-5", 0, id="not-ended"
        ),
        pytest.param(
            [*[job(date(2010, 1, 1), date(2014, 1, 1), 11)] * 2, job(date(2024, 1, 1))], None, "0-5", 0, id="distinct"
        ),
    ],
)
def test_v400_experience_sums_the_jobs_before_the_current_one(jobs, industry_months, bucket, missing):
    world = with_jobs(*jobs, INDUSTRY_TENURE_MONTHS=industry_months)
    assert (feature("experience_bucket", world), feature("is_experience_missing", world)) == (bucket, missing)


def test_mobility_counts_distinct_firms_started_within_three_years():
    on_border, first_inside = date(2022, 6, 15), date(2022, 6, 16)
    jobs = [job(on_border, None, 11), job(first_inside, None, 12), job(DAY, None, 12), job(DAY + timedelta(days=1))]
    world = with_jobs(*jobs)
    assert (feature("mobility_3yr", world), feature("mobility_tier", world)) == (1, "Low_Mobility")
    assert [mobility_tier(firms) for firms in (0, 1, 2, 5)] == ["Stable", "Low_Mobility", *["High_Mobility"] * 2]


@pytest.mark.parametrize(
    ("moved", "recent", "days"),
    [
        pytest.param(date(2024, 6, 15), 1, 365, id="365-days-ago"),
        pytest.param(date(2024, 6, 14), 0, 366, id="366-days-ago"),
        pytest.param(DAY, 1, 0, id="today"),
        pytest.param(DAY + timedelta(days=1), 0, 9999, id="tomorrow"),
        pytest.param(None, 0, 9999, id="unknown"),
    ],
)
def test_a_recent_move_is_within_365_days(moved, recent, days):
    world = with_jobs(PRIMARY_FIRM_START_DATE=moved)
    assert (feature("is_recent_mover", world), feature("days_since_last_move", world)) == (recent, days)


@pytest.mark.parametrize(
    ("producing", "classification", "rep_type", "flags"),
    [
        pytest.param(True, "Large Independent RIA", "IA", (1, 1, 0), id="independent-ia"),
        pytest.param(True, "independent ria", "DR", (0, 0, 1), id="case-matters-dual"),
        pytest.param(True, None, None, (0, 0, 0), id="nulls"),
        pytest.param(False, "Independent RIA", "IA", (0, 0, 0), id="not-producing"),
        pytest.param(None, "Independent RIA", "DR", (0, 0, 0), id="producing-unknown"),
    ],
)
def test_registration_flags_are_for_producing_advisors(producing, classification, rep_type, flags):
    columns = {"PRIMARY_FIRM_CLASSIFICATION": classification, "REP_TYPE": rep_type, "PRODUCING_ADVISOR": producing}
    world = with_jobs(**columns)
    names = ("is_independent_ria", "is_ia_rep_type", "is_dual_registered")
    assert tuple(feature(name, world) for name in names) == flags


def test_of_duplicate_contacts_the_latest_primary_start_counts():
    newer, older = contact(PRIMARY_FIRM_START_DATE=date(2025, 6, 1)), contact(PRIMARY_FIRM_START_DATE=date(2025, 1, 1))
    assert feature("days_since_last_move", SourceRows([lead()], [contact(), older, newer])) == 14


# --- the firm ------------------------------------------------------------------------------------------------------


def test_the_rep_count_is_distinct_advisors_there_on_the_day():
    here = job(date(2020, 1, 1))
    others = [
        job(date(2020, 1, 1), DAY, advisor=1),
        job(DAY, advisor=2),
        job(date(2020, 1, 1), date(2025, 6, 14), advisor=3),
    ]
    world = with_jobs(here, here, *others, job(date(2020, 1, 1), None, OTHER_FIRM, advisor=4))
    assert feature("firm_rep_count_at_contact", world) == 3


def test_net_change_counts_starts_less_ends_in_the_twelve_months_before():
    starts = [job(date(2024, 6, 15), advisor=1), job(date(2024, 6, 14), advisor=2), job(DAY, advisor=3)]
    ends = [job(date(2019, 1, 1), date(2025, 6, 14), advisor=4), job(date(2019, 1, 1), DAY, advisor=5)]
    ends += [job(date(2019, 1, 1), date(2024, 6, 15), advisor=6), job(date(2019, 1, 1), date(2024, 6, 14), advisor=7)]
    world = with_jobs(job(date(2020, 1, 1)), *starts, *ends)
    assert (feature("firm_net_change_12mo", world), feature("firm_stability_tier", world)) == (1 - 2, "Light_Bleeding")


def test_twelve_months_before_leap_day_is_the_end_of_february():
    hired_on_the_border = job(date(2023, 2, 28), advisor=1)
    assert (
        feature("firm_net_change_12mo", with_jobs(job(date(2020, 1, 1)), hired_on_the_border), date(2024, 2, 29)) == 1
    )
    assert months_before(date(2024, 2, 29), 36) == date(2021, 2, 28)
    assert months_before(date(2025, 5, 31), 3) == date(2025, 2, 28)
    assert months_between(date(2025, 12, 31), date(2026, 1, 1)) == 1


def test_eleven_leavers_of_a_mobile_advisors_firm_are_heavy_bleeding():
    leavers = [job(date(2019, 1, 1), date(2025, 1, 1), advisor=advisor) for advisor in range(1, 14)]
    moves = [job(date(2023, 1, 1), date(2024, 1, 1), OTHER_FIRM), job(date(2024, 7, 1))]
    for others, net_change, heavy in ((leavers[:11], -10, 0), (leavers[:12], -11, 1)):
        world = with_jobs(*moves, *others)
        assert feature("firm_net_change_12mo", world) == net_change
        assert feature("mobility_x_heavy_bleeding", world) == heavy
    assert feature("mobility_x_heavy_bleeding", with_jobs(*leavers, moves[1])) == 0


@pytest.mark.parametrize(
    ("start", "flag"), [pytest.param(date(2023, 7, 1), 1, id="23-months"), pytest.param(date(2023, 6, 30), 0, id="24")]
)
def test_short_tenure_is_below_24_months_and_needs_two_moves(start, flag):
    moves = [job(date(2023, 1, 1), date(2023, 2, 1), OTHER_FIRM), job(start)]
    assert feature("short_tenure_x_high_mobility", with_jobs(*moves)) == flag
    assert feature("short_tenure_x_high_mobility", with_jobs(moves[1])) == 0


def test_a_wirehouse_is_known_by_the_current_firms_name():
    assert feature("is_wirehouse", with_jobs(job(date(2020, 1, 1), name="morgan Stanley & Co"))) == 1
    assert [is_wirehouse(name) for name in ("Merrill", "Helpline", "Edward D. Jones", "", None)] == [1, 1, 0, 0, 0]


def test_a_protocol_member_is_known_by_the_current_firms_id():
    world = with_jobs(job(date(2020, 1, 1)))
    world.protocol = [{"firm_crd_id": None}, {"firm_crd_id": OTHER_FIRM}]
    assert feature("is_broker_protocol", world) == 0
    world.protocol.append({"firm_crd_id": FIRM})
    assert feature("is_broker_protocol", world) == 1


# --- inferred departures -------------------------------------------------------------------------------------------

MOVED = date(2025, 6, 1)


@pytest.mark.parametrize(
    ("jobs", "left"),
    [
        pytest.param(
            [job(date(2020, 1, 1)), job(date(2018, 1, 1), date(2025, 5, 1), 11)], FIRM, id="latest-start-not-end"
        ),
        pytest.param([job(date(2020, 1, 1), None, 12), job(date(2020, 1, 1), None, 11)], 11, id="tie-smallest-firm"),
        pytest.param([job(date(2024, 1, 1), None, 99), job(date(2020, 1, 1))], FIRM, id="never-the-primary-firm"),
        pytest.param([job(MOVED)], None, id="begun-on-the-day-of-the-move"),
        pytest.param([job(date(2020, 1, 1), date(2019, 1, 1))], None, id="impossible-row"),
    ],
)
def test_an_advisor_left_the_other_firm_joined_last(jobs, left):
    world = with_jobs(*jobs, PRIMARY_FIRM=99, PRIMARY_FIRM_START_DATE=MOVED)
    assert inferred_departures(world) == ([] if left is None else [Departure(ADVISOR, left, MOVED)])


def test_without_a_primary_firm_or_its_start_no_departure_is_inferred():
    for columns in ({"PRIMARY_FIRM": 99}, {"PRIMARY_FIRM_START_DATE": MOVED}):
        assert inferred_departures(with_jobs(job(date(2020, 1, 1)), **columns)) == []


def world_with_leavers(*days_ago: int) -> SourceRows:
    """The lead's firm, and one advisor who left it (its end unrecorded) each so many days before DAY."""
    world = with_jobs(job(date(2010, 1, 1)))
    for advisor, days in enumerate(days_ago, start=1):
        moved = DAY - timedelta(days=days)
        world.history.append(job(date(2010, 1, 1), advisor=advisor))
        world.contacts.append(contact(advisor, PRIMARY_FIRM=99, PRIMARY_FIRM_START_DATE=moved))
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
def test_bleeding_velocity_compares_the_last_90_days_with_the_90_before(days_ago, departures, velocity):
    world = world_with_leavers(*days_ago)
    assert feature("firm_departures_corrected", world) == departures
    assert feature("bleeding_velocity_encoded", world) == velocity


# --- the worlds ----------------------------------------------------------------------------------------------------


def test_an_unknown_version_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"v4\.2\.0.*v4\.0\.0, v4\.1\.0"):
        features(SourceRows(), DAY, "v4.2.0")


def test_each_version_yields_exactly_its_features_in_order():
    for version, count in (("v4.0.0", 14), ("v4.1.0", 22)):
        row = features(SourceRows([lead()]), DAY, version)[LEAD_ID]
        assert tuple(row) == FEATURES[version]
        assert len(row) == count


def test_tiers_change_exactly_at_their_bounds():
    assert [tenure_bucket(months) for months in (11, 12, 24, 47, 48, 119)] == [
        *("0-12", "12-24", "24-48", "24-48", "48-120", "48-120")
    ]
    assert [experience_bucket(years) for years in (0, 4.9, 5.0, 10.0, 15.0, 19.9, 20.0)] == [
        *("0-5", "0-5", "5-10", "10-15", "15-20", "15-20", "20+")
    ]
    assert [firm_stability_tier(net) for net in (-11, -10, -1, 0, 1)] == [
        *("Heavy_Bleeding", "Light_Bleeding", "Light_Bleeding", "Stable", "Growing")
    ]
    assert [bleeding_velocity(*counts) for counts in ((2, 2, 0), (3, 3, 2), (3, 2, 1))] == [0, 2, 3]


@pytest.mark.parametrize("day", INTERESTING_DAYS, ids=str)
def test_a_world_is_reproducible_and_loads_with_the_sources_types(day):
    world, again = (random_world(random.Random(7), day) for _ in range(2))
    assert world == again
    assert {name: table.schema for name, table in tables(world).items()} == SCHEMAS
    ids = [lead_id(row["Id"]) for row in world.leads]
    assert 30 < len(set(ids)) < len(ids)
    assert None in ids


@pytest.mark.extended
def test_the_worlds_reach_every_tier_bucket_and_flag():
    seen: dict[str, set[object]] = {}
    for seed, day in enumerate(INTERESTING_DAYS * 6):
        world = random_world(random.Random(seed), day)
        for version in FEATURES:
            for row in features(world, day, version).values():
                for name, value in row.items():
                    seen.setdefault(name, set()).add(value)
    assert seen["tenure_bucket"] == {"Unknown", "0-12", "12-24", "24-48", "48-120", "120+"}
    assert seen["experience_bucket"] == {"0-5", "5-10", "10-15", "15-20", "20+"}
    assert seen["mobility_tier"] == {"Stable", "Low_Mobility", "High_Mobility"}
    assert seen["firm_stability_tier"] == {"Unknown", "Heavy_Bleeding", "Light_Bleeding", "Stable", "Growing"}
    assert seen["bleeding_velocity_encoded"] == {0, 1, 2, 3}
    assert {-11, -10, 0, 1} <= seen["firm_net_change_12mo"]
    flags = [name for name in seen if name.startswith(("is_", "has_")) or "_x_" in name]
    assert len(flags) == 12
    assert all(seen[name] == {0, 1} for name in flags)
