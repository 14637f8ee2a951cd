"""Each version's SQL file makes exactly that version's features in its order, with categories in ordinal order."""

import pytest

from v4_assets import sql
from v4_assets_tests.fixtures import reference
from v4_assets_tests.fixtures.sql_files import FILES

REMOVED = ("industry_tenure_months", "tenure_bucket_x_mobility", "independent_ria_x_ia_rep", "recent_mover_x_bleeding")


@pytest.mark.parametrize(("name", "version", "count"), [("features_v40", "v4.0.0", 14), ("features_v41", "v4.1.0", 22)])
def test_a_version_has_exactly_its_features_in_its_order(name, version, count):
    features = tuple(column.name for column in sql.load(name).features)
    assert (len(features), features) == (count, reference.FEATURES[version])


def test_the_removed_features_are_made_nowhere():
    for name in FILES:
        file = sql.load(name)
        text = sql.path_of(name).read_text(encoding="utf-8")
        assert [removed for removed in REMOVED if removed in text] == [], name
        assert {column.name for column in file.columns}.isdisjoint(REMOVED), name


TENURE = ("0-12", "12-24", "24-48", "48-120", "120+", "Unknown")
STABILITY = ("Unknown", "Heavy_Bleeding", "Light_Bleeding", "Stable", "Growing")


@pytest.mark.parametrize(
    ("feature", "order", "missing"),
    [
        ("tenure_bucket", TENURE, "Unknown"),
        ("experience_bucket", ("0-5", "5-10", "10-15", "15-20", "20+"), None),
        ("mobility_tier", ("Stable", "Low_Mobility", "High_Mobility"), None),
        ("firm_stability_tier", STABILITY, "Unknown"),
    ],
)
def test_categories_stand_in_their_ordinal_order(feature, order, missing):
    found = [column for name in ("features_v40", "features_v41") for column in sql.load(name).features]
    declared = {(column.categories, column.missing) for column in found if column.name == feature}
    assert declared == {(order, missing)}
