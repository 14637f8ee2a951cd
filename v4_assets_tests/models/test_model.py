"""A bundle is exactly the approved one, refuses rows it was not made for, and scores every lead by itself."""

import json
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.errors import FeatureError, ModelContractError, ModelIntegrityError
from v4_assets.models.bundle import BUNDLE_FILES, Bundle, load_bundle, read_booster
from v4_assets.models.contract import Feature, encode, read_features
from v4_assets.models.profile import profile_of
from v4_assets_tests.fixtures.small_bundles import FEATURES, leads, trained_files, write

TIER = Feature("tier", "STRING", ("low", "middle", "high"))
COUNT = Feature("count", "INT64")
YEARS = Feature("years", "FLOAT64", nulls="nan")
ROWS = 2_000


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return trained_files()


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    write(tmp_path / "bundle", files)
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, files) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(folder, "v9.0.0", write(folder, files))


@pytest.fixture(scope="module")
def batch() -> pa.RecordBatch:
    return leads(ROWS, seed=5).combine_chunks().to_batches()[0]


@pytest.fixture(scope="module")
def every_score(bundle: Bundle, batch: pa.RecordBatch) -> np.ndarray:
    return bundle.score(batch)


def hashes(folder: Path) -> dict[str, str]:
    return {name: sha256((folder / name).read_bytes()).hexdigest() for name in BUNDLE_FILES}


def three(tier=("low", "high"), count=(1, 2), years=(0.5, 1.5)) -> pa.RecordBatch:
    """A batch of the features tier, count and years."""
    return pa.record_batch(
        {
            "tier": pa.array(tier, pa.string()),
            "count": pa.array(count, pa.int64()),
            "years": pa.array(years, pa.float64()),
        }
    )


def stumps(*weights: float) -> Bundle:
    """A model over flags a, b, c, … whose log-odds are, but for a constant, the weighted sum of the flags."""
    count = len(weights)
    matrix = np.array([[row >> flag & 1 for flag in range(count)] for row in range(2**count)], dtype=np.float32)
    margin = (matrix - 0.5) @ np.array(weights)
    chance = 1 / (1 + np.exp(-margin))
    names = [chr(ord("a") + flag) for flag in range(count)]
    train = xgb.DMatrix(
        np.concatenate([matrix, matrix]),
        label=np.repeat([1, 0], len(matrix)),
        weight=np.concatenate([chance, 1 - chance]),
        feature_names=names,
    )
    parameters = {"objective": "binary:logistic", "max_depth": 1, "min_child_weight": 0, "reg_lambda": 0, "nthread": 1}
    booster = xgb.train({**parameters, "base_score": 0.5}, train, 150)
    features = tuple(Feature(name, "INT64") for name in names)
    profile = profile_of(names, matrix, booster.inplace_predict(matrix))
    return Bundle("v9.0.0", features, booster, {}, profile, "", Path())


# --- a score belongs to its lead


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, ROWS - 1), max_size=300))
def test_a_lead_gets_the_same_score_bit_for_bit_in_any_subset_and_order(bundle, batch, every_score, chosen):
    alone = bundle.score(batch.take(pa.array(chosen, pa.int64())))
    assert alone.tobytes() == every_score[chosen].tobytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_lead_gets_the_same_score_bit_for_bit_in_a_shuffled_batch(bundle, batch, every_score, seed):
    order = np.random.default_rng(seed).permutation(ROWS)
    assert bundle.score(batch.take(pa.array(order))).tobytes() == every_score[order].tobytes()


def test_a_lead_alone_gets_the_score_it_has_among_all(bundle, batch, every_score):
    alone = [bundle.score(batch.slice(place, 1)) for place in range(0, ROWS, 20)]
    assert np.concatenate(alone).tobytes() == every_score[::20].tobytes()


def test_scores_are_float32_between_0_and_1_and_tell_leads_apart(every_score):
    assert every_score.dtype == np.float32
    assert (every_score > 0).all()
    assert (every_score < 1).all()
    assert len(np.unique(every_score)) > 100


def test_an_empty_batch_has_no_scores_no_contributions_and_no_reasons(bundle, batch):
    nobody = batch.slice(0, 0)
    assert bundle.score(nobody).tolist() == []
    matrix = encode(bundle.features, nobody)
    assert matrix.shape == (0, 4)
    assert bundle.contributions(matrix).shape == (0, 5)
    assert [len(reason) for reason in bundle.reasons(matrix)] == [0, 0, 0]


# --- encoding


def test_columns_stand_in_the_model_s_order_and_others_are_ignored():
    wanted = [[0.0, 1.0, 0.5], [2.0, 2.0, 1.5]]
    assert encode((TIER, COUNT, YEARS), three()).tolist() == wanted
    other = three().append_column("lead_id", pa.array(["x", "y"])).select(["lead_id", "years", "tier", "count"])
    assert encode((TIER, COUNT, YEARS), other).tolist() == wanted


def test_a_table_of_chunks_is_encoded_as_its_batches_are():
    pieces = [three(), three(("middle",), (7,), (None,))]
    joined = encode((TIER, COUNT, YEARS), pa.Table.from_batches(pieces))
    assert joined.tobytes() == np.concatenate([encode((TIER, COUNT, YEARS), piece) for piece in pieces]).tobytes()


@given(st.permutations(["low", "middle", "high", "Unknown"]), st.data())
def test_a_category_s_code_is_its_place_in_the_given_order_whatever_the_batch_holds(order, data):
    values = data.draw(st.lists(st.sampled_from(order), max_size=20))
    rows = pa.record_batch({"tier": pa.array(values, pa.string())})
    found = encode((Feature("tier", "STRING", tuple(order)),), rows)
    assert found[:, 0].tolist() == [float(order.index(value)) for value in values]


@pytest.mark.parametrize(
    ("feature", "kind"),
    [
        (TIER, pa.large_string()),
        (COUNT, pa.int32()),
        (COUNT, pa.int8()),
        (COUNT, pa.uint16()),
        (YEARS, pa.float32()),
        (YEARS, pa.int64()),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_narrower_or_wider_type_of_the_same_kind_fits(feature, kind):
    value = "high" if feature is TIER else 2
    found = encode((feature,), pa.record_batch({feature.name: pa.array([value], kind)}))
    assert found.tolist() == [[2.0]]


def test_null_is_passed_to_the_model_as_nan_only_where_the_contract_says_so():
    nullable = (Feature("tier", "STRING", TIER.categories, nulls="nan"), Feature("count", "INT64", nulls="nan"), YEARS)
    found = encode(nullable, three((None, "middle"), (None, 3), (None, 0.25)))
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [1.0, 3.0, 0.25]


# --- rows the model was not made for


def test_missing_and_mistyped_columns_are_named_and_of_many_the_first_three():
    rows = pa.record_batch({"tier": pa.array([1]), "count": pa.array(["7"]), "other": pa.array([1.0])})
    with pytest.raises(FeatureError) as caught:
        encode((TIER, COUNT, YEARS, Feature("gone", "INT64")), rows)
    for said in (
        "column tier is int64, expected STRING",
        "column count is string, expected INT64",
        "column years is missing; and 1 more",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("feature", "column", "found"),
    [
        (COUNT, pa.array([1.0]), "double"),
        (COUNT, pa.array([True]), "bool"),
        (YEARS, pa.array(["1.5"]), "string"),
        (YEARS, pa.array([True]), "bool"),
        (TIER, pa.array([b"low"]), "binary"),
        (TIER, pa.array([1]).dictionary_encode(), "dictionary<values=int64, indices=int32, ordered=0>"),
    ],
    ids=["fraction", "flag", "text", "flag as fraction", "bytes", "dictionary"],
)
def test_a_column_of_another_kind_is_refused(feature, column, found):
    with pytest.raises(FeatureError, match=f"column {feature.name} is {found}, expected {feature.type}"):
        encode((feature,), pa.record_batch({feature.name: column}))


def test_a_dictionary_of_categories_is_read_by_its_words_and_not_its_codes():
    words = pa.array(["high", "low", None, "middle", "high"])
    plain = pa.record_batch({TIER.name: words})
    coded = pa.record_batch({TIER.name: words.dictionary_encode()})
    nullable = replace(TIER, nulls="nan")
    np.testing.assert_array_equal(encode((nullable,), coded), encode((nullable,), plain))
    assert encode((nullable,), coded)[:, 0].tolist()[:2] == [2.0, 0.0]


def test_every_null_and_every_unknown_category_is_named_with_the_repair():
    rows = three(("huge", None, "low", "odd"), (1, None, 2, None), (0.5, None, 1.0, 2.0))
    with pytest.raises(FeatureError) as caught:
        encode((TIER, COUNT, YEARS), rows)
    for said in (
        "tier is NULL in 1 of 4 rows",
        "tier holds ['huge', 'odd'], the model knows ['low', 'middle', 'high']",
        "count is NULL in 2 of 4 rows",
        "Correct the feature table.",
    ):
        assert said in str(caught.value)
    assert "years" not in str(caught.value)


def test_an_unknown_category_is_refused_also_where_null_is_allowed():
    feature = Feature("tier", "STRING", TIER.categories, nulls="nan")
    with pytest.raises(FeatureError, match=r"tier holds \['huge'\]"):
        encode((feature,), pa.record_batch({"tier": pa.array(["huge", None])}))


def test_the_message_about_columns_says_how_to_repair():
    with pytest.raises(FeatureError, match=r"column count is missing.*\. (Correct|Give|Add|Rename)"):
        encode((COUNT,), pa.record_batch({"other": pa.array([1])}))


def test_nan_is_refused_where_null_is():
    with pytest.raises(FeatureError, match="years"):
        encode((Feature("years", "FLOAT64"),), pa.record_batch({"years": pa.array([float("nan"), 1.0])}))


def test_a_column_that_stands_in_the_rows_twice_is_named():
    twice = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["count", "count"])
    with pytest.raises(FeatureError, match="count"):
        encode((COUNT,), twice)


# --- the approved files and no others


@pytest.mark.parametrize("name", BUNDLE_FILES)
def test_a_changed_file_is_refused_naming_both_hashes(folder: Path, name: str):
    approved = hashes(folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ModelIntegrityError) as caught:
        load_bundle(folder, "v9.0.0", approved)
    message = str(caught.value)
    assert f"{folder / name} is not the approved v9.0.0 model" in message
    assert f"sha256 is {hashes(folder)[name][:12]}, the registry says {approved[name][:12]}" in message
    assert "`v4 register`" in message


@pytest.mark.parametrize("name", BUNDLE_FILES)
def test_a_missing_file_is_refused_naming_the_hash_it_should_have(folder: Path, name: str):
    approved = hashes(folder)
    (folder / name).unlink()
    with pytest.raises(ModelIntegrityError) as caught:
        load_bundle(folder, "v9.0.0", approved)
    assert f"{folder / name}" in str(caught.value)
    assert f"sha256 is no file, the registry says {approved[name][:12]}" in str(caught.value)


def test_a_file_that_was_never_approved_is_refused(folder: Path):
    approved = {name: value for name, value in hashes(folder).items() if name != "profile.json"}
    with pytest.raises(ModelIntegrityError, match=r"profile\.json .* the registry says None"):
        load_bundle(folder, "v9.0.0", approved)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_without_being_loaded(folder: Path, tmp_path: Path, protocol: int):
    sign = tmp_path / "went-off"
    bomb = pickle.dumps(Bomb(sign), protocol=protocol)
    (folder / "model.json").write_bytes(bomb)
    with pytest.raises(ModelContractError, match="A pickle runs code when it is loaded and is never read here"):
        load_bundle(folder, "v9.0.0", hashes(folder))
    assert not sign.exists()
    pickle.loads(bomb)
    assert sign.exists()


@pytest.mark.parametrize(("name", "form"), [("model.json", "json"), ("model.ubj", "ubj")])
def test_both_of_xgboost_s_own_formats_are_read(tmp_path: Path, bundle: Bundle, batch, every_score, name, form):
    (tmp_path / name).write_bytes(bundle.booster.save_raw(form))
    read = read_booster(tmp_path / name)
    assert read.inplace_predict(encode(bundle.features, batch)).tobytes() == every_score.tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not in XGBoost's JSON or UBJ format"),
        (b"binf\x00\x01", "is not in XGBoost's JSON or UBJ format"),
        (b'{"learner": ', "XGBoost cannot load"),
        (b"{}", "XGBoost cannot load"),
    ],
    ids=["empty", "old binary", "cut off", "another JSON"],
)
def test_what_is_no_booster_is_refused(tmp_path: Path, content, said):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelContractError, match=said):
        read_booster(tmp_path / "model.json")


# --- booster and feature list


def entries(folder: Path) -> list[dict]:
    return json.loads((folder / "features.json").read_text(encoding="utf-8"))["features"]


def rewrite(folder: Path, features: list[dict]) -> None:
    (folder / "features.json").write_text(json.dumps({"features": features}), encoding="utf-8")


@pytest.mark.parametrize("count", [3, 5])
def test_another_number_of_features_than_the_booster_s_is_refused(folder: Path, count: int):
    rewrite(folder, [*entries(folder), {"name": "extra", "type": "INT64"}][:count])
    with pytest.raises(ModelContractError, match=f"the booster takes 4 features, the feature list has {count}"):
        load_bundle(folder, "v9.0.0", hashes(folder))


def test_the_booster_s_names_in_another_order_are_refused(folder: Path):
    first, second, *rest = entries(folder)
    rewrite(folder, [second, first, *rest])
    with pytest.raises(ModelContractError, match="tenure_bucket ≠ net_change, net_change ≠ tenure_bucket"):
        load_bundle(folder, "v9.0.0", hashes(folder))


def test_another_name_than_the_booster_s_is_refused(folder: Path):
    first, *rest = entries(folder)
    rewrite(folder, [{**first, "name": "tenure"}, *rest])
    with pytest.raises(ModelContractError, match="disagree in names or order: tenure_bucket ≠ tenure"):
        load_bundle(folder, "v9.0.0", hashes(folder))


def test_a_booster_without_names_is_taken_by_its_number_of_features(folder: Path, bundle, batch, every_score):
    nameless = bundle.booster.copy()
    nameless.feature_names = None
    (folder / "model.json").write_bytes(nameless.save_raw("json"))
    loaded = load_bundle(folder, "v9.0.0", hashes(folder))
    matrix = encode(loaded.features, batch)
    assert loaded.score(batch).tobytes() == every_score.tobytes()
    assert loaded.contributions(matrix).tobytes() == bundle.contributions(matrix).tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", "is not a feature list"),
        ("[]", "is a JSON list, expected an object with `features`"),
        ('{"columns": []}', "is not a feature list"),
        ('{"features": ["tier"]}', "is not a feature list"),
        ('{"features": [{"name": "tier", "type": "INT64", "kind": "x"}]}', "kind"),
        ('{"features": [{"name": "tier", "type": "BOOL"}]}', "tier has type BOOL; use STRING, INT64 or FLOAT64"),
        ('{"features": [{"name": "tier", "type": "STRING"}]}', "tier needs `categories` exactly when"),
        ('{"features": [{"name": "n", "type": "INT64", "categories": ["a"]}]}', "n needs `categories` exactly when"),
        ('{"features": [{"name": "t", "type": "STRING", "categories": ["a", "a"]}]}', "t lists a category twice"),
        ('{"features": [{"name": "n", "type": "INT64"}, {"name": "n", "type": "INT64"}]}', "lists a feature twice"),
        pytest.param(
            '{"features": [{"name": "n", "type": "INT64", "nulls": "zero"}]}',
            "nulls",
        ),
    ],
)
def test_a_feature_list_with_a_mistake_is_refused_by_name(tmp_path: Path, content: str, said: str):
    path = tmp_path / "features.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelContractError, match=said) as caught:
        read_features(path)
    assert str(path) in str(caught.value)


# --- explanation

NUMBERS = st.one_of(st.integers(-40, 40).map(float), st.just(float("nan")))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=30))
def test_contributions_and_bias_add_up_to_the_margin(bundle, numbers):
    matrix = np.array(numbers, dtype=np.float32)
    assert bundle.contributions(matrix).sum(axis=1) == pytest.approx(bundle.margins(matrix), abs=1e-4)


def test_the_margin_is_the_log_odds_of_the_score(bundle, batch, every_score):
    margins = bundle.margins(encode(bundle.features, batch))
    assert 1 / (1 + np.exp(-margins)) == pytest.approx(every_score, abs=1e-6)


def test_the_bias_is_the_same_for_every_lead(bundle, batch):
    assert len(np.unique(bundle.contributions(encode(bundle.features, batch))[:, -1])) == 1


@pytest.mark.parametrize(
    ("flags", "reasons"),
    [
        ((1, 1, 1), ["raises a", "lowers b", "raises c"]),
        ((0, 1, 1), ["lowers a", "lowers b", "raises c"]),
        ((1, 0, 0), ["raises a", "raises b", "lowers c"]),
        ((0, 0, 0), ["lowers a", "raises b", "lowers c"]),
    ],
)
def test_reasons_name_the_strongest_first_and_the_direction(flags, reasons):
    bundle = stumps(3.0, -1.5, 0.4)
    matrix = np.array([flags], dtype=np.float32)
    assert [reason.to_pylist() for reason in bundle.reasons(matrix)] == [[reason] for reason in reasons]


def test_reasons_of_several_leads_stand_in_the_rows_order():
    first, second = stumps(3.0, -1.5).reasons(np.array([[1, 1], [0, 0]], dtype=np.float32), 2)
    assert first.to_pylist() == ["raises a", "lowers a"]
    assert second.to_pylist() == ["lowers b", "raises b"]


def test_leads_of_equal_features_have_equal_reasons_each_in_its_own_row():
    bundle, rows = stumps(3.0, -1.5), [[1, 1], [0, 0], [1, 1], [1, 0], [0, 0]]
    together = bundle.reasons(np.array(rows, dtype=np.float32), 2)
    alone = [bundle.reasons(np.array([row], dtype=np.float32), 2) for row in rows]
    assert [one.to_pylist() for one in together] == [[lead[rank][0].as_py() for lead in alone] for rank in range(2)]


def test_there_are_no_more_reasons_than_asked_for_or_than_features():
    matrix = np.zeros((1, 2), dtype=np.float32)
    assert len(stumps(3.0, -1.5).reasons(matrix, 1)) == 1
    assert len(stumps(3.0, -1.5).reasons(matrix, 5)) == 2


def test_reasons_agree_with_the_contributions(bundle, batch):
    matrix = encode(bundle.features, batch.slice(0, 200))
    values = bundle.contributions(matrix)[:, :-1]
    reasons = [reason.to_pylist() for reason in bundle.reasons(matrix)]
    names = [feature.name for feature in FEATURES]
    for lead, (strongest, *_) in enumerate(zip(*reasons, strict=True)):
        verb, name = strongest.split()
        value = values[lead, names.index(name)]
        assert abs(value) == abs(values[lead]).max()
        assert verb == ("raises" if value > 0 else "lowers")


def test_a_feature_that_moves_nothing_is_no_reason():
    reasons = stumps(3.0, 0.0).reasons(np.array([[1, 1]], dtype=np.float32), 2)
    assert [reason.to_pylist() for reason in reasons] == [["raises a"], [None]]
