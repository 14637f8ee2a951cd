"""Where a version's features differ from its author's rows is told feature by feature."""

import pyarrow as pa
import pytest

from v4_assets.models.contract import Feature
from v4_assets.models.expected_features import as_text, difference

TIER = Feature("tier", "STRING", ("High", "Low", "Stable"), booster_name="tier_encoded")
YEARS = Feature("years", "FLOAT64")


@pytest.mark.parametrize(
    ("feature", "ours", "theirs", "differing", "null_against_zero", "examples"),
    [
        pytest.param(TIER, {"tier": ["High", "Low"]}, {"tier": ["High", "Low"]}, 0, 0, (), id="the same words"),
        pytest.param(
            *(TIER, {"tier": ["High", "Low"]}, {"tier": ["High", "Stable"]}, 1, 0, ("Low instead of Stable",)),
            id="another word",
        ),
        pytest.param(TIER, {"tier": ["High", "Stable"]}, {"tier_encoded": [0.0, 2.0]}, 0, 0, (), id="codes"),
        pytest.param(
            *(TIER, {"tier": ["High", "Stable"]}, {"tier_encoded": [0, 1]}, 1, 0, ("2 instead of 1",)),
            id="another code",
        ),
        pytest.param(
            *(YEARS, {"years": [0.0, 1.0, None]}, {"years": [None, 1.0, None]}, 1, 1, ("0.0 instead of NULL",)),
            id="NULL against 0",
        ),
        pytest.param(
            *(YEARS, {"years": [1 / 3]}, {"years": pa.array([1 / 3], pa.float32())}, 0, 0, ()), id="less precise"
        ),
        pytest.param(
            *(YEARS, {"years": [5, 6]}, {"years": [5.0, -14.3]}, 1, 0, ("6 instead of -14.3",)),
            id="another definition",
        ),
    ],
)
def test_each_feature_is_compared_as_the_author_has_it(feature, ours, theirs, differing, null_against_zero, examples):
    found = difference(feature, pa.table(ours), pa.table(theirs))
    assert found is not None
    assert (found.differing, found.null_against_zero, found.examples) == (differing, null_against_zero, examples)
    assert found.compared == len(pa.table(ours))


def test_a_feature_that_the_author_s_rows_do_not_have_is_not_compared():
    assert difference(YEARS, pa.table({"years": [1.0]}), pa.table({"age": [1.0]})) is None


def test_what_was_not_compared_says_why():
    assert as_text({"skipped": "there is no lead_id"}) == (
        "Features were not compared with the author's: there is no lead_id."
    )
