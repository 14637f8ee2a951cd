"""Dagster's generic types by one name each: mypy wants their argument, and Dagster knows the bare class alone."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    MaterializeResult = dg.MaterializeResult[None]
else:
    MaterializeResult = dg.MaterializeResult
