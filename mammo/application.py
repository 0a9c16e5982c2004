"""Mammography: the application that the suite finds by entry point."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from gransk.core.application import Context, Picture, Selection
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Finding, Findings, FrameRef, Measurement, Note, Quality, Region
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Study
from mammo import exam
from mammo.calibration import CalibrationSetting, in_force
from mammo.coding import BREASTS, KINDS, measurement, quality
from mammo.density import Density, density_of
from mammo.detector import MODEL_ID, Detector
from mammo.exam import ViewRules
from mammo.marks import Mark
from mammo.pictures import pictures
from mammo.place import place_of, quadrant
from mammo.presentation import presentation
from mammo.reading import ReadExam, ReadView, read_exam
from mammo.recognise import MODEL_ID as VIEW_ID
from mammo.recognise import Recogniser
from mammo.score import Scores, ViewEvidence, score

DECIMALS = 4


class MammoSettings(BaseModel):
    """Settings of the mammography application."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: ViewRules = Field(
        default_factory=ViewRules, description="How the images of an exam are chosen."
    )
    operating_point: float | None = Field(
        default=None, ge=0, le=1,
        description="Least probability of a mark that is reported; the model card's where absent.",
    )  # fmt: skip
    report_limit: int = Field(default=12, ge=1, description="Most marks of one exam.")
    calibration: CalibrationSetting = Field(
        default=None, description="The site's calibration, as gransk calibrate writes it."
    )


class MammoApplication:
    """Marks masses and calcifications, scores the exam, tells density."""

    id = "mammo"
    version = "0.1.0"
    attributes_read = exam.ATTRIBUTES_READ
    settings_schema: type[BaseModel] = MammoSettings

    def __init__(self) -> None:
        self.presentation = presentation({})

    def accepts(self, study: Study) -> Reason | None:
        """None where there is a mammogram that can be read."""
        return exam.accepts(study)

    def ready(self, study: Study) -> bool:
        """Are the four standard views there?"""
        return exam.ready(study)

    def select(self, study: Study, settings: BaseModel) -> Selection:
        """Choose the images."""
        return exam.choose(study, _mine(settings).views)

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        """The view recogniser and the detector."""
        return (VIEW_ID, MODEL_ID)

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        """Read, mark and score an exam.

        Raises
        ------
        RefusalError
            Where no view can be analysed.
        """
        settings = _mine(context.settings)
        clock = _Clock()
        models = [context.models.load(name) for name in self.models(settings)]
        detector = Detector(models[1])
        clock.mark("load")
        tell = context.progress
        read = read_exam(
            selection.instances,
            Recogniser(models[0]),
            detector,
            settings.views,
            lambda share: tell("read", 0.9 * share),
        )
        clock.mark("read")
        scores = score([_evidence(view) for view in read.views])
        density = density_of([(v.prepared, v.anatomy, v.view) for v in read.views])
        least = detector.threshold if settings.operating_point is None else settings.operating_point
        order = sorted(range(len(read.marks)), key=lambda n: -read.marks[n].probability)
        likely = [n for n in order if read.marks[n].probability >= least]
        reported = likely[: settings.report_limit]
        notes = [*selection.notes, *read.notes, *density.notes]
        if len(likely) > len(reported):
            more = len(likely) - len(reported)
            notes.append(Note(code="more_not_reported", values={"count": more}))
        digests = {model.identity.id: model.identity.sha256 for model in models}
        calibration, why_not = in_force(settings.calibration, self.version, digests)
        notes += [why_not] if why_not else []
        clock.mark("score")
        made = _Made(read, scores, context.analysis_key)
        frames = tuple(_frame(view) for view in read.views)
        shown = calibration.apply(scores.exam) if calibration else None
        measurements = [*_probabilities(read, scores), *_densities(density)]
        qualities = [quality("density_category", density.category)] if density.category else []
        if shown is not None:
            measurements.append(measurement("exam_score", shown.exam_score))
            if shown.category is not None:
                qualities.append(quality("score_category", shown.category.value))
        return Findings(
            application=self.id,
            application_version=self.version,
            models=tuple(model.identity for model in models),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(sorted({f.series_instance_uid for f in frames})),
            frames=frames,
            findings=tuple(made.finding(number, n) for number, n in enumerate(reported, 1)),
            candidates=tuple(made.candidate(n, n in reported) for n in order),
            choice=selection.choice,
            notes=tuple(dict.fromkeys(notes)),
            measurements=tuple(measurements),
            qualities=tuple(qualities),
            seconds=clock.seconds,
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        """The four views, and each mark close up."""
        return pictures(study, findings)


class _Made:
    """Findings and candidates from the marks of one exam."""

    def __init__(self, read: ReadExam, scores: Scores, analysis_key: str) -> None:
        self.read = read
        self.key = analysis_key
        self.shares = [share for view in scores.shares for share in view]

    def uid_of(self, n: int) -> str:
        mark = self.read.marks[n]
        view = self.read.views[mark.view].view
        place = (str(round(value)) for value in self.centre(n))
        return uid("mammo", self.key, view.name, mark.kind.value, *place)

    def centre(self, n: int) -> tuple[float, float]:
        """Native column and row."""
        mark = self.read.marks[n]
        column, row = self.read.views[mark.view].prepared.to_native(mark.centre)
        return float(column), float(row)

    def outline(self, n: int) -> tuple[tuple[float, float], ...]:
        mark = self.read.marks[n]
        points = self.read.views[mark.view].prepared.to_native(mark.outline)
        return tuple((round(float(x), 2), round(float(y), 2)) for x, y in points)

    def lesion(self, n: int) -> str:
        """The same for both marks of a pair."""
        pair = self.read.marks[n].pair
        return "" if pair is None else uid("mammo-lesion", *sorted((self.uid_of(n), self.uid_of(pair))))

    def finding(self, number: int, n: int) -> Finding:
        mark = self.read.marks[n]
        view = self.read.views[mark.view]
        place = place_of(mark.centre, view.anatomy, view.view.projection)
        where = self.quadrant(n)
        qualities: list[Quality] = [
            quality("laterality", view.view.laterality.value),
            quality("view", view.view.projection.value),
            quality("depth", place.depth),
            *([quality("quadrant", where)] if where else []),
        ]
        measurements: list[Measurement] = [
            measurement("size_mm", round(mark.size_mm, 1)),
            measurement("nipple_distance_mm", round(place.nipple_mm, 1)),
            measurement("score_share", round(100 * self.shares[n], 1)),
        ]
        return Finding(
            tracking_uid=self.uid_of(n),
            tracking_id=f"Mark {number}",
            kind=KINDS[mark.kind],
            site=BREASTS[view.view.laterality],
            probability=round(mark.probability, DECIMALS),
            malignancy=round(mark.malignancy, DECIMALS),
            measurements=tuple(measurements),
            qualities=tuple(qualities),
            regions=(
                Region(
                    sop_instance_uid=view.view.instance.sop_instance_uid, points=self.outline(n)
                ),
            ),
            lesion_uid=self.lesion(n),
        )

    def quadrant(self, n: int) -> str:
        """From both views where the mark is paired."""
        halves = []
        pair = self.read.marks[n].pair
        for each in (n, pair):
            if each is not None:
                mark = self.read.marks[each]
                view = self.read.views[mark.view]
                halves.append(place_of(mark.centre, view.anatomy, view.view.projection).half)
        return quadrant(tuple(halves))

    def candidate(self, n: int, reported: bool) -> dict[str, object]:
        mark = self.read.marks[n]
        view = self.read.views[mark.view].view
        return {
            "tracking_uid": self.uid_of(n),
            "sop_instance_uid": view.instance.sop_instance_uid,
            "laterality": view.laterality.value,
            "view": view.projection.value,
            "kind": mark.kind.value,
            "centre_px": [round(value, 1) for value in self.centre(n)],
            "outline_px": [list(point) for point in self.outline(n)],
            "size_mm": round(mark.size_mm, 1),
            "probability": round(mark.probability, 5),
            "malignancy": round(mark.malignancy, 5),
            "pair": None if mark.pair is None else self.uid_of(mark.pair),
            "score_share": round(100 * self.shares[n], 1),
            "reported": reported,
        }


def _evidence(view: ReadView) -> ViewEvidence:
    return ViewEvidence(
        view.view.laterality, view.seen.film, tuple(mark.malignancy for mark in view.seen.marks)
    )


def _frame(view: ReadView) -> FrameRef:
    instance = view.view.instance
    number = instance.header.get("InstanceNumber")
    return FrameRef(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        instance_number=None if number is None else int(number),
        label=view.view.name,
    )


def _probabilities(read: ReadExam, scores: Scores) -> list[Measurement]:
    """Of the exam, each breast and each view."""
    made = [measurement("malignancy_probability", round(scores.exam, DECIMALS))]
    for side, value in scores.breasts.items():
        name = f"malignancy_probability_{side.lower()}"
        made.append(measurement(name, round(value, DECIMALS)))
    for view, value in zip(read.views, scores.views, strict=True):
        name = f"malignancy_probability_{view.view.name.lower().replace(' ', '_')}"
        made.append(measurement(name, round(value, DECIMALS)))
    return made


def _densities(density: Density) -> list[Measurement]:
    return [
        measurement("percent_density", round(density.percent, 1)),
        *(
            measurement(f"percent_density_{side.lower()}", round(value, 1))
            for side, value in density.breasts.items()
        ),
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


def _mine(settings: BaseModel) -> MammoSettings:
    if not isinstance(settings, MammoSettings):
        raise InvalidValueError("settings", type(settings).__name__, "MammoSettings")
    return settings
