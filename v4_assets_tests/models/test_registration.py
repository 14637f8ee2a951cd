"""`v4 register` takes a brought model whole or refuses it and leaves nothing behind."""

import getpass
import json
import pickle
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import xgboost as xgb
from click.testing import CliRunner, Result

from v4_assets import resources, sql, tables
from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets.errors import ModelContractError, ModelError, V4Error
from v4_assets.models.contract import encode
from v4_assets.models.training import as_json, features_of, plain_feature
from v4_assets.warehouse import schema
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.small_bundles import FEATURES, leads

sparing.spared()

VERSION = "v9.0.0"


@pytest.fixture
def home(home: Path) -> Path:
    """V4_HOME itself."""
    return home / "home"


class Brought:
    """Files of a model trained elsewhere, and the command that registers it."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir()
        self.model, self.features, self.data = folder / "model.json", folder / "features.json", folder / "rows.parquet"
        self.model.write_bytes(files["model.json"])
        self.features.write_bytes(files["features.json"])
        self.rows = leads(800, seed=3)
        pa.parquet.write_table(self.rows, self.data)

    def register(self, version: str = VERSION, *more: str) -> Result:
        arguments = ["--model", str(self.model), "--features", str(self.features), "--data", str(self.data)]
        figures = () if "--metrics" in more else ("--without-figures",)
        return CliRunner().invoke(cli, ["register", version, *arguments, *figures, *more])

    def listed(self, change: Callable[[list[dict]], list[dict]]) -> None:
        """Rewrite the feature list."""
        entries = json.loads(self.features.read_text(encoding="utf-8"))["features"]
        self.features.write_text(json.dumps({"features": change(entries)}), encoding="utf-8")


@pytest.fixture
def brought(tmp_path, files) -> Brought:
    return Brought(tmp_path / "brought", files)


def booster_of(files: dict[str, bytes]) -> xgb.Booster:
    return xgb.Booster(model_file=bytearray(files["model.json"]))


# --- the command


def test_a_brought_model_is_registered_and_scores_as_it_did_where_it_was_trained(home, brought, files):
    result = brought.register()
    assert result.exit_code == 0, result.exception
    bundle = resources.registry(load()).load(VERSION)
    hashes = f"model {bundle.sha256[:12]}, bundle {bundle.bundle_sha256[:12]}"
    assert result.output == f"{VERSION} is registered: {bundle.path} ({hashes})\n"
    batch = brought.rows.combine_chunks().to_batches()[0]
    wanted = booster_of(files).inplace_predict(encode(FEATURES, batch))
    assert bundle.score(batch).tobytes() == wanted.tobytes()
    assert bundle.features == FEATURES
    assert bundle.path.parent == home / "models"


def test_the_catalogue_says_where_a_brought_model_comes_from(home, brought, tmp_path):
    figures = tmp_path / "figures.json"
    said = {"train_auc": 0.65, "test_auc": 0.61, "test_top_decile_lift": 1.9}
    figures.write_text(json.dumps(said), encoding="utf-8")
    assert brought.register(VERSION, "--metrics", str(figures)).exit_code == 0
    models = resources.registry(load())
    assert models.entry(VERSION).provenance == {
        "trained_on": "brought from elsewhere",
        "registered_at": "2026-01-12T11:30:00+00:00",
        "registered_by": getpass.getuser(),
        "booster_file": {"name": "model.json", "sha256": sha256(brought.model.read_bytes()).hexdigest()},
        "test_period": None,
        "known_answers": None,
        "profiled_on": str(brought.data),
    }
    assert models.load(VERSION).metrics == said
    catalogue = json.loads((home / "models" / "registry.json").read_text(encoding="utf-8"))["models"][VERSION]
    assert catalogue["features"] == [feature.name for feature in FEATURES]
    assert catalogue["metrics"] == said
    assert catalogue["bundle_sha256"] == models.load(VERSION).bundle_sha256


def test_the_profile_of_a_brought_model_is_that_of_the_given_rows_in_parquet_or_csv(home, brought):
    assert brought.register("v9.0.1").exit_code == 0
    brought.data = brought.data.with_suffix(".csv")
    pa.csv.write_csv(brought.rows, brought.data)
    assert brought.register("v9.0.2").exit_code == 0
    models = resources.registry(load())
    profile = models.load("v9.0.1").profile
    assert profile == models.load("v9.0.2").profile
    assert profile.rows == 800
    assert profile.distinct_scores >= 100
    codes = encode(FEATURES, brought.rows)[:, 0]
    assert profile.features["tenure_bucket"].shares == pytest.approx([np.mean(codes == code) for code in (0, 1, 2)])


def test_a_brought_model_may_be_in_ubj_and_is_kept_in_json(home, brought, files):
    brought.model = brought.model.with_suffix(".ubj")
    brought.model.write_bytes(booster_of(files).save_raw("ubj"))
    assert brought.register().exit_code == 0
    bundle = resources.registry(load()).load(VERSION)
    assert (bundle.path / "model.json").read_bytes() == files["model.json"]


def test_a_brought_booster_without_names_takes_those_of_the_list(home, brought, files):
    nameless = booster_of(files)
    nameless.feature_names = None
    nameless.save_model(brought.model)
    refused = brought.register()
    assert "The booster has no feature names, so nothing proves the order of the list" in str(refused.exception)
    assert brought.register(VERSION, "--confirm", "order").exit_code == 0
    assert resources.registry(load()).load(VERSION).booster.feature_names == [feature.name for feature in FEATURES]


def shallow(brought: Brought) -> None:
    """One split of one tree: two different scores."""
    matrix = encode(FEATURES, brought.rows)
    names = [feature.name for feature in FEATURES]
    data = xgb.DMatrix(matrix, label=brought.rows["converted"].to_numpy(), feature_names=names)
    xgb.train({"objective": "binary:logistic", "max_depth": 1, "nthread": 1}, data, 1).save_model(brought.model)


def pickled(brought: Brought) -> None:
    brought.model.write_bytes(pickle.dumps({"a": "model"}))


def unknown_category(brought: Brought) -> None:
    rows = brought.rows.set_column(3, "tenure_bucket", pa.array(["forever"] * len(brought.rows)))
    pa.parquet.write_table(rows, brought.data)


REFUSALS = {
    "pickle": (pickled, ModelContractError, "A pickle runs code when it is loaded and is never read here"),
    "one feature too few": (
        lambda brought: brought.listed(lambda entries: entries[:-1]),
        ModelContractError,
        "the booster takes 4 features, the feature list has 3",
    ),
    "other names": (
        lambda brought: brought.listed(lambda entries: [{**entries[0], "name": "bucket"}, *entries[1:]]),
        ModelContractError,
        "disagree in names or order: tenure_bucket ≠ bucket",
    ),
    "another order": (
        lambda brought: brought.listed(lambda entries: [entries[1], entries[0], *entries[2:]]),
        ModelContractError,
        "tenure_bucket ≠ net_change, net_change ≠ tenure_bucket",
    ),
    "two different scores": (shallow, ModelContractError, "gives 2 different scores on 800 rows of profile data"),
    "rows the model does not know": (unknown_category, V4Error, "tenure_bucket holds ['forever']"),
    "no rows file": (lambda brought: brought.data.unlink(), V4Error, "Give a Parquet or CSV file of features"),
    "no feature list": (
        lambda brought: brought.features.write_text("[]", encoding="utf-8"),
        ModelContractError,
        "is a JSON list, expected an object",
    ),
}


def assert_nothing_registered(home: Path) -> None:
    assert not (home / "models").exists()
    assert resources.registry(load()).entries() == {}


@pytest.mark.parametrize(("spoil", "error", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_model_leaves_nothing_behind(home, brought, spoil, error, said):
    spoil(brought)
    result = brought.register()
    assert isinstance(result.exception, error)
    assert said in str(result.exception)
    assert_nothing_registered(home)


@pytest.mark.parametrize("version", ["4.2.0", "v4.2", "v4.2.0-rc1", "v4.2.0 ", "v4.2.0\n", "V4.2.0", "../v4.2.0"])
def test_a_version_is_written_like_v4_2_0(home, brought, version):
    result = brought.register(version)
    assert isinstance(result.exception, V4Error)
    assert str(result.exception) == f"{version!r} is not a version. Write it like v4.2.0."
    assert_nothing_registered(home)


@pytest.mark.parametrize(
    ("content", "said"), [("{", "is not JSON"), ("[0.62]", "holds a list, expected an object")], ids=["cut off", "list"]
)
def test_figures_that_are_no_object_are_refused(home, brought, tmp_path, content, said):
    figures = tmp_path / "figures.json"
    figures.write_text(content, encoding="utf-8")
    result = brought.register(VERSION, "--metrics", str(figures))
    assert isinstance(result.exception, ModelContractError)
    assert said in str(result.exception)
    assert_nothing_registered(home)


def test_a_model_of_other_features_than_its_sql_file_makes_is_refused(home, brought):
    result = brought.register("v4.1.0")
    assert isinstance(result.exception, ModelContractError)
    assert "lists 4 features, the version's SQL file makes 22: " in str(result.exception)
    assert "net_change is not made by the SQL" in str(result.exception)
    assert " is made by the SQL and not an input; and 17 more. Correct the list" in str(result.exception)
    assert_nothing_registered(home)


def test_a_registered_version_is_never_registered_again(home, brought, other_files):
    assert brought.register().exit_code == 0
    before = {path: path.read_bytes() for path in (home / "models").rglob("*.json")}
    brought.model.write_bytes(other_files["model.json"])
    result = brought.register()
    assert isinstance(result.exception, ModelError)
    assert f"{VERSION} is registered already" in str(result.exception)
    assert "A registered model never changes" in str(result.exception)
    assert {path: path.read_bytes() for path in (home / "models").rglob("*.json")} == before


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_to_profile_on_that_are_none_are_refused(home, brought, suffix):
    brought.data = brought.data.with_suffix(suffix)
    save = pa.parquet.write_table if suffix == ".parquet" else pa.csv.write_csv
    save(brought.rows.slice(0, 0), brought.data)
    assert isinstance(brought.register().exception, V4Error)


@pytest.mark.parametrize(
    "parameters",
    [{"objective": "reg:squarederror"}, {"objective": "multi:softprob", "num_class": 3}],
    ids=["a regression", "three classes"],
)
def test_a_model_whose_scores_are_not_between_0_and_1_is_refused(home, brought, parameters):
    label = np.arange(800) % 3 if "num_class" in parameters else 3 * brought.rows["experience_years"].to_numpy()
    data = xgb.DMatrix(encode(FEATURES, brought.rows), label=label)
    xgb.train({**parameters, "nthread": 1}, data, 20).save_model(brought.model)
    result = brought.register(VERSION, "--confirm", "order", "--confirm", "unusual")
    assert isinstance(result.exception, ModelContractError)
    assert re.search(r"expected one number in \[0, 1\] per lead|gives 3 scores per lead", str(result.exception))


# --- profiled on the warehouse


def day_of_features(key: str, day: date, count: int = 400) -> pa.RecordBatch:
    """Put a day of a version's features, drawn from its SQL file's contract, into the warehouse; returns its rows."""
    settings, rng = load(), np.random.default_rng(0)
    house, table = resources.warehouse(settings), settings.rollout.catalogue[tables.features_key(key)]
    columns = {}
    for column in table.columns:
        if column.categories:
            columns[column.name] = rng.choice(column.categories, count).tolist()
        elif column.is_feature:
            columns[column.name] = rng.integers(int(column.low or 0), int(column.high or 50) + 1, count)
    fixed = {
        "prediction_date": [day] * count,
        "lead_id": [f"00Q{row}" for row in range(count)],
        "retrospective": [True] * count,
    }
    numbers = {"advisor_crd": np.arange(count), "tie_break": np.arange(count)}
    rows = pa.record_batch(
        [pa.array({**columns, **fixed, **numbers}[field.name], field.type) for field in arrow_schema(table)],
        schema=arrow_schema(table),
    )
    write = PartitionWrite(table.name, day, datetime(2026, 1, 12, tzinfo=UTC), True, "by hand", None)
    schema.upgrade(house, settings.rollout.catalogue, resources.registry(settings), settings.clock)
    house.replace_partition(table, write, [rows], settings.rollout.catalogue[tables.PARTITION_WRITES])
    return rows


def without_data(folder: Path, features, rows: pa.RecordBatch, version: str) -> Result:
    """Train on the rows and register without --data."""
    matrix = encode(features, rows)
    label = matrix.sum(axis=1) > np.median(matrix.sum(axis=1))
    data = xgb.DMatrix(matrix, label=label, feature_names=[feature.name for feature in features])
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 30)
    folder.mkdir()
    booster.save_model(folder / "model.json")
    (folder / "features.json").write_bytes(as_json({"features": [plain_feature(feature) for feature in features]}))
    arguments = ["--model", str(folder / "model.json"), "--features", str(folder / "features.json")]
    return CliRunner().invoke(cli, ["register", version, *arguments, "--without-figures"])


def test_without_data_a_model_is_profiled_on_its_newest_day_in_the_warehouse(home, tmp_path):
    day_of_features("v41", date(2026, 1, 8), 300)
    rows = day_of_features("v41", date(2026, 1, 9))
    result = without_data(tmp_path / "brought", features_of(sql.load("features_v41").features), rows, "v4.1.0")
    assert result.exit_code == 0, result.exception
    models = resources.registry(load())
    assert models.entry("v4.1.0").provenance["profiled_on"] == "its features in the warehouse"
    assert models.load("v4.1.0").profile.rows == 400


def test_without_data_a_new_version_is_profiled_on_another_one_s_features_when_they_suffice(home, tmp_path):
    rows = day_of_features("v41", date(2026, 1, 9))
    fewer = features_of(sql.load("features_v41").features)[5:]
    assert without_data(tmp_path / "brought", fewer, rows, "v9.9.9").exit_code == 0
    assert resources.registry(load()).load("v9.9.9").profile.rows == 400


def test_a_model_may_take_its_sql_file_s_features_in_another_order(home, tmp_path):
    rows = day_of_features("v41", date(2026, 1, 9))
    backwards = features_of(sql.load("features_v41").features)[::-1]
    result = without_data(tmp_path / "brought", backwards, rows, "v4.1.0")
    assert result.exit_code == 0, result.exception
    wanted = xgb.Booster(model_file=tmp_path / "brought" / "model.json").inplace_predict(encode(backwards, rows))
    assert resources.registry(load()).load("v4.1.0").score(rows).tobytes() == wanted.tobytes()


def test_without_data_and_without_a_day_of_its_features_a_model_is_refused(home, tmp_path):
    result = without_data(tmp_path / "brought", FEATURES, leads(400).combine_chunks().to_batches()[0], VERSION)
    assert isinstance(result.exception, V4Error)
    assert "Give rows with --data FILE" in str(result.exception)
    assert_nothing_registered(home)
