"""One model bundle: its feature contract, encoding, scoring and explanation. Pure: no Dagster, no client, no clock.

A bundle is a folder of model.json (XGBoost's own format), features.json (the contract: contract.py),
metrics.json and profile.json (distributions in training, for drift). The encoding ships with the model and is the only
one there is: training and scoring both call `encode`, and no score depends on the other leads of its batch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.errors import FeatureError, ModelContractError, ModelIntegrityError, listed
from v4_assets.models import tree_contributions
from v4_assets.models.booster_file import verify_format
from v4_assets.models.contract import ALL_ROUNDS, Feature, Matrix, Rounds, bundle_sha256, encode, read_contract
from v4_assets.models.profile import Profile

if TYPE_CHECKING:
    import pandas as pd
    import xgboost as xgb


BUNDLE_FILES = ("model.json", "features.json", "metrics.json", "profile.json")

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


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
    rounds: Rounds = "all"
    """How many of the booster's first rounds score."""

    @cached_property
    def bundle_sha256(self) -> str:
        """Of everything that can change a score: booster, inputs, codes, NULL rules, rounds."""
        return bundle_sha256(self.features, self.rounds, self.sha256)

    @cached_property
    def feature_names(self) -> list[str]:
        """The inputs' columns in the model's order."""
        return [feature.name for feature in self.features]

    @property
    def _iterations(self) -> tuple[int, int]:
        """XGBoost's range of rounds; (0, 0) is all. Explicit, since its own default is not the same everywhere.

        The booster is never sliced: a slice loses its attributes, and would be another file.
        """
        return (0, 0) if self.rounds == ALL_ROUNDS else (0, int(self.rounds))

    @overload
    def score(self, rows: "pd.DataFrame") -> "pd.DataFrame": ...
    @overload
    def score(self, rows: pa.RecordBatch) -> Vector: ...
    def score(self, rows: "pa.RecordBatch | pd.DataFrame") -> "Vector | pd.DataFrame":
        """Scores in [0, 1], float32, one per row, in the rows' order. Raises FeatureError as `encode` does.

        A pandas frame gives a frame: `score_frame`.
        """
        if isinstance(rows, (pa.RecordBatch, pa.Table)):
            return self.predict(encode(self.features, rows))
        return score_frame(self, rows)

    def predict(self, matrix: Matrix) -> Vector:
        """Scores of encoded rows, shape (rows, features)."""
        if len(matrix) == 0:
            return np.zeros(0, dtype=np.float32)
        scores: Vector = self.booster.inplace_predict(matrix, iteration_range=self._iterations)
        return scores

    def contributions(self, matrix: Matrix) -> Matrix:
        """Exact TreeSHAP values in log-odds, shape (rows, features + 1), the bias last. They add up to the margin.

        Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees".
        """
        import xgboost as xgb

        if len(matrix) == 0:
            return np.zeros((0, len(self.features) + 1), dtype=np.float32)
        data = xgb.DMatrix(matrix, feature_names=self.booster.feature_names, feature_types=self.booster.feature_types)
        values: Matrix = self.booster.predict(data, pred_contribs=True, iteration_range=self._iterations)
        return values

    def margins(self, matrix: Matrix) -> Vector:
        """Log-odds of encoded rows."""
        values: Vector = self.booster.inplace_predict(matrix, predict_type="margin", iteration_range=self._iterations)
        return values

    def reasons(self, matrix: Matrix, count: int = 3) -> list[pa.Array]:
        """The `count` features that moved each score most, strongest first: arrays of "raises NAME" or "lowers …"."""
        words = [f"{verb} {name}" for name in self.feature_names for verb in ("lowers", "raises")]
        return [
            pa.array(words).take(pa.array(2 * place + (value > 0), mask=value == 0))
            for place, value in self.strongest(matrix, count)
        ]

    def strongest(self, matrix: Matrix, count: int = 3) -> list[tuple[Places, Vector]]:
        """The `count` features that moved each score most, strongest first: arrays of the feature's place and of its
        TreeSHAP value in log-odds, which is 0 where no further feature moved the score."""
        # Rows of equal features have equal reasons, and finding them takes many times as long as scoring.
        rows, copies = distinct_rows(matrix)
        return [(place[copies], value[copies]) for place, value in self._strongest(matrix[rows], count)]

    @cached_property
    def _trees(self) -> list[tree_contributions.Tree] | None:
        return tree_contributions.trees_of(self.booster, self.rounds)

    def _strongest(self, matrix: Matrix, count: int) -> list[tuple[Places, Vector]]:
        if len(matrix) >= tree_contributions.LEAST_ROWS and self._trees is not None:
            values = tree_contributions.contributions(self.booster, self._trees, matrix)
        else:
            values = self.contributions(matrix)[:, :-1]
        count = min(count, values.shape[1])
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :count]
        moved = np.take_along_axis(values, order, axis=1)
        return [(order[:, rank], moved[:, rank]) for rank in range(count)]


def distinct_rows(matrix: Matrix) -> tuple[Places, Places]:
    """Where each distinct row stands first, and which of these every row is: both int64. Compared bit by bit."""
    whole = np.ascontiguousarray(matrix)
    as_bytes = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    _, first, copies = np.unique(as_bytes, return_index=True, return_inverse=True)
    return first, copies


def read_booster(path: Path) -> "xgb.Booster":
    """A booster in XGBoost's own JSON or UBJ format. Raises ModelContractError on anything else, pickles above all."""
    import xgboost as xgb

    verify_format(path)
    booster = xgb.Booster()
    try:
        booster.load_model(path)
    except (xgb.core.XGBoostError, ValueError) as error:
        raise ModelContractError(f"XGBoost cannot load {path}: {str(error).splitlines()[0]}") from error
    return booster


def load_bundle(path: Path, version: str, approved: Mapping[str, str], bundle_sha256: str | None = None) -> Bundle:
    """The bundle in a folder, after every file's sha256 was found to be the approved one.

    `approved` maps file names to sha256; `bundle_sha256` is the approved bundle's, where it is known. Raises
    ModelIntegrityError on a missing or altered file, ModelContractError when the booster and the feature list disagree.
    """
    for name in BUNDLE_FILES:
        found = file_sha256(path / name) if (path / name).is_file() else "no file"
        if found != approved.get(name):
            raise ModelIntegrityError(
                f"{path / name} is not the approved {version} model: sha256 is {found[:12]}, the registry says "
                f"{str(approved.get(name))[:12]}. Restore the file, or register it as a new version with `v4 register`."
            )
    contract = read_contract(path / "features.json")
    booster = read_booster(path / "model.json")
    verify_agreement(contract.features, booster, path, contract.rounds)
    bundle = Bundle(
        version=version,
        features=contract.features,
        rounds=contract.rounds,
        booster=booster,
        metrics=json.loads((path / "metrics.json").read_text(encoding="utf-8")),
        profile=Profile.from_json(json.loads((path / "profile.json").read_text(encoding="utf-8"))),
        sha256=approved["model.json"],
        path=path,
    )
    if bundle_sha256 and bundle.bundle_sha256 != bundle_sha256:
        raise ModelIntegrityError(
            f"{path} is not the approved {version} model: its features.json makes it bundle "
            f"{bundle.bundle_sha256[:12]}, the registry says {bundle_sha256[:12]}. Restore the file, or register it as "
            "a new version with `v4 register`."
        )
    return bundle


def verify_agreement(
    features: Sequence[Feature], booster: "xgb.Booster", where: Path, rounds: Rounds = ALL_ROUNDS
) -> None:
    """The booster was trained on these features in this order and has these rounds. Raises ModelContractError."""
    names = [feature.trained_as for feature in features]
    if rounds != ALL_ROUNDS and int(rounds) > booster.num_boosted_rounds():
        raise ModelContractError(
            f"{where}: {rounds} rounds are to score, the booster has {booster.num_boosted_rounds()}. Correct `rounds`."
        )
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


def score_frame(bundle: Bundle, frame: "pd.DataFrame") -> "pd.DataFrame":
    """lead_id (where the frame has it), score and margin (log-odds), float32, on the frame's index and in its order.

    Raises FeatureError naming every column that is missing or of another type, and every value the model does not know.
    """
    import pandas as pd  # half a second

    matrix = encode(bundle.features, feature_rows(bundle.features, frame))
    scored = {"score": bundle.predict(matrix), "margin": bundle.margins(matrix)}
    leads = {"lead_id": frame["lead_id"].to_numpy()} if "lead_id" in frame.columns else {}
    return pd.DataFrame({**leads, **scored}, index=frame.index)


def feature_rows(features: Sequence[Feature], frame: "pd.DataFrame") -> pa.Table:
    """The frame's feature columns as Arrow, NaN and NA as NULL. Raises FeatureError as `score_frame` does."""
    names = list(frame.columns)
    problems = [f"column {one.name} is missing" for one in features if one.name not in names]
    problems += [
        f"column {one.name} appears {names.count(one.name)} times" for one in features if names.count(one.name) > 1
    ]
    if problems:
        raise FeatureError(f"The frame does not fit the model: {listed(problems)}. Give one column per feature.")
    columns = {}
    for feature in features:
        try:
            columns[feature.name] = _column(feature, pa.Array.from_pandas(frame[feature.name]))
        except (pa.ArrowException, TypeError) as error:
            problems.append(f"column {feature.name} is not {feature.type} ({str(error).splitlines()[0]})")
    if problems:
        raise FeatureError(f"The frame does not fit the model: {listed(problems)}. Correct these columns.")
    return pa.table(columns)


def _column(feature: Feature, column: pa.Array) -> pa.Array:
    """Accept pandas' types: integers with a gap are floats, flags are bool, an empty column is null."""
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(
            pa.string() if feature.type == "STRING" else pa.float64() if feature.type == "FLOAT64" else pa.int64()
        )
    if feature.type == "INT64" and (pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return pc.cast(column, pa.int64())
    return column
