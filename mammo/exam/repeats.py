"""Which of several images of one view is analysed.

The first rule that tells two images apart decides:

1. *source*: what the site prefers (by default digital, then synthetic, then film);
2. *partial*: an image of the whole breast before one of a part (Partial View);
3. *implant*: implant displaced before implant in place, since it shows more of the tissue (ACR
   practice: both are taken of a breast with an implant); a site may turn this round;
4. *later*: the later exposure, since a view is repeated where the first failed;
5. *lossy*: of one exposure that was stored several times, the one without lossy compression;
6. *smaller*: then the one with more pixels;
7. *copy*: then the lowest SOP Instance UID, so that the choice is the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gransk.core.study import Instance
from mammo.exam.attributes import Said, number, text
from mammo.exam.view_codes import Modifier, ViewName
from mammo.view import Laterality, Projection, Source

Slot = tuple[Laterality, Projection]


@dataclass(frozen=True)
class Candidate:
    """An image that its attributes let be analysed.

    Parameters
    ----------
    instance : Instance
    said : Said
        What its attributes say.
    source : Source
    label : str
        View, series and instance number, as a reader is told of it.
    """

    instance: Instance = field(repr=False)
    said: Said
    source: Source
    label: str

    @property
    def laterality(self) -> Laterality | None:
        return self.said.laterality

    @property
    def projection(self) -> Projection | None:
        if self.said.view in (ViewName.CC, ViewName.MLO):
            return Projection(self.said.view)
        return None

    @property
    def slot(self) -> Slot | None:
        """Breast and view where attributes tell both."""
        if self.laterality and self.projection:
            return self.laterality, self.projection
        return None

    @property
    def displaced(self) -> bool:
        return Modifier.IMPLANT_DISPLACED in self.said.modifiers


Rule = tuple[str, Callable[[Candidate], Any]]
"""Name, and what is the less the better."""


def rules(sources: tuple[Source, ...], prefer_displaced: bool) -> tuple[Rule, ...]:
    """The rules in their order; sources from the best."""
    return (
        ("source", lambda c: sources.index(c.source)),
        ("partial", lambda c: c.said.partial),
        ("implant", lambda c: c.displaced != prefer_displaced),
        ("later", lambda c: _before(_exposed(c.instance))),
        ("lossy", lambda c: text(c.instance.header, "LossyImageCompression") == "01"),
        ("smaller", lambda c: -_pixels(c.instance)),
        ("copy", lambda c: c.instance.sop_instance_uid),
    )


def ranked(candidates: list[Candidate], by: tuple[Rule, ...]) -> list[Candidate]:
    """Best first."""
    return sorted(candidates, key=lambda c: [rank(c) for _, rank in by])


def why_lower(lower: Candidate, best: Candidate, by: tuple[Rule, ...]) -> str:
    """Name of the rule that put one behind the other."""
    return next((name for name, rank in by if rank(lower) != rank(best)), by[-1][0])


def _exposed(instance: Instance) -> str:
    """Date and time of the exposure, of its storage where that is not said."""
    header = instance.header
    if stamp := text(header, "AcquisitionDateTime"):
        return stamp
    for day, hour in (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime")):
        if text(header, hour):
            return text(header, day) + text(header, hour)
    return ""


def _before(stamp: str) -> tuple[float, ...]:
    """Orders digits of a date and time from the latest; one that is absent comes last."""
    digits = [float(c) for c in stamp if c.isdigit()]
    return tuple(-digit for digit in digits) or (1.0,)


def _pixels(instance: Instance) -> float:
    header = instance.header
    return (number(header, "Rows") or 0) * (number(header, "Columns") or 0)
