"""The operator's choices when registering a model; imports nothing, so that the command line starts fast."""

from typing import Literal, get_args

Nulls = Literal["error", "nan", "0"]
NULL_RULES: tuple[str, ...] = get_args(Nulls)
"""Treatment of NULL when the feature list states none."""
ORDER, UNUSUAL = "order", "unusual"
"""What `--confirm` accepts in place of known answers: the order of a nameless booster; an unusual structure."""
