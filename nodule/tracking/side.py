"""One of two studies that are compared: its scan, its lungs, and its nodules measured there."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.application import Examined
from gransk.core.ct import DEFAULT_MEMORY_MB, read_volume
from gransk.core.dates import study_date
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, FrameRef, Mask
from gransk.core.followup import Look
from gransk.core.reasons import Reason
from nodule.coding import measurements
from nodule.growth.change import Sized
from nodule.kernels import kernel_class
from nodule.lungs import segment_lungs
from nodule.measurement import NoduleMeasurement, Texture, measure
from nodule.place import Answer, LungMap
from nodule.reading import error_model, holds, is_sharp, regions, rounded
from nodule.segmenter import Outliner
from nodule.series import Candidate, SeriesRules, check_lungs
from nodule.tracking.registration import Lungs

BoolArray = npt.NDArray[np.bool_]
Index = tuple[float, float, float]
Place = tuple[float, float, float]

# As much may the logarithm of a volume differ between outlines from points near by.
STEADY = 0.1
SMALLEST_MM3 = 0.1
# Lungs that the scan shows reach so far beyond what is aerated.
LUNG_REACH_MM = 15.0


@dataclass(frozen=True)
class Measured:
    """A nodule of one study in the series that is compared.

    Parameters
    ----------
    uid : str
        Tracking UID.
    centre_lps_mm : (float, float, float)
        In the study's own coordinates.
    mask, sizes : optional
        None where the series does not show it.
    finding : Finding, optional
        As it was reported; None where the comparison saw it.
    """

    uid: str
    centre_lps_mm: Place
    mask: Mask | None = field(default=None, repr=False)
    sizes: NoduleMeasurement | None = field(default=None, repr=False)
    finding: Finding | None = field(default=None, repr=False)

    @property
    def volume_mm3(self) -> float:
        """Here, else as reported; of a ball of 6 mm where neither is known."""
        if self.sizes is not None and self.sizes.volume_mm3 > 0:
            return self.sizes.volume_mm3
        reported = None if self.finding is None else self.finding.measured("volume_mm3")
        return reported or 113.0


@dataclass(frozen=True)
class Side:
    """One study, opened in the series that is compared.

    Parameters
    ----------
    examined : Examined
    date : date
    series : Candidate
    lungs : Lungs
        Volume and mask of the series.
    frames : tuple of FrameRef
        The image of each slice.
    segmenter : Outliner
    """

    examined: Examined
    date: datetime.date
    series: Candidate
    lungs: Lungs = field(repr=False)
    frames: tuple[FrameRef, ...] = field(repr=False)
    segmenter: Outliner = field(repr=False)
    lung_map: LungMap = field(repr=False)

    @classmethod
    def opened(
        cls,
        examined: Examined,
        series: Candidate,
        segmenter: Outliner,
        rules: SeriesRules,
        memory_mb: int = DEFAULT_MEMORY_MB,
    ) -> Side:
        """Read the pixels and find the lungs.

        Raises
        ------
        RefusalError
            Where the images are no volume in HU or show no lungs.
        """
        check_lungs(series, rules)
        instances = {
            f.instance.sop_instance_uid: f.instance
            for f in (*series.layout.frames, *(f for _, f in series.layout.duplicates))
        }
        volume, frames = read_volume(tuple(instances.values()), memory_mb)
        lungs = segment_lungs(volume)
        return cls(
            examined, study_date(examined.study), series, Lungs(volume, lungs), frames,
            segmenter, LungMap(lungs, volume.geometry),
        )  # fmt: skip

    @property
    def series_uid(self) -> str:
        return self.frames[0].series_instance_uid

    @property
    def sharp(self) -> bool:
        return is_sharp(self.series.stack.kernel)

    def index(self, lps_mm: npt.ArrayLike) -> Index:
        """Fractional (k, j, i) of a point, mm, LPS."""
        k, j, i = (float(v) for v in self.lungs.volume.geometry.to_index(lps_mm))
        return k, j, i

    def covers(self, lps_mm: npt.ArrayLike) -> bool:
        """Does the scan show lung at a point, mm, LPS, or near by?"""
        index = np.array(self.index(lps_mm))
        shape = np.array(self.lungs.mask.shape)
        if (index < -0.5).any() or (index > shape - 0.5).any():
            return False
        spacing = np.array(self.lungs.volume.geometry.spacing)
        middle = np.clip(np.round(index).astype(int), 0, shape - 1)
        reach = np.ceil(LUNG_REACH_MM / spacing).astype(int)
        low = np.maximum(middle - reach, 0)
        box = tuple(slice(a, b) for a, b in zip(low, middle + reach + 1, strict=True))
        near = self.lungs.mask[box]
        if not near.any():
            return False
        away = ndimage.distance_transform_edt(~near, sampling=spacing)
        return bool(away[tuple(middle - low)] <= LUNG_REACH_MM)

    def nodule(self, finding: Finding, version: str) -> Measured:
        """A reported nodule, measured again in this series by today's version.

        Its own outline is taken where it was drawn in these very images by this version, or
        by a person; else it is outlined anew.
        """
        centre = finding.centre_lps_mm
        if centre is None:
            raise RefusalError(Reason.MISSING_ATTRIBUTE, "a finding without a place")
        findings = self.examined.findings
        same = findings.frames == self.frames
        by_today = findings.application_version == version or finding.origin != "detector"
        if finding.mask is not None and same and by_today:
            mask = finding.mask
        else:
            if not self._inside(centre):
                return Measured(finding.tracking_uid, centre, finding=finding)
            mask = self.outline(centre)
        return Measured(finding.tracking_uid, centre, mask, self.measure(mask), finding)

    def steadied(self, nodule: Measured, places: Sequence[npt.ArrayLike]) -> Measured:
        """The nodule with an outline that does not hang on the point it was drawn from.

        Outlines from its middle and from the places given, mm, LPS, are compared; its own
        stays where its volume is near their median, or where a person drew it. Else the one
        of median volume is taken.
        """
        by_hand = nodule.finding is not None and nodule.finding.origin != "detector"
        if nodule.mask is None or nodule.sizes is None or by_hand:
            return nodule
        found = [(nodule.sizes.volume_mm3, nodule.mask)]
        for place in (nodule.sizes.centre_lps_mm, *places):
            if self._inside(place):
                mask = self.outline(place)
                found.append((self.measure(mask).volume_mm3, mask))
        found.sort(key=lambda pair: pair[0])
        middle, mask = found[len(found) // 2]
        if (
            abs(math.log(max(nodule.sizes.volume_mm3, SMALLEST_MM3) / max(middle, SMALLEST_MM3)))
            <= STEADY
        ):
            return nodule
        sizes = self.measure(mask)
        return replace(nodule, mask=mask, sizes=sizes)

    def outline(self, lps_mm: npt.ArrayLike) -> Mask:
        """What lies at a point, mm, LPS, inside the scan."""
        return self.segmenter.segment(self.lungs.volume, self.index(lps_mm), self.lungs.mask)

    def measure(self, mask: Mask) -> NoduleMeasurement:
        return measure(self.lungs.volume, mask, self.lungs.mask, self.lung_map, self.sharp)

    def _inside(self, lps_mm: npt.ArrayLike) -> bool:
        index = np.array(self.index(lps_mm))
        return bool(
            (index >= -0.5).all() and (index <= np.array(self.lungs.mask.shape) - 0.5).all()
        )

    def holds(self, nodule: Measured, lps_mm: npt.ArrayLike) -> bool:
        """Does a point, mm, LPS, lie in a nodule?"""
        return nodule.mask is not None and holds(nodule.mask, self.index(lps_mm))

    def sized(self, nodule: Measured) -> Sized | None:
        """Its sizes for growth; None where the series does not show it."""
        sizes = nodule.sizes
        if sizes is None or sizes.volume_mm3 <= 0:
            return None
        stack = self.series.stack
        return Sized(
            date=self.date,
            volume_mm3=sizes.volume_mm3,
            mean_diameter_mm=sizes.mean_diameter_mm,
            thickness_mm=stack.thickness_mm,
            kernel=kernel_class(stack.kernel),
            contrast=stack.contrast,
            spacing_mm=self.lungs.volume.geometry.spacing,
            subsolid=sizes.texture is not Texture.SOLID,
            attached=sizes.place.juxtapleural is Answer.YES,
        )

    def look(self, nodule: Measured) -> Look:
        """The nodule as this study shows it."""
        base = Look(
            study_instance_uid=self.examined.study.uid,
            series_instance_uid=self.series_uid,
            date=self.date,
            centre_lps_mm=rounded(nodule.centre_lps_mm),
        )
        if nodule.sizes is None:
            return base
        errors = error_model(nodule.sizes, self.lungs.volume.geometry.spacing)
        return base.model_copy(
            update={
                "measurements": measurements(nodule.sizes, errors),
                "centre_lps_mm": rounded(nodule.sizes.centre_lps_mm),
                "frame": self.frames[nodule.sizes.slice_index],
                "region": regions(nodule.sizes, self.frames)[0],
            }
        )

    def place(self, lps_mm: Place) -> Look:
        """An empty place, mm, LPS, as this study shows it."""
        k = round(self.index(lps_mm)[0])
        return Look(
            study_instance_uid=self.examined.study.uid,
            series_instance_uid=self.series_uid,
            date=self.date,
            centre_lps_mm=rounded(lps_mm),
            frame=self.frames[k] if 0 <= k < len(self.frames) else None,
        )
