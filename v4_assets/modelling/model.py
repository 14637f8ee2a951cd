"""One model bundle: its feature contract, encoding, scoring and explanation. Pure: no Dagster, no client, no clock.

A bundle is a folder of model.json (XGBoost's own format), features.json (the ordered features with their encoding),
metrics.json and profile.json (what training looked like, for drift). The encoding ships with the model and is the only
one there is: training and scoring both call `encode`, and no score depends on the other leads of its batch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.errors import FeatureError, ModelContractError, ModelIntegrityError
from v4_assets.modelling.profile import Profile

if TYPE_CHECKING:
    import xgboost as xgb

BUNDLE_FILES = ("model.json", "features.json", "metrics.json", "profile.json")

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Vector = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True)
class Feature:
    """One model input: its type, its ordinal categories, its range, and what stands for "not known"."""

    name: str
    type: Literal["STRING", "INT64", "FLOAT64"]
    categories: tuple[str, ...] = ()
    """A STRING's allowed values; the code is the position."""
    low: float | None = None
    high: float | None = None
    missing: str | float | None = None
    """The ordinary value that means "not known"; watched by the checks, scored like any other."""
    nulls: Literal["error", "nan"] = "error"
    """Whether a NULL is refused, or passed to XGBoost as missing."""


@dataclass(frozen=True)
class Bundle:
    """A loaded model version."""

    version: str
    features: tuple[Feature, ...]
    booster: "xgb.Booster"
    metrics: Mapping[str, Any]
    profile: Profile
    sha256: str
    """Of model.json."""
    path: Path

    @cached_property
    def feature_names(self) -> list[str]:
        """Names in the model's order."""
        return [feature.name for feature in self.features]

    def score(self, rows: pa.RecordBatch) -> Vector:
        """Scores in [0, 1], float32, one per row, in the rows' order. Raises FeatureError as `encode` does."""
        return self.predict(encode(self.features, rows))

    def predict(self, matrix: Matrix) -> Vector:
        """Scores of encoded rows, shape (rows, features)."""
        if len(matrix) == 0:
            return np.zeros(0, dtype=np.float32)
        scores: Vector = self.booster.inplace_predict(matrix)
        return scores

    def contributions(self, matrix: Matrix) -> Matrix:
        """Exact TreeSHAP values in log-odds, shape (rows, features + 1), the bias last. They add up to the margin.

        Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees".
        """
        import xgboost as xgb

        if len(matrix) == 0:
            return np.zeros((0, len(self.features) + 1), dtype=np.float32)
        values: Matrix = self.booster.predict(xgb.DMatrix(matrix, feature_names=self.feature_names), pred_contribs=True)
        return values

    def margins(self, matrix: Matrix) -> Vector:
        """Log-odds of encoded rows."""
        values: Vector = self.booster.inplace_predict(matrix, predict_type="margin")
        return values

    def reasons(self, matrix: Matrix, count: int = 3) -> list[pa.Array]:
        """The `count` features that moved each score most, strongest first: arrays of "raises NAME" or "lowers …"."""
        values = self.contributions(matrix)[:, :-1]
        count = min(count, values.shape[1])
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :count]
        words = pa.array([f"{verb} {name}" for name in self.feature_names for verb in ("lowers", "raises")])
        moved = np.take_along_axis(values, order, axis=1)
        places = 2 * order + (moved > 0)
        return [words.take(pa.array(places[:, rank], mask=moved[:, rank] == 0)) for rank in range(count)]


def encode(features: Sequence[Feature], rows: pa.RecordBatch | pa.Table, into: Matrix | None = None) -> Matrix:
    """The rows as the model's input, float32, shape (rows, features), columns in the model's order.

    `into` is memory to use again: a matrix of at least as many rows, whose first ones are overwritten and returned.

    Raises FeatureError naming every column that is missing or of another type, every NULL where none is allowed, and
    every category the model does not know. Other columns of `rows` are ignored.
    """
    problems = contract_problems(features, rows.schema)
    if problems:
        raise FeatureError(
            "The rows do not fit the model: "
            + "; ".join(problems)
            + ". Give one column per feature in the type expected."
        )
    shape = (rows.num_rows, len(features))
    matrix: Matrix = np.empty(shape, dtype=np.float32) if into is None or len(into) < len(rows) else into[: len(rows)]
    for position, feature in enumerate(features):
        column = rows.column(feature.name)
        if feature.nulls == "error" and column.null_count:
            problems.append(f"{feature.name} is NULL in {column.null_count} of {rows.num_rows} rows")
        strange = pc.sum(pc.is_nan(column)).as_py() if pa.types.is_floating(column.type) else 0
        if feature.nulls == "error" and strange:
            problems.append(f"{feature.name} is NaN in {strange} of {rows.num_rows} rows")
        codes = codes_of(feature, column)
        if feature.categories and codes.null_count > column.null_count:
            unknown = pc.unique(column.filter(pc.and_(pc.is_null(codes), pc.is_valid(column)))).to_pylist()
            problems.append(f"{feature.name} holds {unknown[:5]}, the model knows {list(feature.categories)}")
        if not problems:
            matrix[:, position] = (
                codes.to_numpy(zero_copy_only=False) if isinstance(codes, pa.Array) else codes.to_numpy()
            )
    if problems:
        raise FeatureError("The rows do not fit the model: " + "; ".join(problems) + ". Correct the feature table.")
    return matrix


def codes_of(feature: Feature, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column as numbers: a category's position, NULL where it is NULL or unknown; a number as it is."""
    if not feature.categories:
        return column
    known = pa.array(feature.categories, pa.string())
    if isinstance(column, pa.DictionaryArray):
        return pc.index_in(column.dictionary.cast(pa.string()), value_set=known).take(column.indices)
    return pc.index_in(column.cast(pa.string()), value_set=known)


def contract_problems(features: Sequence[Feature], schema: pa.Schema) -> list[str]:
    """What keeps rows of this schema from being encoded: missing and mistyped columns, in words."""
    problems = []
    for feature in features:
        if feature.name not in schema.names:
            problems.append(f"column {feature.name} is missing")
        elif schema.names.count(feature.name) > 1:
            problems.append(f"column {feature.name} stands there {schema.names.count(feature.name)} times")
        elif not _fits(feature, found := schema.field(feature.name).type):
            problems.append(f"column {feature.name} is {found}, expected {feature.type}")
    return problems


def read_features(path: Path) -> tuple[Feature, ...]:
    """The features of a features.json. Raises ModelContractError naming the entry that is wrong."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["features"]
        features = tuple(Feature(**{**entry, "categories": tuple(entry.get("categories", ()))}) for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelContractError(
            f"{path} is not a feature list ({error}). Expected "
            f"{{'features': [{{'name': …, 'type': 'INT64' | 'FLOAT64' | "
            "'STRING', 'categories': […]}}, …]}}; see docs/models.md."
        ) from error
    for feature in features:
        if feature.type not in ("STRING", "INT64", "FLOAT64"):
            raise ModelContractError(f"{path}: {feature.name} has type {feature.type}; use STRING, INT64 or FLOAT64.")
        if feature.nulls not in ("error", "nan"):
            raise ModelContractError(f"{path}: {feature.name} has nulls {feature.nulls!r}; use error or nan.")
        if (feature.type == "STRING") != bool(feature.categories):
            raise ModelContractError(f"{path}: {feature.name} needs `categories` exactly when its type is STRING.")
        if len(set(feature.categories)) < len(feature.categories):
            raise ModelContractError(f"{path}: {feature.name} lists a category twice.")
    names = [feature.name for feature in features]
    if len(set(names)) < len(names):
        raise ModelContractError(f"{path} lists a feature twice: {names}.")
    return features


def read_booster(path: Path) -> "xgb.Booster":
    """A booster in XGBoost's own JSON or UBJ format. Raises ModelContractError on anything else, pickles above all."""
    import xgboost as xgb

    with path.open("rb") as file:
        first = file.read(2)
    if not first.startswith(b"{"):
        raise ModelContractError(
            f"{path} is not in XGBoost's JSON or UBJ format (it begins with {first!r}). A pickle runs code when it "
            "is loaded and is never read here. Load it where you trust it and write it with "
            "Booster.save_model('model.json')."
        )
    booster = xgb.Booster()
    try:
        booster.load_model(path)
    except (xgb.core.XGBoostError, ValueError) as error:
        raise ModelContractError(f"XGBoost cannot load {path}: {str(error).splitlines()[0]}") from error
    return booster


def load_bundle(path: Path, version: str, approved: Mapping[str, str]) -> Bundle:
    """The bundle in a folder, after every file's sha256 was found to be the approved one.

    `approved` maps file names to sha256. Raises ModelIntegrityError on a missing or altered file, ModelContractError
    when the booster and the feature list disagree.
    """
    for name in BUNDLE_FILES:
        found = file_sha256(path / name) if (path / name).is_file() else "no file"
        if found != approved.get(name):
            raise ModelIntegrityError(
                f"{path / name} is not the approved {version} model: sha256 is {found[:12]}, the registry says "
                f"{str(approved.get(name))[:12]}. Restore the file, or register it as a new version with `v4 register`."
            )
    features = read_features(path / "features.json")
    booster = read_booster(path / "model.json")
    verify_agreement(features, booster, path)
    return Bundle(
        version=version,
        features=features,
        booster=booster,
        metrics=json.loads((path / "metrics.json").read_text(encoding="utf-8")),
        profile=Profile.from_json(json.loads((path / "profile.json").read_text(encoding="utf-8"))),
        sha256=approved["model.json"],
        path=path,
    )


def verify_agreement(features: Sequence[Feature], booster: "xgb.Booster", where: Path) -> None:
    """The booster was trained on exactly these features in this order. Raises ModelContractError."""
    names = [feature.name for feature in features]
    if booster.num_features() != len(names):
        raise ModelContractError(
            f"{where}: the booster takes {booster.num_features()} features, the feature list has {len(names)}. "
            "Pass the list the model was trained with."
        )
    if booster.feature_names is not None and list(booster.feature_names) != names:
        pairs = zip(booster.feature_names, names, strict=True)
        differing = [f"{theirs} ≠ {ours}" for theirs, ours in pairs if theirs != ours]
        raise ModelContractError(
            f"{where}: booster and feature list disagree in names or order: {', '.join(differing[:5])}. "
            "Pass the list the model was trained with, in its order."
        )


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def _fits(feature: Feature, found: pa.DataType) -> bool:
    if feature.type == "STRING":
        text = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(text) or pa.types.is_large_string(text))
    if feature.type == "INT64":
        return bool(pa.types.is_integer(found))
    return bool(pa.types.is_integer(found) or pa.types.is_floating(found))
