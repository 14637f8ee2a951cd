"""NumPy's arrays by the names that signatures use."""

from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[Any]]
"""Numbers of any kind; the docstring beside says shape and unit."""
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
"""True for the rows that are meant."""
