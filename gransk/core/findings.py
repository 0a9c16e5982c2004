"""The one finding model: every output of Gransk is a view of it."""

from __future__ import annotations

import base64
import datetime
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gransk.core.codes import PROBABILITY, Code

BoolArray = npt.NDArray[np.bool_]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelIdentity(Frozen):
    """Which weights made a result."""

    id: str = Field(min_length=1)
    version: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    research: bool = True


class Measurement(Frozen):
    """One number of a finding.

    Parameters
    ----------
    name : str
        Stable key, such as ``volume_mm3``.
    concept, unit : Code
        What is measured, and its UCUM unit.
    value : float
        In ``unit``.
    interval : (float, float or None), optional
        95 % interval in ``unit``, where a stated error model gives one; an upper end of None
        is no end.
    method : str, optional
        How it was measured, such as the plane.
    """

    name: str
    concept: Code
    unit: Code
    value: float
    interval: tuple[float, float | None] | None = None
    method: str | None = None


class Quality(Frozen):
    """One coded property of a finding, such as its texture."""

    name: str
    concept: Code
    value: Code


class Region(Frozen):
    """A closed polygon on one image.

    Parameters
    ----------
    sop_instance_uid : str
        The image.
    frame : int, optional
        Frame number from 1, for multi-frame images alone.
    points : tuple of (column, row)
        DICOM image coordinates: the centre of the top left pixel is (0.5, 0.5)
        (PS3.3 C.18.6). The first point is not repeated at the end.
    """

    sop_instance_uid: str
    frame: int | None = None
    points: tuple[tuple[float, float], ...] = Field(min_length=3)


def centroid(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Centroid (column, row) of a polygon's area; of its points where it has none."""
    area = column = row = 0.0
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        cross = x0 * y1 - x1 * y0
        area += cross
        column += (x0 + x1) * cross
        row += (y0 + y1) * cross
    if abs(area) < 1e-9:
        return (
            sum(x for x, _ in points) / len(points),
            sum(y for _, y in points) / len(points),
        )
    return column / (3 * area), row / (3 * area)


class Mask(Frozen):
    """A binary region in the grid of the analysed images.

    Parameters
    ----------
    origin : (int, int, int)
        Index (k, j, i) of the first voxel: slice in ``Findings.frames``, row, column.
    shape : (int, int, int)
        Slices, rows, columns of the box.
    bits : str
        Base64 of the zlib-compressed packed bits (`numpy.packbits`, C order).
    """

    origin: tuple[int, int, int]
    shape: tuple[int, int, int]
    bits: str = Field(repr=False)

    @model_validator(mode="after")
    def _check(self) -> Mask:
        if min(self.origin) < 0 or min(self.shape) < 1:
            raise ValueError("origin must not be negative and shape must be positive")
        if len(zlib.decompress(base64.b64decode(self.bits))) != -(-int(np.prod(self.shape)) // 8):
            raise ValueError("bits do not fill the shape")
        return self

    @classmethod
    def from_array(cls, array: BoolArray, origin: tuple[int, int, int]) -> Mask:
        """Pack a boolean box whose first voxel has index ``origin``."""
        packed = zlib.compress(np.packbits(array.astype(bool)).tobytes(), 9)
        shape = (int(array.shape[0]), int(array.shape[1]), int(array.shape[2]))
        return cls(origin=origin, shape=shape, bits=base64.b64encode(packed).decode("ascii"))

    def to_array(self) -> BoolArray:
        """The box as booleans, shape ``self.shape``."""
        raw = np.frombuffer(zlib.decompress(base64.b64decode(self.bits)), dtype=np.uint8)
        count = int(np.prod(self.shape))
        return np.unpackbits(raw, count=count).astype(bool).reshape(self.shape)


class FrameRef(Frozen):
    """One analysed image, in the order of the analysed grid.

    Parameters
    ----------
    label : str
        What people call the image, such as ``R MLO``; empty where it is one slice of many.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    frame: int | None = None
    instance_number: int | None = None
    label: str = Field(default="", max_length=64)


class ReviewState(StrEnum):
    """What a person said of a finding."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    RELABELLED = "relabelled"
    ADDED = "added"


class Change(Frozen):
    """A property that a person set: as it was, by the analysis or a person, and as it is."""

    name: str = Field(min_length=1, max_length=64)
    before: Code | None = None
    after: Code


class Review(Frozen):
    """What one person said of a finding, and when.

    Parameters
    ----------
    state : ReviewState
    by : str
        The person, as reports name people.
    at : datetime
        With its time zone.
    role : str
        In which the person acted; empty where nobody noted it.
    reason : str
        Why it was rejected: a code of the application's closed list.
    text : str
        The person's own words.
    changes : tuple of Change
        Properties that were set anew.
    """

    state: ReviewState
    by: str = Field(min_length=1)
    at: datetime.datetime
    role: str = ""
    reason: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    text: str = ""
    changes: tuple[Change, ...] = ()


class Finding(Frozen):
    """One thing that was found.

    Parameters
    ----------
    tracking_uid : str
        Stays with the lesion through re-runs and later studies.
    tracking_id : str
        What people call it, such as ``Nodule 1``.
    kind, site : Code
        What it is and where.
    probability : float
        Score of being a lesion of that kind, 0 to 1; the model's card says whether it is
        calibrated.
    malignancy : float, optional
        Estimate of malignancy, 0 to 1; the model's card says what it was trained on (readers'
        ratings, pathology). None where no model gives one.
    malignancy_concept : Code
        What ``malignancy`` is: `codes.PROBABILITY` of cancer where the model learned from
        pathology, `codes.SUSPICION` where it learned from readers' ratings.
    centre_lps_mm : (float, float, float), optional
        Patient coordinates, for volumes.
    origin : str
        ``detector`` or ``person``.
    reviews : tuple of Review
        What people said of it, in the order of time.
    lesion_uid : str
        The same in every finding of a study that shows one and the same lesion, such as its
        marks in CC and MLO; empty where no other finding shows it.
    """

    tracking_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    tracking_id: str = Field(min_length=1, max_length=64)
    kind: Code
    site: Code
    probability: float = Field(ge=0, le=1)
    malignancy: float | None = Field(default=None, ge=0, le=1)
    malignancy_concept: Code = PROBABILITY
    centre_lps_mm: tuple[float, float, float] | None = None
    measurements: tuple[Measurement, ...] = ()
    qualities: tuple[Quality, ...] = ()
    regions: tuple[Region, ...] = ()
    mask: Mask | None = None
    origin: str = "detector"
    reviews: tuple[Review, ...] = ()
    lesion_uid: str = Field(default="", pattern=r"^[0-9.]{0,64}$")

    def measured(self, name: str) -> float | None:
        """Value of the measurement called ``name``, or None."""
        return next((m.value for m in self.measurements if m.name == name), None)

    def quality(self, name: str) -> Code | None:
        """Coded value of the property called ``name``, or None; ``kind`` is the finding's own."""
        if name == "kind":
            return self.kind
        return next((q.value for q in self.qualities if q.name == name), None)

    @property
    def rejected(self) -> bool:
        """Did the last person who confirmed or rejected it reject it?"""
        said = [r.state for r in self.reviews if r.state is not ReviewState.RELABELLED]
        return bool(said) and said[-1] is ReviewState.REJECTED

    def labelled(self, name: str) -> Review | None:
        """The last review in which a person set the property called ``name``, or None."""
        told = (r for r in reversed(self.reviews) if any(c.name == name for c in r.changes))
        return next(told, None)


class Note(Frozen):
    """Something a reader must know about the analysis: a code with its values."""

    code: str = Field(pattern=r"^[a-z0-9_]+$")
    values: dict[str, str | float | int] = Field(default_factory=dict)


class Findings(Frozen):
    """What one analysis of one study found.

    Parameters
    ----------
    application, application_version : str
        Who analysed.
    models : tuple of ModelIdentity
        Every model that was used.
    study_instance_uid : str
        The study.
    series_instance_uids : tuple of str
        The analysed series.
    frames : tuple of FrameRef
        The analysed images; index k of every mask counts in it.
    findings : tuple of Finding
        Reported, most probable first.
    candidates : tuple of dict
        Everything the detector proposed, for evaluation.
    choice : tuple of Note
        Why these series were chosen, and not the others.
    notes : tuple of Note
        Warnings; their texts are in the application's presentation.
    measurements : tuple of Measurement
        Of the study as a whole, and of no finding.
    qualities : tuple of Quality
        Coded properties of the study as a whole.
    seconds : dict
        Wall seconds by step (``decode``, ``inference`` ..); not part of any object.
    """

    application: str
    application_version: str
    models: tuple[ModelIdentity, ...]
    study_instance_uid: str
    series_instance_uids: tuple[str, ...] = Field(min_length=1)
    frames: tuple[FrameRef, ...] = Field(min_length=1)
    findings: tuple[Finding, ...] = ()
    candidates: tuple[dict[str, Any], ...] = ()
    choice: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    qualities: tuple[Quality, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)

    @property
    def standing(self) -> tuple[Finding, ...]:
        """Findings that no person rejected."""
        return tuple(finding for finding in self.findings if not finding.rejected)

    @property
    def rejected(self) -> tuple[Finding, ...]:
        """Findings that a person rejected: they stay in the record."""
        return tuple(finding for finding in self.findings if finding.rejected)

    def measured(self, name: str) -> float | None:
        """Value of the study's measurement called ``name``, or None."""
        return next((m.value for m in self.measurements if m.name == name), None)

    def quality(self, name: str) -> Code | None:
        """Coded value of the study's property called ``name``, or None."""
        return next((q.value for q in self.qualities if q.name == name), None)

    def same_lesion(self, finding: Finding) -> tuple[Finding, ...]:
        """The other standing findings that show one lesion with this one."""
        if not finding.lesion_uid:
            return ()
        return tuple(
            other
            for other in self.standing
            if other.lesion_uid == finding.lesion_uid and other.tracking_uid != finding.tracking_uid
        )

    def frame_number(self, finding: Finding) -> int | None:
        """Number, from 1, of the analysed image of a finding's first region; None without one."""
        if not finding.regions:
            return None
        wanted = (finding.regions[0].sop_instance_uid, finding.regions[0].frame)
        places = [(frame.sop_instance_uid, frame.frame) for frame in self.frames]
        return places.index(wanted) + 1 if wanted in places else None

    @property
    def research(self) -> bool:
        """True where any model is a research model: every output then says so."""
        return any(model.research for model in self.models)
