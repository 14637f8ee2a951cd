"""Every check of the sources and of the list of leads passes on good data and fails on bad data."""

from datetime import date, timedelta

import pytest

from v4_assets.checks import Check, Finding
from v4_assets.sources import checks as source_checks
from v4_assets.sql import Column
from v4_assets.tables import Table
from v4_assets_tests.fixtures.check_cases import CUTOFF, DAY, LIMITS, Case, answer, coverage, replace_limits

SOURCE = Table("lead", "crm", "Lead", (Column("Id", "STRING"), Column("CreatedDate", "TIMESTAMP")), is_source=True)
ASKED = (SOURCE, {"Id": "STRING", "CreatedDate": "TIMESTAMP"})


def observed(day: date = DAY, source: str = "lead", column: str = "Email", **changes) -> dict:
    """A row of source_observations."""
    row = {"prediction_date": day, "source": source, "column_name": column, "row_count": 1000, "null_count": 100}
    row |= {"impossible_count": 0, "impossible_examples": None}
    return row | {"latest_at": CUTOFF - timedelta(hours=12)} | changes


def ask_sources(check: Check, *observations: dict, declared=(ASKED,)) -> Finding:
    contacts = observed(source="ria_contacts_current", column="REP_TYPE", latest_at=CUTOFF - timedelta(days=30))
    return answer(source_checks.judge(declared, [*observations, contacts], DAY, CUTOFF, LIMITS), check)


def before(offset: int, **changes) -> dict:
    return observed(DAY - timedelta(days=offset), **changes)


SOURCE_CASES = (
    Case(
        source_checks.COLUMNS,
        good=lambda: ask_sources(source_checks.COLUMNS, observed()),
        bad=lambda: ask_sources(source_checks.COLUMNS, observed(), declared=[ASKED, (SOURCE, {"Id": "INT64"})]),
        found_good="all columns as declared",
        found_bad="2 columns not as declared",
        expected="all columns as declared",
        details=("Lead.Id is INT64, expected STRING", "Lead.CreatedDate is missing, expected TIMESTAMP"),
    ),
    Case(
        source_checks.FILLED,
        good=lambda: ask_sources(source_checks.FILLED, observed(row_count=1)),
        bad=lambda: ask_sources(source_checks.FILLED, observed(row_count=0), observed(source="a", row_count=0)),
        found_good="0 empty",
        found_bad="2 empty",
        expected="0 empty",
        details=("a", "lead"),
    ),
    Case(
        source_checks.ROWS_STEADY,
        good=lambda: ask_sources(source_checks.ROWS_STEADY, observed(row_count=1299), before(1), before(2)),
        bad=lambda: ask_sources(
            source_checks.ROWS_STEADY, observed(row_count=600), before(1, row_count=800), before(2, row_count=1200)
        ),
        found_good="largest change +29.9%",
        found_bad="largest change -40.0%",
        expected="within ±30%",
        details=("lead: -40.0%",),
    ),
    Case(
        source_checks.NULLS_STEADY,
        good=lambda: ask_sources(source_checks.NULLS_STEADY, observed(null_count=199), before(1), before(2)),
        bad=lambda: ask_sources(
            source_checks.NULLS_STEADY, observed(null_count=1000), before(1, null_count=50), before(2, null_count=150)
        ),
        found_good="largest change +9.9%",
        found_bad="largest change +90.0%",
        expected="within ±10%",
        details=("lead.Email: +90.0%",),
    ),
    Case(
        source_checks.POSSIBLE,
        good=lambda: ask_sources(source_checks.POSSIBLE, observed(impossible_count=50, impossible_examples="x")),
        bad=lambda: ask_sources(source_checks.POSSIBLE, observed(impossible_count=51, impossible_examples="x, y")),
        found_good="largest share 5.00%",
        found_bad="largest share 5.10%",
        expected="≤ 5.00%",
        details=("lead.Email: 5.10%, such as x, y",),
    ),
    Case(
        source_checks.RARE,
        good=lambda: ask_sources(source_checks.RARE, observed(impossible_count=1)),
        bad=lambda: ask_sources(source_checks.RARE, observed(impossible_count=2, impossible_examples="x")),
        found_good="largest share 0.10%",
        found_bad="largest share 0.20%",
        expected="≤ 0.10%",
        details=("lead.Email: 0.20%, such as x",),
    ),
    Case(
        source_checks.FRESH,
        good=lambda: ask_sources(source_checks.FRESH, observed(latest_at=CUTOFF - timedelta(days=4))),
        bad=lambda: ask_sources(source_checks.FRESH, observed(latest_at=CUTOFF - timedelta(days=50))),
        found_good="oldest 30.0 days",
        found_bad="oldest 50.0 days",
        expected="days: lead ≤ 4, ria_contacts_current ≤ 45",
        details=("lead: 50.0 days, at most 4",),
    ),
)


@pytest.mark.parametrize("check", [source_checks.ROWS_STEADY, source_checks.NULLS_STEADY], ids=lambda check: check.name)
def test_a_first_day_has_nothing_to_differ_from(check):
    found = ask_sources(check, observed(row_count=3, null_count=3))
    assert found.passed
    assert found.actual == "largest change +0.0%"


@pytest.mark.parametrize("count", [700, 1300])
def test_a_source_at_the_limit_is_steady(count):
    assert ask_sources(source_checks.ROWS_STEADY, observed(row_count=count), before(1)).passed


def test_a_source_that_was_empty_before_has_no_usual_row_count():
    assert ask_sources(source_checks.ROWS_STEADY, observed(), before(1, row_count=0)).passed


def test_a_column_that_is_new_today_has_no_usual_share_of_nulls():
    new = observed(column="Phone", null_count=1000)
    assert ask_sources(source_checks.NULLS_STEADY, observed(), new, before(1)).passed


def test_a_column_that_went_silent_is_named_beside_steady_ones():
    found = ask_sources(
        source_checks.NULLS_STEADY,
        *(observed(column=column, null_count=nulls) for column, nulls in (("Email", 100), ("Company", 990))),
        *(before(1, column=column) for column in ("Email", "Company")),
    )
    assert (found.passed, found.details) == (False, ("lead.Company: +89.0%",))


def test_a_column_with_a_limit_of_its_own_blocks_by_that_one():
    observations = [observed(impossible_count=900), observed(column="Company", impossible_count=51)]
    own = replace_limits(impossible_values={"columns": {"lead.Email": 0.9}})
    found = answer(source_checks.judge([ASKED], observations, DAY, CUTOFF, own), source_checks.POSSIBLE)
    assert (found.passed, [one.split(":")[0] for one in found.details]) == (False, ["lead.Company"])


def test_observations_of_an_earlier_release_counted_no_impossible_values():
    assert ask_sources(source_checks.POSSIBLE, observed(impossible_count=None)).passed


def test_a_source_without_a_dated_entry_is_not_fresh():
    found = ask_sources(source_checks.FRESH, observed(latest_at=None))
    assert (found.passed, found.details) == (False, ("lead: no dated entry before the day",))


def test_a_source_without_observations_is_not_fresh():
    found = ask_sources(source_checks.FRESH)
    assert (found.passed, found.details) == (False, ("lead: no dated entry before the day",))


# --- leads


def ask_leads(check: Check, count: int = 100, counts_before=(100,), distinct: int | None = None) -> Finding:
    return answer(source_checks.judge_leads(coverage(count, distinct), counts_before, LIMITS), check)


LEAD_CASES = (
    Case(
        source_checks.ONE_ROW_PER_LEAD,
        good=lambda: ask_leads(source_checks.ONE_ROW_PER_LEAD),
        bad=lambda: ask_leads(source_checks.ONE_ROW_PER_LEAD, 100, distinct=97),
        found_good="0 surplus rows",
        found_bad="3 surplus rows",
        expected="0 surplus rows",
    ),
    Case(
        source_checks.COUNT_STEADY,
        good=lambda: ask_leads(source_checks.COUNT_STEADY, 130, (90, 110)),
        bad=lambda: ask_leads(source_checks.COUNT_STEADY, 131, (90, 110)),
        found_good=130,
        found_bad=131,
        expected="70 to 130 leads",
    ),
)


@pytest.mark.parametrize(
    ("count", "counts_before", "passed"),
    [
        pytest.param(70, (100,), True, id="at the lower border"),
        pytest.param(69, (100,), False, id="below it"),
        pytest.param(5, (), True, id="first day"),
        pytest.param(5, (0, 0), True, id="after empty days"),
        pytest.param(0, (), False, id="first day without leads"),
        pytest.param(0, (100,), False, id="no leads"),
    ],
)
def test_the_lead_count_is_compared_with_the_days_before(count, counts_before, passed):
    assert ask_leads(source_checks.COUNT_STEADY, count, counts_before).passed is passed


def test_no_leads_at_all_are_answered_with_what_to_look_at():
    found = ask_leads(source_checks.COUNT_STEADY, 0)
    assert (found.actual, found.expected) == ("0 leads", "at least 1 lead")
    assert found.details == ("Is the CRM copy filled? Is first_day right?",)
