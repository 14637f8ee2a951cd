"""Scoring a file gives the model's own scores, in Parquet and in CSV, and a whole target or none."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from v4_assets.errors import FeatureError, V4Error
from v4_assets.models import files
from v4_assets.models.bundle import Bundle, load_bundle
from v4_assets.models.contract import Feature, encode
from v4_assets.models.files import read_rows, score_file
from v4_assets_tests.fixtures.small_bundles import leads, trained_files, write

FORMATS = pytest.mark.parametrize("suffix", [".parquet", ".csv"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    return load_bundle(folder, "v9.0.0", write(folder, trained_files()))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return leads(500, seed=5)


@pytest.fixture
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(files, "ROWS_AT_ONCE", 100)


def save(path: Path, rows: pa.Table) -> Path:
    write_table = pa.parquet.write_table if path.suffix == ".parquet" else pa.csv.write_csv
    write_table(rows, path)
    return path


def load(path: Path) -> pa.Table:
    return pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)


def text(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@FORMATS
@pytest.mark.parametrize("source_suffix", [".parquet", ".csv"])
def test_the_scores_in_a_file_are_the_model_s_bit_for_bit(tmp_path, bundle, rows, source_suffix, suffix):
    source, target = save(tmp_path / f"rows{source_suffix}", rows), tmp_path / f"scores{suffix}"
    assert score_file(bundle, source, target) == 500
    assert target.stat().st_mode & 0o077 == 0
    scores = load(target)["score"].to_numpy().astype(np.float32)
    assert scores.tobytes() == bundle.score(rows.combine_chunks().to_batches()[0]).tobytes()


@FORMATS
def test_a_file_larger_than_a_batch_is_scored_as_one_batch_would_be(tmp_path, small_batches, bundle, rows, suffix):
    heard: list[int] = []
    source, target = save(tmp_path / "rows.parquet", rows), tmp_path / f"scores{suffix}"
    assert score_file(bundle, source, target, heard.append) == 500
    assert heard == [100] * 5
    scores = load(target)["score"].to_numpy().astype(np.float32)
    assert scores.tobytes() == bundle.score(rows.combine_chunks().to_batches()[0]).tobytes()


def test_the_target_holds_the_other_columns_the_score_and_the_version(tmp_path, bundle, rows):
    score_file(bundle, save(tmp_path / "rows.parquet", rows), tmp_path / "scores.parquet")
    scored = load(tmp_path / "scores.parquet")
    assert scored.column_names == ["lead_id", "contacted_on", "converted", "score", "model_version"]
    assert scored.select(["lead_id", "contacted_on", "converted"]) == rows.select([0, 1, 2])
    assert scored["model_version"].unique().to_pylist() == ["v9.0.0"]
    assert scored["score"].type == pa.float32()


def test_a_csv_s_features_are_read_in_the_model_s_types(tmp_path):
    features = (Feature("grade", "STRING", ("1", "2")), Feature("years", "FLOAT64"), Feature("count", "INT64"))
    source = text(tmp_path / "rows.csv", "lead_id,grade,years,count", "007,1,3,4", "010,2,5,6")
    (batch,) = read_rows(source, features)
    assert batch.schema.field("grade").type == pa.string()
    assert batch.schema.field("years").type == pa.float64()
    assert batch["lead_id"].to_pylist() == ["007", "010"]
    assert encode(features, batch).tolist() == [[0.0, 3.0, 4.0], [1.0, 5.0, 6.0]]


@pytest.mark.parametrize("lead_id", ["007", "1e5", "00Q000000000001AAA"])
def test_a_lead_id_comes_out_of_a_csv_as_it_went_in(tmp_path, bundle, lead_id):
    header = "lead_id,tenure_bucket,net_change,experience_years,has_email"
    source = text(tmp_path / "rows.csv", header, f"{lead_id},0-12,1,2.5,1")
    score_file(bundle, source, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        (scored,) = csv.DictReader(file)
    assert scored["lead_id"] == lead_id
    assert scored["model_version"] == "v9.0.0"


def test_an_empty_text_in_a_csv_is_null_and_named(tmp_path, bundle):
    header = "tenure_bucket,net_change,experience_years,has_email"
    source = text(tmp_path / "rows.csv", header, ",1,2.5,1", "0-12,,2.5,1")
    with pytest.raises(FeatureError, match=r"tenure_bucket is NULL in 1 of 2 rows; net_change is NULL in 1 of 2 rows"):
        score_file(bundle, source, tmp_path / "scores.csv")


@pytest.mark.parametrize("category", ["NA", "null", "nan"])
def test_a_category_that_reads_like_null_is_a_category(tmp_path, category):
    features = (Feature("rep_type", "STRING", ("IA", category)),)
    (batch,) = read_rows(text(tmp_path / "rows.csv", "rep_type", "IA", category), features)
    assert batch["rep_type"].to_pylist() == ["IA", category]


def test_a_number_that_is_none_is_named_with_the_file_and_its_column(tmp_path, bundle):
    header = "tenure_bucket,net_change,experience_years,has_email"
    source = text(tmp_path / "rows.csv", header, "0-12,many,2.5,1")
    with pytest.raises(FeatureError, match=r"rows\.csv cannot be read: In CSV column #1: .*'many'.*Correct the file\."):
        score_file(bundle, source, tmp_path / "scores.csv")


def test_a_missing_column_is_named(tmp_path, bundle, rows):
    source = save(tmp_path / "rows.parquet", rows.drop_columns(["net_change"]))
    with pytest.raises(FeatureError, match="column net_change is missing"):
        score_file(bundle, source, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()


def test_a_source_that_does_not_exist_is_named(tmp_path, bundle):
    with pytest.raises(V4Error, match=r"There is no .*absent\.parquet\. Give a Parquet or CSV file"):
        score_file(bundle, tmp_path / "absent.parquet", tmp_path / "scores.csv")


@pytest.mark.parametrize("name", ["rows.xlsx", "rows"])
def test_a_source_of_another_kind_is_refused(tmp_path, bundle, name):
    source = text(tmp_path / name, "x")
    with pytest.raises(V4Error, match=rf"{name} is neither \.parquet nor \.csv\. Convert it"):
        score_file(bundle, source, tmp_path / "scores.csv")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("name", ["scores.json", "scores"])
def test_a_target_of_another_kind_is_refused_before_anything_is_read(tmp_path, bundle, name):
    with pytest.raises(V4Error, match=rf"{name} is neither \.parquet nor \.csv\. Choose one"):
        score_file(bundle, tmp_path / "absent.parquet", tmp_path / name)


@FORMATS
def test_a_source_without_rows_is_refused_and_nothing_is_written(tmp_path, bundle, rows, suffix):
    source = save(tmp_path / f"rows{suffix}", rows.slice(0, 0))
    with pytest.raises(V4Error, match=rf"rows{suffix} holds no rows\. Nothing was written\."):
        score_file(bundle, source, tmp_path / "scores.csv")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_empty_file_is_refused(tmp_path, bundle, suffix):
    source = tmp_path / f"rows{suffix}"
    source.write_bytes(b"")
    with pytest.raises(FeatureError, match=rf"rows{suffix} cannot be read: .*Correct the file\."):
        score_file(bundle, source, tmp_path / "scores.csv")


def test_a_parquet_file_cut_off_is_refused(tmp_path, bundle, rows):
    source = save(tmp_path / "rows.parquet", rows)
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(FeatureError, match=r"rows\.parquet cannot be read: .*Correct the file\."):
        score_file(bundle, source, tmp_path / "scores.csv")


def test_a_parquet_file_with_a_damaged_footer_is_refused(tmp_path, bundle, rows):
    source = save(tmp_path / "rows.parquet", rows)
    content = bytearray(source.read_bytes())
    content[-300:-8] = b"\xff" * 292
    source.write_bytes(content)
    with pytest.raises(FeatureError, match=r"rows\.parquet cannot be read"):
        score_file(bundle, source, tmp_path / "scores.csv")


def test_a_target_in_a_folder_that_is_not_there_is_refused(tmp_path, bundle, rows):
    with pytest.raises(V4Error, match="no-such-folder"):
        score_file(bundle, save(tmp_path / "rows.parquet", rows), tmp_path / "no-such-folder" / "scores.csv")


def bad_in_the_last_batch(rows: pa.Table) -> pa.Table:
    buckets = rows["tenure_bucket"].to_pylist()
    return rows.set_column(
        rows.column_names.index("tenure_bucket"), "tenure_bucket", pa.array([*buckets[:-1], "forever"])
    )


@FORMATS
def test_an_error_in_the_middle_leaves_no_target(tmp_path, small_batches, bundle, rows, suffix):
    heard: list[int] = []
    source = save(tmp_path / "rows.parquet", bad_in_the_last_batch(rows))
    with pytest.raises(FeatureError, match=r"tenure_bucket holds \['forever'\]"):
        score_file(bundle, source, tmp_path / f"scores{suffix}", heard.append)
    assert heard == [100] * 4
    assert list(tmp_path.iterdir()) == [source]


@FORMATS
def test_an_error_in_the_middle_leaves_an_old_target_as_it_was(tmp_path, small_batches, bundle, rows, suffix):
    source, target = save(tmp_path / "rows.parquet", bad_in_the_last_batch(rows)), tmp_path / f"scores{suffix}"
    target.write_bytes(b"last week's")
    with pytest.raises(FeatureError):
        score_file(bundle, source, target)
    assert target.read_bytes() == b"last week's"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_an_interruption_leaves_an_old_target_as_it_was(tmp_path, small_batches, bundle, rows):
    source, target = save(tmp_path / "rows.parquet", rows), tmp_path / "scores.csv"
    target.write_bytes(b"last week's")

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(bundle, source, target, interrupt)
    assert target.read_bytes() == b"last week's"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_new_target_takes_an_old_one_s_place(tmp_path, bundle, rows):
    source, target = save(tmp_path / "rows.parquet", rows), tmp_path / "scores.csv"
    target.write_bytes(b"last week's")
    score_file(bundle, source, target)
    assert load(target).num_rows == 500


def test_a_file_may_be_scored_into_itself(tmp_path, bundle, rows):
    source = save(tmp_path / "rows.parquet", rows)
    score_file(bundle, source, source)
    assert load(source)["lead_id"] == rows["lead_id"]
    assert load(source).column_names[-2:] == ["score", "model_version"]
