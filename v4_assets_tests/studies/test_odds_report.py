"""Text, JSON, chart and asset show the odds of every rule, with what was assumed."""

import json
from dataclasses import replace

import dagster as dg
import pytest

from v4_assets.production.decision import ROLLBACK_GATES
from v4_assets.studies.assets import policy_odds
from v4_assets.studies.odds import as_dict, simulate
from v4_assets.studies.odds_report import as_text, png
from v4_assets_tests.fixtures.policy_odds import CONFIGURED, DAILY, FILE, LOW, WEEKLY, WRITTEN


@pytest.fixture(scope="module")
def shown():
    return simulate(replace(LOW, histories=100), FILE.policy, FILE.evaluation)


def test_the_text_names_every_rule_every_criterion_and_what_was_assumed(shown):
    text = as_text(shown)
    for said in (
        CONFIGURED.name,
        WEEKLY.name,
        DAILY.name,
        *ROLLBACK_GATES,
        "350 leads a week",
        "3.92 %",
        "2.39 %",
        "44 days later",
        "Early warning on booked calls",
        WRITTEN,
        "over other scores, correlations, timings, base rates and volumes",
    ):
        assert said in text
    false = shown.rules[0].together.false[12]
    together = next(line for line in text.splitlines() if line.strip().startswith("together"))
    assert together.split()[1] == f"{100 * false:.1f}"


def test_the_odds_are_plain_values_for_json(shown):
    read = json.loads(json.dumps(as_dict(shown)))
    assert read["rules"][0]["together"]["false"]["12"] == shown.rules[0].together.false[12]
    assert read["assumptions"]["healthy"] == {"lift": 2.03, "auc": 0.62}


def test_the_chart_is_a_png(shown):
    assert png(shown).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.extended
def test_the_asset_shows_odds_and_chart_at_the_volume_of_its_run():
    config = {"ops": {"policy_odds": {"config": {"leads_per_week": 3000.0, "histories": 400}}}}
    result = dg.materialize([policy_odds(FILE)], run_config=config, resources={"store": object(), "clock": object()})
    (made,) = result.asset_materializations_for_node("policy_odds")
    assert made.metadata["false_rollback_12_weeks"].value == pytest.approx(0.028, abs=0.02)
    assert "3,000 leads a week" in str(made.metadata["odds"].value)
    assert str(made.metadata["chart"].value).startswith("![odds](data:image/png;base64,iVBOR")
