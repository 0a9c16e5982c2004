"""What contracts are built of: intensities, scores, and an output's place in the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import expit, logit, softmax

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

ROUNDING = 1e-5
"""Scores may lie so far outside 0 to 1: single precision."""
SURE = 1e-6
"""Scores are taken for no surer than this before their log-odds are formed."""


class Part(BaseModel):
    """Part of a contract: unknown keys are refused, so that a misspelt one is never silent."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Window(Part):
    """Values from ``low`` to ``high`` become ``to``, what lies beyond the nearer end of it.

    Then ``mean`` is taken off and the rest divided by ``std``: one value, or one a channel.
    """

    kind: Literal["window"] = "window"
    low: float
    high: float
    to: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = Field(default=(0.0,), min_length=1)
    std: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1.0,), min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Window:
        if self.low >= self.high or self.to[0] >= self.to[1]:
            raise ValueError("low must lie below high, in the window and in what it becomes")
        return self

    def applied(self, values: FloatArray, channels: int = 1) -> FloatArray:
        """Shape (channels, ...): the values as each channel of the model sees them."""
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        scaled = self.to[0] + share * (self.to[1] - self.to[0])
        mean, std = _each(self.mean, channels), _each(self.std, channels)
        return np.stack([(scaled - m) / s for m, s in zip(mean, std, strict=True)]).astype(
            np.float32
        )


class Standardised(Part):
    """Each image by itself: less its mean, over its standard deviation.

    Values are clipped to ``low`` and ``high`` before, where they are given.
    """

    kind: Literal["standardised"]
    low: float | None = None
    high: float | None = None

    def applied(self, values: FloatArray, channels: int = 1) -> FloatArray:
        """Shape (channels, ...)."""
        cut = _clipped(values, self.low, self.high)
        made = (cut - cut.mean()) / max(float(cut.std()), 1e-5)
        return np.repeat(made[None], channels, axis=0).astype(np.float32)


class Extremes(Part):
    """Each image by itself: its least value becomes ``to[0]``, its greatest ``to[1]``.

    Values are clipped to ``low`` and ``high`` before, where they are given.
    """

    kind: Literal["extremes"]
    low: float | None = None
    high: float | None = None
    to: tuple[float, float] = (0.0, 1.0)

    def applied(self, values: FloatArray, channels: int = 1) -> FloatArray:
        """Shape (channels, ...)."""
        cut = _clipped(values, self.low, self.high)
        least, most = float(cut.min()), float(cut.max())
        share = (cut - least) / max(most - least, 1e-9)
        made = self.to[0] + share * (self.to[1] - self.to[0])
        return np.repeat(made[None], channels, axis=0).astype(np.float32)


Intensity = Annotated[Window | Standardised | Extremes, Field(discriminator="kind")]


def _each(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


def _clipped(values: FloatArray, low: float | None, high: float | None) -> Array:
    wide = np.asarray(values, dtype=np.float64)
    return wide if low is None and high is None else np.clip(wide, low, high)


class Score(Part):
    """How a number of the output becomes a probability.

    First the activation, then ``range`` becomes 0 to 1, then log-odds = intercept + slope times
    the log-odds of that. ``none`` leaves what the model's last layer made; ``exp`` undoes a
    logarithm of a probability; ``softmax`` is over the classes.
    """

    activation: Literal["none", "sigmoid", "softmax", "exp"] = "none"
    range: tuple[float, float] = (0.0, 1.0)
    intercept: float = 0.0
    slope: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Score:
        if self.range[0] >= self.range[1]:
            raise ValueError("range: the lower end first")
        return self

    def probabilities(self, raw: npt.ArrayLike, axis: int = -1) -> Array:
        """Probabilities of the same shape.

        Parameters
        ----------
        raw : array_like
            As the model gives it.
        axis : int
            Along which classes lie, for ``softmax``.

        Raises
        ------
        RefusalError
            ``MODEL_OUTPUT_NOT_FINITE`` for a value that is no number; ``MODEL_OUTPUT_SCORE`` for
            one outside the range.
        """
        values = finite(raw, "scores")
        if self.activation == "sigmoid":
            values = np.asarray(expit(values))
        elif self.activation == "softmax":
            values = np.asarray(softmax(values, axis=axis))
        elif self.activation == "exp":
            values = np.exp(np.minimum(values, 50.0))
        low, high = self.range
        share = (values - low) / (high - low)
        if share.size and (share.min() < -ROUNDING or share.max() > 1 + ROUNDING):
            found = f"{values.min():.4g} to {values.max():.4g}, range {low:g} to {high:g}"
            raise RefusalError(Reason.MODEL_OUTPUT_SCORE, found)
        share = np.clip(share, 0, 1)
        if (self.intercept, self.slope) == (0.0, 1.0):
            return share
        odds = self.intercept + self.slope * logit(np.clip(share, SURE, 1 - SURE))
        return np.asarray(expit(odds))


def finite(values: npt.ArrayLike, name: str) -> Array:
    """The values, each of them a number.

    Raises
    ------
    RefusalError
        ``MODEL_OUTPUT_NOT_FINITE``.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise RefusalError(Reason.MODEL_OUTPUT_NOT_FINITE, f"{name}: {bad} of {array.size}")
    return array


def output(outputs: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    """One output by its name.

    Raises
    ------
    RefusalError
        ``MODEL_OUTPUT_SHAPE`` where the card states no such output.
    """
    if name not in outputs:
        raise RefusalError(Reason.MODEL_OUTPUT_SHAPE, f"no output {name!r}")
    return outputs[name]
