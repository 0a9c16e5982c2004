"""What an application says of itself for a CAD report (DICOM PS3.16, TID 4000 and TID 4100)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gransk.core.codes import Code
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings, FrameRef


class CadReport(StrEnum):
    """The kinds of CAD report that the standard has templates for and we write."""

    MAMMOGRAPHY = "mammography"
    """Mammography CAD SR, TID 4000."""
    CHEST = "chest"
    """Chest CAD SR, TID 4100."""


@dataclass(frozen=True)
class Shown:
    """What an analysed image shows; None where it is not known.

    Parameters
    ----------
    side : Code, optional
        Of PS3.16 CID 6022 for mammograms, of CID 244 for the chest.
    view : Code, optional
        Of CID 4014 for mammograms, of CID 4010 for the chest.
    """

    side: Code | None = None
    view: Code | None = None


@dataclass(frozen=True)
class Cad:
    """How an application's findings become a CAD report.

    Parameters
    ----------
    report : CadReport
    detects : tuple of Code
        Kinds of finding that are looked for on every analysed image.
    shows : callable
        ``shows(frame)``: what an image was analysed as, where its attributes may not tell it.
    failed : callable
        ``failed(findings)``: SOP Instance UIDs of images that were to be analysed and could not.

    Raises
    ------
    InvalidValueError
        Where nothing is detected.
    """

    report: CadReport
    detects: tuple[Code, ...]
    shows: Callable[[FrameRef], Shown] = lambda frame: Shown()
    failed: Callable[[Findings], tuple[str, ...]] = lambda findings: ()

    def __post_init__(self) -> None:
        if not self.detects:
            raise InvalidValueError("Cad.detects", "nothing", "one kind of finding or more")
