"""When two scans may be compared and how well volumes repeat, as data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nodule.growth.reasons import Withheld
from nodule.rule_file import read_rules

RULES = Path(__file__).with_name("rules.yaml")
# What a site may take as a warning.
ALLOWABLE = (
    Withheld.SLICE_THICKNESS,
    Withheld.THICKNESS_UNKNOWN,
    Withheld.KERNEL_CLASS,
    Withheld.KERNEL_UNKNOWN,
)


class GrowthRules(BaseModel):
    """How two scans are compared.

    Parameters
    ----------
    repeatability_percent : float
        95 % limits between two scans of one day, of a solid, free nodule's volume.
    error_correlation : float
        Between the errors that two scans' voxels, a texture and contact with the pleura make.
    contrast_percent : float
        Deviation of a volume where one scan alone had contrast medium.
    largest_thickness_mm, largest_thickness_difference_mm : float
        Above these, doubling time and growth class are withheld.
    allowed : tuple of Withheld
        Reasons that a site takes as a warning instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1)
    version: str = Field(min_length=1)
    repeatability_percent: float = Field(gt=0)
    error_correlation: float = Field(ge=0, le=1)
    contrast_percent: float = Field(ge=0)
    largest_thickness_mm: float = Field(gt=0)
    largest_thickness_difference_mm: float = Field(ge=0)
    allowed: tuple[Withheld, ...] = ()

    @field_validator("allowed")
    @classmethod
    def _check(cls, allowed: tuple[Withheld, ...]) -> tuple[Withheld, ...]:
        for code in allowed:
            if code not in ALLOWABLE:
                raise ValueError(f"{code.value} cannot be allowed")
        return allowed


@cache
def growth_rules(path: Path = RULES) -> GrowthRules:
    """The rules of a YAML file; the shipped ones without it.

    Raises
    ------
    ConfigurationError
        Where the file cannot be read or is wrong.
    """
    return read_rules(GrowthRules, path)
