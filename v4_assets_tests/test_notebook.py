"""A notebook reads every table as a frame, and a frame scores as the warehouse's rows do."""

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from v4_assets import notebook, tables
from v4_assets.config.environment import load
from v4_assets.errors import FeatureError, ModelError, RowsMissingError, SettingsError, TableMissingError, V4Error
from v4_assets.models.bundle import Bundle, load_bundle
from v4_assets.notebook import Notebook
from v4_assets.resources import warehouse
from v4_assets.warehouse import schema
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets_tests.fixtures.small_bundles import leads, trained_files, write

DAYS = [date(2026, 1, 10) + timedelta(days=number) for number in range(3)]


def put(here: Notebook, key: str, rows: list[dict]) -> None:
    table = here.catalogue[key]
    here.warehouse.replace_table(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)).to_batches())


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Notebook:
    """A warehouse with three days of comparisons and of V4.1.0's scores."""
    settings = load({"V4_HOME": str(tmp_path_factory.mktemp("store"))})
    here = Notebook.of(settings)
    schema.upgrade(warehouse(settings, any_schema=True), here.catalogue, here.registry, settings.clock)
    here.warehouse.create(here.catalogue.sources)
    put(here, tables.LIFT_COMPARISON, [{"prediction_date": day, "version": "v4.1.0", "lift": 2.0} for day in DAYS])
    row = {"advisor_crd": None, "score": 0.25, "percentile": 7, "deprioritize": True, "model_version": "v4.1.0"}
    put(here, "daily_scores_v41", [row | {"prediction_date": day, "lead_id": f"00Q{day.day}"} for day in DAYS])
    put(here, tables.PRODUCTION, [{"version": "v4.1.0"}])
    return here


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (DAYS[0], DAYS[2], DAYS),
        (DAYS[1], DAYS[2], DAYS[1:]),
        (DAYS[1], DAYS[1], [DAYS[1]]),
        (DAYS[1], None, [DAYS[1]]),
        (date(2025, 1, 1), date(2025, 12, 31), []),
    ],
    ids=["all", "the last two", "one", "one by default", "none"],
)
def test_a_frame_holds_the_days_asked_for_both_ends_included(here, first, last, found):
    frame = here.frame("v4_lift_comparison", first, last)
    assert sorted(frame["prediction_date"].dt.date) == found


def test_every_table_and_view_can_be_read(here):
    for name in here.names:
        try:
            frame = here.frame(name, *DAYS[:2])
        except V4Error as error:
            assert "has no prediction_date" in str(error), name
            frame = here.frame(name)
        assert len(frame.columns) > 0, name
    assert {"v4_production_scores", "v4_production_features_v41", "v4_daily_scores"} <= set(here.names)


def test_a_view_is_read_by_day_as_a_table_is(here):
    frame = here.frame("v4_production_scores", DAYS[1])
    assert frame["lead_id"].tolist() == ["00Q11"]


def test_a_missing_number_leaves_the_others_whole_and_a_flag_a_flag(here):
    frame = here.scores(DAYS[0], "v4.1.0")
    assert frame["advisor_crd"].dtype == pd.Int64Dtype()
    assert frame["advisor_crd"].isna().all()
    assert frame["deprioritize"].dtype == pd.BooleanDtype()
    assert frame["percentile"].tolist() == [7]


ERRORS = {
    "no such table": (lambda here: here.frame("v4_lift"), V4Error, "Expected one of: v4_advisor_firms, v4_"),
    "a source": (lambda here: here.frame("Lead"), V4Error, "There is no table or view 'Lead'"),
    "no days": (lambda here: here.frame("v4_lift_comparison"), V4Error, "frame('v4_lift_comparison', first, last)"),
    "days of a table without": (lambda here: here.frame("v4_production", DAYS[0]), V4Error, "without days"),
    "backwards": (lambda here: here.frame("v4_daily_scores", DAYS[1], DAYS[0]), V4Error, "Give the earlier day first"),
    "no such version": (lambda here: here.scores(DAYS[0], "v4.9.0"), ModelError, "one of: v4.0.0, v4.1.0"),
    "a day without scores": (lambda here: here.scores(date(2025, 1, 1), "v4.1.0"), RowsMissingError, "no rows on 2025"),
    "a day without features": (lambda here: here.features(DAYS[0], "v4.0.0"), RowsMissingError, "v4_features_v40"),
    "no such model": (lambda here: here.bundle("v4.9.0"), ModelError, "There is no model v4.9.0"),
}


@pytest.mark.parametrize(("ask", "error", "said"), ERRORS.values(), ids=ERRORS)
def test_an_impossible_question_is_answered_by_one_sentence(here, ask, error, said):
    with pytest.raises(error) as raised:
        ask(here)
    assert said in str(raised.value)


def test_before_init_a_missing_table_is_named(tmp_path):
    with pytest.raises(TableMissingError):
        Notebook.of(load({"V4_HOME": str(tmp_path)})).frame("v4_production")


def test_open_reads_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("V4_HOME", str(tmp_path / "mine"))
    assert str(tmp_path / "mine") in str(notebook.open().warehouse)
    monkeypatch.setenv("V4_WAREHOUSE", "postgres")
    with pytest.raises(SettingsError):
        notebook.open()


def test_the_module_asks_for_pandas_only_with_the_first_frame():
    # XGBoost imports pandas where it is installed, so pandas is hidden instead of looked for afterwards.
    code = "import sys; sys.modules['pandas'] = None; import v4_assets.notebook, v4_assets.models.bundle"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- a frame is scored


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(folder, "v9.0.0", write(folder, trained_files()))


@pytest.fixture(scope="module")
def batch() -> pa.RecordBatch:
    return leads(300, seed=5).combine_chunks().to_batches()[0]


@pytest.fixture
def frame(batch) -> pd.DataFrame:
    return batch.to_pandas()


CHANGES = {
    "as it is": lambda frame: frame,
    "other order": lambda frame: frame[frame.columns[::-1]],
    "category dtype": lambda frame: frame.astype({"tenure_bucket": "category"}),
    "categories in another order": lambda frame: frame.assign(
        tenure_bucket=pd.Categorical(frame["tenure_bucket"], ["Unknown", "12-24", "0-12"])
    ),
    "string dtype": lambda frame: frame.astype({"tenure_bucket": "string"}),
    "Int64": lambda frame: frame.astype({"net_change": "Int64", "has_email": "Int64"}),
    "whole floats": lambda frame: frame.astype({"net_change": float, "has_email": "float32"}),
    "int8 flags": lambda frame: frame.astype({"has_email": "int8"}),
    "bool flags": lambda frame: frame.astype({"has_email": bool}),
    "boolean flags": lambda frame: frame.astype({"has_email": "boolean"}),
    "object numbers": lambda frame: frame.astype({"net_change": object}),
    "arrow types": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "odd index": lambda frame: frame.set_index(np.arange(len(frame)) * 7 - 3),
    "duplicated index": lambda frame: frame.set_index(np.zeros(len(frame), dtype=int)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_frame_scores_bit_for_bit_as_the_rows_it_came_from(bundle, batch, frame, change):
    given = change(frame)
    scored = bundle.score(given)
    assert list(scored.columns) == ["lead_id", "score", "margin"]
    assert scored["score"].to_numpy().tobytes() == bundle.score(batch).tobytes()
    assert scored["lead_id"].tolist() == batch["lead_id"].to_pylist()
    assert scored.index.equals(given.index)
    assert np.allclose(1 / (1 + np.exp(-scored["margin"])), scored["score"], atol=1e-6)


def test_a_part_of_a_frame_keeps_its_scores_and_its_index(bundle, frame):
    whole = bundle.score(frame)
    part = frame.sample(40, random_state=1)
    pd.testing.assert_frame_equal(bundle.score(part), whole.loc[part.index])


def test_a_frame_without_lead_id_or_without_rows_is_scored_too(bundle, frame):
    assert list(bundle.score(frame.drop(columns="lead_id")).columns) == ["score", "margin"]
    assert bundle.score(frame.head(0)).shape == (0, 3)


REFUSED = {
    "missing": (
        lambda frame: frame.drop(columns=["net_change", "has_email"]),
        "net_change is missing; column has_email is",
    ),
    "twice": (lambda frame: pd.concat([frame, frame[["has_email"]]], axis=1), "column has_email appears 2 times"),
    "unknown word": (lambda frame: frame.replace({"0-12": "forever"}), "tenure_bucket holds ['forever']"),
    "codes for words": (lambda frame: frame.assign(tenure_bucket=0), "tenure_bucket is int64, expected STRING"),
    "words for numbers": (lambda frame: frame.assign(net_change="many"), "net_change is string, expected INT64"),
    "half a number": (lambda frame: frame.assign(net_change=0.5), "column net_change is not INT64"),
    "mixed": (lambda frame: frame.assign(net_change=["x", *[1] * (len(frame) - 1)]), "column net_change is not INT64"),
    "NaN": (lambda frame: frame.assign(experience_years=np.nan), "experience_years is NULL in 300 of 300 rows"),
    "None": (lambda frame: frame.assign(net_change=None), "net_change is NULL in 300 of 300 rows"),
    "a gap": (lambda frame: frame.assign(net_change=frame["net_change"].where(frame.index > 0)), "NULL in 1 of 300"),
    "dates": (
        lambda frame: frame.assign(net_change=pd.Timestamp("2026-01-01")),
        "expected INT64",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_a_frame_that_does_not_fit_is_refused_by_its_columns(bundle, frame, spoil, said):
    with pytest.raises(FeatureError) as raised:
        bundle.score(spoil(frame))
    assert said in str(raised.value)
