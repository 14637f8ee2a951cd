"""A model of the firm's own form ends in its author's scores, or in a refusal that says what to do."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import xgboost as xgb
from click.testing import CliRunner, Result
from sklearn.metrics import roc_auc_score

from v4_assets import resources, sql
from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets.errors import ModelContractError, V4Error
from v4_assets.evaluation.metrics import top_decile_lift
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Feature, bundle_sha256, encode, parse_contract
from v4_assets.models.training import features_of
from v4_assets_tests.fixtures import sparing

sparing.spared()

VERSION = "v4.1.0"
SQL_COLUMNS = {column.name: column for column in sql.load("features_v41").features}
ENCODED = {f"{name}_encoded": name for name in ("tenure_bucket", "mobility_tier", "firm_stability_tier")}
FIRM_ORDER = (
    *("tenure_months", "mobility_3yr", "firm_rep_count_at_contact", "firm_net_change_12mo", "is_wirehouse"),
    *("is_broker_protocol", "has_email", "has_linkedin", "has_firm_data", "mobility_x_heavy_bleeding"),
    *("short_tenure_x_high_mobility", "experience_years", *ENCODED, "is_recent_mover", "days_since_last_move"),
    *("firm_departures_corrected", "bleeding_velocity_encoded", "is_independent_ria", "is_ia_rep_type"),
    "is_dual_registered",
)
COUNT = 1500


def words_of(name: str) -> list[str]:
    """The categories in alphabetical order: the firm's codes are positions in it."""
    return sorted(SQL_COLUMNS[name].categories)


def table(count: int = COUNT, seed: int = 0) -> pa.Table:
    """Rows as the SQL makes them: words, whole numbers, and experience in years."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name, column in SQL_COLUMNS.items():
        if column.categories:
            columns[name] = rng.choice(column.categories, count).tolist()
        elif column.type == "FLOAT64":
            columns[name] = rng.uniform(0, 40, count)
        else:
            columns[name] = rng.integers(int(column.low or 0), int(column.high or 300) + 1, count)
    return pa.table({"lead_id": [f"00Q{number:015d}" for number in range(count)], **columns})


def coded(rows: pa.Table, null: float = np.nan) -> np.ndarray:
    """The rows as the firm's training encodes them, in the firm's order."""
    columns = []
    for name in FIRM_ORDER:
        column = rows[ENCODED.get(name, name)].to_pylist()
        codes = words_of(ENCODED[name]).index if name in ENCODED else float
        columns.append([null if value is None else codes(value) for value in column])
    return np.array(columns, dtype=np.float32).T


def labels(matrix: np.ndarray) -> np.ndarray:
    """Every kind of input matters: numbers, codes, the last ones in the order, and what is missing."""
    rng = np.random.default_rng(1)
    whole = np.nan_to_num(matrix, nan=150)
    weight = rng.normal(size=whole.shape[1]) / (whole.std(axis=0) + 1e-6)
    return (whole - whole.mean(axis=0)) @ weight + rng.normal(size=len(whole)) > 2


PARAMETERS = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1}


def trained(matrix: np.ndarray, rounds: int = 60, names: Sequence[str] | None = FIRM_ORDER, **more: Any) -> xgb.Booster:
    types = more.pop("feature_types", ["float"] * matrix.shape[1])
    data = xgb.DMatrix(
        matrix, labels(matrix), feature_names=list(names) if names else None, feature_types=types if names else None
    )
    return xgb.train({**PARAMETERS, **more}, data, rounds)


def firm_list(**changes: Any) -> dict[str, Any]:
    mappings = {name: dict(enumerate(words_of(column))) for name, column in ENCODED.items()}
    return {"final_features": list(FIRM_ORDER), "categorical_mappings": mappings, "hyperparameters": {}} | changes


def figures(**changes: Any) -> dict[str, Any]:
    return {"metrics": {"test_auc": 0.62, "test_top_lift": 2.03, "train_auc": 0.695}, "best_iteration": 20} | changes


def own_list() -> dict[str, Any]:
    """The same as features.json has it."""
    features = []
    for name in FIRM_ORDER:
        column = SQL_COLUMNS[ENCODED.get(name, name)]
        words = {"categories": words_of(column.name), "booster_name": name} if name in ENCODED else {}
        features.append({"name": column.name, "type": column.type, **words})
    return {"features": features}


@dataclass
class Case:
    """A model in files, and `v4 register` on them."""

    folder: Path
    booster: xgb.Booster
    rows: pa.Table = field(default_factory=table)
    listed: Any = field(default_factory=firm_list)
    metrics: Any = field(default_factory=figures)
    suffix: str = "json"

    def register(self, *more: str, expect: pa.Table | None = None, text: bool = False) -> Result:
        model, features, metrics = (
            self.folder / name for name in (f"model.{self.suffix}", "list.json", "metrics.json")
        )
        if not model.exists():
            self.booster.save_model(model)
        features.write_text(json.dumps(self.listed), encoding="utf-8")
        metrics.write_text(json.dumps(self.metrics), encoding="utf-8")
        pa.parquet.write_table(self.rows, self.folder / "rows.parquet")
        arguments = [
            "--model",
            model,
            "--features",
            features,
            "--metrics",
            metrics,
            "--data",
            self.folder / "rows.parquet",
        ]
        if expect is not None:
            answers = self.folder / f"answers.{'csv' if text else 'parquet'}"
            (pa.csv.write_csv if text else pa.parquet.write_table)(expect, answers)
            arguments += ["--expect", answers]
        return CliRunner().invoke(cli, ["register", VERSION, *map(str, arguments), *more])

    def answers(self, scores: np.ndarray, **more: Any) -> pa.Table:
        rows = self.rows.append_column("score", pa.array(scores))
        for name, column in more.items():
            rows = rows.append_column(name, pa.array(column))
        return rows


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name in ("V4_WAREHOUSE", "V4_ROLLOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setenv("V4_MODELS", str(tmp_path / "shipped"))
    monkeypatch.setenv("V4_NOW", "2026-01-12T06:30")
    return tmp_path


def registered() -> Bundle:
    return resources.registry(load()).load(VERSION)


def native(booster: xgb.Booster, matrix: np.ndarray, rounds: int = 0) -> np.ndarray:
    return booster.inplace_predict(matrix, iteration_range=(0, rounds))


def assert_scores(rows: pa.Table, wanted: np.ndarray) -> None:
    """Within 1e-6: alone, permuted, and in a full day; margins and contributions by the same trees."""
    bundle, [batch] = registered(), rows.combine_chunks().to_batches()
    assert np.abs(bundle.score(batch) - wanted).max() <= 1e-6
    order = np.random.default_rng(2).permutation(len(batch))
    mixed = batch.take(pa.array(order)).select(sorted(batch.schema.names))
    assert np.abs(bundle.score(mixed) - wanted[order]).max() <= 1e-6
    alone = [bundle.score(batch.slice(place, 1))[0] for place in range(0, len(batch), 100)]
    assert np.abs(np.array(alone) - wanted[::100]).max() <= 1e-6
    matrix = coded_by(bundle, batch)
    margins = bundle.margins(matrix)
    assert np.abs(1 / (1 + np.exp(-margins)) - wanted).max() <= 1e-6
    assert np.abs(bundle.contributions(matrix).sum(axis=1) - margins).max() <= 1e-4


def coded_by(bundle: Bundle, batch: pa.RecordBatch) -> np.ndarray:
    return encode(bundle.features, batch)


def assert_refused(result: Result, said: str) -> None:
    assert isinstance(result.exception, V4Error), result.output
    assert said in str(result.exception)
    assert resources.registry(load()).entries() == {}


# --- the firm's form


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


# --- figures


FIGURES = {
    "nested": {"metrics": {"test_auc": 0.62, "test_top_lift": 2.03, "train_auc": 0.695}},
    "flat, the other spelling": {"test_auc_roc": 0.62, "test_lift_10": 2.03, "train_auc_roc": 0.695},
    "ours": {"test_auc": 0.62, "test_top_decile_lift": 2.03, "train_auc": 0.695},
}


@pytest.mark.parametrize("said", FIGURES.values(), ids=FIGURES)
def test_every_spelling_of_the_figures_is_kept_under_one_name(home, said):
    rows = table()
    assert Case(home, trained(coded(rows)), rows, metrics=said).register().exit_code == 0
    assert registered().metrics == {"test_auc": 0.62, "test_top_decile_lift": 2.03, "train_auc": 0.695}


ODD = {
    "unknown": ({"test_auk": 0.62}, "Did you mean test_auc?"),
    "missing": ({"metrics": {"test_auc": 0.62, "train_auc": 0.7}}, "test_top_decile_lift is None"),
    "null": (figures(metrics={"test_auc": None, "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is None"),
    "percent": (figures(metrics={"test_auc": 62, "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is 62"),
    "text": (figures(metrics={"test_auc": "0.62", "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is '0.62'"),
    "NaN": (figures(metrics={"test_auc": float("nan"), "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is nan"),
    "twice": (figures(test_auc_roc=0.6), "states test_auc twice: 0.6 and 0.62"),
    "list": ([], "holds a list"),
}


@pytest.mark.parametrize(("said", "refusal"), ODD.values(), ids=ODD)
def test_a_figure_that_would_read_as_nothing_is_refused(home, said, refusal):
    rows = table()
    assert_refused(Case(home, trained(coded(rows), 5), rows, metrics=said).register(), refusal)


def test_without_figures_a_person_must_say_so(home):
    case = Case(home, trained(coded(table()), 5))
    case.register()
    arguments = ["--model", str(home / "model.json"), "--features", str(home / "list.json")]
    result = CliRunner().invoke(cli, ["register", "v9.9.9", *arguments])
    assert isinstance(result.exception, V4Error)
    assert "Give --metrics, or --without-figures" in str(result.exception)


# --- which trees score


def early_native(matrix: np.ndarray) -> xgb.Booster:
    booster = trained(matrix)
    booster.set_attr(best_iteration="20", best_score="0.5")
    return booster


def early_sklearn(matrix: np.ndarray) -> xgb.Booster:
    model = xgb.XGBClassifier(n_estimators=60, max_depth=3, learning_rate=0.2, n_jobs=1)
    import pandas as pd

    model.fit(pd.DataFrame(matrix, columns=list(FIRM_ORDER)), labels(matrix))
    model.get_booster().set_attr(best_iteration="20")
    return model.get_booster()


EARLY = {"native": early_native, "XGBClassifier": early_sklearn}


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
def test_an_early_stopped_booster_needs_a_choice(home, make):
    rows = table()
    assert_refused(Case(home, make(coded(rows)), rows).register(), "Choose --rounds all or best, or give --expect")


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
@pytest.mark.parametrize(("chosen", "rounds"), [("all", 0), ("best", 21), ("33", 33)])
def test_the_chosen_rounds_score(home, make, chosen, rounds):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    assert case.register("--rounds", chosen).exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows), rounds))
    assert registered().rounds == (rounds or "all")


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
@pytest.mark.parametrize("rounds", [0, 21])
def test_known_answers_choose_the_rounds(home, make, rounds):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    wanted = native(case.booster, coded(rows), rounds)
    result = case.register(expect=case.answers(wanted))
    assert result.exit_code == 0, result.exception
    assert_scores(rows, wanted)
    assert registered().rounds == (rounds or "all")


@pytest.mark.parametrize("rounds", [21, "all"])
@pytest.mark.parametrize("own", [False, True], ids=["a training script's list", "features.json"])
def test_the_rounds_a_list_states_are_a_choice(home, own, rounds):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows, listed=own_list() if own else firm_list())
    case.listed["rounds"] = rounds
    result = case.register()
    assert result.exit_code == 0, result.exception
    assert_scores(rows, native(case.booster, coded(rows), 0 if rounds == "all" else 21))
    assert registered().rounds == rounds


def test_answers_that_fit_both_numbers_of_rounds_do_not_choose(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    expect = case.answers(native(case.booster, coded(rows), 21))
    rounded = expect.set_column(expect.num_columns - 1, "score", pa.array(["0.5"] * len(rows)))
    close = np.abs(native(case.booster, coded(rows)) - 0.5) < 0.05
    close &= np.abs(native(case.booster, coded(rows), 21) - 0.5) < 0.05
    assert close.any()
    refused = case.register(expect=rounded.filter(pa.array(close)))
    assert_refused(refused, "agree with all 60 rounds and with the 21 up to the best. Choose --rounds all or best")


def test_the_best_rounds_of_a_booster_that_states_none_are_refused(home):
    rows = table()
    assert_refused(Case(home, trained(coded(rows)), rows).register("--rounds", "best"), "has no best_iteration")


@pytest.mark.parametrize("best", ["-1", "59", "60", "900"])
def test_a_best_round_that_is_the_last_or_none_at_all_needs_no_choice(home, best):
    rows = table()
    booster = trained(coded(rows))
    booster.set_attr(best_iteration=best)
    assert Case(home, booster, rows).register().exit_code == 0
    assert registered().rounds == "all"


@pytest.mark.parametrize("chosen", ["0", "61", "-1", "some"])
def test_rounds_that_there_are_not_are_refused(home, chosen):
    rows = table()
    result = Case(home, early_native(coded(rows)), rows).register("--rounds", chosen)
    assert_refused(result, "Expected all, best, or a number from 1 to 60")


# --- known answers


def test_wrong_rounds_are_explained(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    expect = case.answers(native(case.booster, coded(rows), 21))
    assert_refused(case.register("--rounds", "all", expect=expect), "agree with the 21 rounds up to the best")


def test_codes_stated_in_another_order_are_explained(home):
    rows = table()
    listed = firm_list(categorical_mappings={name: list(SQL_COLUMNS[one].categories) for name, one in ENCODED.items()})
    case = Case(home, trained(coded(rows)), rows, listed=listed)
    expect = case.answers(native(case.booster, coded(rows)))
    assert_refused(case.register(expect=expect), "All rows agree with alphabetical codes")


def with_nulls(rows: pa.Table, name: str = "firm_rep_count_at_contact") -> pa.Table:
    values = [None if row % 5 == 0 else value for row, value in enumerate(rows[name].to_pylist())]
    return rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))


@pytest.mark.parametrize(("rule", "null"), [("0", 0.0), ("nan", np.nan)])
def test_a_null_is_read_as_was_stated(home, rule, null):
    rows = with_nulls(table())
    case = Case(home, trained(coded(rows, null)), rows)
    wanted = native(case.booster, coded(rows, null))
    assert case.register("--nulls", rule, expect=case.answers(wanted)).exit_code == 0
    assert_scores(rows, wanted)


@pytest.mark.parametrize(("null", "said"), [(0.0, "NULL as 0 (--nulls 0)"), (np.nan, "NULL as missing (--nulls nan)")])
@pytest.mark.parametrize("stated", ["error", "0", "nan"])
def test_another_null_rule_is_explained(home, null, said, stated):
    rows = with_nulls(table())
    case = Case(home, trained(coded(rows, np.nan)), rows)
    expect = case.answers(native(case.booster, coded(rows, null)))
    if (stated, said) in {("0", "NULL as 0 (--nulls 0)"), ("nan", "NULL as missing (--nulls nan)")}:
        assert case.register("--nulls", stated, expect=expect).exit_code == 0
    else:
        assert_refused(case.register("--nulls", stated, expect=expect), said)


def test_answers_may_be_in_the_booster_s_codes(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    wanted = native(case.booster, coded(rows), 21)
    expect = pa.table({name: coded(rows)[:, place] for place, name in enumerate(FIRM_ORDER)} | {"score": wanted})
    assert case.register(expect=expect).exit_code == 0
    assert_scores(rows, wanted)


@pytest.mark.parametrize("off", [2e-6, 0.01])
def test_one_row_that_differs_is_enough_to_refuse(home, off):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    scores = native(case.booster, coded(rows)).astype(float)
    scores[7] += off
    refused = case.register(expect=case.answers(scores))
    assert_refused(refused, "1 of 1500 rows differ, row 8 most")
    assert "No other rounds, codes, NULL rule or order explains them" in str(refused.exception)


def test_text_is_held_to_its_own_decimals(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    texts = [f"{score:.3f}" for score in native(case.booster, coded(rows))]
    assert case.register(expect=case.answers(np.array(texts)), text=True).exit_code == 0


def test_text_that_differs_by_more_than_its_decimals_is_refused(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    texts = [f"{score + 0.002:.3f}" for score in native(case.booster, coded(rows))]
    assert_refused(case.register(expect=case.answers(np.array(texts)), text=True), "rows differ")


def test_labelled_rows_are_compared_with_the_figures(home):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    scores, converted = native(case.booster, coded(rows)), labels(coded(rows))
    auc, lift = float(roc_auc_score(converted, scores)), top_decile_lift(scores, converted)
    wrong = case.register(expect=case.answers(scores, converted=converted))
    assert_refused(wrong, f"test_auc is {auc:.4f} on the labelled rows, 0.62 in the metrics file")
    case.metrics = {"test_auc": round(auc, 3), "test_top_decile_lift": round(lift or 0, 2), "train_auc": 0.9}
    right = case.register(expect=case.answers(scores, converted=converted))
    assert right.exit_code == 0, right.exception


ANSWERS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no score": (lambda rows: rows.drop_columns("score"), "needs rows with one column `score`"),
    "a NULL score": (
        lambda rows: rows.set_column(rows.num_columns - 1, "score", pa.array([None] * len(rows), pa.float64())),
        "never NULL",
    ),
    "no rows": (lambda rows: rows.slice(0, 0), "needs rows with one column `score`"),
    "a missing input": (lambda rows: rows.drop_columns("has_email"), "have no column has_email"),
    "an input that is no number": (
        lambda rows: rows.set_column(
            rows.column_names.index("has_email"), "has_email", pa.array([0] * len(rows), pa.timestamp("s"))
        ),
        "column has_email of the known answers is timestamp[ms], expected numbers",
    ),
    "a score that is no number": (
        lambda rows: rows.set_column(rows.num_columns - 1, "score", pa.array([0] * len(rows), pa.timestamp("s"))),
        "column score of the known answers is timestamp[ms], expected numbers",
    ),
    "a label that is a word": (
        lambda rows: rows.append_column("converted", pa.array(["yes"] * len(rows))),
        "column converted of the known answers is string, expected numbers",
    ),
    "a label that is missing": (
        lambda rows: rows.append_column("converted", pa.array([None] * len(rows), pa.bool_())),
        "converted must be true or false, or 1 or 0, on every row",
    ),
    "no words and no codes": (
        lambda rows: rows.drop_columns("tenure_bucket"),
        "no column tenure_bucket (or tenure_bucket_encoded)",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_none_are_refused(home, spoil, said):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    assert_refused(case.register(expect=spoil(case.answers(native(case.booster, coded(rows))))), said)


# --- what is never guessed


def nameless(rows: pa.Table, order: Sequence[str]) -> tuple[xgb.Booster, np.ndarray]:
    matrix = coded(rows)[:, [FIRM_ORDER.index(name) for name in order]]
    booster = trained(matrix, names=None)
    return booster, native(booster, matrix)


def test_a_nameless_booster_needs_answers_or_a_confirmed_order(home):
    rows = table()
    booster, wanted = nameless(rows, FIRM_ORDER)
    case = Case(home, booster, rows)
    assert_refused(case.register(), "Give --expect scores.parquet, or --confirm order")
    assert case.register(expect=case.answers(wanted)).exit_code == 0
    assert_scores(rows, wanted)


FLAGS = ("mobility_x_heavy_bleeding", "short_tenure_x_high_mobility")


def test_answers_that_do_not_tell_two_inputs_apart_do_not_prove_their_order(home):
    rows = table()
    booster, wanted = nameless(rows, FIRM_ORDER)
    case = Case(home, booster, rows)
    both = np.array(rows[FLAGS[0]]) == np.array(rows[FLAGS[1]])
    same = case.answers(wanted).filter(pa.array(both))
    refused = "stay the same if mobility_x_heavy_bleeding and short_tenure_x_high_mobility change places"
    assert_refused(case.register(expect=same), refused)
    assert case.register("--confirm", "order", expect=same).exit_code == 0
    assert_scores(rows, wanted)


def sql_order() -> list[str]:
    names = {column: name for name, column in ENCODED.items()}
    return [names.get(column, column) for column in SQL_COLUMNS]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (sorted(FIRM_ORDER), "with the inputs in alphabetical order"),
        (sql_order(), "with the inputs in the SQL file's order"),
        (FIRM_ORDER[::-1], "Check the inputs' order, names and codes"),
    ],
    ids=["alphabetical", "the SQL's", "another"],
)
def test_a_nameless_booster_with_another_order_is_refused_and_explained(home, order, said):
    rows = table()
    booster, wanted = nameless(rows, order)
    case = Case(home, booster, rows)
    assert_refused(case.register(expect=case.answers(wanted)), said)


def categorical(matrix: np.ndarray) -> xgb.Booster:
    types = ["c" if name in ENCODED else "float" for name in FIRM_ORDER]
    data = xgb.DMatrix(
        matrix, labels(matrix), feature_names=list(FIRM_ORDER), feature_types=types, enable_categorical=True
    )
    return xgb.train({**PARAMETERS, "tree_method": "hist", "max_cat_to_onehot": 2}, data, 30)


UNUSUAL = {
    "categorical": (categorical, "categorical inputs"),
    "dart": (lambda matrix: trained(matrix, 10, booster="dart", rate_drop=0.2), "DART"),
    "forest": (lambda matrix: trained(matrix, 10, num_parallel_tree=3), "3 trees per round"),
    "reg:logistic": (lambda matrix: trained(matrix, 20, objective="reg:logistic"), "objective reg:logistic"),
}


@pytest.mark.parametrize(("make", "said"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_booster_needs_known_answers_and_then_scores_as_it_did(home, make, said):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    assert_refused(case.register(), said)
    wanted = native(case.booster, coded(rows))
    result = case.register(expect=case.answers(wanted))
    assert result.exit_code == 0, result.exception
    assert_scores(rows, wanted)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"booster": "gblinear"}, "gblinear booster, which has no trees"),
        ({"objective": "multi:softprob", "num_class": 2}, "gives 2 scores per lead"),
        ({"objective": "binary:logitraw"}, "expected one number in [0, 1] per lead"),
    ],
    ids=["linear", "two classes", "log-odds"],
)
def test_a_booster_without_one_score_is_refused(home, more, said):
    rows = table()
    assert_refused(Case(home, trained(coded(rows), 5, **more), rows).register("--confirm", "unusual"), said)


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_a_booster_of_two_targets_is_refused(home, strategy):
    rows = table()
    both = np.column_stack([labels(coded(rows)), 1 - labels(coded(rows))])
    data = xgb.DMatrix(coded(rows), both, feature_names=list(FIRM_ORDER))
    booster = xgb.train({**PARAMETERS, "tree_method": "hist", "multi_strategy": strategy}, data, 5)
    assert_refused(Case(home, booster, rows).register("--confirm", "unusual"), "gives 2 scores per lead")


# --- a draft


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


# --- damaged boosters


def tree_of(content: dict[str, Any], number: int = 3) -> dict[str, Any]:
    return content["learner"]["gradient_booster"]["model"]["trees"][number]


def put(name: str, node: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(content: dict[str, Any]) -> None:
        tree_of(content)[name][node] = value

    return spoil


DAMAGE = {
    "child out of range": (put("left_children", 0, 999_999), "has child 999999"),
    "negative child": (put("right_children", 0, -7), "has child -7"),
    "one child": (put("right_children", 0, -1), "has child -1"),
    "split out of range": (put("split_indices", 0, 22), "splits by input 22 of 22"),
    "a cycle": (put("left_children", 1, 0), "node 1 has child 0"),
    "a longer cycle": (put("left_children", 3, 1), "node 1"),
    "a shared branch": (put("left_children", 0, 2), "is reached twice"),
    "a condition that is none": (put("split_conditions", 0, float("nan")), "node 0 holds nan"),
    "a short list": (lambda content: tree_of(content)["left_children"].pop(), "nodes and lists"),
}


@pytest.mark.parametrize(("spoil", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_tree_that_is_none_is_refused_by_its_number(home, spoil, said):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    content = json.loads(case.booster.save_raw("json"))
    spoil(content)
    (home / "model.json").write_text(json.dumps(content), encoding="utf-8")
    result = case.register()
    assert_refused(result, "tree 3 is damaged: ")
    assert said in str(result.exception)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_a_file_cut_off_is_refused(home, suffix, share):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows, suffix=suffix)
    whole = bytes(case.booster.save_raw(suffix))
    (home / f"model.{suffix}").write_bytes(whole[: int(len(whole) * share)])
    assert_refused(case.register(), "Write it again with Booster.save_model")


@pytest.mark.parametrize("content", ["{}", '{"learner": 3}', '{"learner": {"gradient_booster": {"name": "gbtree"}}}'])
def test_json_that_is_no_booster_is_refused(home, content):
    case = Case(home, trained(coded(table()), 5))
    (home / "model.json").write_text(content, encoding="utf-8")
    assert_refused(case.register(), "is not a booster in XGBoost's format")


# --- the contract


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
