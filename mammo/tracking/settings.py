"""What a site may set of comparisons."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrackingSettings(BaseModel):
    """How two exams of one patient are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_certainty: float = Field(
        default=0.8, gt=0.5, lt=1, description="A pairing less certain than this is left open."
    )
    seen_from: float = Field(
        default=0.6, gt=0, lt=1,
        description="A mark that one exam's analysis left out is taken as seen there from this "
        "probability on.",
    )  # fmt: skip
    unseen_below: float = Field(
        default=0.3, gt=0, lt=1,
        description="Below this probability its place is taken as empty; between, it is left open.",
    )  # fmt: skip
    repeat_error: float = Field(
        default=0.12, gt=0, lt=1,
        description="Standard deviation of the logarithm of the ratio of two measurements of one "
        "unchanged mark; bench.mammo.priors prints it.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> TrackingSettings:
        if self.unseen_below > self.seen_from:
            raise ValueError("unseen_below must not be above seen_from")
        return self

    @property
    def log_limit(self) -> float:
        """Change of the logarithm of the diameter that error alone explains in 95 % of repeats."""
        return 1.96 * self.repeat_error
