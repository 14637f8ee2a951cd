"""README.md, "With your own models", carried out as it stands: boosters of the firm's form, from nothing to a day."""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import xgboost as xgb
from click.testing import CliRunner, Result

from v4_assets import sql
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.evaluation import metrics
from v4_assets.operations.ci import SAMPLE, SAMPLE_DAY, SAMPLE_NOW
from v4_assets.project_files import PROJECT
from v4_assets.resources import registry, store
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.firm_models import ENCODED, FIRM_ORDER, own_list
from v4_assets_tests.fixtures.pages import blocks

sparing.spared()

YESTERDAY = SAMPLE_DAY - timedelta(days=1)
SMALL = f"v4 sample --scale {SAMPLE.scale} --leads-per-week {SAMPLE.leads_per_week} --seed {SAMPLE.seed}"
V40_ORDER = tuple(column.name for column in sql.load("features_v40").features)
CATEGORIES = {
    column.name: sorted(column.categories)
    for key in ("features_v40", "features_v41")
    for column in sql.load(key).features
    if column.categories
}
FROZEN = 9
"""Leads for which the author's rows hold another number of departures."""


def commands() -> list[str]:
    """The commands of the README, one a line."""
    [block] = [one.text for one in blocks(PROJECT / "README.md", "sh") if "v4 init --tables-only" in one.text]
    return [line.partition("  #")[0].strip() for line in block.splitlines()]


def run(command: str) -> Result:
    return CliRunner().invoke(cli, shlex.split(command)[1:])


def features(settings: Settings, key: str, day: date) -> pa.Table:
    return store(settings).read("features_of_day", {"prediction_date": day}, features=key)


def coded(rows: pa.Table, order: tuple[str, ...], null: float = np.nan) -> np.ndarray:
    """The rows as the author's training encodes them: alphabetical codes."""
    columns = []
    for name in order:
        column = rows[ENCODED.get(name, name)].to_pylist()
        words = CATEGORIES.get(ENCODED.get(name, name))
        columns.append([null if one is None else words.index(one) if words else float(one) for one in column])
    return np.array(columns, dtype=np.float32).T


def outcomes(matrix: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(3)
    weight = rng.normal(size=matrix.shape[1]) / (matrix.std(axis=0) + 1e-6)
    return (matrix - matrix.mean(axis=0)) @ weight + rng.normal(scale=3, size=len(matrix)) > 5


def trained(matrix: np.ndarray, names: tuple[str, ...] | None, converted: np.ndarray) -> xgb.Booster:
    """121 rounds, of which the 71st was the best: it scores with all of them, as the firm's do."""
    types = ["float"] * matrix.shape[1]
    data = xgb.DMatrix(
        matrix, converted, feature_names=list(names) if names else None, feature_types=types if names else None
    )
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "nthread": 1}
    booster = xgb.train(parameters, data, 121)
    booster.set_attr(best_iteration="70")
    return booster


def native(booster: xgb.Booster, matrix: np.ndarray, rounds: int = 0) -> np.ndarray:
    return booster.inplace_predict(matrix, iteration_range=(0, rounds)).astype(np.float64)


@dataclass
class Author:
    """Somebody who trained a version on their own rows, and wrote down what it gives them."""

    version: str
    key: str
    order: tuple[str, ...]
    rows: pa.Table
    converted: np.ndarray
    booster: xgb.Booster = field(init=False)

    def __post_init__(self) -> None:
        self.booster = trained(coded(self.rows, self.order), self.order, self.converted)

    def scores(self, rows: pa.Table) -> np.ndarray:
        return native(self.booster, coded(rows, self.order))

    def write(self, folder: Path) -> None:
        folder.mkdir()
        self.booster.save_model(folder / "model.json")
        mappings = {
            name: dict(enumerate(CATEGORIES[ENCODED.get(name, name)]))
            for name in self.order
            if ENCODED.get(name, name) in CATEGORIES
        }
        listed = {"final_features": list(self.order), "categorical_mappings": mappings}
        (folder / "final_features.json").write_text(json.dumps(listed), encoding="utf-8")
        scores, converted = self.scores(self.rows), self.converted
        auc, lift = metrics.auc(scores, converted), metrics.top_decile_lift(scores, converted)
        figures = {"test_auc": auc, "test_top_lift": lift, "train_auc": auc}
        (folder / "training_metrics.json").write_text(json.dumps({"metrics": figures}), encoding="utf-8")
        kept = self.rows.drop_columns(["tie_break", "advisor_crd", "retrospective"])
        answers = kept.append_column("score", pa.array(scores)).append_column("converted", pa.array(converted))
        pa.parquet.write_table(answers, folder / "scores.parquet")


@pytest.fixture(scope="module")
def featured(tmp_path_factory) -> Path:
    """A home after the README's first three commands."""
    home, listed = tmp_path_factory.mktemp("own") / "home", commands()
    assert listed[:3] == ["v4 sample", "v4 init --tables-only", "v4 run --date yesterday"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("V4_HOME", str(home))
        patch.setenv("V4_NOW", SAMPLE_NOW)
        for command in (SMALL, *listed[1:3]):
            result = run(command)
            assert result.exit_code == 0, result.output
    assert "waits: no version is live, so production and Salesforce wait; `v4 init` adopts v4.0.0" in result.output
    return home


@pytest.fixture
def home(featured, monkeypatch, tmp_path) -> Path:
    copy = tmp_path / "home"
    shutil.copytree(featured, copy)
    monkeypatch.setenv("V4_HOME", str(copy))
    monkeypatch.setenv("V4_NOW", SAMPLE_NOW)
    monkeypatch.chdir(tmp_path)
    return copy


def served(settings: Settings, key: str, day: date) -> dict[str, float]:
    rows = store(settings).rows("daily_scores", {"prediction_date": day}, daily_scores=key)
    return {row["lead_id"]: row["score"] for row in rows}


def assert_served(settings: Settings, author: Author, day: date) -> None:
    """The day's scores are the author's of the same features, to 1e-6: the day, each alone, and in another order."""
    rows = features(settings, f"features_{author.key}", day)
    wanted = dict(zip(rows["lead_id"].to_pylist(), author.scores(rows), strict=True))
    found = served(settings, f"daily_scores_{author.key}", day)
    assert found.keys() == wanted.keys()
    assert max(abs(found[lead] - wanted[lead]) for lead in wanted) <= 1e-6
    bundle, [batch] = registry(settings).load(author.version), rows.combine_chunks().to_batches()
    for place in range(0, len(batch), 500):
        assert abs(bundle.score(batch.slice(place, 1))[0] - wanted[rows["lead_id"][place].as_py()]) <= 1e-6
    order = np.random.default_rng(2).permutation(len(batch))
    assert np.abs(bundle.score(batch.take(pa.array(order))) - author.scores(rows)[order]).max() <= 1e-6


@pytest.mark.extended
def test_from_nothing_to_a_day_with_two_models_of_the_firm_s(home):
    settings = load()
    v41 = features(settings, "features_v41", YESTERDAY)
    converted = outcomes(coded(v41, FIRM_ORDER))
    frozen = v41["firm_departures_corrected"].to_numpy().copy()
    frozen[:FROZEN] += 1000
    place = v41.schema.get_field_index("firm_departures_corrected")
    authors = [
        Author("v4.0.0", "v40", V40_ORDER, features(settings, "features_v40", YESTERDAY), converted),
        Author(
            *("v4.1.0", "v41", FIRM_ORDER),
            v41.set_column(place, "firm_departures_corrected", pa.array(frozen)),
            converted,
        ),
    ]
    for author in authors:
        author.write(Path(author.version))
    said = {command: run(command) for command in commands()[3:6]}
    assert [result.exit_code for result in said.values()] == [0, 0, 0], [result.output for result in said.values()]
    first, second, _ = [result.output for result in said.values()]
    assert "v4.0.0 is registered" in first
    assert f"Features of {len(v41):,} leads ({YESTERDAY}) are the author's." in first
    assert f"0 of {len(v41)} differ from the author's" in first
    assert f"firm_departures_corrected: {FROZEN} of {len(v41)} (" in second

    # Nothing has reached production or Salesforce, and both versions scored the day with the new models.
    assert store(settings).production() is None
    assert not (home / "salesforce").exists()
    for author in authors:
        assert_served(settings, author, YESTERDAY)

    compared = run(commands()[6])
    assert compared.exit_code == 0, compared.exception
    assert "No hand-run features of v4.0.0 stand" in compared.output
    checklist = run("v4 checklist --json")
    assert checklist.exit_code == 0, checklist.output
    assert "90% interval" in run("v4 checklist").output
    assert run("v4 init").output == "v4.0.0 is live.\n"
    live = store(settings).production()
    assert live is not None
    assert live.model_sha256 == registry(settings).load("v4.0.0").sha256 != registry_of_shipped().load("v4.0.0").sha256
    assert commands()[6:] == [
        "v4 migration",
        "v4 checklist",
        "v4 init",
        "v4 run --date today",
        "v4 prospects run",
        "v4 lift",
    ]
    today = run("v4 run --date today")
    assert today.exit_code == 0, today.output
    assert "waits" not in today.output
    for author in authors:
        assert_served(settings, author, SAMPLE_DAY)
    month = run("v4 prospects run")
    assert month.exit_code == 0, month.output
    assert run("v4 lift").exit_code == 0

    # Figures of what is live may be corrected with a reason; its scores may not.
    figures = Path("figures.json")
    figures.write_text(json.dumps({"test_auc": 0.6, "test_top_lift": 1.5, "train_auc": 0.65}), encoding="utf-8")
    refused = run(commands()[3])
    assert isinstance(refused.exception, V4Error)
    assert "v4.0.0 is live" in str(refused.exception)
    assert run("v4 register v4.0.0 --figures-only --metrics figures.json --reason 'other leads'").exit_code == 0
    entry = registry(settings).entry("v4.0.0")
    assert registry(settings).load("v4.0.0").metrics["test_auc"] == 0.6
    assert entry.provenance["corrections"][0]["reason"] == "other leads"
    assert (live.model_sha256, live.bundle_sha256) == (entry.files["model.json"], entry.bundle_sha256)
    unscored = run("v4 checklist").output
    assert "they are not stated to be the same leads" in unscored


def registry_of_shipped() -> Any:
    return registry(load({"V4_HOME": "/nowhere"}))


# --- inputs of other forms, through the day's own asset


Made = tuple[xgb.Booster, Callable[[np.ndarray], np.ndarray]]


def stripped(matrix: np.ndarray) -> Made:
    booster = trained(matrix, None, outcomes(matrix))
    return booster, lambda inputs: native(booster, inputs)


def named(matrix: np.ndarray) -> Made:
    booster = trained(matrix, FIRM_ORDER, outcomes(np.nan_to_num(matrix)))
    return booster, lambda inputs: native(booster, inputs)


def at_its_best(matrix: np.ndarray) -> Made:
    booster, _ = named(matrix)
    return booster, lambda inputs: native(booster, inputs, 71)


def as_classifier(matrix: np.ndarray) -> Made:
    converted, late = outcomes(matrix), np.arange(len(matrix)) % 4 == 0
    model = xgb.XGBClassifier(
        n_estimators=400, max_depth=3, learning_rate=0.1, min_child_weight=1, early_stopping_rounds=10, n_jobs=1
    )
    model.fit(matrix[~late], converted[~late], eval_set=[(matrix[late], converted[late])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.get_booster().feature_names = list(FIRM_ORDER)
    return model.get_booster(), lambda inputs: model.predict_proba(inputs)[:, 1].astype(np.float64)


@pytest.mark.parametrize(
    ("made", "suffix", "more"),
    [
        pytest.param(
            stripped, "json", ["--confirm", "order", "--rounds", "all"], id="names stripped", marks=pytest.mark.extended
        ),
        pytest.param(named, "ubj", ["--rounds", "all"], id="UBJ, all rounds"),
        pytest.param(
            at_its_best, "json", ["--rounds", "best"], id="early-stopped, the best rounds", marks=pytest.mark.extended
        ),
        pytest.param(as_classifier, "json", ["--rounds", "best"], id="XGBClassifier", marks=pytest.mark.extended),
    ],
)
def test_a_model_of_another_form_scores_the_day_as_its_author_does(home, made, suffix, more):
    settings = load()
    rows = features(settings, "features_v41", YESTERDAY)
    matrix = coded(rows, FIRM_ORDER)
    Author("v4.1.0", "v41", FIRM_ORDER, rows, outcomes(matrix)).write(Path("v4.1.0"))
    booster, predict = made(matrix)
    model, wanted = Path(f"model.{suffix}"), predict(matrix)
    booster.save_model(model)
    given = "--features v4.1.0/final_features.json --metrics v4.1.0/training_metrics.json"
    result = run(shlex.join(["v4", "register", "v4.1.0", "--model", str(model), *shlex.split(given), *more]))
    assert result.exit_code == 0, result.exception
    graph = build(settings)
    day = dg.materialize(
        [graph.get_assets_def("daily_scores_v41")],
        partition_key=YESTERDAY.isoformat(),
        resources=graph.resources,
    )
    assert day.success
    found = served(settings, "daily_scores_v41", YESTERDAY)
    expected = dict(zip(rows["lead_id"].to_pylist(), wanted, strict=True))
    assert found.keys() == expected.keys()
    assert max(abs(found[lead] - expected[lead]) for lead in expected) <= 1e-6


def categorical(matrix: np.ndarray) -> Made:
    types = ["c" if name in ENCODED else "float" for name in FIRM_ORDER]
    data = xgb.DMatrix(
        matrix, outcomes(matrix), feature_names=list(FIRM_ORDER), feature_types=types, enable_categorical=True
    )
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "nthread": 1, "tree_method": "hist"}
    booster = xgb.train({**parameters, "max_cat_to_onehot": 2}, data, 121)
    assert "c" in (booster.feature_types or ())
    return booster, lambda inputs: native(booster, inputs)


# --- a version's own SQL, through a whole day


@pytest.fixture
def edited(monkeypatch, tmp_path) -> Iterator[Callable[[str, str], None]]:
    """Edits the SQL of V4.1.0 in a copy of sql/."""
    folder = tmp_path / "sql"
    shutil.copytree(sql.SQL_DIR, folder)
    monkeypatch.setattr(sql, "SQL_DIR", folder)

    def edit(old: str, new: str) -> None:
        path = sql.path_of("features_v41")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        sql.load.cache_clear()

    yield edit
    sql.load.cache_clear()


REP_COUNT = "  firm_rep_count_at_contact,\n"
NULL_REP_COUNT = "  NULLIF(firm_rep_count_at_contact, 0) AS firm_rep_count_at_contact,\n"


def written(made: Made, rows: pa.Table, matrix: np.ndarray, **listed: Any) -> str:
    """The files of a V4.1.0 with its known answers; the command that registers it."""
    Author("v4.1.0", "v41", FIRM_ORDER, rows, outcomes(np.nan_to_num(matrix))).write(Path("v4.1.0"))
    booster, predict = made
    booster.save_model("model.json")
    if listed:
        Path("v4.1.0/final_features.json").write_text(json.dumps(listed), encoding="utf-8")
    kept = rows.drop_columns(["tie_break", "advisor_crd", "retrospective"])
    pa.parquet.write_table(kept.append_column("score", pa.array(predict(matrix))), "answers.parquet")
    given = "--features v4.1.0/final_features.json --metrics v4.1.0/training_metrics.json --expect answers.parquet"
    return f"v4 register v4.1.0 --model model.json {given}"


def assert_day(predict: Callable[[np.ndarray], np.ndarray], null: float = np.nan) -> None:
    """The whole daily run scores each lead as the author does."""
    day = run("v4 run --date yesterday --json")
    assert day.exit_code == 0, day.output
    assert [one for one in json.loads(day.stdout)["checks_failed"] if one["severity"] == "ERROR"] == []
    rows = features(load(), "features_v41", YESTERDAY)
    wanted = dict(zip(rows["lead_id"].to_pylist(), predict(coded(rows, FIRM_ORDER, null)), strict=True))
    found = served(load(), "daily_scores_v41", YESTERDAY)
    assert found.keys() == wanted.keys()
    assert max(abs(found[lead] - wanted[lead]) for lead in wanted) <= 1e-6


@pytest.mark.extended
def test_a_booster_with_xgboost_s_own_categories_scores_a_whole_day_as_its_author_does(home):
    rows = features(load(), "features_v41", YESTERDAY)
    matrix = coded(rows, FIRM_ORDER)
    made = categorical(matrix)
    result = run(written(made, rows, matrix))
    assert result.exit_code == 0, result.exception
    assert_day(made[1])


@pytest.mark.parametrize(("rule", "null"), [("nan", np.nan), ("0", 0.0)])
@pytest.mark.extended
def test_null_rep_counts_score_a_whole_day_as_the_author_read_them(home, edited, rule, null):
    edited(REP_COUNT, NULL_REP_COUNT)
    assert run("v4 run --date yesterday").exit_code == 1  # the shipped model takes no NULL; its features are made
    rows = features(load(), "features_v41", YESTERDAY)
    assert rows["firm_rep_count_at_contact"].null_count > 100
    matrix = coded(rows, FIRM_ORDER, null)
    made = named(matrix)
    result = run(f"{written(made, rows, matrix)} --nulls {rule}")
    assert result.exit_code == 0, result.exception
    assert_day(made[1], null)


@pytest.mark.extended
def test_null_rep_counts_that_no_rule_reads_stop_the_version_s_day_and_say_which_feature(home, edited):
    before = served(load(), "daily_scores_v41", YESTERDAY)
    edited(REP_COUNT, NULL_REP_COUNT)
    day = run("v4 run --date yesterday --json")
    failed = [one for one in json.loads(day.stdout)["checks_failed"] if one["severity"] == "ERROR"]
    assert [(one["asset"], one["check"]) for one in failed] == [("features_v41", "values_allowed")]
    assert "firm_rep_count_at_contact" in failed[0]["description"]
    assert served(load(), "daily_scores_v41", YESTERDAY) == before


@pytest.mark.extended
def test_inputs_trained_as_floats_take_the_whole_numbers_of_the_sql_for_a_whole_day(home):
    rows = features(load(), "features_v41", YESTERDAY)
    matrix = coded(rows, FIRM_ORDER)
    made = named(matrix)
    listed = []
    for name in FIRM_ORDER:
        column = ENCODED.get(name, name)
        words = {"categories": CATEGORIES[column], "booster_name": name} if column in CATEGORIES else {}
        listed.append({"name": column, "type": "STRING" if words else "FLOAT64", **words})
    assert {rows.schema.field(one["name"]).type for one in listed if one["type"] == "FLOAT64"} == {
        pa.int64(),
        pa.float64(),
    }
    result = run(written(made, rows, matrix, features=listed, rounds="all"))
    assert result.exit_code == 0, result.exception
    assert_day(made[1])


@pytest.mark.parametrize(
    ("new", "said"),
    [
        pytest.param("CAST(tenure_months AS FLOAT64) + 0.5", "tenure_months is FLOAT64, declared INT64", id="float"),
        pytest.param(
            "CAST(tenure_months AS STRING)",
            "tenure_months is STRING, declared INT64",
            id="text",
            marks=pytest.mark.extended,
        ),
        pytest.param(
            "tenure_months > 12", "tenure_months is BOOL, declared INT64", id="flag", marks=pytest.mark.extended
        ),
    ],
)
def test_sql_that_makes_another_type_than_it_declares_stops_the_day_in_one_sentence(home, edited, new, said):
    before = features(load(), "features_v41", YESTERDAY)
    edited("  tenure_months,\n", f"  {new} AS tenure_months,\n")
    day = run("v4 run --date yesterday")
    assert day.exit_code == 1
    assert f"The SQL of v4_features_v41 makes other types than its header declares: {said}." in day.output
    assert features(load(), "features_v41", YESTERDAY).equals(before)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            *("--   has_email                     INT64 [0..1; missing 0]  the lead's own Email is present\n", ""),
            "has_email is not made by the SQL",
            id="a column too few",
        ),
        pytest.param(
            "-- marks:\n",
            "--   cc_is_too_early               INT64 [0..1]  too early\n-- marks:\n",
            "cc_is_too_early is made by the SQL and not an input",
            id="a column too many",
        ),
        pytest.param(
            "--   mobility_3yr                  INT64 [0..]",
            "--   mobility_3yr                  FLOAT64 [0..]",
            "mobility_3yr is FLOAT64 in the SQL, INT64 in the list",
            id="another type",
        ),
    ],
)
def test_a_version_s_own_sql_is_compared_as_a_set_of_columns_and_types_without_known_answers(
    home, edited, old, new, said
):
    rows = features(load(), "features_v41", YESTERDAY)
    matrix = coded(rows, FIRM_ORDER)
    command = written(named(matrix), rows, matrix, features=own_list()["features"], rounds="all")
    command = command.replace(" --expect answers.parquet", "")
    edited(old, new)
    refused = run(command)
    assert isinstance(refused.exception, V4Error), refused.output
    assert said in str(refused.exception)
    assert registry(load()).entries().keys() == registry_of_shipped().entries().keys()


def test_the_order_of_the_sql_s_columns_is_no_difference(home, edited):
    rows = features(load(), "features_v41", YESTERDAY)
    matrix = coded(rows, FIRM_ORDER)
    command = written(named(matrix), rows, matrix).replace(" --expect answers.parquet", "")
    lines = [
        "--   is_ia_rep_type                INT64 [0..1]  a producing advisor registered as IA\n",
        "--   is_dual_registered            INT64 [0..1]  a producing advisor registered as DR\n",
    ]
    edited("".join(lines), "".join(reversed(lines)))
    result = run(f"{command} --rounds all")
    assert result.exit_code == 0, result.exception
