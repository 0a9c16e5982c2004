"""A study whose nodules are known, with Gransk's own objects of them."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom import Dataset, dcmread

import nodule.application as app
from gransk.core import codes
from gransk.core.application import Context, Picture
from gransk.core.ct import read_volume
from gransk.core.findings import Findings, FrameRef, Measurement, ModelIdentity
from gransk.core.followup import Comparison, FollowUp, Lesion, Look, Outcome
from gransk.core.models import ModelLibrary
from gransk.core.study import Instance, Study
from gransk.core.volume import Geometry
from gransk.results.dicom.objects import MadeObject, make_objects
from nodule.detector import Candidate
from nodule.lungs import segment_lungs
from nodule.measurement import measure
from nodule.morphology import Morphology
from nodule.phantom import PhantomSpec, make_phantom
from nodule.reading import Nodule
from nodule.segmentation import segment

DATA = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ct"
Point = tuple[float, float, float]


@dataclass(frozen=True)
class KnownStudy:
    """Images as DICOM files' bytes, findings at the known places, and their objects."""

    files: list[Path]
    study: Study
    findings: Findings
    pictures: list[Picture]
    geometry: Geometry
    objects: list[MadeObject]


def phantom_study(folder: Path) -> KnownStudy:
    """The synthetic chest, thinned for speed, with the nodules of its truth."""
    phantom = make_phantom(PhantomSpec(seed=7, spacing_mm=4.0, nodules=3))
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, image in enumerate(phantom.images):
        files.append(folder / f"{number:04d}.dcm")
        image.save_as(files[-1], enforce_file_format=True)
    return _known(files, [tuple(n["centre_lps_mm"]) for n in phantom.truth["nodules"]])


def lidc_study() -> KnownStudy:
    """LIDC-IDRI-0001 with the nodule that its readers marked."""
    marked = json.loads((DATA / "nodules.json").read_text())
    nodules = next(c["nodules"] for c in marked if c["patient"] == "LIDC-IDRI-0001")
    files = sorted((DATA / "LIDC-IDRI-0001").glob("*.dcm"))
    return _known(files, [tuple(n["centre_lps_mm"]) for n in nodules])


def _known(files: list[Path], places: Sequence[Point]) -> KnownStudy:
    study = Study.from_instances(Instance(_header(f), partial(dcmread, f)) for f in files)
    application = app.NoduleApplication()
    settings = app.NoduleSettings()
    selection = application.select(study, settings)
    volume, frames = read_volume(selection.instances)
    lungs = segment_lungs(volume)
    library = ModelLibrary(Path(__file__).parents[2] / "onnx_models")
    context = Context(library, settings, analysis_key="a" * 64)
    looks = Morphology(library.load(settings.models.morphology))
    found = []
    for number, place in enumerate(places, 1):
        index = tuple(float(v) for v in volume.geometry.to_index([place])[0])
        mask = segment(volume, index, lungs)
        nodule = Nodule(
            candidate=Candidate(index, place, 5.0, 0.97, None),
            mask=mask,
            reading=looks.judge(volume, index, mask),
            measured=measure(volume, mask, lungs),
        )
        found.append(
            app._finding(number, nodule, volume.geometry.spacing, frames, context.analysis_key)
        )
    findings = Findings(
        application=application.id,
        application_version=application.version,
        models=(ModelIdentity(id="known-places", version="1.0.0", sha256="0" * 64),),
        study_instance_uid=study.uid,
        series_instance_uids=tuple({f.series_instance_uid for f in frames}),
        frames=frames,
        findings=tuple(found),
        choice=selection.choice,
        notes=selection.notes,
    )
    pictures = application.pictures(study, findings)
    objects = make_objects(
        study=study,
        findings=findings,
        presentation=application.presentation,
        pictures=pictures,
        report_key="b" * 64,
        created=datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC),
        follow_up=_followed(findings),
        text="A report that compares.",
    )
    return KnownStudy(files, study, findings, pictures, volume.geometry, objects)


def _followed(findings: Findings) -> FollowUp:
    """The first finding on an earlier study, whose images are in no archive here."""
    first = findings.findings[0]
    image = FrameRef(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid="1.2.3.9.9.9",
        series_instance_uid="1.2.3.9.9",
    )
    before = datetime.date(2025, 1, 5)
    look = Look(
        study_instance_uid="1.2.3.9",
        series_instance_uid="1.2.3.9.9",
        date=before,
        measurements=first.measurements[:1],
        frame=image,
    )
    lesion = Lesion(
        outcome=Outcome.MATCHED,
        current_uid=first.tracking_uid,
        prior_uid=first.tracking_uid,
        prior=look,
        changes=(
            Measurement(
                name="volume_change_percent", concept=codes.VOLUME, unit=codes.PERCENT, value=12.5
            ),
        ),
    )
    comparison = Comparison(
        application="nodule",
        application_version="1",
        current_study=findings.study_instance_uid,
        prior_study="1.2.3.9",
        current_date=datetime.date(2026, 1, 5),
        prior_date=before,
        lesions=(lesion,),
    )
    return FollowUp(comparisons=(comparison,))


def _header(path: Path) -> Dataset:
    return dcmread(path, stop_before_pixels=True)


def outline_lps(known: KnownStudy, finding: int) -> tuple[str, list[Point]]:
    """The finding's first region: SOP Instance UID of its image, and its points in the patient."""
    region = known.findings.findings[finding].regions[0]
    k = [f.sop_instance_uid for f in known.findings.frames].index(region.sop_instance_uid)
    index = [(k, row - 0.5, column - 0.5) for column, row in region.points]
    points = known.geometry.to_lps(index)
    return region.sop_instance_uid, [tuple(float(v) for v in point) for point in points]
