"""The numbers in rollout.yaml: which are refused, and why."""

from pathlib import Path

import pytest
import yaml

from v4_assets.config.rollout import read_rollout
from v4_assets.errors import SettingsError
from v4_assets_tests.fixtures.policy_worlds import POLICY, ROLLOUT

# --- the numbers in rollout.yaml


def refused(tmp_path: Path, place: str, value: object) -> str:
    content = yaml.safe_load(ROLLOUT.read_text(encoding="utf-8"))
    *parents, last = place.split("/")
    entry = content
    for parent in parents:
        entry = entry[parent]
    if value is None:
        del entry[last]
    else:
        entry[last] = value
    path = tmp_path / "rollout.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_rollout(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("policy/rollback/lift_bellow", 1.5, "no setting policy.rollback.lift_bellow. Did you mean lift_below?"),
        ("policy/rollback/lift_below", None, "policy.rollback.lift_below is missing: set it."),
        ("policy/rollback/lift_below", 0, "policy.rollback.lift_below is 0, expected more than 0."),
        ("policy/rollback/auc_below", 1, "policy.rollback.auc_below is 1, expected less than 1."),
        ("policy/rollback/top_decile_conversion_below", 5, "top_decile_conversion_below is 5, expected 1 or less."),
        (
            "policy/rollback/judge_by",
            "feeling",
            "policy.rollback.judge_by is 'feeling', expected 'upper_bound' or 'estimate'",
        ),
        ("policy/rollback/confidence", 1, "policy.rollback.confidence is 1, expected less than 1."),
        (
            "policy/rollback/confidence",
            0.49,
            "policy.rollback.confidence is 0.49, expected 0.5 or more.",
        ),
        ("policy/rollback/weeks_running/auc", 0, "policy.rollback.weeks_running.auc is 0, expected 1 or more."),
        (
            "policy/rollback/weeks_running/auc",
            1.5,
            "policy.rollback.weeks_running.auc is 1.5, expected a whole number.",
        ),
        ("policy/rollback/weeks_running/lift", 2, "no setting policy.rollback.weeks_running.lift. docs/conf"),
        (
            "policy/rollback/on_champion_also_failing",
            "panic",
            "on_champion_also_failing is 'panic', expected 'hold_and_",
        ),
        ("policy/promotion/min_live_share", 1.1, "policy.promotion.min_live_share is 1.1, expected 1 or less."),
        (
            "policy/promotion/min_parallel_days",
            0,
            "policy.promotion.min_parallel_days is 0, expected 1 or more.",
        ),
        (
            "policy/promotion/expires_after_weeks",
            53,
            "expires_after_weeks is 53, expected 52 or less.",
        ),
        ("policy/promotion/approval", "maybe", "policy.promotion.approval is 'maybe', expected 'auto' or 'manual'"),
        ("policy/sunset/healthy_days", 0, "policy.sunset.healthy_days is 0, expected 1 or more."),
        ("policy/max_attempts", 0, "policy.max_attempts is 0, expected 1 or more."),
        (
            "evaluation/min_conversions/rollback",
            -1,
            "evaluation.min_conversions.rollback is -1, expected 0 or more.",
        ),
        ("evaluation/max_days", 6, "evaluation: min_days 7 lies above max_days 6"),
        ("policy/promotion/lift_at_least", 1.4, "lift_at_least 1.4 lies below rollback.lift_below 1.5"),
    ],
)
def test_a_mistake_in_the_policy_is_told_by_its_place(tmp_path, place, value, said):
    assert said in refused(tmp_path, place, value)


def test_the_project_s_own_policy_holds_the_guide_s_numbers():
    rollback, promotion, sunset = POLICY.rollback, POLICY.promotion, POLICY.sunset
    assert (rollback.lift_below, rollback.auc_below, rollback.top_decile_conversion_below) == (1.5, 0.59, 0.05)
    assert (promotion.lift_at_least, promotion.min_parallel_days, sunset.healthy_days) == (2.0, 7, 14)
