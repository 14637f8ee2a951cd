"""Known answers: rows with the scores their author got. A model is registered only if it gives the same. Pure.

Where it does not, other readings of the same booster are tried, so that the refusal can say what would explain it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pyarrow as pa
import xgboost as xgb
from numpy.typing import NDArray

from v4_assets.errors import FeatureError, ModelContractError
from v4_assets.evaluation import metrics
from v4_assets.models.booster_file import BoosterFacts
from v4_assets.models.contract import ALL_ROUNDS, Contract, Feature, Matrix, Rounds, encode
from v4_assets.models.expected_file import KnownAnswers, half_unit, numbers

FEW_ROWS = 500


@dataclass(frozen=True)
class Reading:
    """One way to read a booster, and the words for how it differs from what was stated."""

    features: tuple[Feature, ...]
    rounds: Rounds
    order: tuple[int, ...]
    words: tuple[str, ...]


def verify_answers(
    booster: xgb.Booster,
    contract: Contract | None,
    stated: Contract,
    facts: BoosterFacts,
    answers: KnownAnswers,
    sql_order: Sequence[str] = (),
) -> tuple[Contract, NDArray[Any]]:
    """The contract that gives the known answers, and its scores.

    `contract` is None where the rounds were left open: then all and the best are tried. Raises ModelContractError with
    the reading that would explain the answers.
    """
    open_rounds: list[Rounds] = [ALL_ROUNDS, facts.best_rounds or ALL_ROUNDS]
    tried = [contract] if contract else [replace(stated, rounds=rounds) for rounds in open_rounds]
    found, agreeing = [], []
    for one in tried:
        scores = _given(booster, one.features, one.rounds, answers, tuple(range(len(one.features))))
        if isinstance(scores, FeatureError):
            found.append(str(scores))
        elif (off := np.abs(scores - answers.scores) > answers.tolerance).any():
            worst = int(np.argmax(np.abs(scores - answers.scores)))
            found.append(
                f"{off.sum()} of {len(off)} rows differ, row {worst + 1} most: {scores[worst]:.7g} instead of "
                f"{answers.scores[worst]:.7g}"
            )
        else:
            agreeing.append((one, scores))
    if len(agreeing) > 1:
        raise ModelContractError(
            f"The known answers agree with all {facts.rounds} rounds and with the {facts.best_rounds} up to the best. "
            "Choose --rounds all or best, or give more rows or more decimals."
        )
    if agreeing:
        return agreeing[0]
    explanation = _explanation(booster, tried[0], facts, answers, sql_order)
    raise ModelContractError(f"The model does not give the known answers: {found[0]}. {explanation}")


def unproven_order(booster: xgb.Booster, contract: Contract, answers: KnownAnswers) -> tuple[str, str] | None:
    """Two inputs, of which the model uses one, that may change places without changing a known answer; None without."""
    rows, adapted = _inputs(contract.features, answers.rows)
    matrix, last = encode(adapted, rows), _last(contract.rounds)
    splits = (booster[:last] if last else booster).get_score(importance_type="weight")
    used = {int(name.removeprefix("f")) for name in splits}
    for one, other in combinations(range(len(adapted)), 2):
        order = np.arange(len(adapted))
        order[[one, other]] = other, one
        # Few rows tell most pairs apart; only where these do not, all are asked.
        if used & {one, other} and not any(
            _differs(booster, np.ascontiguousarray(matrix[part][:, order]), last, answers, part)
            for part in (slice(0, FEW_ROWS), slice(FEW_ROWS, None))
        ):
            return contract.features[one].name, contract.features[other].name
    return None


def _differs(booster: xgb.Booster, matrix: Matrix, last: int, answers: KnownAnswers, part: slice) -> bool:
    """Whether any of these rows does not get its known answer."""
    if not len(matrix):
        return False
    off = np.abs(booster.inplace_predict(matrix, iteration_range=(0, last)) - answers.scores[part])
    return bool((off > answers.tolerance[part]).any())


def _last(rounds: Rounds) -> int:
    """The end of XGBoost's range of rounds; 0 is all."""
    return 0 if rounds == ALL_ROUNDS else int(rounds)


def figure_problems(scores: NDArray[Any], converted: NDArray[Any], figures: dict[str, Any]) -> list[str]:
    """How AUC and lift of labelled rows differ from the stated figures, by more than rounding or one conversion."""
    count = int(converted.sum())
    if not 0 < count < len(converted):
        return [f"{count} of {len(converted)} labelled rows converted; both outcomes are needed"]
    problems = []
    for name, found, slack in (
        ("test_auc", metrics.auc(scores, converted), 1e-4),
        ("test_top_decile_lift", metrics.top_decile_lift(scores, converted), 10 / count),
    ):
        stated = figures.get(name)
        if stated is not None and found is not None and abs(found - stated) > slack + half_unit(str(stated)):
            problems.append(f"{name} is {found:.4f} on the labelled rows, {stated} in the metrics file")
    return problems


def _given(
    booster: xgb.Booster, features: Sequence[Feature], rounds: Rounds, answers: KnownAnswers, order: Sequence[int]
) -> NDArray[Any] | FeatureError:
    """The scores of one reading, or why the rows do not fit it."""
    try:
        rows, adapted = _inputs(features, answers.rows)
        matrix = np.ascontiguousarray(encode(adapted, rows)[:, list(order)])
    except FeatureError as error:
        return error
    scores: NDArray[Any] = booster.inplace_predict(matrix, iteration_range=(0, _last(rounds)))
    return scores.astype(np.float64)


def _inputs(features: Sequence[Feature], rows: pa.Table) -> tuple[pa.Table, list[Feature]]:
    """The inputs among the rows, and the features to read them by: words where their column is there, else codes."""
    columns: dict[str, pa.ChunkedArray] = {}
    adapted: list[Feature] = []
    absent = []
    for feature in features:
        name = feature.name if feature.name in rows.column_names else feature.trained_as
        if name not in rows.column_names:
            absent.append(f"{feature.name} (or {feature.trained_as})" if feature.booster_name else feature.name)
            continue
        column = rows[name]
        is_text = (
            pa.types.is_dictionary(column.type)
            or pa.types.is_string(column.type)
            or pa.types.is_large_string(column.type)
        )
        if not (feature.categories and (is_text or pa.types.is_null(column.type))):
            missing = feature.null_code if feature.nulls == "missing" else None
            feature = replace(feature, type="FLOAT64", categories=(), missing=missing)  # noqa: PLW2901 # as its rows are
            column = column if is_text else numbers(column, feature.name)
        columns[feature.name], adapted = column, [*adapted, feature]
    if absent:
        raise FeatureError(f"the known answers have no column {', '.join(absent)}")
    return pa.table(columns), adapted


def _explanation(
    booster: xgb.Booster, stated: Contract, facts: BoosterFacts, answers: KnownAnswers, sql_order: Sequence[str]
) -> str:
    for reading in sorted(_readings(stated, facts, sql_order), key=lambda one: len(one.words)):
        scores = _given(booster, reading.features, reading.rounds, answers, reading.order)
        if not isinstance(scores, FeatureError) and (np.abs(scores - answers.scores) <= answers.tolerance).all():
            return f"All rows agree with {' and '.join(reading.words)}. If that is right, state it so."
    return "No other rounds, codes, NULL rule or order explains them. Check the inputs' order, names and codes."


def _readings(stated: Contract, facts: BoosterFacts, sql_order: Sequence[str]) -> Iterator[Reading]:
    rounds: dict[Rounds, str] = {stated.rounds: ""}
    rounds.setdefault(ALL_ROUNDS, f"all {facts.rounds} rounds (--rounds all)")
    if facts.best_rounds:
        rounds.setdefault(facts.best_rounds, f"the {facts.best_rounds} rounds up to the best (--rounds best)")
    features = stated.features
    codes = {features: ""}
    codes.setdefault(
        tuple(replace(one, categories=tuple(sorted(one.categories))) for one in features), "alphabetical codes"
    )
    identity = tuple(range(len(features)))
    orders = {identity: ""}
    if facts.names is None:
        names = [feature.trained_as for feature in features]
        orders.setdefault(tuple(int(place) for place in np.argsort(names)), "the inputs in alphabetical order")
        columns = [feature.name for feature in features]
        if sorted(sql_order) == sorted(columns):
            orders.setdefault(tuple(columns.index(name) for name in sql_order), "the inputs in the SQL file's order")
    for (many, many_words), (coded, code_words), (order, order_words), rule in product(
        rounds.items(), codes.items(), orders.items(), ("", "0", "missing")
    ):
        words = (
            many_words,
            code_words,
            order_words,
            f"NULL as {rule} (--nulls {rule.replace('missing', 'nan')})" if rule else "",
        )
        if any(words):
            yield Reading(_with_rule(coded, rule), many, order, tuple(filter(None, words)))


def _with_rule(features: tuple[Feature, ...], rule: str) -> tuple[Feature, ...]:
    if rule == "0":
        return tuple(one if one.categories else replace(one, nulls="missing", missing=0) for one in features)
    return tuple(replace(one, nulls="nan") for one in features) if rule else features
