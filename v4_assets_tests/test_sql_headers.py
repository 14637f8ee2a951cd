"""The header of an SQL file is read as a contract, and a header that disagrees with its query is refused by name."""

import pytest

from v4_assets import sql
from v4_assets.clock import cutoff
from v4_assets.errors import SqlFileError
from v4_assets.sql import SqlFile
from v4_assets_tests.fixtures.daily_sql import DAY

GOOD = """\
-- counted: how many leads,
-- over two lines.
-- grain:   one row per day
-- inputs:  {{lead}}
-- params:  @day DATE
-- output:
--   day     DATE  the day
-- features:
--   share   FLOAT64 [0..1; missing 0]  of all
--   change  INT64 [-5..]  since then
--   size    STRING [small | large; missing small]  in this order
-- marks:
--   late    BOOL  or not

SELECT @day AS day, 0.5 AS share, 1 AS change, 'small' AS size, FALSE AS late FROM {{lead}};
"""


def test_a_header_is_read_as_a_contract():
    assert sql.parse("counted", GOOD) == SqlFile(
        name="counted",
        purpose="how many leads, over two lines.",
        grain="one row per day",
        inputs=("lead",),
        names=(),
        params=("day",),
        columns=(
            sql.Column("day", "DATE", "the day"),
            sql.Column("share", "FLOAT64", "of all", low=0.0, high=1.0, missing=0, is_feature=True),
            sql.Column("change", "INT64", "since then", low=-5.0, is_feature=True),
            sql.Column("size", "STRING", "in this order", ("small", "large"), missing="small", is_feature=True),
            sql.Column("late", "BOOL", "or not"),
        ),
        body="SELECT @day AS day, 0.5 AS share, 1 AS change, 'small' AS size, FALSE AS late FROM {{lead}}",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "-- counted: how many leads,",
            "-- counts: how many leads,",
            "sql/counted.sql must begin with '-- counted: purpose'; it begins with ['-- counts: how many leads,'].",
            id="wrong-title",
        ),
        pytest.param(
            "--   day     DATE  the day",
            "--   day     DAY  the day",
            "sql/counted.sql: cannot read the column in '--   day     DAY  the day'.",
            id="unknown-type",
        ),
        pytest.param(
            "--   late    BOOL  or not",
            "--   late    BOOL or not",
            "Expected '--   name TYPE [domain; missing value]  meaning', two spaces before the meaning.",
            id="one-space-before-the-meaning",
        ),
        pytest.param(
            "-- inputs:  {{lead}}",
            "-- inputs:  {{lead}}, {{production}}",
            "sql/counted.sql: its header lists inputs ['lead', 'production'], its body uses ['lead'].",
            id="inputs-disagree",
        ),
        pytest.param(
            "-- inputs:  {{lead}}\n",
            "",
            "sql/counted.sql: its header lists inputs [], its body uses ['lead'].",
            id="inputs-missing",
        ),
        pytest.param(
            "-- params:  @day DATE",
            "-- params:  @date DATE",
            "sql/counted.sql: its header lists params ['date'], its body uses ['day'].",
            id="params-disagree",
        ),
        pytest.param(
            "-- params:  @day DATE",
            "-- parms:   @day DATE",
            "sql/counted.sql: '-- parms:   @day DATE' is neither an entry nor 'output:'. Correct the header.",
            id="unknown-entry",
        ),
        pytest.param(
            GOOD[GOOD.index("-- output:") : GOOD.index("\nSELECT")],
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="output-missing",
        ),
        pytest.param(
            "-- grain:   one row per day\n",
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="grain-missing",
        ),
        pytest.param(
            GOOD[GOOD.index("SELECT") :],
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="body-missing",
        ),
        pytest.param(GOOD, "", "it begins with [].", id="empty-file"),
    ],
)
def test_a_header_that_does_not_agree_is_refused_by_name(old, new, message):
    assert old in GOOD
    with pytest.raises(SqlFileError) as caught:
        sql.parse("counted", GOOD.replace(old, new))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SqlFileError, match=r"scored_deals\.sql was not found in .*/sql\. Add the file"):
        sql.load("scored_deals")


def test_an_unknown_table_and_a_missing_parameter_are_named():
    file = sql.parse("counted", GOOD)
    with pytest.raises(SqlFileError, match=r"reads \['lead'\], which has no name\. Known: \['leads'\]"):
        sql.bind(file, {"leads": "`crm`.`Lead`"}, {"day": DAY})
    with pytest.raises(SqlFileError, match=r"needs a value for @day; got \['date'\]"):
        sql.bind(file, {"lead": "`crm`.`Lead`"}, {"date": DAY})


def test_a_query_carries_exactly_the_parameters_of_its_header():
    query = sql.bind(sql.parse("counted", GOOD), {"lead": "`crm`.`Lead`"}, {"day": DAY, "cutoff": cutoff(DAY)})
    assert query.params == {"day": DAY}
    assert query.text.endswith("FROM `crm`.`Lead`")
