"""An advisor's reasons as a sentence. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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
