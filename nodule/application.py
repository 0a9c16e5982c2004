"""Lung nodules on chest CT: the application that the suite finds by entry point."""

from __future__ import annotations

import time

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from gransk.core.application import Context, Picture, Selection
from gransk.core.codes import LUNG, NODULE, SUSPICION
from gransk.core.ct import DEFAULT_MEMORY_MB, frames_of, read_frame, read_volume
from gransk.core.errors import InvalidValueError
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Mask,
    Note,
    Region,
)
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from nodule import series
from nodule.acceptance import PHANTOM
from nodule.coding import Morphology, measurements, qualities
from nodule.detector import MODEL_ID, Candidate, Detector
from nodule.kernels import kernel_class
from nodule.lungs import segment_lungs
from nodule.measurement import NoduleMeasurement, Texture, measure
from nodule.place import Answer, LungMap
from nodule.presentation import details, presentation
from nodule.segmentation import segment
from nodule.series import SeriesRules
from nodule.uncertainty import ErrorModel

CROP_MM = 56.0
# They raise the density of edges.
SHARP_KERNELS = ("lung", "bone")


class NoduleSettings(BaseModel):
    """Settings of the nodule application."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    series: SeriesRules = Field(
        default_factory=SeriesRules, description="How the series is chosen."
    )
    operating_point: float | None = Field(
        default=None, ge=0, le=1,
        description="Least probability that is reported; the model card's where absent.",
    )  # fmt: skip
    smallest_mm: float = Field(
        default=3.0, ge=0, description="Least mean diameter that is reported, mm."
    )
    report_limit: int = Field(default=20, ge=1, description="Most findings of one study.")
    memory_mb: int = Field(
        default=DEFAULT_MEMORY_MB, ge=512, description="Memory that an analysis may use, MB."
    )


class NoduleApplication:
    """Finds, outlines and measures lung nodules."""

    id = "nodule"
    version = "0.1.0"
    attributes_read = series.ATTRIBUTES_READ
    settings_schema: type[BaseModel] = NoduleSettings

    def __init__(self) -> None:
        self.presentation = presentation({"phantom": PHANTOM})

    def accepts(self, study: Study) -> Reason | None:
        """None where a CT may be a chest."""
        return series.accepts(study)

    def ready(self, study: Study) -> bool:
        """Is a suitable series there without gaps, with all images it states?"""
        return series.ready(study, SeriesRules())

    def select(self, study: Study, settings: BaseModel) -> Selection:
        """Choose the series."""
        mine = _mine(settings)
        return series.choose(study, mine.series, mine.memory_mb)

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        """The detector."""
        return (MODEL_ID,)

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        """Find and measure nodules in the chosen images.

        Raises
        ------
        RefusalError
            Where the images are no volume in HU or hold no lungs.
        ModelError
            Where the model is not what its card says.
        """
        settings = _mine(context.settings)
        clock = _Clock()
        model = context.models.load(MODEL_ID)
        tell = context.progress
        clock.mark("load")
        volume, frames = read_volume(
            selection.instances, settings.memory_mb, lambda share: tell("decode", 0.3 * share)
        )
        clock.mark("decode")
        tell("lungs", 0.3)
        lungs = segment_lungs(volume)
        lung_map = LungMap(lungs, volume.geometry)
        clock.mark("lungs")
        detector = Detector(model, settings.operating_point)
        threshold = detector.threshold
        detector.threshold = 0.0
        proposed = detector.detect(volume, lungs, lambda share: tell("detect", 0.4 + 0.5 * share))
        clock.mark("inference")
        likely = [c for c in proposed if c.probability >= threshold]
        sharp = _sharp(selection)
        findings: list[Finding] = []
        made_of: list[Candidate] = []
        for candidate in likely:
            tell("measure", 0.9 + 0.1 * len(findings) / len(likely))
            mask = segment(volume, candidate.index, lungs)
            measured = measure(volume, mask, lungs, lung_map, sharp)
            if measured.mean_diameter_mm >= settings.smallest_mm:
                number = len(findings) + 1
                made_of.append(candidate)
                errors = _errors(measured, volume.geometry.spacing)
                findings.append(
                    _finding(number, candidate, mask, measured, errors, frames, context)
                )
        clock.mark("measure")
        dropped = len(findings) - settings.report_limit
        reported = made_of[: settings.report_limit]
        notes = list(selection.notes)
        if dropped > 0:
            notes.append(Note(code="more_not_reported", values={"count": dropped}))
        return Findings(
            application=self.id,
            application_version=self.version,
            models=(model.identity,),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(sorted({f.series_instance_uid for f in frames})),
            frames=frames,
            findings=tuple(findings[: settings.report_limit]),
            candidates=tuple(_as_dict(c, c in reported) for c in proposed),
            choice=selection.choice,
            notes=tuple(notes),
            seconds=clock.seconds,
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        """Each finding on its slice of largest area, 56 mm wide."""
        instances = {i.sop_instance_uid: i for i in study.instances}
        return [
            _picture(finding, instances, self.presentation.image_window)
            for finding in findings.findings
            if finding.regions
        ]


class _Clock:
    """Seconds between marks."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


def _mine(settings: BaseModel) -> NoduleSettings:
    if not isinstance(settings, NoduleSettings):
        raise InvalidValueError("settings", type(settings).__name__, "NoduleSettings")
    return settings


def _sharp(selection: Selection) -> bool:
    """Was the series made with a kernel that sharpens edges?"""
    name = selection.instances[0].header.get("ConvolutionKernel", "")
    names = [name] if isinstance(name, str) else list(name)
    return any(kernel_class(str(n)) in SHARP_KERNELS for n in names)


def _errors(measured: NoduleMeasurement, spacing: tuple[float, float, float]) -> ErrorModel:
    return ErrorModel(
        spacing,
        subsolid=measured.texture is not Texture.SOLID,
        attached=measured.place.juxtapleural is Answer.YES,
    )


def _finding(
    number: int,
    candidate: Candidate,
    mask: Mask,
    measured: NoduleMeasurement,
    errors: ErrorModel,
    frames: tuple[FrameRef, ...],
    context: Context,
    morphology: Morphology | None = None,
) -> Finding:
    centre = tuple(str(round(v)) for v in candidate.centre_lps_mm)
    return Finding(
        tracking_uid=uid("nodule", context.analysis_key, *centre),
        tracking_id=f"Nodule {number}",
        kind=NODULE,
        site=LUNG,
        probability=min(1.0, max(0.0, candidate.probability)),
        malignancy=candidate.malignancy,
        malignancy_concept=SUSPICION,
        centre_lps_mm=_rounded(measured.centre_lps_mm),
        measurements=measurements(measured, errors, morphology),
        qualities=qualities(measured, morphology),
        regions=_regions(measured, frames),
        mask=mask,
    )


def _regions(measured: NoduleMeasurement, frames: tuple[FrameRef, ...]) -> tuple[Region, ...]:
    """Outlines, those of the slice of largest area first, larger before smaller."""
    outer = [o for o in measured.outlines if not o.hole]
    outer.sort(
        key=lambda o: (o.slice_index != measured.slice_index, o.slice_index, -_area(o.points))
    )
    return tuple(
        Region(
            sop_instance_uid=frames[o.slice_index].sop_instance_uid,
            frame=frames[o.slice_index].frame,
            points=o.points,
        )
        for o in outer
    )


def _area(points: tuple[tuple[float, float], ...]) -> float:
    x, y = np.array(points).T
    return float(abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2)


def _rounded(point: tuple[float, float, float]) -> tuple[float, float, float]:
    return round(point[0], 2), round(point[1], 2), round(point[2], 2)


def _as_dict(candidate: Candidate, reported: bool) -> dict[str, object]:
    return {
        "centre_lps_mm": list(_rounded(candidate.centre_lps_mm)),
        "radius_mm": round(candidate.radius_mm, 2),
        "probability": round(candidate.probability, 5),
        "malignancy": None if candidate.malignancy is None else round(candidate.malignancy, 5),
        "reported": reported,
    }


def _picture(
    finding: Finding, instances: dict[str, Instance], window: tuple[float, float]
) -> Picture:
    """A square crop with square pixels round the finding's first region."""
    region = finding.regions[0]
    frame = frames_of(instances[region.sop_instance_uid])[(region.frame or 1) - 1]
    hu = read_frame(frame)
    spacing = frame.pixel_spacing
    points = np.array(region.points)
    half = [round(CROP_MM / 2 / s) for s in spacing]
    column, row = points.mean(axis=0)
    top, left = int(row) - half[0], int(column) - half[1]
    padded = np.pad(hu, [(h, h) for h in half], constant_values=-1024)
    crop = padded[top + half[0] : top + 3 * half[0], left + half[1] : left + 3 * half[1]]
    stretch = (spacing[0] / min(spacing), spacing[1] / min(spacing))
    if stretch != (1.0, 1.0):
        crop = ndimage.zoom(crop, stretch, order=1, grid_mode=True, mode="nearest")
    low = window[0] - window[1] / 2
    grey = np.clip((crop - low) / window[1] * 255, 0, 255).astype(np.uint8)
    outline = tuple(
        (float((x - left) * stretch[1]), float((y - top) * stretch[0])) for x, y in points
    )
    name = finding.tracking_id
    return Picture(
        pixels=grey,
        caption={
            language: f"{name}: " + ", ".join(v for _, v in details(finding, language)[:3])
            for language in ("en", "da")
        },
        outlines=(outline,),
        spacing_mm=min(spacing),
        tracking_uid=finding.tracking_uid,
    )
