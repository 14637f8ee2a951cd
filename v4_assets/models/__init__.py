"""Model bundles: trained, profiled, registered, verified at every load."""

from typing import Literal, get_args

Nulls = Literal["error", "nan", "0"]
NULL_RULES: tuple[str, ...] = get_args(Nulls)
"""Treatment of NULL when the feature list states none."""
ORDER, UNUSUAL = "order", "unusual"
"""What `--confirm` accepts in place of known answers: the order of a nameless booster; an unusual structure."""
