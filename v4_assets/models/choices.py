"""What a person may choose when registering a model; imports nothing, so that the command line starts fast."""

from typing import Literal, get_args

Nulls = Literal["error", "nan", "0"]
NULL_RULES: tuple[str, ...] = get_args(Nulls)
"""What a NULL becomes where the feature list does not say."""
ORDER, UNUSUAL = "order", "unusual"
"""What `--confirm` accepts in place of known answers: the order of a nameless booster; an unusual structure."""
