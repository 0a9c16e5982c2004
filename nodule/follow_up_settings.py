"""What a site chooses for risk and advice; none of it changes findings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nodule.guidelines.choice import GuidelineChoice
from nodule.risk.model import models

DEFAULT_MODELS = ("brock-2b", "mayo", "herder")


class FollowUpSettings(BaseModel):
    """Which guidelines and risk models a site uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guidelines: GuidelineChoice = Field(
        default_factory=GuidelineChoice, description="The guideline for each reason of a scan."
    )
    risk_models: tuple[str, ...] = Field(
        default=DEFAULT_MODELS,
        description="Risk models of each nodule, in this order; Herder only where a person "
        "entered the uptake on PET.",
    )

    @field_validator("risk_models")
    @classmethod
    def _check(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in models():
                raise ValueError(f"no risk model {name!r}; there are {', '.join(models())}")
        if len(set(names)) < len(names):
            raise ValueError("a risk model stands twice")
        return names
