"""Which guideline a scan is judged by: a site's rule, by why the scan was made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nodule.guidelines.table import Guideline, guidelines
from nodule.risk.profile import Setting


class GuidelineChoice(BaseModel):
    """A guideline for every reason of a scan; none leaves the advice to a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    incidental: str | None = Field(
        default="fleischner-2017", description="For nodules found by chance."
    )
    screening: str | None = Field(
        default="lung-rads-2022", description="For scans of a screening programme."
    )
    known_cancer: str | None = Field(
        default=None, description="For patients with a known primary cancer."
    )

    @field_validator("incidental", "screening", "known_cancer")
    @classmethod
    def _check(cls, name: str | None) -> str | None:
        if name is not None and name not in guidelines():
            raise ValueError(f"no guideline {name!r}; there are {', '.join(guidelines())}")
        return name

    def guideline(self, setting: Setting) -> Guideline | None:
        """The guideline for a reason; None where the site chose none."""
        name: str | None = getattr(self, setting.value)
        return None if name is None else guidelines()[name]
