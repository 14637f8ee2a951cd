"""A model's contract: everything except the booster that can change a score, and the encoding it defines. Pure.

`features.json` states per input the column it is fed from, the booster's own name for it, the codes of its categories
and what a NULL becomes, in the booster's order; and how many rounds of trees score.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.errors import FeatureError, ModelContractError, listed

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
ALL_ROUNDS: Final = "all"
Rounds = int | Literal["all"]


@dataclass(frozen=True)
class Feature:
    """One model input: where it comes from, its codes, what a NULL becomes, and its range."""

    name: str
    """The column of the feature table that it is read from."""
    type: Literal["STRING", "INT64", "FLOAT64"]
    categories: tuple[str, ...] = ()
    """A STRING's allowed values; the code is the position."""
    low: float | None = None
    high: float | None = None
    missing: str | float | None = None
    """The ordinary value that means "not known"; watched by the checks, scored like any other."""
    nulls: Literal["error", "nan", "missing"] = "error"
    """Whether a NULL is refused, passed to XGBoost as missing, or read as the value of `missing`."""
    booster_name: str = ""
    """The booster's own name for it, if different, such as tenure_bucket_encoded."""

    @property
    def trained_as(self) -> str:
        """The booster's name for it."""
        return self.booster_name or self.name

    @property
    def null_code(self) -> float:
        """The number that a NULL becomes; only where `nulls` is missing."""
        return float(self.categories.index(str(self.missing)) if self.categories else self.missing)  # type: ignore[arg-type] # read_contract verifies it


@dataclass(frozen=True)
class Contract:
    """The inputs in the booster's order, and how many of its first rounds score."""

    features: tuple[Feature, ...]
    rounds: Rounds = "all"

    def sha256(self, booster_sha256: str) -> str:
        """The bundle's hash: of the booster's and of all that can change a score, in canonical JSON."""
        return bundle_sha256(self.features, self.rounds, booster_sha256)


def bundle_sha256(features: Sequence[Feature], rounds: Rounds, booster_sha256: str) -> str:
    """sha256 over booster, inputs, codes, NULL rules and rounds; ranges and descriptions do not count."""
    inputs = [
        {
            "column": feature.name,
            "name": feature.trained_as,
            "type": feature.type,
            "categories": list(feature.categories),
            "null": feature.null_code if feature.nulls == "missing" else feature.nulls,
        }
        for feature in features
    ]
    content = {"booster": booster_sha256, "inputs": inputs, "rounds": rounds}
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def sql_problems(features: Sequence[Feature], columns: Mapping[str, str]) -> list[str]:
    """How the inputs differ from a SQL file's feature columns (name to type), as sets: order does not count."""
    wanted = {feature.name: feature.type for feature in features}
    problems = [f"{name} is not made by the SQL" for name in sorted(set(wanted) - set(columns))]
    problems += [f"{name} is made by the SQL and not an input" for name in sorted(set(columns) - set(wanted))]
    for name in sorted(set(wanted) & set(columns)):
        if columns[name] not in ((wanted[name], "INT64") if wanted[name] == "FLOAT64" else (wanted[name],)):
            problems.append(f"{name} is {columns[name]} in the SQL, {wanted[name]} in the list")
    return problems


def encode(features: Sequence[Feature], rows: pa.RecordBatch | pa.Table, into: Matrix | None = None) -> Matrix:
    """The rows as the model's input, float32, shape (rows, features), columns in the model's order.

    `into` is memory to use again: a matrix of at least as many rows, whose first ones are overwritten and returned.

    Raises FeatureError naming every column that is missing or of another type, every NULL where none is allowed, and
    every category the model does not know. Other columns of `rows` are ignored.
    """
    if problems := contract_problems(features, rows.schema):
        raise FeatureError(
            "The rows do not fit the model: " + listed(problems) + ". Give one column per feature in the type expected."
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
            matrix[:, position] = codes.to_numpy(zero_copy_only=False)
            if feature.nulls == "missing" and (column.null_count or pa.types.is_floating(column.type)):
                matrix[np.isnan(matrix[:, position]), position] = feature.null_code
    if problems:
        raise FeatureError("The rows do not fit the model: " + listed(problems) + ". Correct the feature table.")
    return matrix


def unusable(features: Sequence[Feature], rows: pa.RecordBatch | pa.Table) -> Flags:
    """Which rows a model cannot score, bool, shape (rows,): a number out of range, an unknown category, or a NULL or
    NaN where none is allowed. Raises FeatureError when a column is missing or of another type."""
    if problems := contract_problems(features, rows.schema):
        raise FeatureError(f"The rows do not fit the model: {'; '.join(problems)}. Correct the feature table.")
    found: Flags = np.zeros(rows.num_rows, dtype=bool)
    for feature in features:
        column = rows.column(feature.name)
        values = pc.cast(codes_of(feature, column), pa.float64()).to_numpy(zero_copy_only=False)
        if feature.categories:
            found |= np.isnan(values) & pc.is_valid(column).to_numpy(zero_copy_only=False)
        else:
            found |= values < (-np.inf if feature.low is None else feature.low)
            found |= values > (np.inf if feature.high is None else feature.high)
        if feature.nulls == "error":
            found |= np.isnan(values)
    return found


def codes_of(feature: Feature, column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column as numbers: a category's position, NULL where it is NULL or unknown; a number as it is."""
    if not feature.categories:
        return column
    known = pa.array(feature.categories, pa.string())
    if isinstance(column, pa.DictionaryArray):
        return pc.index_in(column.dictionary.cast(pa.string()), value_set=known).take(column.indices)
    return pc.index_in(column.cast(pa.string()), value_set=known)


def contract_problems(features: Sequence[Feature], schema: pa.Schema) -> list[str]:
    """Missing, duplicate and mistyped columns of this schema, which prevent encoding; one text each."""
    problems = []
    for feature in features:
        if feature.name not in schema.names:
            problems.append(f"column {feature.name} is missing")
        elif schema.names.count(feature.name) > 1:
            problems.append(f"column {feature.name} appears {schema.names.count(feature.name)} times")
        elif not _fits(feature, found := schema.field(feature.name).type):
            problems.append(f"column {feature.name} is {found}, expected {feature.type}")
    return problems


def read_features(path: Path) -> tuple[Feature, ...]:
    """The features of a features.json. Raises ModelContractError naming the entry that is wrong."""
    return read_contract(path).features


def read_contract(path: Path) -> Contract:
    """The contract a features.json states. Raises ModelContractError naming the entry that is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return parse_contract(content, str(path))
    except ValueError as error:
        raise ModelContractError(f"{path} is not a feature list: it is not JSON ({error}).") from error


def parse_contract(content: Any, where: str) -> Contract:
    """The contract that the content of a features.json states. Raises ModelContractError as `read_contract` does."""
    if not isinstance(content, Mapping):
        raise ModelContractError(
            f"{where} is a JSON {type(content).__name__}, expected an object with `features` or `final_features`; see "
            "docs/models.md."
        )
    try:
        entries = content["features"]
        features = tuple(_feature(entry) for entry in entries)
        contract = Contract(features, content.get("rounds", ALL_ROUNDS))
    except (KeyError, TypeError) as error:
        raise ModelContractError(
            f"{where} is not a feature list ({error}). Expected "
            "{'features': [{'name': …, 'type': 'INT64' | 'FLOAT64' | 'STRING', 'categories': […]}, …]}; see "
            "docs/models.md."
        ) from error
    for problem in (*map(_problem, features), _problem_of_all(contract)):
        if problem:
            raise ModelContractError(f"{where}: {problem}")
    return contract


def _feature(entry: Mapping[str, Any]) -> Feature:
    """An entry of the list, if its values are of the right kinds. Raises TypeError."""
    if not isinstance(entry, Mapping):
        raise TypeError(f"{entry!r} is not an object")
    categories = entry.get("categories", ())
    feature = Feature(**{**entry, "categories": tuple(categories)})
    texts = (feature.name, feature.booster_name, *feature.categories)
    if isinstance(categories, str) or not all(isinstance(one, str) for one in texts) or not feature.name:
        raise TypeError(f"{feature.name!r}: name and booster_name must be texts, categories a list of texts")
    for key, value in (("low", feature.low), ("high", feature.high)):
        if value is not None and not _is_number(value):
            raise TypeError(f"{feature.name}: {key} is {value!r}, expected a number")
    if not (feature.missing is None or isinstance(feature.missing, str) or _is_number(feature.missing)):
        raise TypeError(f"{feature.name}: missing is {feature.missing!r}, expected a number or a category")
    return feature


def _problem(feature: Feature) -> str | None:
    number, missing = not feature.categories, feature.missing
    problems = {
        f"has type {feature.type}; use STRING, INT64 or FLOAT64": feature.type not in ("STRING", "INT64", "FLOAT64"),
        f"has nulls {feature.nulls!r}; use error, nan or missing": feature.nulls not in ("error", "nan", "missing"),
        "needs `categories` exactly when its type is STRING": (feature.type == "STRING") == number,
        "lists a category twice": len(set(feature.categories)) < len(feature.categories),
        f"reads NULL as {missing!r}; `missing` must be one of its categories, or a number where it has none": (
            feature.nulls == "missing" and not (_is_number(missing) if number else missing in feature.categories)
        ),
    }
    return next((f"{feature.name} {text}." for text, found in problems.items() if found), None)


def _problem_of_all(contract: Contract) -> str | None:
    for what, names in (
        ("feature", [feature.name for feature in contract.features]),
        ("booster_name", [feature.trained_as for feature in contract.features]),
    ):
        if len(set(names)) < len(names):
            return f"it lists a {what} twice: {names}."
    rounds = contract.rounds
    if rounds != ALL_ROUNDS and not (isinstance(rounds, int) and not isinstance(rounds, bool) and rounds > 0):
        return f'rounds is {rounds!r}; use "all", or how many of the first rounds score.'
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _fits(feature: Feature, found: pa.DataType) -> bool:
    if feature.type == "STRING":
        text = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(text) or pa.types.is_large_string(text))
    return bool(pa.types.is_integer(found) or (feature.type == "FLOAT64" and pa.types.is_floating(found)))
