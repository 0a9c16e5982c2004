"""Two mammography exams of one patient, view by view: what became of each mark."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gransk.core.application import Context, Examined
from gransk.core.codes import LONG_AXIS, MM
from gransk.core.dates import study_date
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, FrameRef, Measurement, Note, Region
from gransk.core.followup import Comparison, Lesion, Look, Outcome
from gransk.core.reasons import Reason
from mammo.image.grid import Prepared
from mammo.image.pixels import SpacingSource, read_pixels
from mammo.marks.outlining import Outliner, middle, outlined
from mammo.tracking.change import DISK_DIAMETER, DISK_METHOD, Growth, told
from mammo.tracking.meeting import Meeting, Row
from mammo.tracking.settings import TrackingSettings
from mammo.tracking.side import Side, Spot
from mammo.view import STANDARD

VIEWS = tuple(f"{side} {view}" for side, view in STANDARD)


@dataclass(frozen=True)
class By:
    """Who compares, by which settings and with whose outlines."""

    application: str
    version: str
    tracking: TrackingSettings
    outliner: Outliner = outlined


@dataclass(frozen=True)
class _Opened:
    """One view of one exam."""

    examined: Examined
    date: datetime.date
    frame: FrameRef
    prepared: Prepared = field(repr=False)
    scale_known: bool

    def spots(self) -> list[Spot]:
        """The marks of this view, as they were reported."""
        found = []
        for finding in _on(self.examined, self.frame):
            outline = self.prepared.from_native(finding.regions[0].points)
            points = tuple((float(x), float(y)) for x, y in outline)
            by_hand = finding.origin != "detector"
            found.append(Spot(finding.tracking_uid, middle(points), points, by_hand))
        return found

    def look(self, spot: Spot) -> Look:
        """A mark as this exam shows it."""
        native = self.prepared.to_native(spot.outline)
        points = tuple((round(float(x), 2), round(float(y), 2)) for x, y in native)
        sizes = (
            Measurement(
                name="size_mm", concept=LONG_AXIS, unit=MM, value=round(spot.longest_mm, 1)
            ),
            Measurement(
                name="diameter_mm", concept=DISK_DIAMETER, unit=MM,
                value=round(spot.diameter_mm, 1), method=DISK_METHOD,
            ),
        )  # fmt: skip
        return Look(
            study_instance_uid=self.examined.study.uid,
            series_instance_uid=self.frame.series_instance_uid,
            date=self.date,
            measurements=sizes,
            frame=self.frame,
            region=Region(sop_instance_uid=self.frame.sop_instance_uid, points=points),
        )


@dataclass(frozen=True)
class _Bare:
    """A mark of an image that is not opened, as it was reported."""

    examined: Examined
    date: datetime.date
    frame: FrameRef
    finding: Finding

    def look(self, spot: Spot) -> Look:
        """The mark with its reported outline and size."""
        sizes = tuple(m for m in self.finding.measurements if m.name == "size_mm")
        return Look(
            study_instance_uid=self.examined.study.uid,
            series_instance_uid=self.frame.series_instance_uid,
            date=self.date,
            measurements=sizes,
            frame=self.frame,
            region=self.finding.regions[0],
        )


def compare(current: Examined, prior: Examined, context: Context, by: By) -> Comparison:
    """What became of each mark between two exams; a refusal is told in the answer.

    Both orders of the exams give the same answer, seen from the other side. Nothing here changes
    a score.

    Raises
    ------
    RefusalError
        ``NO_DATE`` where an exam has no date at all: nothing can be said of time then.
    """
    dates = (study_date(current.study), study_date(prior.study))
    here = 0 if (dates[0], current.study.uid) < (dates[1], prior.study.uid) else 1
    exams = (current, prior) if here == 0 else (prior, current)
    notes = _order(dates)
    answer = partial(
        Comparison, application=by.application, application_version=by.version,
        current_study=current.study.uid, prior_study=prior.study.uid,
        current_date=dates[0], prior_date=dates[1],
    )  # fmt: skip
    met = _Met.of(exams, sorted(dates), context, by)
    if met.refused is not None:
        return answer(refused=met.refused, notes=notes)
    lesions = [_lesion(row, here, by) for row in met.rows]
    return answer(
        notes=(*notes, *met.notes), lesions=_disagreeing(lesions, current.findings.findings)
    )


def _order(dates: tuple[datetime.date, datetime.date]) -> tuple[Note, ...]:
    if dates[1] > dates[0]:
        return (Note(code="other_study_is_later"),)
    return (Note(code="other_study_same_day"),) if dates[0] == dates[1] else ()


@dataclass(frozen=True)
class _Told:
    """A row with the two images that it is of; an image is None where an exam lacks the view."""

    row: Row
    views: tuple[_Opened | _Bare | None, _Opened | _Bare | None]
    notes: tuple[Note, ...] = ()


@dataclass
class _Met:
    """Both exams, earlier first, compared view by view."""

    rows: list[_Told] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    failed: dict[str, RefusalError] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, exams: tuple[Examined, Examined], dates: list[datetime.date], context: Context, by: By
    ) -> _Met:
        met = cls()
        frames = tuple({f.label: f for f in e.findings.frames if f.label in VIEWS} for e in exams)
        for number, name in enumerate(VIEWS):
            context.progress("register", number / len(VIEWS))
            pair = (frames[0].get(name), frames[1].get(name))
            if pair[0] is not None and pair[1] is not None:
                met._view(name, exams, dates, (pair[0], pair[1]), by)
            elif pair != (None, None):
                met.lacking.append(name)
                which = 0 if pair[0] is not None else 1
                frame = pair[which]
                if frame is not None:
                    met._uncovered(name, exams[which], dates[which], frame, which)
        return met

    @property
    def refused(self) -> Reason | None:
        """Why nothing was compared: the first view's reason, or that no view is in both."""
        if self.compared:
            return None
        if self.failed:
            return next(iter(self.failed.values())).reason
        return Reason.NO_SUITABLE_SERIES

    @property
    def notes(self) -> tuple[Note, ...]:
        found = [Note(code="compared_views", values={"views": ", ".join(self.compared)})]
        if self.lacking:
            values: dict[str, str | float | int] = {"views": ", ".join(self.lacking)}
            found.append(Note(code="views_in_one_study", values=values))
        if self.failed:
            values = {"views": ", ".join(self.failed)}
            found.append(Note(code="views_not_registered", values=values))
        return tuple(found)

    def _view(
        self, name: str, exams: tuple[Examined, Examined], dates: list[datetime.date],
        frames: tuple[FrameRef, FrameRef], by: By,
    ) -> None:  # fmt: skip
        opened: list[_Opened] = []
        try:
            for exam, date, frame in zip(exams, dates, frames, strict=True):
                opened.append(_open(exam, date, frame))
            sides = [Side.measured(o.prepared, o.spots(), by.outliner) for o in opened]
            meeting = Meeting.of(sides[0], sides[1], by.tracking, by.outliner)
        except RefusalError as why:
            self.failed[name] = why
            for which in (0, 1):
                self._open_marks(name, exams[which], dates[which], frames[which], which)
            return
        self.compared.append(name)
        pair = (opened[0], opened[1])
        self.rows += [_Told(row, pair, _unreported(row, pair)) for row in meeting.rows()]

    def _uncovered(
        self, name: str, exam: Examined, date: datetime.date, frame: FrameRef, which: int
    ) -> None:
        """Marks of a view that the other exam does not have."""
        note = Note(code="view_in_one_study", values={"view": name})
        self._bare(Outcome.NOT_COVERED, exam, date, frame, which, note)

    def _open_marks(
        self, name: str, exam: Examined, date: datetime.date, frame: FrameRef, which: int
    ) -> None:
        """Marks of a view whose images could not be read or laid over each other."""
        note = Note(code="view_not_registered", values={"view": name})
        self._bare(Outcome.UNCERTAIN, exam, date, frame, which, note)

    def _bare(
        self, outcome: Outcome, exam: Examined, date: datetime.date, frame: FrameRef, which: int,
        note: Note,
    ) -> None:  # fmt: skip
        for finding in _on(exam, frame):
            opened = _Bare(exam, date, frame, finding)
            views: tuple[_Bare | None, _Bare | None] = (
                (opened, None) if which == 0 else (None, opened)
            )
            spot = Spot(finding.tracking_uid, (0.0, 0.0), ())
            self.rows.append(_Told(Row(outcome, which, spot), views, (note,)))


def _open(examined: Examined, date: datetime.date, frame: FrameRef) -> _Opened:
    instances = {i.sop_instance_uid: i for i in examined.study.instances}
    if frame.sop_instance_uid not in instances:
        raise RefusalError(Reason.NO_SUITABLE_SERIES, "an analysed image is gone")
    pixels = read_pixels(instances[frame.sop_instance_uid])
    known = pixels.spacing_source is not SpacingSource.ASSUMED
    return _Opened(examined, date, frame, pixels.prepared(), known)


def _on(examined: Examined, frame: FrameRef) -> list[Finding]:
    """Findings of which the first outline lies on an image."""
    wanted = (frame.sop_instance_uid, frame.frame)
    return [
        finding
        for finding in examined.findings.findings
        if finding.regions
        and (finding.regions[0].sop_instance_uid, finding.regions[0].frame) == wanted
    ]


def _unreported(row: Row, pair: tuple[_Opened, _Opened]) -> tuple[Note, ...]:
    if not row.unreported:
        return ()
    code = "seen_unreported" if row.outcome is Outcome.MATCHED else "maybe_seen"
    date = pair[1 - row.which].date
    return (Note(code=code, values={"year": date.year, "month": date.month, "day": date.day}),)


def _lesion(told_row: _Told, here: int, by: By) -> Lesion:
    """A row as a reader of the exam ``here`` (0 the earlier, 1 the later) sees it."""
    row = told_row.row
    matched = row.outcome is Outcome.MATCHED
    uids = [
        spot.uid if spot is not None and (matched or spot is row.one) else None for spot in row.pair
    ]
    looks = [
        None if spot is None or view is None else view.look(spot)
        for spot, view in zip(row.pair, told_row.views, strict=True)
    ]
    changes, withheld, notes = _change(told_row, by) if matched else ((), (), ())
    outcome = row.outcome if here == 1 else _SEEN_BACKWARDS.get(row.outcome, row.outcome)
    return Lesion(
        outcome=outcome,
        current_uid=uids[here], prior_uid=uids[1 - here], candidates=row.candidates,
        certainty=None if row.certainty is None else round(row.certainty, 4),
        current=looks[here], prior=looks[1 - here],
        changes=changes, withheld=withheld, notes=(*told_row.notes, *notes),
    )  # fmt: skip


def _change(
    told_row: _Told, by: By
) -> tuple[tuple[Measurement, ...], tuple[Note, ...], tuple[Note, ...]]:
    """Changes, why they are withheld, and notes."""
    earlier, later = told_row.row.pair
    if earlier is None or later is None:
        return (), (), ()
    if not all(isinstance(view, _Opened) and view.scale_known for view in told_row.views):
        return (), (Note(code="scale_unknown"),), ()
    said = told(earlier.diameter_mm, later.diameter_mm, by.tracking)
    return said.changes, (), said.notes


# A mark that came is one that is not there any more, to who looks from the earlier exam.
_SEEN_BACKWARDS = {Outcome.NEW: Outcome.RESOLVED, Outcome.RESOLVED: Outcome.NEW}


def growth_in(lesion: Lesion) -> Growth | None:
    """Whether a matched mark grew; None where that is not told."""
    codes = {note.code for note in lesion.notes}
    return next((one for one in Growth if f"mark_{one}" in codes), None)


def _disagreeing(lesions: Sequence[Lesion], findings: Sequence[Finding]) -> tuple[Lesion, ...]:
    """The same lesions; those told otherwise in the breast's other view say so."""
    same = {f.tracking_uid: f.lesion_uid for f in findings if f.lesion_uid}
    said: dict[str, set[str]] = {}
    for lesion in lesions:
        name = same.get(lesion.current_uid or "")
        if name and lesion.outcome in _TELLING:
            said.setdefault(name, set()).add(_answer(lesion))
    note = Note(code="views_disagree")
    return tuple(
        lesion.model_copy(update={"notes": (*lesion.notes, note)})
        if len(said.get(same.get(lesion.current_uid or "", ""), ())) > 1
        and lesion.outcome in _TELLING
        else lesion
        for lesion in lesions
    )


_TELLING = (Outcome.MATCHED, Outcome.NEW)


def _answer(lesion: Lesion) -> str:
    return f"{lesion.outcome} {growth_in(lesion) or ''}"
