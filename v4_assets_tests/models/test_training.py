"""Training sees only the past, gives the same bytes every time, and writes a bundle that scores as the booster does."""

import json
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import xgboost as xgb
from sklearn.metrics import roc_auc_score

from v4_assets import sql
from v4_assets.errors import FeatureError, RowsMissingError
from v4_assets.models.bundle import BUNDLE_FILES, load_bundle
from v4_assets.models.contract import Feature, encode, read_features
from v4_assets.models.training import Split, bundle_files, features_of, measure, train
from v4_assets_tests.fixtures.small_bundles import FEATURES, PARAMETERS, PERIOD, leads, split, write

VALIDATION_FROM = date(2025, 5, 11)
"""547 days of training; 82 of them, 15 %, are May 11 to July 31."""


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return leads()


@pytest.fixture(scope="module")
def parts(rows: pa.Table) -> Split:
    return split(rows)


@pytest.fixture(scope="module")
def booster(parts: Split) -> xgb.Booster:
    return train(parts, PARAMETERS)


def model_bytes(rows: pa.Table) -> bytes:
    return bytes(train(split(rows), PARAMETERS).save_raw("json"))


def two_leads_a_day(first: date, last: date) -> pa.Table:
    """Every day one lead that converts and one that does not; net_change holds the day's number from `first`."""
    numbers = np.repeat(np.arange((last - first).days + 1), 2)
    return pa.table(
        {
            "lead_id": [f"{index:05d}" for index in range(len(numbers))],
            "contacted_on": pa.array([first + timedelta(days=int(number)) for number in numbers], pa.date32()),
            "converted": np.tile([True, False], len(numbers) // 2),
            "tenure_bucket": ["0-12"] * len(numbers),
            "net_change": numbers,
            "experience_years": np.zeros(len(numbers)),
            "has_email": np.zeros(len(numbers), dtype=np.int64),
        }
    )


def test_every_day_is_in_exactly_one_part_and_the_borders_are_where_they_are_configured():
    first = date(2024, 1, 20)
    parts = split(two_leads_a_day(first, date(2025, 11, 20)))

    def days(part: str) -> list[date]:
        numbers = getattr(parts, part).matrix[:, 1]
        return [first + timedelta(days=int(number)) for number in np.unique(numbers)]

    def every_day(start: date, end: date) -> list[date]:
        return [start + timedelta(days=offset) for offset in range((end - start).days + 1)]

    assert days("fit") == every_day(date(2024, 2, 1), date(2025, 5, 10))
    assert days("validation") == every_day(VALIDATION_FROM, date(2025, 7, 31))
    assert days("test") == every_day(date(2025, 8, 1), date(2025, 10, 31))


def test_validation_is_the_last_15_percent_of_the_training_days(parts: Split, rows: pa.Table):
    days = (PERIOD["test_from"] - PERIOD["train_from"]).days
    assert (PERIOD["test_from"] - VALIDATION_FROM).days / days == pytest.approx(0.15, abs=0.5 / days)
    contacted = rows["contacted_on"]
    inside = pc.and_(
        pc.greater_equal(contacted, pa.scalar(VALIDATION_FROM)), pc.less(contacted, pa.scalar(PERIOD["test_from"]))
    )
    assert parts.validation.matrix.tobytes() == encode(FEATURES, rows.filter(inside)).tobytes()


def test_the_training_period_is_fit_and_validation_together(parts: Split):
    assert parts.train.matrix.tolist() == parts.fit.matrix.tolist() + parts.validation.matrix.tolist()
    assert parts.train.converted.tolist() == parts.fit.converted.tolist() + parts.validation.converted.tolist()


def test_test_rows_never_influence_the_model(rows: pa.Table):
    in_test = pc.greater_equal(rows["contacted_on"], pa.scalar(PERIOD["test_from"]))
    changed = rows.set_column(2, "converted", pc.xor(rows["converted"], in_test))
    moved = pc.if_else(in_test, pc.add(rows["net_change"], 1000), rows["net_change"])
    changed = changed.set_column(4, "net_change", moved)
    assert split(changed).test.converted.tolist() != split(rows).test.converted.tolist()
    assert model_bytes(changed) == model_bytes(rows)


def test_validation_rows_decide_how_many_trees_there_are_and_nothing_else(rows: pa.Table, booster: xgb.Booster):
    in_validation = pc.greater_equal(rows["contacted_on"], pa.scalar(VALIDATION_FROM))
    against = train(split(rows.set_column(2, "converted", pc.xor(rows["converted"], in_validation))), PARAMETERS)
    shorter = against.num_boosted_rounds()
    assert shorter < booster.num_boosted_rounds()
    assert against.get_dump() == booster.get_dump()[:shorter]


def test_the_same_rows_in_another_order_give_the_same_bytes(rows: pa.Table, parts: Split, booster: xgb.Booster):
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = split(rows.take(order))
    again = train(shuffled, PARAMETERS)
    files = bundle_files("v9.0.0", FEATURES, booster, measure(booster, parts), parts.train)
    assert bundle_files("v9.0.0", FEATURES, again, measure(again, shuffled), shuffled.train) == files


def test_converting_leads_weigh_as_much_in_all_as_the_others(parts: Split, booster: xgb.Booster):
    positives = int(parts.fit.converted.sum())
    objective = json.loads(booster.save_raw("json"))["learner"]["objective"]
    assert objective["name"] == "binary:logistic"
    weight = float(objective["reg_loss_param"]["scale_pos_weight"])
    assert weight == pytest.approx((len(parts.fit.converted) - positives) / positives, rel=1e-6)


@pytest.mark.parametrize("outcome", [True, False], ids=["all converted", "none converted"])
@pytest.mark.parametrize(
    ("part", "first", "last"),
    [
        ("fit", PERIOD["train_from"], VALIDATION_FROM - timedelta(days=1)),
        ("validation", VALIDATION_FROM, PERIOD["test_from"] - timedelta(days=1)),
        ("test", PERIOD["test_from"], PERIOD["until"]),
    ],
)
def test_a_part_with_one_outcome_only_is_refused_by_name_and_numbers(part, first, last, outcome):
    rows = two_leads_a_day(PERIOD["train_from"], PERIOD["until"])
    inside = pc.and_(
        pc.greater_equal(rows["contacted_on"], pa.scalar(first)), pc.less_equal(rows["contacted_on"], pa.scalar(last))
    )
    rows = rows.set_column(2, "converted", pc.if_else(inside, pa.scalar(outcome), rows["converted"]))
    count = 2 * ((last - first).days + 1)
    with pytest.raises(RowsMissingError) as caught:
        split(rows)
    assert f"The {part} part of the training set (contacted from {first}" in str(caught.value)
    assert f"has {count} leads, of which {count if outcome else 0} converted" in str(caught.value)
    assert "Check training in rollout.yaml" in str(caught.value)


def test_an_empty_part_is_refused_too(rows: pa.Table):
    early = rows.filter(pc.less(rows["contacted_on"], pa.scalar(PERIOD["test_from"])))
    with pytest.raises(RowsMissingError, match=r"The test part .* has 0 leads, of which 0 converted"):
        split(early)


def test_training_refuses_the_categories_that_scoring_would_refuse(rows: pa.Table):
    strange = rows.set_column(3, "tenure_bucket", pa.array(["forever"] * len(rows)))
    with pytest.raises(FeatureError, match=r"tenure_bucket holds \['forever'\]"):
        split(strange)


def test_the_booster_ends_with_the_tree_that_ranked_validation_best(parts: Split, booster: xgb.Booster):
    rounds = booster.num_boosted_rounds()
    assert 1 < rounds < PARAMETERS["n_estimators"]
    converted = parts.validation.converted
    weight = np.where(converted, (~parts.fit.converted).sum() / parts.fit.converted.sum(), 1.0)

    def loss(trees: int) -> float:
        chance = booster[:trees].inplace_predict(parts.validation.matrix).astype(np.float64)
        return float(np.average(-np.log(np.where(converted, chance, 1 - chance)), weights=weight))

    assert min(range(1, rounds + 1), key=loss) == rounds


def test_the_figures_are_those_of_the_scores_on_each_period(parts: Split, booster: xgb.Booster):
    figures = measure(booster, parts)
    test, trained = booster.inplace_predict(parts.test.matrix), booster.inplace_predict(parts.train.matrix)
    assert figures["trees"] == booster.num_boosted_rounds()
    assert (figures["train_rows"], figures["test_rows"]) == (len(trained), len(test))
    assert figures["train_base_rate"] == round(float(parts.train.converted.mean()), 4)
    assert figures["test_base_rate"] == round(float(parts.test.converted.mean()), 4)
    assert figures["train_auc"] == round(roc_auc_score(parts.train.converted, trained), 4)
    assert figures["test_auc"] == round(roc_auc_score(parts.test.converted, test), 4)
    assert 0.7 < figures["test_auc"] < figures["train_auc"]
    lift = figures["test_top_decile_conversion"] / float(parts.test.converted.mean())
    assert figures["test_top_decile_lift"] == pytest.approx(lift, abs=1e-3)
    assert figures["test_bottom_fifth_conversion"] < figures["test_base_rate"] < figures["test_top_decile_conversion"]


def test_a_bundle_loads_and_scores_exactly_as_the_booster_it_was_made_of(tmp_path, rows, parts, booster):
    files = bundle_files("v9.0.0", FEATURES, booster, {"test_auc": 0.8}, parts.train)
    assert tuple(files) == BUNDLE_FILES
    bundle = load_bundle(tmp_path, "v9.0.0", write(tmp_path, files))
    batch = rows.combine_chunks().to_batches()[0]
    assert bundle.score(batch).tobytes() == booster.inplace_predict(encode(FEATURES, rows)).tobytes()
    assert bundle.features == FEATURES
    assert bundle.metrics == {"test_auc": 0.8}
    assert bundle.sha256 == sha256(files["model.json"]).hexdigest()


def test_the_profile_of_a_bundle_is_taken_on_the_training_period_only(tmp_path, parts, booster):
    files = bundle_files("v9.0.0", FEATURES, booster, {}, parts.train)
    profile = load_bundle(tmp_path, "v9.0.0", write(tmp_path, files)).profile
    assert profile.rows == len(parts.fit.converted) + len(parts.validation.converted)
    codes = parts.train.matrix[:, 0]
    assert profile.features["tenure_bucket"].edges == (0.0, 1.0)
    assert profile.features["tenure_bucket"].shares == pytest.approx([np.mean(codes == code) for code in (0, 1, 2)])
    assert profile.distinct_scores == len(np.unique(booster.inplace_predict(parts.train.matrix)))


@pytest.mark.parametrize(
    "feature",
    [
        *FEATURES,
        replace(FEATURES[1], nulls="nan"),
        replace(FEATURES[2], low=-1.5, high=None, missing=-1.0),
    ],
    ids=lambda feature: f"{feature.name} {feature.nulls} {feature.missing}",
)
def test_a_feature_survives_being_written_and_read(tmp_path, feature: Feature, booster, parts):
    features = tuple(feature if feature.name == other.name else other for other in FEATURES)
    path = tmp_path / "features.json"
    path.write_bytes(bundle_files("v9.0.0", features, booster, {}, parts.train)["features.json"])
    assert read_features(path) == features


def test_zero_is_written_as_a_bound_and_as_a_missing_value(booster, parts):
    content: dict[str, Any] = json.loads(bundle_files("v9.0.0", FEATURES, booster, {}, parts.train)["features.json"])
    assert content["features"][3] == {
        "name": "has_email",
        "type": "INT64",
        "low": 0.0,
        "high": 1.0,
        "missing": 0,
        "nulls": "error",
    }
    assert "categories" not in content["features"][1]
    assert "missing" not in content["features"][1]


def test_the_two_versions_take_the_14_and_22_documented_features_in_their_order():
    contracts = {key: features_of(sql.load(f"features_{key}").features) for key in ("v40", "v41")}
    assert [feature.name for feature in contracts["v40"]] == [
        *("tenure_bucket", "experience_bucket", "is_experience_missing", "mobility_tier"),
        *("firm_rep_count_at_contact", "firm_net_change_12mo", "firm_stability_tier", "has_firm_data"),
        *("is_wirehouse", "is_broker_protocol", "has_email", "has_linkedin"),
        *("mobility_x_heavy_bleeding", "short_tenure_x_high_mobility"),
    ]
    assert [feature.name for feature in contracts["v41"]] == [
        *("tenure_months", "tenure_bucket", "experience_years", "mobility_3yr", "mobility_tier"),
        *("firm_rep_count_at_contact", "firm_net_change_12mo", "firm_stability_tier", "has_firm_data"),
        *("is_wirehouse", "is_broker_protocol", "has_email", "has_linkedin"),
        *("mobility_x_heavy_bleeding", "short_tenure_x_high_mobility", "is_recent_mover", "days_since_last_move"),
        *("firm_departures_corrected", "bleeding_velocity_encoded"),
        *("is_independent_ria", "is_ia_rep_type", "is_dual_registered"),
    ]


def test_ordinal_codes_of_the_shipped_contract_are_the_documented_ones():
    orders = {feature.name: feature.categories for feature in features_of(sql.load("features_v40").features)}
    assert orders["tenure_bucket"] == ("0-12", "12-24", "24-48", "48-120", "120+", "Unknown")
    assert orders["experience_bucket"] == ("0-5", "5-10", "10-15", "15-20", "20+")
    assert orders["mobility_tier"] == ("Stable", "Low_Mobility", "High_Mobility")
    assert orders["firm_stability_tier"] == ("Unknown", "Heavy_Bleeding", "Light_Bleeding", "Stable", "Growing")
