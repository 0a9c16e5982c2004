"""Mammography: the application that the suite finds by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

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
from gransk.core.calibration import OwnExam, Result, Wanted
from gransk.core.dates import date_of
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.findings import Finding, Findings, Measurement, Note, Quality
from gransk.core.followup import Assessment, Comparison, FollowUp
from gransk.core.models import Card, Model, ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.seconds import Seconds
from gransk.core.study import Study
from mammo.coding import quality
from mammo.exam import choice as exam
from mammo.exam.choice import ViewRules
from mammo.exam.recognise import Recogniser
from mammo.foreign import Foreign
from mammo.image import pixels
from mammo.image.density import exam_density, view_density
from mammo.making import Making, densities, frame_of, probabilities
from mammo.marks.calcifications import Calcifications
from mammo.marks.detector import Detector, shipped
from mammo.marks.mark import Kind, Mark
from mammo.models import ROLES, MammoModels
from mammo.pictures import pictures
from mammo.presentation import presentation
from mammo.previewing import preview
from mammo.reading import ReadExam, ReadView, read_exam
from mammo.scores.calibration import CalibrationSetting, in_force
from mammo.scores.command import calibrate
from mammo.scores.score import Scores, ViewEvidence, score
from mammo.scores.scored_by import SCORES_SINCE, ScoredBy
from mammo.scores.told import told
from mammo.tracking import comparison, follow_up
from mammo.tracking.pictures import comparison_pictures
from mammo.tracking.pointing import measured_at
from mammo.tracking.priors import priors_wanted
from mammo.tracking.settings import TrackingSettings
from mammo.view import Laterality

FROM_FILM = Note(code="density_from_film")


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
    # Left out of the analysis key: it changes no finding, so that no study is analysed again.
    tracking: TrackingSettings = Field(
        default_factory=TrackingSettings, exclude=True, description="How exams are compared."
    )
    # Left out of the analysis key where it is the shipped choice: the digests of the models are in
    # it, and studies that earlier versions analysed are found.
    models: MammoModels = Field(
        default_factory=MammoModels,
        exclude_if=lambda models: models == MammoModels(),
        description="The model of each role.",
    )


class MammoApplication:
    """Marks masses and calcifications, scores the exam, tells density."""

    id = "mammo"
    version = "0.1.0"
    attributes_read = tuple(sorted({*exam.ATTRIBUTES_READ, *pixels.ATTRIBUTES_READ}))
    settings_schema: type[BaseModel] = MammoSettings
    choosing = ("views",)
    profile_schema: Mapping[str, Any] = follow_up.PROFILE_SCHEMA
    roles = ROLES

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
        """Of each role that has one, in the order of the roles."""
        return tuple(dict.fromkeys(self.chosen(settings).values()))

    def chosen(self, settings: BaseModel) -> Mapping[str, str]:
        """Name of the model of each role that has one."""
        return _mine(settings).models.chosen()

    def check_models(self, settings: BaseModel, card: Callable[[str], Card]) -> None:
        """Do the models fit their roles, and each other?"""
        _mine(settings).models.check(card)

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        """Read, mark and score an exam.

        Raises
        ------
        RefusalError
            Where no view can be analysed, or a model that is not ours refuses the exam or
            answers what its card does not say.
        """
        settings = _mine(context.settings)
        clock = Seconds()
        models = settings.models.load(context.models)
        ours = {role: model for role, model in models.items() if model.card.contract is None}
        clock.mark("load")
        tell = context.progress
        read = read_exam(
            selection.instances, Recogniser(models["view"]), _masses(ours), _clusters(ours),
            settings.views, lambda share: tell("read", 0.9 * share), Foreign.of(models),
        )  # fmt: skip
        clock.mark("read")
        scores = _scores(read)
        density = exam_density(
            [(v.view, view_density(v.prepared, v.anatomy, models["density"])) for v in read.views]
        )
        least = _least(models, settings.operating_point)
        reported, left_over = _reported(read.marks, least, settings.report_limit)
        making = Making(read, scores, context.analysis_key)
        findings = tuple(making.finding(number, n) for number, n in enumerate(reported, 1))
        measurements = [*probabilities(read.views, scores), *densities(density), *read.measurements]
        qualities = [quality("density_category", density.category.value)]
        shown, why_not = self._calibrated(settings, models, scores.exam)
        frames = tuple(frame_of(view) for view in read.views)
        clock.mark("score")
        return Findings(
            application=self.id,
            application_version=self.version,
            models=tuple(model.identity for model in models.values()),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(sorted({f.series_instance_uid for f in frames})),
            frames=frames,
            findings=findings,
            candidates=tuple(making.candidate(n, n in reported) for n in _order(read.marks)),
            choice=selection.choice,
            notes=_once((*selection.notes, *read.notes, *left_over, *why_not, FROM_FILM)),
            measurements=(*measurements, *shown[0]),
            qualities=(*qualities, *shown[1]),
            seconds=clock.seconds,
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        """The four views, and each mark close up."""
        return pictures(study, findings)

    def not_calibrated(self, settings: BaseModel, models: Mapping[str, str]) -> Note | None:
        """None where the settings hold a calibration of today's scores; else why not."""
        mine = _mine(settings)
        return in_force(mine.calibration, self._scored_by(mine, models))[1]

    def raw_score(self, findings: Findings) -> float | None:
        """Probability of malignancy of the exam."""
        return findings.measured("malignancy_probability")

    def calibrate(
        self,
        exams: Sequence[OwnExam],
        settings: BaseModel,
        models: Mapping[str, str],
        wanted: Wanted,
        language: str,
    ) -> Result:
        """Calibrate on a site's own exams, or say what is missing."""
        by = self._scored_by(_mine(settings), models)
        return calibrate(exams, self.id, by, wanted, language)

    def priors_wanted(self, study: Study, known: Sequence[KnownStudy]) -> tuple[str, ...]:
        """Earlier mammography, most wanted first."""
        return priors_wanted(study.uid, date_of(study), known)

    def measure(self, study: Study, findings: Findings, place: Place, context: Context) -> Finding:
        """Outline and measure what a person points at."""
        return measured_at(study, findings, place)

    def compare(self, current: Examined, prior: Examined, context: Context) -> Comparison:
        """What became of each mark between two exams; no score changes by it."""
        by = comparison.By(self.id, self.version, _mine(context.settings).tracking)
        return comparison.compare(current, prior, context, by)

    def comparison_pictures(
        self, current: Study, prior: Study, comparison: Comparison
    ) -> list[Picture]:
        """Both sides of each matched or uncertain mark."""
        return comparison_pictures(current, prior, comparison)

    def assess(
        self,
        study: Study,
        findings: Findings,
        comparisons: Sequence[Comparison],
        profile: Mapping[str, Any] | None,
        settings: BaseModel,
    ) -> Assessment:
        """Growth of marks; no risk model, no guideline.

        Raises
        ------
        UnreadableInputError
            Where a profile holds anything: nothing is asked.
        """
        self.check_profile(profile or {})
        return follow_up.assess(comparisons, date_of(study))

    def check_profile(self, profile: Mapping[str, Any], language: str = "en") -> None:
        """Mammography asks for no risk profile."""
        if profile:
            keys = ", ".join(sorted(profile))
            raise UnreadableInputError(f"mammography asks for no risk profile: leave out {keys}")

    def report_text(
        self, study: Study, findings: Findings, follow_up_: FollowUp, language: str
    ) -> str:
        """A plain report, ready to paste."""
        return follow_up.report_text(study, findings, follow_up_, language, self.presentation.text)

    def preview(
        self,
        findings: Findings,
        made_under: BaseModel,
        settings: BaseModel,
        models: ModelLibrary,
    ) -> Previewed:
        """Kept marks as another limit would have reported them, and the exam's score anew."""
        old, new = _mine(made_under), _mine(settings)
        if old.views != new.views:
            return Previewed(None, why=TakesImages.SERIES)
        digests = {name: models.digest(name) for name in self.models(new)}
        used = {one.id: one.sha256 for one in findings.models}
        if any(used.get(name.split("@")[0]) != digest for name, digest in digests.items()):
            return Previewed(None, why=TakesImages.MODELS)
        least = new.operating_point
        masses = models.card(new.models.masses).threshold if least is None else least
        thresholds = {kind.value: masses for kind in Kind}
        if new.models.calcifications is not None:
            card = models.card(new.models.calcifications)
            thresholds[Kind.CALCIFICATIONS.value] = card.threshold
        found, why_not = in_force(new.calibration, self._scored_by(new, digests))
        found_again = preview(findings, thresholds, new.report_limit, found, why_not)
        if found_again.why is None and old.tracking != new.tracking:
            return replace(found_again, why=TakesImages.COMPARISON)
        return found_again

    def _calibrated(
        self, settings: MammoSettings, models: Mapping[str, Model], probability: float
    ) -> tuple[tuple[list[Measurement], list[Quality]], list[Note]]:
        """What the site's calibration makes of the exam, or why it has none."""
        chosen = self.chosen(settings)
        digests = {chosen[role]: model.identity.sha256 for role, model in models.items()}
        found, why_not = in_force(settings.calibration, self._scored_by(settings, digests))
        if found is None:
            return ([], []), [why_not] if why_not else []
        return told(found, probability), []

    def _scored_by(self, settings: MammoSettings, models: Mapping[str, str]) -> ScoredBy:
        return ScoredBy(
            version=self.version,
            since=SCORES_SINCE,
            models=settings.models.scoring(models),
            settings={"views": settings.views.model_dump(mode="json")},
        )


def _masses(ours: Mapping[str, Model]) -> Detector | None:
    """Our detector of masses, of one or two models."""
    models = [ours[role] for role in ("masses", "masses_fine") if role in ours]
    return Detector(shipped(models)) if models else None


def _clusters(ours: Mapping[str, Model]) -> Calcifications | None:
    return Calcifications(ours["calcifications"]) if "calcifications" in ours else None


def _scores(read: ReadExam) -> Scores:
    """Of the exam's own model where there is one, else of the marks."""
    if read.scored is None:
        return score([_evidence(view) for view in read.views])
    breasts = {Laterality(side): value for side, value in read.scored.breasts.items()}
    return Scores((), breasts, read.scored.exam, (), by_marks=False)


def _least(models: Mapping[str, Model], operating_point: float | None) -> dict[Kind, float]:
    """Least probability of a mark that is reported."""
    masses = models["masses"].threshold if operating_point is None else operating_point
    specks = models["calcifications"].threshold if "calcifications" in models else masses
    return {kind: masses for kind in Kind} | {Kind.CALCIFICATIONS: specks}


def _evidence(view: ReadView) -> ViewEvidence:
    return ViewEvidence(view.view.laterality, tuple(mark.malignancy for mark in view.seen.marks))


def _order(marks: Sequence[Mark]) -> list[int]:
    """Places of marks, most probable first."""
    return sorted(range(len(marks)), key=lambda n: -marks[n].probability)


def _reported(
    marks: Sequence[Mark], least: Mapping[Kind, float], limit: int
) -> tuple[list[int], list[Note]]:
    """Marks to report, most probable first, and how many more there are."""
    likely = [n for n in _order(marks) if marks[n].probability >= least[marks[n].kind]]
    more = len(likely) - limit
    notes = [Note(code="more_not_reported", values={"count": more})] if more > 0 else []
    return likely[:limit], notes


def _once(notes: Sequence[Note]) -> tuple[Note, ...]:
    kept: list[Note] = []
    for note in notes:
        if note not in kept:
            kept.append(note)
    return tuple(kept)


def _mine(settings: BaseModel) -> MammoSettings:
    if not isinstance(settings, MammoSettings):
        raise InvalidValueError("settings", type(settings).__name__, "MammoSettings")
    return settings
