"""One feature of the same leads, as two systems have it: which cells differ. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.models.contract import Feature, Flags, codes_of

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """A feature's cells on both sides, in the same order: words, or numbers where the other side has codes."""

    ours: pa.Array
    theirs: pa.Array
    differs: Flags
    null_against_zero: Flags
    """Of these, NULL on the one side and 0 on the other."""

    @property
    def are_words(self) -> bool:
        """Whether both sides are compared as words."""
        return _is_text(self.theirs.type)

    @property
    def numbers(self) -> tuple[Column, Column]:
        """Both sides as float64, NULL as NaN; only where they are no words."""
        return _numbers(self.ours), _numbers(self.theirs)

    def example(self, place: int) -> str:
        """One cell of both sides."""
        ours, theirs = (column[place] if column[place].is_valid else "NULL" for column in (self.ours, self.theirs))
        return f"{ours} instead of {theirs}"


def cells(feature: Feature, ours: pa.Table, theirs: pa.Table) -> Cells | None:
    """The feature compared as words or codes, as the other side has it; None where that does not have it.

    `ours` has the feature under its own name, `theirs` under that or the booster's.
    """
    name = feature.name if feature.name in theirs.column_names else feature.trained_as
    if name not in theirs.column_names:
        return None
    mine, other = ours[feature.name].combine_chunks(), theirs[name].combine_chunks()
    nulls = pc.is_null(mine).to_numpy(zero_copy_only=False), pc.is_null(other).to_numpy(zero_copy_only=False)
    if _is_text(other.type):
        one, two = _words(mine), _words(other)
        return Cells(mine, other, ~((one == two) | (nulls[0] & nulls[1])), np.zeros(len(one), dtype=np.bool_))
    if feature.categories:
        mine = codes_of(feature, mine)
    one, two = _numbers(mine), _numbers(other)
    alike = np.isclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)
    return Cells(mine, other, ~alike, (np.isnan(one) & (two == 0)) | (np.isnan(two) & (one == 0)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _words(column: pa.Array) -> Column:
    return np.asarray(column.cast(pa.string()).to_pylist(), dtype=object)


def _numbers(column: pa.Array) -> Column:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
