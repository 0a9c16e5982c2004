"""Names of a mammography exam: sides, projections, kinds of image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gransk.core.errors import InvalidValueError
from gransk.core.study import Instance


class Laterality(StrEnum):
    """Which breast: the values of Image Laterality (0020,0062) that one image can have."""

    RIGHT = "R"
    LEFT = "L"


class Projection(StrEnum):
    """View Position (0018,5101) of the two screening views."""

    CC = "CC"
    MLO = "MLO"


class Source(StrEnum):
    """What made the image."""

    DIGITAL = "digital"
    """Full-field digital image, For Presentation."""
    SYNTHETIC = "synthetic"
    """Two-dimensional image computed from tomosynthesis."""
    FILM = "film"
    """Scanned film or another secondary capture."""


STANDARD = tuple((side, view) for side in Laterality for view in Projection)
"""The four standard views: R CC, R MLO, L CC, L MLO."""


@dataclass(frozen=True)
class View:
    """One image of a breast and what it shows.

    Parameters
    ----------
    instance : Instance
    laterality : Laterality
    projection : Projection
    source : Source
    certainty : float
        Probability that laterality and projection are right: 1 where attributes say them.
    read_from_image : bool
        True where an attribute was missing and the image was asked.
    implant_displaced : bool
        Eklund view: the implant is pushed back.
    """

    instance: Instance = field(repr=False)
    laterality: Laterality
    projection: Projection
    source: Source
    certainty: float = 1.0
    read_from_image: bool = False
    implant_displaced: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.certainty <= 1:
            raise InvalidValueError("View.certainty", self.certainty, "0 to 1")

    @property
    def name(self) -> str:
        """Such as ``R MLO``."""
        return f"{self.laterality} {self.projection}"
