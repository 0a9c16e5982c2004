"""What a site may want to differ of how studies are compared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nodule.growth.rules import GrowthRules, growth_rules


class TrackingSettings(BaseModel):
    """How two studies of one patient are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_certainty: float = Field(
        default=0.8, gt=0.5, lt=1, description="A pairing less certain than this is left open."
    )
    seen_from: float = Field(
        default=0.75, gt=0, lt=1,
        description="A nodule that one study's analysis left out is taken as seen there from "
        "this probability on.",
    )  # fmt: skip
    unseen_below: float = Field(
        default=0.45, gt=0, lt=1,
        description="Below this probability its place is taken as empty; between, it is left open.",
    )  # fmt: skip
    growth: GrowthRules = Field(
        default_factory=growth_rules, description="When sizes may be compared."
    )

    @model_validator(mode="after")
    def _check(self) -> TrackingSettings:
        if self.unseen_below > self.seen_from:
            raise ValueError("unseen_below must not be above seen_from")
        return self
