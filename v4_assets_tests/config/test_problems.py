"""A wrong value in rollout.yaml or in a variable is reported in its user's words, whatever is wrong with it."""

import copy
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from v4_assets.config.environment import KNOWN, load
from v4_assets.config.problems import worded
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SettingsError
from v4_assets.project_files import PROJECT

CONTENT: dict[str, Any] = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
WRONG: list[object] = [
    *(None, True, -1, 0, 2.5, 10**12, float("nan"), "", "x y", "9" * 200, [], ["x y"], [[]], {}, {"x y": 1}, {7: {}}),
    *(date(2026, 1, 5), datetime(2026, 1, 5, 6, 30, tzinfo=UTC), date(1, 1, 1)),
]
FOREIGN = re.compile(
    r"Input should|Value error|String should|Field required|Extra inputs|Keys should|Path does|\bvalid\b|unable|"
    r"instance of|Datetimes|[Dd]ictionary|[Tt]uple|\binteger\b|\bboolean\b|pattern|\[key\]|\.\."
)
"""What pydantic says and a user of rollout.yaml does not; two full stops, too."""
LOGIN = {
    "V4_SALESFORCE": "salesforce",
    "V4_SALESFORCE_DOMAIN": "acme.my",
    "V4_SALESFORCE_ORG_ID": "00D000000000001EAA",
    "V4_SALESFORCE_SANDBOX": "no",
    "V4_SALESFORCE_AUTH": "client-credentials",
    "V4_SALESFORCE_CONSUMER_KEY": "k3y",
    "V4_SALESFORCE_CONSUMER_SECRET": "s3cret",
}


def places(entries: dict[Any, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all entries of a file, those that hold others too."""
    for name, value in entries.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def problems(path: tuple[Any, ...], value: object) -> str:
    """The error of a rollout.yaml with this value at this place; empty where the value is accepted."""
    content = copy.deepcopy(CONTENT)
    entry = content
    for name in path[:-1]:
        entry = entry[name]
    entry[path[-1]] = value
    try:
        Rollout.model_validate(content)
    except ValidationError as error:
        return worded(error, Rollout)
    return ""


def refusal(**env: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(env)
    return str(caught.value)


@pytest.mark.parametrize("path", places(CONTENT), ids=lambda path: ".".join(map(str, path)))
def test_no_value_of_an_entry_is_refused_in_the_words_of_the_library(path):
    for value in WRONG:
        said = problems(path, value)
        assert not FOREIGN.search(said), said
        assert said == "" or said.endswith((".", "?"))
    assert problems(path, [[]])


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("training/until", None, "training.until is empty, expected a date like 2026-01-05."),
        ("training/until", 2026.5, "training.until is 2026.5, expected a date like 2026-01-05."),
        ("first_day", date(1025, 10, 1), "first_day is 1025-10-01, expected a day in the years 2000 to 2099."),
        ("prospects/enabled", "perhaps", "prospects.enabled is 'perhaps', expected true or false."),
        ("baseline", 4, "baseline is 4, expected a text, in quotes."),
        ("owners", "team:revops", "owners is 'team:revops', expected a list."),
        ("owners", ["revops"], "owners.0 is 'revops', expected team:NAME or an e-mail address."),
        ("policy", None, "policy is empty, expected entries below it."),
        ("policy/weeks", "monday", "policy.weeks is 'monday', expected entries below it."),
        ("checks/psi", [0.2], "checks.psi is a list, expected a number."),
        ("checks/psi", {"of": 0.2}, "checks.psi is entries, expected a number."),
        ("evaluation/min_days", True, ""),
        ("evaluation/holidays", ["25.12."], "evaluation.holidays.0 is '25.12.', expected a day like 12-25 or"),
        ("reasons", False, "reasons is false, expected 'production', 'all' or 'none'."),
        ("salesforce/fields/score", "x" * 81, f"score is '{'x' * 59}…, expected at most 80 characters."),
        ("code_url", "github.com/firm", "code_url is 'github.com/firm', expected an http address without"),
        ("sources/lead/columns/email", "E Mail", "email is 'E Mail', expected at most 300 letters, digits and _,"),
        ("prospects/words", {"tenure_months": ""}, "tenure_months is '', expected a text that is not empty."),
        ("promotion", {}, "There is no setting promotion. docs/configuration.md lists them all."),
        ("policy/promotoin", {}, "There is no setting policy.promotoin. Did you mean promotion?"),
        ("versions/v4.1.0/source_columns/x/tabel", "lead", "source_columns.x.tabel. Did you mean table?"),
    ],
)
def test_a_wrong_entry_is_named_with_what_was_found_and_what_is_expected(place, value, said):
    path = tuple(place.split("/"))
    if path[-2:-1] == ("x",):
        path, value = path[:-2], {"x": {path[-1]: value}}
    assert said in problems(path, value)


def test_a_group_below_a_name_of_its_own_does_not_pass_for_a_setting():
    assert "There is no setting checks.1." in problems(("checks",), CONTENT["checks"] | {1: 2})


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "V4_HOME"])
@pytest.mark.parametrize("value", ["x y", "-1", "~nobody-at-all", "http://"])
def test_no_value_of_a_variable_is_refused_in_the_words_of_the_library(tmp_path, name, value):
    env = LOGIN | {"V4_HOME": str(tmp_path), "V4_BIGQUERY_PROJECT": "firm", name: value}
    try:
        load(env)
    except SettingsError as error:
        said = str(error)
        assert not FOREIGN.search(said), said
        assert name in said
        assert said.endswith(".")


@pytest.mark.parametrize("value", ["abc", "hooks.slack.com/services/x", "http://hooks.slack.com/x", "https://", "x y"])
def test_a_webhook_without_https_is_refused_and_not_shown(value):
    said = refusal(V4_SLACK_WEBHOOK=value)
    assert said == (
        "The environment cannot be used. V4_SLACK_WEBHOOK must be an https address like "
        "https://hooks.slack.com/services/T0/B0/KEY."
    )


@pytest.mark.parametrize(
    "value", ["https://hooks.slack.com/services/T0/B0/KEY", "http://127.0.0.1:9/x", "http://localhost:8080/services"]
)
def test_a_webhook_may_be_reached_without_https_on_this_machine_alone(value):
    webhook = load({"V4_SLACK_WEBHOOK": value}).slack_webhook
    assert webhook is not None
    assert webhook.get_secret_value() == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("V4_BIGQUERY_ENDPOINT", "127.0.0.1:9050", "expected an http address like http://127.0.0.1:9050."),
        ("V4_BIGQUERY_ENDPOINT", "ftp://127.0.0.1", "expected an http address like"),
        ("V4_BIGQUERY_STORAGE_ENDPOINT", "http://127.0.0.1:9060", "expected HOST:PORT like 127.0.0.1:9060."),
        ("V4_BIGQUERY_STORAGE_ENDPOINT", "127.0.0.1", "expected HOST:PORT like"),
    ],
)
def test_an_emulator_is_given_by_an_address_of_its_form(name, value, said):
    assert f"{name} is {value!r}, {said}" in refusal(V4_BIGQUERY_PROJECT="firm", **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "V4_SALESFORCE_DOMAIN",
            "https://acme.my.salesforce.com",
            "must be the My Domain without .salesforce.com",
        ),
        ("V4_SALESFORCE_LOGIN_HOST", "https://login.salesforce.com", "must be a Salesforce host like login.salesforce"),
        ("V4_SALESFORCE_AUDIENCE", "login.salesforce.com", "must be a Salesforce address like https://login.salesf"),
    ],
)
def test_an_address_of_salesforce_is_given_by_its_form_and_not_shown(name, value, said):
    message = refusal(**LOGIN | {name: value})
    assert f"{name} {said}" in message
    assert value not in message.replace("like https://login.salesforce.com", "")
