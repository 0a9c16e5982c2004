"""Lung nodules on chest CT: the application that the suite finds by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from gransk.core.application import (
    Context,
    Examined,
    KnownStudy,
    Picture,
    Place,
    Previewed,
    Selection,
    TakesImages,
)
from gransk.core.ct import DEFAULT_MEMORY_MB, frames_of, read_frame, read_volume
from gransk.core.dates import date_of
from gransk.core.errors import InvalidValueError
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Note,
)
from gransk.core.followup import Assessment, Comparison, FollowUp
from gransk.core.keys import uid
from gransk.core.models import Card, Model, ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.seconds import Seconds
from gransk.core.study import Instance, Study
from gransk.core.volume import Volume
from nodule import series
from nodule.acceptance import PHANTOM
from nodule.answers import profile_of
from nodule.assess import assess
from nodule.detector import Candidate
from nodule.emphysema import cautions
from nodule.emphysema import measurement as share_of_emphysema
from nodule.follow_up_settings import FollowUpSettings
from nodule.foreign import ContractSegmenter, Judge, detector_of, outliner_of
from nodule.lungs import segment_lungs
from nodule.models import ROLES, NoduleModels
from nodule.morphology import Morphology
from nodule.place import LungMap
from nodule.presentation import WINDOW, details, presentation
from nodule.previewing import Limits, preview
from nodule.reading import Nodule, Reader, finding_of, holds, is_sharp, rounded
from nodule.report_text import report_text
from nodule.risk.codes import profile_codes
from nodule.risk.command import RISK
from nodule.risk.profile import schema
from nodule.series import SeriesRules
from nodule.tracking import comparison
from nodule.tracking.pictures import comparison_pictures
from nodule.tracking.pointing import measured_at
from nodule.tracking.priors import priors_wanted
from nodule.tracking.settings import TrackingSettings

BoolArray = npt.NDArray[np.bool_]

CROP_MM = 56.0


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
    tracking: TrackingSettings = Field(
        default_factory=TrackingSettings, description="How studies are compared."
    )
    # Left out of the analysis key: it changes no finding, so that no study is analysed again.
    follow_up: FollowUpSettings = Field(
        default_factory=FollowUpSettings,
        exclude=True,
        description="Guidelines and risk models.",
    )
    # Left out of the analysis key where it is the shipped choice: the digests of the models are in
    # it, and studies that earlier versions analysed are found.
    models: NoduleModels = Field(
        default_factory=NoduleModels,
        exclude_if=lambda models: models == NoduleModels(),
        description="The model of each role.",
    )


class NoduleApplication:
    """Finds, outlines and measures lung nodules."""

    id = "nodule"
    version = "0.4.0"
    attributes_read = series.ATTRIBUTES_READ
    settings_schema: type[BaseModel] = NoduleSettings
    choosing = ("series", "memory_mb")
    profile_schema: Mapping[str, Any] = schema()
    profile_codes = profile_codes()
    roles = ROLES

    def __init__(self) -> None:
        self.presentation = presentation({"phantom": PHANTOM, "risk": RISK})

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
        """Of each role that has one, in the order of the roles."""
        return tuple(dict.fromkeys(self.chosen(settings).values()))

    def chosen(self, settings: BaseModel) -> Mapping[str, str]:
        """Name of the model of each role that has one."""
        return _mine(settings).models.chosen()

    def check_models(self, settings: BaseModel, card: Callable[[str], Card]) -> None:
        """Do the models fit their roles, and each other?"""
        _mine(settings).models.check(card)

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
        clock = Seconds()
        models = settings.models.load(context.models)
        detector = detector_of(models, settings.operating_point)
        outliner = outliner_of(models["segmenter"])
        reader = Reader(
            outliner,
            Morphology(models["morphology"]),
            is_sharp(selection.instances[0].header.get("ConvolutionKernel")),
        )
        tell = context.progress
        clock.mark("load")
        volume, frames = read_volume(
            selection.instances, settings.memory_mb, lambda share: tell("decode", 0.3 * share)
        )
        clock.mark("decode")
        tell("lungs", 0.3)
        lungs = segment_lungs(volume)
        lung_map = LungMap(lungs, volume.geometry)
        emphysema = share_of_emphysema(volume.hu, lungs)
        clock.mark("lungs")
        threshold = detector.threshold
        detector.threshold = 0.0
        proposed = detector.detect(volume, lungs, lambda share: tell("detect", 0.4 + 0.5 * share))
        clock.mark("inference")
        likely = [c for c in proposed if c.probability >= threshold]
        judged = _judged(models.get("false_positive"), volume, likely)
        likely = [c for c in likely if judged.get(id(c), (1.0, True))[1]]
        nodules: list[Nodule] = []
        for number, candidate in enumerate(likely):
            tell("measure", 0.9 + 0.1 * number / len(likely))
            if any(holds(other.mask, candidate.index) for other in nodules):
                continue
            nodule = reader.read(volume, lungs, lung_map, candidate)
            if nodule.measured.mean_diameter_mm >= settings.smallest_mm:
                nodules.append(nodule)
        reported = nodules[: settings.report_limit]
        findings = [
            _finding(number, nodule, volume.geometry.spacing, frames, context.analysis_key)
            for number, nodule in enumerate(reported, 1)
        ]
        clock.mark("measure")
        dropped = len(nodules) - len(reported)
        notes = list(selection.notes)
        if dropped > 0:
            notes.append(Note(code="more_not_reported", values={"count": dropped}))
        false = sum(not kept for _, kept in judged.values())
        if false:
            notes.append(Note(code="false_positives_dropped", values={"count": false}))
        if isinstance(outliner, ContractSegmenter) and outliner.classical:
            notes.append(Note(code="outlined_classically", values={"count": outliner.classical}))
        return Findings(
            application=self.id,
            application_version=self.version,
            models=tuple(model.identity for model in models.values()),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(sorted({f.series_instance_uid for f in frames})),
            frames=frames,
            findings=tuple(findings),
            candidates=_candidates(proposed, reported, judged),
            choice=selection.choice,
            notes=(*notes, *_cautions(selection)),
            measurements=(emphysema,),
            seconds=clock.seconds,
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        """Each finding on its slice of largest area, 56 mm wide."""
        instances = {i.sop_instance_uid: i for i in study.instances}
        return [
            _picture(finding, instances, WINDOW) for finding in findings.findings if finding.regions
        ]

    def compare(self, current: Examined, prior: Examined, context: Context) -> Comparison:
        """What became of each nodule between two studies."""
        mine = _mine(context.settings)
        by = comparison.By(
            self.id, self.version, mine.series, mine.tracking, mine.memory_mb, mine.models
        )
        return comparison.compare(current, prior, context, by)

    def assess(
        self,
        study: Study,
        findings: Findings,
        comparisons: Sequence[Comparison],
        profile: Mapping[str, Any] | None,
        settings: BaseModel,
    ) -> Assessment:
        """Risk by the site's models and advice by its guidelines."""
        return assess(study, findings, comparisons, profile, _mine(settings).follow_up)

    def preview(
        self,
        findings: Findings,
        made_under: BaseModel,
        settings: BaseModel,
        models: ModelLibrary,
    ) -> Previewed:
        """Kept nodules as other limits would have reported them."""
        old, new = _mine(made_under), _mine(settings)
        if (old.series, old.memory_mb) != (new.series, new.memory_mb):
            return Previewed(None, why=TakesImages.SERIES)
        used = {one.id: one.sha256 for one in findings.models}
        if any(used.get(name.split("@")[0]) != models.digest(name) for name in self.models(new)):
            return Previewed(None, why=TakesImages.MODELS)
        told = preview(findings, _limits(old, models), _limits(new, models))
        if told.why is None and old.tracking != new.tracking:
            return replace(told, why=TakesImages.COMPARISON)
        return told

    def report_text(
        self, study: Study, findings: Findings, follow_up: FollowUp, language: str
    ) -> str:
        """A plain report, ready to paste."""
        return report_text(study, findings, follow_up, language, self.presentation.text)

    def check_profile(self, profile: Mapping[str, Any], language: str = "en") -> None:
        """Refuse a profile that does not fit its schema."""
        profile_of(profile, language)

    def comparison_pictures(
        self, current: Study, prior: Study, comparison: Comparison
    ) -> list[Picture]:
        """Both sides of each matched or uncertain nodule, in the same window and scale."""
        return comparison_pictures(current, prior, comparison, WINDOW)

    def priors_wanted(self, study: Study, known: Sequence[KnownStudy]) -> tuple[str, ...]:
        """Earlier chest CT studies, most wanted first."""
        return priors_wanted(study.uid, date_of(study), known)

    def measure(self, study: Study, findings: Findings, place: Place, context: Context) -> Finding:
        """Outline and measure what a person points at."""
        mine = _mine(context.settings)
        segmenter = outliner_of(context.models.load(mine.models.segmenter))
        morphology = Morphology(context.models.load(mine.models.morphology))
        return measured_at(study, findings, place, segmenter, morphology, mine.memory_mb)


def _finding(
    number: int,
    nodule: Nodule,
    spacing: tuple[float, float, float],
    frames: tuple[FrameRef, ...],
    analysis_key: str,
) -> Finding:
    centre = tuple(str(round(v)) for v in nodule.candidate.centre_lps_mm)
    tracking_uid = uid("nodule", analysis_key, *centre)
    return finding_of(nodule, tracking_uid, f"Nodule {number}", spacing, frames)


def _cautions(selection: Selection) -> tuple[Note, ...]:
    """What makes the share of low attenuation of the chosen series doubtful."""
    header = selection.instances[0].header
    kernel = header.get("ConvolutionKernel") or ""
    name = kernel if isinstance(kernel, str) else str(next(iter(kernel), ""))
    return cautions(float(header.get("SliceThickness") or 0), name)


def _limits(settings: NoduleSettings, models: ModelLibrary) -> Limits:
    point = settings.operating_point
    least = models.card(settings.models.detector).threshold if point is None else point
    return Limits(least, settings.smallest_mm, settings.report_limit)


def _mine(settings: BaseModel) -> NoduleSettings:
    if not isinstance(settings, NoduleSettings):
        raise InvalidValueError("settings", type(settings).__name__, "NoduleSettings")
    return settings


def _judged(
    model: Model | None, volume: Volume, likely: Sequence[Candidate]
) -> dict[int, tuple[float, bool]]:
    """By candidate: the score of the judge of false positives, and whether it is kept."""
    if model is None:
        return {}
    judge = Judge(model)
    scores = judge.scores(volume, likely)
    return {id(c): (s, s >= judge.threshold) for c, s in zip(likely, scores, strict=True)}


def _candidates(
    proposed: list[Candidate], reported: list[Nodule], judged: Mapping[int, tuple[float, bool]]
) -> tuple[dict[str, object], ...]:
    """Every candidate; what is reported carries the suspicion that the report states."""
    read = {id(nodule.candidate): nodule.reading.malignancy for nodule in reported}
    return tuple(
        {
            "centre_lps_mm": list(rounded(c.centre_lps_mm)),
            "radius_mm": round(c.radius_mm, 2),
            "probability": round(c.probability, 5),
            "malignancy": None
            if (value := read.get(id(c), c.malignancy)) is None
            else round(value, 5),
            "reported": id(c) in read,
            **({"nodule_score": round(judged[id(c)][0], 5)} if id(c) in judged else {}),
        }
        for c in proposed
    )


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
