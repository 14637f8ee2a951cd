"""Training one version from the training set. Pure: rows in, a bundle's files out, the same bytes every time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.errors import RowsMissingError
from v4_assets.evaluation import metrics
from v4_assets.models.bundle import Vector
from v4_assets.models.contract import ALL_ROUNDS, Feature, Matrix, Rounds, encode
from v4_assets.models.profile import profile_of
from v4_assets.sql import Column

if TYPE_CHECKING:
    import xgboost as xgb

SEED = 41


@dataclass(frozen=True)
class Period:
    """Rows of one period, encoded."""

    matrix: Matrix
    converted: NDArray[Any]

    @property
    def base_rate(self) -> float:
        """Share converted, 0..1."""
        return float(self.converted.mean())


@dataclass(frozen=True)
class Split:
    """The training set by time of contact: fitted on, stopped early on, and tested on."""

    fit: Period
    validation: Period
    test: Period

    @property
    def train(self) -> Period:
        """The training period as a whole."""
        return Period(
            np.concatenate([self.fit.matrix, self.validation.matrix]),
            np.concatenate([self.fit.converted, self.validation.converted]),
        )


def features_of(columns: Sequence[Column]) -> tuple[Feature, ...]:
    """The feature contract of a SQL file's feature columns."""
    return tuple(
        Feature(column.name, column.type, column.categories, column.low, column.high, column.missing)  # type: ignore[arg-type] # Bundle verifies it
        for column in columns
    )


def split_by_time(
    rows: pa.Table,
    features: Sequence[Feature],
    *,
    train_from: date,
    test_from: date,
    until: date,
    validation_share: float,
) -> Split:
    """Rows of training_set by contacted_on: [train_from, v) fits, [v, test_from) stops, [test_from, until] tests.

    v leaves `validation_share` of the training period's days to the validation part. Raises RowsMissingError when a
    part has no row or only one outcome.
    """
    days = (test_from - train_from).days
    validation_from = test_from - timedelta(days=round(days * validation_share))
    parts = {
        "fit": (train_from, validation_from),
        "validation": (validation_from, test_from),
        "test": (test_from, until + timedelta(days=1)),
    }
    return Split(**{name: _period(rows, features, name, first, end) for name, (first, end) in parts.items()})


def train(split: Split, parameters: Mapping[str, Any]) -> "xgb.Booster":
    """A booster fitted with `parameters` (rollout.yaml, `train`), cut at its best round on the validation part.

    scale_pos_weight is negatives / positives of the rows fitted on. One thread and a fixed seed: the same rows and the
    same XGBoost give the same bytes.
    """
    import xgboost as xgb

    settings = dict(parameters)
    rounds, patience = settings.pop("n_estimators"), settings.pop("early_stopping_rounds")
    positives = int(split.fit.converted.sum())
    weight = (len(split.fit.converted) - positives) / positives
    settings |= {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "scale_pos_weight": weight,
        "seed": SEED,
        "nthread": 1,
    }
    fit = xgb.DMatrix(split.fit.matrix, label=split.fit.converted)
    # Log loss weighted as the fit is: unweighted it runs on long after ranking has stopped improving, and the AUC of a
    # few dozen conversions stops at a different tree for every sample (docs/adr/0004).
    weights = np.where(split.validation.converted, weight, 1.0)
    validation = xgb.DMatrix(split.validation.matrix, label=split.validation.converted, weight=weights)
    booster = xgb.train(
        settings,
        fit,
        num_boost_round=rounds,
        evals=[(validation, "validation")],
        early_stopping_rounds=patience,
        verbose_eval=False,
    )
    best: xgb.Booster = booster[: booster.best_iteration + 1]
    return best


def measure(booster: "xgb.Booster", split: Split) -> dict[str, Any]:
    """The figures of metrics.json: rows, base rates and AUC of the training and test periods, and the test's lift."""
    test, train = _scores(booster, split.test), _scores(booster, split.train)
    top = metrics.conversion_of_share(test, split.test.converted, 0.9, 1.0)
    bottom = metrics.conversion_of_share(test, split.test.converted, 0.0, 0.2)
    return {
        "trees": booster.num_boosted_rounds(),
        "train_rows": len(train),
        "train_base_rate": _rounded(split.train.base_rate),
        "train_auc": _rounded(metrics.auc(train, split.train.converted)),
        "test_rows": len(test),
        "test_base_rate": _rounded(split.test.base_rate),
        "test_auc": _rounded(metrics.auc(test, split.test.converted)),
        "test_auc_pr": _rounded(metrics.average_precision(test, split.test.converted)),
        "test_top_decile_lift": _rounded(metrics.top_decile_lift(test, split.test.converted)),
        "test_top_decile_conversion": _rounded(top),
        "test_bottom_fifth_conversion": _rounded(bottom),
    }


def bundle_files(
    version: str,
    features: Sequence[Feature],
    booster: "xgb.Booster",
    figures: Mapping[str, Any],
    profiled: Period,
    rounds: Rounds = ALL_ROUNDS,
) -> dict[str, bytes]:
    """The files of a bundle by name; the profile is taken on `profiled`."""
    booster.feature_names = [feature.trained_as for feature in features]
    names = [feature.name for feature in features]
    iterations = (0, 0) if rounds == ALL_ROUNDS else (0, int(rounds))
    profile = profile_of(names, profiled.matrix, booster.inplace_predict(profiled.matrix, iteration_range=iterations))
    first = {} if rounds == ALL_ROUNDS else {"rounds": rounds}
    listed = [plain_feature(feature) for feature in features]
    return {
        "model.json": bytes(booster.save_raw("json")),
        "features.json": as_json({"version": version, **first, "features": listed}),
        "metrics.json": as_json(figures),
        "profile.json": as_json(profile.to_json()),
    }


def plain_feature(feature: Feature) -> dict[str, Any]:
    """A feature as features.json has it: without what it does not have."""
    return {key: value for key, value in asdict(feature).items() if value not in (None, (), "")}


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON for people and version control."""
    return (json.dumps(content, indent=1) + "\n").encode()


def _period(rows: pa.Table, features: Sequence[Feature], name: str, first: date, end: date) -> Period:
    contacted = rows["contacted_on"]
    part = rows.filter(pc.and_(pc.greater_equal(contacted, pa.scalar(first)), pc.less(contacted, pa.scalar(end))))
    # The same rows in the same order, whatever order the warehouse returned them in.
    part = part.sort_by([("contacted_on", "ascending"), ("lead_id", "ascending")])
    converted = part["converted"].to_numpy()
    if len(np.unique(converted)) < 2:
        raise RowsMissingError(
            f"The {name} part of the training set (contacted from {first} up to {end}, exclusive) has "
            f"{len(converted)} leads, of which {int(converted.sum())} converted; both outcomes are needed. Check "
            "training in rollout.yaml, or the source."
        )
    return Period(encode(features, part), converted.astype(bool))


def _scores(booster: "xgb.Booster", period: Period) -> Vector:
    scores: Vector = booster.inplace_predict(period.matrix)
    return scores


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
