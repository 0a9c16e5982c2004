"""An exam, read: from chosen images to views with marks, anatomy and quality."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gransk.core.contracts.mammo_exam import ExamScores
from gransk.core.errors import RefusalError
from gransk.core.findings import Measurement, Note
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.cad import left_out
from mammo.exam.choice import Exam, Look, ViewRules, assemble
from mammo.exam.recognise import Recogniser
from mammo.foreign import Displayed, Foreign
from mammo.image.anatomy import Anatomy, find_anatomy
from mammo.image.grid import Prepared
from mammo.image.pixels import Pixels, read_pixels
from mammo.image.quality import Checked, advice, check_view
from mammo.marks.calcifications import Calcifications
from mammo.marks.detector import Detector, Seen
from mammo.marks.mark import Kind, Mark
from mammo.marks.pairs import Shown, pair
from mammo.marks.sides import Sides, compare_sides, exam_measurement, without_counterpart
from mammo.view import Laterality, Projection, View

Share = Callable[[float], None]

AT_ONCE = min(2, os.cpu_count() or 1)
"""Images that are prepared or compared at the same time."""
PAIRED_FROM = 0.1
"""Less probable marks are not paired: among many, some are alike by chance."""


@dataclass(frozen=True)
class ReadView:
    """One view, read.

    Parameters
    ----------
    view : View
    prepared : Prepared
    checked : Checked
        Its anatomy, and what is wrong with the image.
    seen : Seen
        What the detector says of it.
    clusters : tuple of Mark
        Clusters of calcifications.
    """

    view: View
    prepared: Prepared = field(repr=False)
    checked: Checked = field(repr=False)
    seen: Seen = field(repr=False)
    clusters: tuple[Mark, ...] = field(default=(), repr=False)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Masses and the like first, then calcifications."""
        return (*self.seen.marks, *self.clusters)

    @property
    def anatomy(self) -> Anatomy:
        """Pectoral muscle, nipple and the line between them."""
        return self.checked.anatomy


@dataclass(frozen=True)
class ReadExam:
    """An exam, read.

    Parameters
    ----------
    views : tuple of ReadView
        In the order R CC, R MLO, L CC, L MLO; missing ones absent.
    marks : tuple of Mark
        Of every view; pairs name each other by their place here.
    asymmetry : mapping of int to float
        Of marks by their place, against the other breast; where both are shown in that view.
    notes : tuple of Note
    measurements : tuple of Measurement
        How unlike the breasts are, view by view.
    scored : ExamScores, optional
        What a model of the whole exam says.
    """

    views: tuple[ReadView, ...]
    marks: tuple[Mark, ...]
    asymmetry: Mapping[int, float]
    notes: tuple[Note, ...]
    measurements: tuple[Measurement, ...] = ()
    scored: ExamScores | None = None


@dataclass(frozen=True)
class _Image:
    """One image before it is known which view it is."""

    prepared: Prepared = field(repr=False)
    pixels: Pixels = field(repr=False)


def read_exam(
    instances: Sequence[Instance],
    recogniser: Recogniser,
    detector: Detector | None,
    calcifications: Calcifications | None,
    rules: ViewRules,
    share: Share = lambda _: None,
    foreign: Foreign | None = None,
) -> ReadExam:
    """Read the chosen images of an exam.

    Marks are those of our detectors, where they are given, and of models that are not ours.

    An image that cannot be read, is too poor or unlike a mammogram is left out with a note; the
    exam is incomplete then.

    Raises
    ------
    RefusalError
        Where no view is left, with the code of the first image that was left out. Where a model
        that is not ours refuses the exam, or answers what its card does not say.
    """
    images, notes, first = _prepared(instances, recogniser, share)
    if not images:
        raise first or RefusalError(Reason.VIEW_UNKNOWN, f"{len(instances)} images")
    usable = [i for i in instances if i.sop_instance_uid in images]

    def look(instance: Instance) -> Look:
        return recogniser.look(images[instance.sop_instance_uid].prepared)

    exam = assemble(usable, look, rules)
    checked, left_out, refused = _checked(exam, images)
    if not checked:
        raise refused or RefusalError(Reason.VIEW_UNKNOWN, f"{len(usable)} images")
    notes += [n for n in exam.notes if n.code != "exam_incomplete"] + left_out
    notes += [note for view, _ in checked for note in images[_of(view)].pixels.notes]
    notes += advice([found for _, found in checked])
    missing = Exam(tuple(view for view, _ in checked)).missing
    if missing:
        notes.insert(0, Note(code="exam_incomplete", values={"missing": ", ".join(missing)}))
    prepared_of = {key: image.prepared for key, image in images.items()}
    others, scored = _by_others(foreign, checked, images)
    # The stored pixels are needed no more, and an exam holds hundreds of MB of them.
    images.clear()
    views = []
    for number, (view, found) in enumerate(checked):
        prepared = prepared_of[_of(view)]
        seen, clusters = _marked(prepared, number, detector, calcifications, others[number])
        views.append(ReadView(view, prepared, found, seen, clusters))
        share(0.5 + 0.4 * (number + 1) / len(checked))
    asymmetry, measurements = _asymmetry(views)
    return ReadExam(tuple(views), paired(views), asymmetry, tuple(notes), measurements, scored)


def _by_others(
    foreign: Foreign | None, checked: Sequence[tuple[View, Checked]], images: Mapping[str, _Image]
) -> tuple[list[tuple[Mark, ...]], ExamScores | None]:
    """Marks of models that are not ours, view by view, and what one says of the whole exam."""
    if foreign is None:
        return [()] * len(checked), None
    displayed = [
        Displayed(view, images[_of(view)].pixels, images[_of(view)].prepared) for view, _ in checked
    ]
    scored = foreign.score(displayed)
    return [foreign.marks(one, number) for number, one in enumerate(displayed)], scored


def _marked(
    prepared: Prepared,
    number: int,
    detector: Detector | None,
    calcifications: Calcifications | None,
    others: Sequence[Mark],
) -> tuple[Seen, tuple[Mark, ...]]:
    """Masses and the like, and clusters, on one view; the most probable first."""
    seen = Seen((), ()) if detector is None else detector.detect(prepared, number)
    clusters = () if calcifications is None else calcifications.detect(prepared, number)
    masses = tuple(mark for mark in others if mark.kind is not Kind.CALCIFICATIONS)
    specks = tuple(mark for mark in others if mark.kind is Kind.CALCIFICATIONS)
    return (
        Seen((*seen.marks, *masses), (*seen.signs, *({} for _ in masses))),
        (*clusters, *specks),
    )


def paired(views: Sequence[ReadView]) -> tuple[Mark, ...]:
    """Marks of all views in their order; those of one lesion in CC and MLO name each other."""
    marks = [mark for view in views for mark in view.marks]
    place = {
        (view.view.laterality, view.view.projection): [
            n
            for n, mark in enumerate(marks)
            if mark.view == number and mark.probability >= PAIRED_FROM
        ]
        for number, view in enumerate(views)
    }
    by = {(view.view.laterality, view.view.projection): view for view in views}
    for side in Laterality:
        both = [(side, projection) for projection in (Projection.CC, Projection.MLO)]
        if not all(slot in by for slot in both):
            continue
        cc, mlo = (Shown(by[slot].prepared, by[slot].anatomy.nipple) for slot in both)
        first, second = (place[slot] for slot in both)
        for of_specks in (False, True):
            ones, others = (
                [n for n in some if (marks[n].kind is Kind.CALCIFICATIONS) is of_specks]
                for some in (first, second)
            )
            told = pair([marks[n] for n in ones], [marks[n] for n in others], cc, mlo)
            for i, j, certainty in told:
                one, other = ones[i], others[j]
                marks[one] = marks[one].paired(other, certainty)
                marks[other] = marks[other].paired(one, certainty)
    return tuple(marks)


def _asymmetry(
    views: Sequence[ReadView],
) -> tuple[dict[int, float], tuple[Measurement, ...]]:
    """Of each mark against the other breast, and of the breasts in each view."""
    places: list[range] = []
    for view in views:
        first = places[-1].stop if places else 0
        places.append(range(first, first + len(view.marks)))
    by = {(v.view.laterality, v.view.projection): n for n, v in enumerate(views)}

    def compare(projection: Projection) -> tuple[Projection, int, int, Sides] | None:
        left, right = (by.get((side, projection)) for side in (Laterality.LEFT, Laterality.RIGHT))
        if left is None or right is None:
            return None
        try:
            return (
                projection,
                left,
                right,
                compare_sides(views[left].prepared, views[right].prepared),
            )
        except RefusalError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        both = [found for found in pool.map(compare, Projection) if found is not None]
    found: dict[int, float] = {}
    measured = []
    for projection, left, right, compared in both:
        measured.append(exam_measurement(compared, projection))
        for n, other in ((left, right), (right, left)):
            told = without_counterpart(
                compared, views[n].marks, views[other].marks, of_left=n == left
            )
            values = zip(places[n], told, strict=True)
            found |= {place: value for place, (value, _) in values if value is not None}
    return found, tuple(measured)


def _of(view: View) -> str:
    return view.instance.sop_instance_uid


def _prepared(
    instances: Sequence[Instance], recogniser: Recogniser, share: Share
) -> tuple[dict[str, _Image], list[Note], RefusalError | None]:
    """Images that are mammograms, decoded two at a time, and why others are left out."""

    def one(instance: Instance) -> _Image | RefusalError:
        try:
            pixels = read_pixels(instance)
            prepared = pixels.prepared()
            recogniser.check(prepared)
        except RefusalError as refusal:
            return refusal
        return _Image(prepared, pixels)

    images: dict[str, _Image] = {}
    notes: list[Note] = []
    first: RefusalError | None = None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (instance, got) in enumerate(
            zip(instances, pool.map(one, instances), strict=True)
        ):
            share(0.5 * (number + 1) / len(instances))
            if isinstance(got, RefusalError):
                first = first or got
                notes.append(left_out(str(number + 1), instance.sop_instance_uid, got))
            else:
                images[instance.sop_instance_uid] = got
    return images, notes, first


def _checked(
    exam: Exam, images: dict[str, _Image]
) -> tuple[list[tuple[View, Checked]], list[Note], RefusalError | None]:
    """Views good enough to analyse, and why others are left out."""
    good: list[tuple[View, Checked]] = []
    notes: list[Note] = []
    first: RefusalError | None = None
    for view in exam.views:
        image = images[_of(view)]
        anatomy = find_anatomy(image.prepared, view.projection)
        try:
            good.append((view, check_view(image.pixels, image.prepared, anatomy, view)))
        except RefusalError as refusal:
            first = first or refusal
            notes.append(left_out(view.name, view.instance.sop_instance_uid, refusal))
    return good, notes, first
