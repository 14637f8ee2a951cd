"""docs/configuration.md and .env.example say what the settings say."""

import re

import pytest

from v4_assets.config import docs_page as configuration
from v4_assets.config import environment
from v4_assets.config import salesforce as salesforce_target
from v4_assets.config.docs_page import comments_of, entries
from v4_assets.config.rollout import Rollout
from v4_assets.project_files import PROJECT

VARIABLE = re.compile(r"V4_[A-Z0-9_]*[A-Z0-9]")
SOURCE = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
VARIABLES = {one.name: one for one in configuration.variables()}
ENTRIES = {one.path: one for one in entries(Rollout, environment.load(configuration.EMPTY).rollout, SOURCE)}


def test_the_page_is_what_the_settings_say():
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page(), "`make docs` makes it anew"


def test_every_variable_that_is_read_is_documented():
    assert len(environment.KNOWN) > 25
    assert set(environment.KNOWN) == VARIABLES.keys()


def test_every_variable_of_salesforce_is_documented():
    prefixed = {name for name in VARIABLES if name.startswith(salesforce_target.PREFIX)}
    assert len(prefixed) == len(salesforce_target.SalesforceTarget.model_fields) - 1


def test_the_example_lists_exactly_the_variables_there_are():
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    listed = re.findall(rf"^#({VARIABLE.pattern})=", example, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in VARIABLES if name.startswith("V4_"))


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_says_what_it_is(name):
    assert VARIABLES[name].meaning


@pytest.mark.parametrize("path", ENTRIES)
def test_every_entry_of_rollout_yaml_says_what_it_is(path):
    assert len(ENTRIES[path].meaning) > 5


def test_defaults_are_those_of_an_empty_environment():
    defaults = {name: one.default for name, one in VARIABLES.items()}
    assert defaults["V4_HOME"] == "`.v4` in the project"
    assert defaults["V4_WAREHOUSE"] == "`duckdb`"
    assert defaults["V4_SCHEDULE"] == "`off`"
    assert defaults["V4_BIGQUERY_LOCATION"] == "`US`"
    assert defaults["V4_BIGQUERY_MAXIMUM_BYTES_BILLED"] == f"`{50 * 2**30}`"
    assert defaults["V4_SALESFORCE_AUTH"] == "`jwt`"
    assert {defaults[name] for name in ("V4_NOW", "V4_BIGQUERY_PROJECT", "V4_SALESFORCE_DOMAIN")} == {"–"}


def test_entries_carry_type_bounds_unit_and_the_shipped_value():
    days = ENTRIES["evaluation.max_days"]
    assert (days.kind, days.unit, days.default, days.shipped) == ("whole number ≥ 1 and ≤ 366", "days", "–", "`182`")
    assert ENTRIES["policy.rollback.judge_by"].kind == "`upper_bound` or `estimate`"
    assert ENTRIES["salesforce.fields.scored_at"].default == "`null`"
    assert ENTRIES["versions.*.train.gamma"].default == "`0`"
    assert ENTRIES["checks.psi"].meaning.startswith("Warning: population stability index")


def test_a_comment_belongs_to_its_line_or_to_the_entry_below():
    source = "# about one\n# and more\none: 1\ntwo:\n  inner: 2 # beside\n\n# apart\n\nthree: 3\n"
    assert comments_of(source) == {"one": "about one and more", "two.inner": "beside"}
