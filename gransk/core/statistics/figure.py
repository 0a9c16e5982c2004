"""A number with its interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

Z95 = 1.959964
LEVEL = 0.95


class Figure(NamedTuple):
    """A number and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Figure:
        """In another unit, such as per 1,000."""
        return Figure(self.value * factor, self.low * factor, self.high * factor)
