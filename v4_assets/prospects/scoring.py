"""Scoring a month: feature batches in, ranked rows with the reasons of the best, as a sentence, out. Pure.

A month is scored at once: 22 features of 788,154 advisors are 70 MB, and reasons need the ranks of all first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Matrix, encode
from v4_assets.scores.scoring import ROWS_AT_ONCE, deciles, deprioritized, percentiles, read_ahead


def sentence(raises: Sequence[str], lowers: Sequence[str]) -> str | None:
    """What raises the score and what lowers it, strongest first, in the words given; None without either.

    Two features may go by the same words, which are then said once.
    """
    for_it, against = list(dict.fromkeys(raises)), list(dict.fromkeys(lowers))
    if for_it and against:
        return f"Ranked high for {_joined(for_it)}, despite {_joined(against)}."
    if for_it:
        return f"Ranked high for {_joined(for_it)}."
    return f"Ranked high despite {_joined(against)}." if against else None


def sentences(strongest: Sequence[tuple[NDArray[Any], NDArray[Any]]], words: Sequence[str]) -> pa.Array:
    """The sentence of every row. `strongest`: per rank the feature's place and its value; `words`: by place."""
    signs = np.stack([np.where(value == 0, 0, (place + 1) * np.sign(value)) for place, value in strongest], axis=1)
    distinct, copies = np.unique(signs.astype(np.int64), axis=0, return_inverse=True)
    made = [
        sentence([words[one - 1] for one in row if one > 0], [words[-one - 1] for one in row if one < 0])
        for row in distinct
    ]
    return pa.array(made, pa.string()).take(pa.array(copies.ravel()))


def _joined(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


EXPLAINED_FROM = 79
"""Percentile: a candidate is 80 or more, of 100 or of 99."""
REASONS = 3


def score_prospects(
    bundle: Bundle,
    batches: Iterable[pa.RecordBatch],
    *,
    schema: pa.Schema,
    constants: Mapping[str, object],
    words: Mapping[str, str],
    explained_from: int = EXPLAINED_FROM,
    without: pa.Array | None = None,
) -> Iterator[pa.RecordBatch]:
    """Score all `batches` now, and return an iterator of the rows of prospect_scores in `schema`.

    Batches hold advisor_crd, tie_break and the bundle's features; `constants` fill the columns that are the same on
    every row, `words` name the features in a sentence, advisors `without` are left out. Raises FeatureError when a
    batch does not fit the model.
    """
    matrices = [np.zeros((0, len(bundle.features)), np.float32)]
    crds, tie_breaks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for read in read_ahead(batches):
        batch = read.filter(pc.invert(pc.is_in(read.column("advisor_crd"), value_set=without))) if without else read
        matrices.append(encode(bundle.features, batch))
        # Copies, since a column would keep the whole batch in memory.
        crds.append(batch.column("advisor_crd").to_numpy().copy())
        tie_breaks.append(batch.column("tie_break").to_numpy().copy())
    matrix: Matrix = np.concatenate(matrices)
    matrices.clear()
    scores = np.concatenate([bundle.predict(part) for part in _parts(matrix)])
    rank = percentiles(scores, np.concatenate(tie_breaks))
    columns = {
        "advisor_crd": pa.array(np.concatenate(crds)),
        "score": pa.array(scores),
        "percentile": pa.array(rank),
        "decile": pa.array(deciles(rank)),
        "deprioritize": pa.array(deprioritized(rank)),
        **explained(bundle, matrix, rank >= explained_from, words),
    }
    return _rows(columns, constants, schema)


def explained(bundle: Bundle, matrix: Matrix, wanted: NDArray[Any], words: Mapping[str, str]) -> dict[str, pa.Array]:
    """Columns reason_1 to value_3 and narrative; NULL where a row is not `wanted` (bool) or nothing moved its score."""
    places = np.flatnonzero(wanted)
    found = bundle.strongest(matrix[places], REASONS) if len(places) else []
    names = pa.array(bundle.feature_names)
    back = np.full(len(matrix), -1)
    back[places] = np.arange(len(places))
    position = pa.array(back, mask=back < 0)
    columns = {}
    for rank, (place, value) in enumerate(found, start=1):
        none = value == 0
        columns[f"reason_{rank}"] = names.take(pa.array(place, mask=none)).take(position)
        columns[f"value_{rank}"] = pa.array(value.astype(np.float64), mask=none).take(position)
    if found:
        spoken = [words.get(name, name.replace("_", " ")) for name in bundle.feature_names]
        columns["narrative"] = sentences(found, spoken).take(position)
    return columns


def _parts(matrix: Matrix) -> Iterator[Matrix]:
    for start in range(0, max(len(matrix), 1), ROWS_AT_ONCE):
        yield matrix[start : start + ROWS_AT_ONCE]


def _rows(
    columns: Mapping[str, pa.Array], constants: Mapping[str, object], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    count = len(columns["score"])
    filled = [
        pc.cast(columns[field.name], field.type)
        if field.name in columns
        else pa.repeat(pa.scalar(constants.get(field.name), field.type), count)
        for field in schema
    ]
    yield from pa.Table.from_arrays(filled, schema=schema).to_batches(ROWS_AT_ONCE)
