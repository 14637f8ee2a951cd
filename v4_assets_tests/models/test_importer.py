"""A booster of the firm's own form is registered from its own files and scores as its author does."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from v4_assets import resources
from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets_tests.fixtures.firm_models import (
    FIRM_ORDER,
    VERSION,
    Case,
    assert_refused,
    assert_scores,
    coded,
    early_native,
    firm_list,
    native,
    registered,
    table,
    trained,
    words_of,
)


def test_the_firm_s_booster_and_files_are_registered_as_they_are(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    result = case.register("--test-period", "2025-09-01", "2025-10-31")
    assert result.exit_code == 0, result.exception
    assert_scores(rows, native(case.booster, coded(rows)))
    bundle = registered()
    assert [feature.trained_as for feature in bundle.features] == list(FIRM_ORDER)
    assert bundle.metrics["test_auc"] == 0.62
    assert bundle.metrics["test_top_decile_lift"] == 2.03
    provenance = resources.registry(load()).entry(VERSION).provenance
    assert provenance["test_period"] == ["2025-09-01", "2025-10-31"]


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_both_of_xgboost_s_formats_give_the_same_scores(home, suffix):
    rows = table()
    case = Case(home, trained(coded(rows)), rows, suffix=suffix)
    assert case.register().exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows)))


def test_the_list_s_order_does_not_matter_where_the_booster_has_names(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows, listed=firm_list(final_features=sorted(FIRM_ORDER)))
    assert case.register().exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows)))


@pytest.mark.parametrize(
    "spell",
    [
        lambda words: {str(code): word for code, word in enumerate(words)},
        lambda words: {str(code): words[code] for code in reversed(range(len(words)))},
        lambda words: words,
    ],
    ids=["text codes", "any order", "a list"],
)
@pytest.mark.parametrize("named", ["tenure_bucket_encoded", "tenure_bucket"])
def test_the_spellings_of_a_mapping_mean_the_same(home, spell, named):
    listed = firm_list()
    del listed["categorical_mappings"]["tenure_bucket_encoded"]
    listed["categorical_mappings"][named] = spell(words_of("tenure_bucket"))
    rows = table()
    case = Case(home, trained(coded(rows)), rows, listed=listed)
    assert case.register().exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows)))


def mapping(**words: Any) -> dict[str, Any]:
    return firm_list(categorical_mappings=firm_list()["categorical_mappings"] | words)


LISTS = {
    "a gap in the codes": (mapping(mobility_tier_encoded={0: "Stable", 2: "High_Mobility"}), "expected 0 to 1"),
    "a word twice": (mapping(mobility_tier_encoded=["Stable", "Stable"]), "gives two codes to one word"),
    "a word without code": (mapping(mobility_tier_encoded=["Stable", "Low_Mobility"]), "['High_Mobility'] in mobility"),
    "words to codes": (mapping(mobility_tier_encoded={"Stable": 0}), "must map codes to words"),
    "no mapping": (firm_list(categorical_mappings={}), "words whose codes it does not state"),
    "a stray mapping": (mapping(nothing=["a"]), "names ['nothing'], which are not in the feature list"),
    "one feature too few": (firm_list(final_features=FIRM_ORDER[:-1]), "the feature list has 21"),
    "another name": (firm_list(final_features=[*FIRM_ORDER[:-1], "is_dual"]), "for is_dual the SQL makes nothing"),
    "no list": ({"final_features": "all"}, "final_features must be a list"),
}


@pytest.mark.parametrize(("listed", "said"), LISTS.values(), ids=LISTS)
def test_a_list_that_does_not_determine_the_inputs_is_refused(home, listed, said):
    rows = table()
    assert_refused(Case(home, trained(coded(rows), 5), rows, listed=listed).register(), said)


def test_without_a_list_a_draft_is_printed_and_says_what_to_confirm(home):
    rows = table()
    early_native(coded(rows)).save_model(home / "model.json")
    result = CliRunner().invoke(cli, ["register", VERSION, "--model", str(home / "model.json")])
    assert result.exit_code == 1
    assert "the codes of tenure_bucket: alphabetical, 0-12, 12-24, 120+, 24-48, 48-120, Unknown" in result.stderr
    assert "the rounds: all 60, or the 21 up to the best" in result.stderr
    drafted = json.loads(result.stdout)
    assert [entry.get("booster_name", entry["name"]) for entry in drafted["features"]] == list(FIRM_ORDER)
    case = Case(home, early_native(coded(rows)), rows, listed={**drafted, "rounds": 21})
    assert case.register().exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows), 21))
