"""What the detector marks on one view, before it becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from gransk.core.errors import InvalidValueError

Point = tuple[float, float]


class Kind(StrEnum):
    """What a mark shows (BI-RADS finding categories)."""

    MASS = "mass"
    DISTORTION = "distortion"
    ASYMMETRY = "asymmetry"
    CALCIFICATIONS = "calcifications"


@dataclass(frozen=True)
class Mark:
    """One suspicious place on one view.

    Coordinates are prepared ones: (column, row) on the square grid of `mammo.image.grid`, chest
    wall at the left; `mammo.image.grid.Prepared.to_native` gives those of the image.

    Parameters
    ----------
    view : int
        Index of the view in the exam.
    kind : Kind
    centre : (float, float)
    outline : tuple of (float, float)
        Closed polygon; the first point is not repeated.
    size_mm : float
        Longest diameter of the outline.
    probability : float
        Score of being a lesion of its kind.
    malignancy : float
        Estimate of malignancy.
    estimated : bool
        False where the detector says nothing of malignancy; it counts as 0 then.
    look : tuple of float
        The detector's description of what it looks like, to compare marks by.
    shape, margin : str
        What a mass looks like to the detector (`mammo.marks.signs`); empty where it is not sure.
    pair : int, optional
        Index, among the exam's marks, of the mark that shows the same lesion in the other view.
    pair_certainty : float, optional
        Probability that the pair is one lesion.
    """

    view: int
    kind: Kind
    centre: Point
    outline: tuple[Point, ...] = field(repr=False)
    size_mm: float
    probability: float
    malignancy: float
    look: tuple[float, ...] = field(default=(), repr=False)
    shape: str = ""
    margin: str = ""
    pair: int | None = None
    pair_certainty: float | None = None
    estimated: bool = True

    def __post_init__(self) -> None:
        for name in ("probability", "malignancy"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidValueError(f"Mark.{name}", getattr(self, name), "0 to 1")
        if len(self.outline) < 3 or self.size_mm <= 0:
            raise InvalidValueError("Mark.outline", len(self.outline), "a polygon with a size")

    def paired(self, other: int, certainty: float) -> Mark:
        """The same mark, said to be one with ``other``."""
        return replace(self, pair=other, pair_certainty=certainty)
