"""The same figures on any folder of DICOM exams with a table of labels: local validation.

    python -m bench.mammo.folder --exams FOLDER --labels labels.csv

The table has one row for each lesion, or for each image, breast or exam without one:

``sop_instance_uid``, ``study_instance_uid`` or ``accession_number``
    Which image or exam; the first that is filled counts.
``laterality``
    ``R`` or ``L``; of a row that names an exam, empty for both breasts.
``malignant``
    ``1`` or ``0`` by pathology or follow-up; empty where nobody knows.
``x0``, ``y0``, ``x1``, ``y1``
    Box of the lesion in pixels of the stored image; empty where there is none.
``density``
    ``a`` to ``d``, or empty.

Every exam is analysed as ``gransk analyse`` does, by all networks together: for exams that the
networks learned from, ``bench.mammo.accuracy`` is the measure.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.mammo.accuracy import exam_auc, figure, froc
from gransk.archive.folder import read_paths
from gransk.core.application import Context, applications, model_folder
from gransk.core.errors import RefusalError, UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.models import ModelLibrary
from gransk.core.study import Instance, Study
from training.mammo.films import Box, Film
from training.mammo.measures import Marked, Read, breast_auc, film_auc

NAMED_BY = ("sop_instance_uid", "study_instance_uid", "accession_number")
CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Label:
    """One row of the table.

    Parameters
    ----------
    named_by, name : str
        Which of `NAMED_BY`, and its value.
    laterality : str
    malignant : bool or None
    box : (x0, y0, x1, y1) or None
    density : int
        1 to 4; 0 where nobody said.
    """

    named_by: str
    name: str
    laterality: str
    malignant: bool | None
    box: Box | None
    density: int


def read_labels(path: Path) -> list[Label]:
    """Read the table.

    Raises
    ------
    UnreadableInputError
        Names the line and what is wrong with it.
    """
    labels = []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            try:
                labels.append(_label(row))
            except (KeyError, ValueError) as error:
                raise UnreadableInputError(f"{path.name}, line {number}: {error}") from error
    return labels


def _label(row: Mapping[str, str]) -> Label:
    filled = {name: value.strip() for name, value in row.items() if value and value.strip()}
    named_by = next((name for name in NAMED_BY if name in filled), None)
    if named_by is None:
        raise ValueError(f"one of {', '.join(NAMED_BY)} must be filled")
    malignant = {"": None, "0": False, "1": True}[filled.get("malignant", "")]
    corners = [float(filled[name]) for name in CORNERS if name in filled]
    if len(corners) not in (0, 4):
        raise ValueError("a box has four corners")
    box = (corners[0], corners[1], corners[2], corners[3]) if corners else None
    density = " abcd".index(filled["density"].lower()) if "density" in filled else 0
    return Label(
        named_by, filled[named_by], filled.get("laterality", "").upper(), malignant, box, density
    )


def studies(folder: Path) -> Iterator[Study]:
    """Every study below a folder, one at a time."""
    by: dict[str, list[Instance]] = {}
    for instance in read_paths([folder]).instances:
        by.setdefault(instance.study_instance_uid, []).append(instance)
    for uid in sorted(by):
        yield Study.from_instances(by[uid])


def reads_of(study: Study, findings: Findings, labels: Sequence[Label]) -> list[Read]:
    """Each analysed view against its labels; views of unknown outcome are left out."""
    instances = {i.sop_instance_uid: i for i in study.instances}
    made = []
    for frame in findings.frames:
        header = instances[frame.sop_instance_uid].header
        side, view = frame.label.split(" ")
        names = {
            "sop_instance_uid": frame.sop_instance_uid,
            "study_instance_uid": study.uid,
            "accession_number": str(header.get("AccessionNumber", "")),
        }
        own = [
            one
            for one in labels
            if names[one.named_by] == one.name and one.laterality in ("", side)
        ]
        known = [one.malignant for one in own if one.malignant is not None]
        probability = findings.measured(f"malignancy_probability_{side.lower()}_{view.lower()}")
        if not known or probability is None:
            continue
        film = Film(
            key=frame.sop_instance_uid,
            patient=str(header.get("PatientID", "")) or study.uid,
            exam=study.uid,
            side=side,
            view=view,
            density=max((one.density for one in own), default=0),
            assessment=0,
            malignant=any(known),
            shapes="",
            margins="",
            boxes=tuple(one.box for one in own if one.box is not None),
            shape=(int(header.Rows), int(header.Columns)),
            spacing_mm=0.0,
            scanner=str(header.get("Manufacturer", "")),
            image=Path(frame.sop_instance_uid),
        )
        made.append(Read(film, tuple(_marks(film, findings)), probability))
    return made


def _marks(film: Film, findings: Findings) -> Iterator[Marked]:
    for one in findings.candidates:
        if one["sop_instance_uid"] != film.key:
            continue
        x, y = one["centre_px"]
        hit = [n for n, b in enumerate(film.boxes) if b[0] <= x <= b[2] and b[1] <= y <= b[3]]
        yield Marked(one["probability"], one["malignancy"], hit[0] if hit else None)


def report(reads: Sequence[Read], refused: Mapping[str, int]) -> str:
    """Figures by image, breast and exam, marks where there are boxes, and what was refused."""
    women = len({read.film.patient for read in reads})
    lines = [f"{len(reads)} images of {women} women with a known outcome"]
    lines += [f"refused: {count} exams, {reason}" for reason, count in sorted(refused.items())]
    lines += [
        f"AUC by image   {figure(reads, film_auc)}",
        f"AUC by breast  {figure(reads, breast_auc)}",
        f"AUC by exam    {figure(reads, exam_auc)}",
    ]
    if any(read.film.boxes for read in reads):
        lines += ["", *froc(reads)]
    return "\n".join(lines)


def analysed(
    found: Iterable[Study], models: ModelLibrary
) -> Iterator[tuple[Study, Findings | str]]:
    """Findings of each study, or the code of its refusal."""
    application = applications()["mammo"]
    settings = application.settings_schema()
    for study in found:
        verdict = application.accepts(study)
        if verdict is not None:
            yield study, verdict.value
            continue
        try:
            selection = application.select(study, settings)
            yield study, application.analyse(study, selection, Context(models, settings))
        except RefusalError as refusal:
            yield study, refusal.reason.value


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=model_folder())
    arguments = parser.parse_args()
    labels = read_labels(arguments.labels)
    reads: list[Read] = []
    refused: Counter[str] = Counter()
    for study, got in analysed(studies(arguments.exams), ModelLibrary(arguments.models)):
        if isinstance(got, str):
            refused[got] += 1
        else:
            reads += reads_of(study, got, labels)
    if not reads:
        sys.exit("no analysed image has a label: check the names in the table")
    print(report(reads, refused))


if __name__ == "__main__":
    main()
