"""What an application gives to the suite, found by entry point ``gransk.applications``."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from gransk.core.cad import Cad
from gransk.core.codes import Code
from gransk.core.errors import ConfigurationError, RefusalError
from gransk.core.findings import Finding, Findings, Note, Quality, Region
from gransk.core.followup import Assessment, Comparison, FollowUp
from gransk.core.identity import patient
from gransk.core.models import ModelLibrary
from gransk.core.profile_codes import CodeTable
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study

Progress = Callable[[str, float], None]
"""Called with a step's name and the share done of the whole, 0 to 1."""


def no_progress(step: str, share: float) -> None:
    """A progress callback for nobody."""


@dataclass(frozen=True)
class Selection:
    """The images that an analysis reads, and why these.

    Parameters
    ----------
    instances : tuple of Instance
        In the order of analysis.
    choice : tuple of Note
        One note a series: chosen or passed over, and why.
    notes : tuple of Note
        Warnings about what was chosen.

    Raises
    ------
    RefusalError
        Where the images are not all of one patient.
    """

    instances: tuple[Instance, ...]
    choice: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if len({patient(instance.header) for instance in self.instances}) > 1:
            raise RefusalError(Reason.MIXED_PATIENTS, f"{len(self.instances)} images")


@dataclass(frozen=True)
class Context:
    """What an analysis is given beside the study.

    Parameters
    ----------
    models : ModelLibrary
        Where models are loaded from, checked against their cards.
    settings : pydantic.BaseModel
        The application's own settings, of its ``settings_schema``.
    progress : callable
        Told step and share.
    analysis_key : str
        Key of this analysis; tracking UIDs of new findings derive from it.
    """

    models: ModelLibrary
    settings: BaseModel
    progress: Progress = no_progress
    analysis_key: str = ""


@dataclass(frozen=True)
class Presentation:
    """How an application's findings are shown.

    Parameters
    ----------
    title : mapping of language to str
        Name of the application.
    texts : mapping of code to mapping of language to str
        Templates (``str.format`` with the note's values) of every note code,
        measurement name, quality name and value that the application uses. ``choice`` is the
        heading over the notes of `Selection.choice`, where the suite's own words do not fit.
    line : callable
        ``line(findings, language)``: findings in one line, for the worklist.
    details : callable
        ``details(finding, language)``: (label, value) pairs of one finding.
    study_json : callable
        ``study_json(findings)``: keys added to the JSON of ``gransk analyse``.
    finding_json : callable
        ``finding_json(finding, findings)``: keys added to the JSON of one of the findings.
    image_window : (float, float), optional
        Window centre and width in which pictures are shown; None for each image's own.
    course : str
        Name of the measurement whose course over several studies is drawn; empty for none.
    labels : mapping of name to mapping of value to tuple of Quality
        Properties that a person may set, and the values that each may have: the property
        itself first, then what follows from it. Texts: the name, and name, underscore, value.
    codes : mapping of name to mapping of value to Code
        Every value that a property may have, for its text.
    rejections : tuple of str
        Why a person may reject a finding. Texts: ``rejected_`` and the code.
    layout : tuple of rows of str
        Places of the overview page, by the `Picture.role` that each shows; empty for none.
    summary : callable
        ``summary(findings, language)``: (label, value) pairs of the study as a whole.
    cad : Cad, optional
        How findings become a CAD report; None for an application that the standard has no
        such template for.
    sizes : mapping of str to str
        Names of the measurements that are a finding's ``diameter`` (mm) and ``volume`` (mm3):
        what messages tell of its size, and the site's rules of priority go by.
    key_qualities : tuple of str
        Names of the properties of a finding that a short summary tells.
    """

    title: Mapping[str, str]
    texts: Mapping[str, Mapping[str, str]]
    line: Callable[[Findings, str], str]
    details: Callable[[Finding, str], list[tuple[str, str]]]
    study_json: Callable[[Findings], dict[str, Any]]
    finding_json: Callable[[Finding, Sequence[Finding]], dict[str, Any]]
    image_window: tuple[float, float] | None = (-600.0, 1500.0)
    commands: Mapping[str, Any] = field(default_factory=dict)
    course: str = ""
    labels: Mapping[str, Mapping[str, tuple[Quality, ...]]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, Code]] = field(default_factory=dict)
    rejections: tuple[str, ...] = ()
    layout: tuple[tuple[str, ...], ...] = ()
    summary: Callable[[Findings, str], list[tuple[str, str]]] = lambda findings, language: []
    cad: Cad | None = None
    sizes: Mapping[str, str] = field(default_factory=dict)
    key_qualities: tuple[str, ...] = ()

    def text(self, note: Note, language: str) -> str:
        """A note as a person reads it."""
        template = self.texts.get(note.code, {}).get(language)
        return template.format(**note.values) if template else note.code

    def word(self, code: str, language: str) -> str:
        """A name or value as a person reads it; a code without a text stays as it is."""
        return self.texts.get(code, {}).get(language, code)

    def value(self, name: str, code: Code, language: str) -> str:
        """A property's value as a person reads it; an unknown code's own meaning."""
        for value, known in self.codes.get(name, {}).items():
            if known == code:
                return self.word(f"{name}_{value}", language)
        return code.meaning


@dataclass(frozen=True)
class Placed:
    """Which analysed image a picture shows, and where.

    Parameters
    ----------
    sop_instance_uid : str
    affine : six floats
        ``(a, b, c, d, e, f)``: a point (column, row) of the image, in DICOM image coordinates,
        lies at (a column + b row + c, d column + e row + f) of the picture.
    frame : int, optional
        From 1, for multi-frame images alone.
    """

    sop_instance_uid: str
    affine: tuple[float, float, float, float, float, float]
    frame: int | None = None

    def outline(self, region: Region) -> tuple[tuple[float, float], ...]:
        """A region in the picture's own pixels; empty where it is of another image."""
        if (region.sop_instance_uid, region.frame) != (self.sop_instance_uid, self.frame):
            return ()
        return tuple(self.point(x, y) for x, y in region.points)

    def point(self, column: float, row: float) -> tuple[float, float]:
        """A point of the image in the picture's own pixels."""
        a, b, c, d, e, f = self.affine
        return a * column + b * row + c, d * column + e * row + f


@dataclass(frozen=True)
class Picture:
    """One grey picture of the summary page.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
        Windowed for display.
    caption : mapping of language to str
        What it shows.
    outlines : tuple of tuple of (column, row)
        Closed polygons in the picture's own pixels: the top left corner of
        the top left pixel is (0, 0).
    spacing_mm : float, optional
        Side of the picture's (square) pixels, for a scale bar.
    tracking_uid : str
        Of the finding that it shows; empty where it shows none, or several.
    role : str
        Its place in the application's `Presentation.layout`; empty for none.
    placed : Placed, optional
        Of a picture with a role: findings are drawn over it from their own regions, so that it
        shows them as people left them.
    """

    pixels: Any = field(repr=False)
    caption: Mapping[str, str]
    outlines: tuple[tuple[tuple[float, float], ...], ...] = ()
    spacing_mm: float | None = None
    tracking_uid: str = ""
    role: str = ""
    placed: Placed | None = None


@runtime_checkable
class Application(Protocol):
    """A clinical application: pure functions and tables.

    ``attributes_read`` names the DICOM attributes beside the pixels that can
    change findings; they enter the analysis key.
    """

    id: str
    version: str
    attributes_read: tuple[str, ...]
    settings_schema: type[BaseModel]
    presentation: Presentation

    def accepts(self, study: Study) -> Reason | None:
        """None where the study is this application's to read; else why not.

        ``NO_APPLICATION`` means "not mine"; any other code means "mine, but
        it cannot be analysed".
        """

    def ready(self, study: Study) -> bool:
        """Is the exam complete, as far as its images can tell?"""

    def select(self, study: Study, settings: BaseModel) -> Selection:
        """Choose the images to analyse.

        Raises
        ------
        RefusalError
            Where none is suitable.
        """

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        """Ids of the models that an analysis with these settings uses."""

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        """Find.

        Raises
        ------
        RefusalError
            Where the images cannot be analysed.
        """

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        """Pictures for the summary page, one or a few a finding."""


@dataclass(frozen=True)
class Examined:
    """A study with what an analysis found in it."""

    study: Study
    findings: Findings


@dataclass(frozen=True)
class KnownStudy:
    """Another study of the patient, as an archive lists it.

    Parameters
    ----------
    study_instance_uid : str
    date : date, optional
    modalities, body_parts : tuple of str
    description : str
    images : int
        0 where the archive does not say.
    """

    study_instance_uid: str
    date: datetime.date | None
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    description: str = ""
    images: int = 0


@dataclass(frozen=True)
class Place:
    """Where a person points on an image.

    Parameters
    ----------
    sop_instance_uid : str
    frame : int, optional
        From 1, for multi-frame images alone.
    column, row : float
        DICOM image coordinates, as in `Region`.
    """

    sop_instance_uid: str
    column: float
    row: float
    frame: int | None = None


@runtime_checkable
class FollowsUp(Protocol):
    """What an application gives that compares studies, estimates risk and advises.

    ``profile_schema`` is the JSON schema of the risk profile: parts of answers, each with
    ``value``, ``source`` and ``date``; a part that is a list holds answers about lesions, each
    named by ``tracking_uid``. An answer's own schema may say ``about: scan`` (true of one scan
    alone), ``measured`` (no page asks for it) and ``offered_by`` (a measurement of the study
    that is shown beside the question).
    """

    profile_schema: Mapping[str, Any]

    def priors_wanted(self, study: Study, known: Sequence[KnownStudy]) -> tuple[str, ...]:
        """Which of the patient's other studies to compare with, most wanted first."""

    def measure(self, study: Study, findings: Findings, place: Place, context: Context) -> Finding:
        """Outline and measure what a person points at, as the detector's findings are.

        Raises
        ------
        RefusalError
            Where nothing can be outlined there.
        """

    def compare(self, current: Examined, prior: Examined, context: Context) -> Comparison:
        """What became of each finding between two studies of one patient.

        A refusal is told in the comparison. Images are read, no search runs.
        """

    def comparison_pictures(
        self, current: Study, prior: Study, comparison: Comparison
    ) -> list[Picture]:
        """Both sides of each matched or uncertain lesion, in the same window and scale."""

    def assess(
        self,
        study: Study,
        findings: Findings,
        comparisons: Sequence[Comparison],
        profile: Mapping[str, Any] | None,
        settings: BaseModel,
    ) -> Assessment:
        """Risk and advice again without reading pixels.

        ``comparisons`` name lesions by the tracking UIDs of ``findings``; those with studies
        after this one are left out of account.

        Raises
        ------
        UnreadableInputError
            Where the profile does not fit its schema.
        """

    def report_text(
        self, study: Study, findings: Findings, follow_up: FollowUp, language: str
    ) -> str:
        """A plain report, ready to paste."""


class TakesImages(StrEnum):
    """Why it takes the images again to tell what other settings would have reported."""

    SERIES = "series"
    """Other images may be chosen."""
    MODELS = "models"
    """Another model would look."""
    UNMEASURED = "unmeasured"
    """What was left out was never measured."""
    COMPARISON = "comparison"
    """Studies would be compared otherwise; the findings themselves are told."""


@dataclass(frozen=True)
class Previewed:
    """What a study's report would hold under other settings, as far as kept findings tell.

    Parameters
    ----------
    findings : Findings, optional
        None where that takes the images.
    least, most : int, optional
        How many findings would be reported; None where nothing is known of it.
    why : TakesImages, optional
        None where everything is told.
    """

    findings: Findings | None
    least: int | None = None
    most: int | None = None
    why: TakesImages | None = None

    @classmethod
    def known(cls, findings: Findings) -> Previewed:
        """The findings that would be reported."""
        count = len(findings.findings)
        return cls(findings, count, count)


@runtime_checkable
class Previews(Protocol):
    """What an application gives that tells what other settings would have reported."""

    def preview(
        self,
        findings: Findings,
        made_under: BaseModel,
        settings: BaseModel,
        models: ModelLibrary,
    ) -> Previewed:
        """Kept findings as they would be under other settings, without reading pixels.

        Parameters
        ----------
        findings : Findings
            As they were sealed.
        made_under, settings : pydantic.BaseModel
            Of the application's ``settings_schema``: those of the analysis, and the others.
        models : ModelLibrary
            Whose cards alone are read.
        """


@runtime_checkable
class ChecksProfiles(Protocol):
    """What an application gives that refuses a wrong profile before it is kept."""

    def check_profile(self, profile: Mapping[str, Any], language: str = "en") -> None:
        """Refuse what does not fit the application's ``profile_schema`` and its rules.

        Raises
        ------
        UnreadableInputError
            The message names keys and never values.
        """


@runtime_checkable
class SaysWhatChooses(Protocol):
    """What an application gives whose settings in part say which images are chosen."""

    choosing: tuple[str, ...]
    """Names of those settings: no override that asks for a kernel may change them."""


@runtime_checkable
class KnowsCodes(Protocol):
    """What an application gives whose profile is answered by coded clinical data (FHIR)."""

    profile_codes: CodeTable


def applications() -> dict[str, Application]:
    """Every installed application by its id.

    Raises
    ------
    ConfigurationError
        Where an entry point gives something else, or two share an id.
    """
    found: dict[str, Application] = {}
    for point in sorted(entry_points(group="gransk.applications"), key=lambda p: p.name):
        try:
            application = point.load()()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"entry point {point.name!r} cannot be loaded ({error}); install its package again"
            ) from error
        if not isinstance(application, Application):
            raise ConfigurationError(f"entry point {point.name!r} is no Gransk application")
        if application.id in found:
            raise ConfigurationError(f"two applications are called {application.id!r}")
        found[application.id] = application
    return found


def model_folder() -> Path:
    """Where the shipped models lie, beside the package."""
    return Path(__file__).resolve().parents[2] / "onnx_models"
