"""A bundle's hash covers whatever can change a score, and a feature list with an impossible entry is refused."""

import json
import re
from pathlib import Path

import pytest

from v4_assets import resources
from v4_assets.config.environment import load
from v4_assets.errors import ModelContractError
from v4_assets.models.contract import Feature, bundle_sha256, parse_contract
from v4_assets.models.training import features_of
from v4_assets_tests.fixtures.firm_models import SQL_COLUMNS

A = Feature("a", "STRING", ("x", "y"), missing="y", booster_name="a_encoded")
B = Feature("b", "INT64", low=0.0)


@pytest.mark.parametrize(
    "other",
    [
        ((B, A), "all", "0"),
        ((A, B), 3, "0"),
        ((A, B), "all", "1"),
        ((Feature("a", "STRING", ("y", "x"), missing="y", booster_name="a_encoded"), B), "all", "0"),
        ((Feature("a", "STRING", ("x", "y"), missing="y", nulls="nan", booster_name="a_encoded"), B), "all", "0"),
        ((Feature("a", "STRING", ("x", "y"), missing="y", nulls="missing", booster_name="a_encoded"), B), "all", "0"),
        ((Feature("a", "STRING", ("x", "y"), missing="y"), B), "all", "0"),
    ],
    ids=["order", "rounds", "booster", "codes", "NULL as missing", "NULL as a word", "name"],
)
def test_whatever_can_change_a_score_changes_the_bundle_s_hash(other):
    assert bundle_sha256(*other) != bundle_sha256((A, B), "all", "0")


def test_a_range_does_not_change_the_bundle_s_hash():
    assert bundle_sha256((A, Feature("b", "INT64")), "all", "0") == bundle_sha256((A, B), "all", "0")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"rounds": True}, "rounds is True"),
        ({"rounds": "best"}, "rounds is 'best'"),
        ({"features": [{"name": "a", "type": "INT64", "nulls": "missing"}]}, "a reads NULL as None"),
        (
            {"features": [{"name": "a", "type": "STRING", "categories": ["x"], "nulls": "missing", "missing": "z"}]},
            "a reads NULL as 'z'",
        ),
        ({"features": [{"name": "a", "type": "INT64", "booster_name": "b"}, {"name": "b", "type": "INT64"}]}, "twice"),
    ],
    ids=["no rounds", "true rounds", "best", "no missing", "no category", "a name twice"],
)
def test_a_contract_that_says_something_impossible_is_refused(change, said):
    with pytest.raises(ModelContractError, match=said):
        parse_contract({"features": [{"name": "a", "type": "INT64"}]} | change, "list.json")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("a", "'a' is not an object"),
        ({"name": 5, "type": "INT64"}, "must be texts"),
        ({"name": "", "type": "INT64"}, "must be texts"),
        ({"name": ["a"], "type": "INT64"}, "must be texts"),
        ({"name": "a", "type": "INT64", "booster_name": 5}, "must be texts"),
        ({"name": "a", "type": "STRING", "categories": "xyz"}, "categories a list of texts"),
        ({"name": "a", "type": "STRING", "categories": [0, 1]}, "categories a list of texts"),
        ({"name": "a", "type": "STRING", "categories": None}, "not iterable"),
        ({"name": "a", "type": "INT64", "low": "0"}, "a: low is '0', expected a number"),
        ({"name": "a", "type": "INT64", "high": float("nan")}, "a: high is nan, expected a number"),
        ({"name": "a", "type": "INT64", "missing": []}, "missing is [], expected a number or a category"),
        ({"name": "a", "type": "INT64", "round": 3}, "unexpected keyword argument 'round'"),
    ],
    ids=str,
)
def test_an_entry_of_another_kind_is_refused_in_one_sentence(entry, said):
    with pytest.raises(ModelContractError, match=re.escape(said)):
        parse_contract({"features": [entry]}, "list.json")


def test_the_shipped_bundles_catalogue_states_the_hash_of_what_is_loaded():
    models = resources.registry(load({}))
    catalogue = json.loads((Path(models.shipped) / "registry.json").read_text(encoding="utf-8"))["models"]
    for version in ("v4.0.0", "v4.1.0"):
        assert models.load(version).bundle_sha256 == catalogue[version]["bundle_sha256"]
        assert models.load(version).rounds == "all"
    assert features_of(tuple(SQL_COLUMNS.values())) == models.load("v4.1.0").features
