"""The runbook has something to say on every alert and every check, and the deadlines are on the assets."""

from datetime import timedelta

import dagster as dg
import pytest

from v4_assets.config.environment import load
from v4_assets.definitions import build
from v4_assets.project_files import PROJECT
from v4_assets.report.alerts import KINDS

RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
DEFINITIONS = build(load({"V4_HOME": "/nonexistent", "V4_SALESFORCE": "local"}))
CHECKS = sorted({key.name for key in DEFINITIONS.get_repository_def().asset_graph.asset_check_keys})


def test_there_are_checks_to_document():
    assert {"source_columns", "top_decile_lift", "coverage", "treeshap_additive", "cohort_sound"} <= set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_in_the_runbook(name):
    assert f"`{name}`" in RUNBOOK


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_alert_is_in_the_runbook(kind):
    assert KINDS[kind].says in RUNBOOK


def test_scores_comparison_and_sync_are_expected_by_half_past_seven():
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in DEFINITIONS.resolve_all_asset_specs()}
    expected = {name: policy for name, policy in policies.items() if policy and not name.startswith("prospect_")}
    assert set(expected) == {"daily_scores_v40", "daily_scores_v41", "lift_comparison", "salesforce_sync"}
    wanted = dg.FreshnessPolicy.cron("30 7 * * *", timedelta(hours=7, minutes=30), "America/New_York")
    assert set(expected.values()) == {wanted}


def test_the_months_scores_and_list_are_expected_on_the_first_by_half_past_seven():
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in DEFINITIONS.resolve_all_asset_specs()}
    wanted = dg.FreshnessPolicy.cron("30 7 1 * *", timedelta(hours=7, minutes=30), "America/New_York")
    monthly = {name for name, policy in policies.items() if policy == wanted}
    assert monthly == {"prospect_scores_v40", "prospect_scores_v41", "prospect_list"}
