"""Two studies of one patient: what became of each nodule."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gransk.core.application import Context, Examined
from gransk.core.dates import study_date
from gransk.core.errors import RefusalError
from gransk.core.findings import Note
from gransk.core.followup import Comparison, Lesion, Outcome
from gransk.core.models import Model
from gransk.core.reasons import Reason
from nodule.detector import MODEL_ID as DETECTOR_ID
from nodule.foreign import outliner_of
from nodule.models import NoduleModels
from nodule.segmenter import Outliner
from nodule.series import Candidate, SeriesRules
from nodule.tracking.change import Told as ChangeTold
from nodule.tracking.change import told
from nodule.tracking.matching import Pairing, Spot, match
from nodule.tracking.registration import Registration, register
from nodule.tracking.second_look import Seen, Watcher
from nodule.tracking.series_pair import pairs
from nodule.tracking.settings import TrackingSettings
from nodule.tracking.side import Measured, Place, Side

# Outlines are tried from the mapped place and from these beside it.
AROUND_MM = ((1.5, 0.0, 0.0), (-1.5, 0.0, 0.0))


@dataclass(frozen=True)
class By:
    """Who compares, and by which settings."""

    application: str
    version: str
    series: SeriesRules
    tracking: TrackingSettings
    memory_mb: int
    models: NoduleModels = field(default_factory=NoduleModels)


def compare(current: Examined, prior: Examined, context: Context, by: By) -> Comparison:
    """What became of each nodule between two studies; a refusal is told in the answer.

    Both orders of the studies give the same answer, seen from the other side.

    Raises
    ------
    RefusalError
        ``NO_DATE`` where a study has no date at all: nothing can be said of time then.
    """
    dates = [study_date(e.study) for e in (current, prior)]
    answer = partial(
        Comparison, application=by.application, application_version=by.version,
        current_study=current.study.uid, prior_study=prior.study.uid,
        current_date=dates[0], prior_date=dates[1],
    )  # fmt: skip
    current_first = (dates[0], current.study.uid) < (dates[1], prior.study.uid)
    earlier, later = (current, prior) if current_first else (prior, current)
    try:
        meeting = _met(earlier, later, context, by)
    except RefusalError as why:
        return answer(refused=why.reason, notes=_notes(dates))
    here = 0 if current_first else 1
    series = [side.series_uid for side in meeting.sides]
    return answer(
        current_series=series[here],
        prior_series=series[1 - here],
        notes=(*_notes(dates), _compared(meeting.sides[here], meeting.sides[1 - here])),
        lesions=tuple(_lesion(row, meeting, here) for row in meeting.rows()),
    )


def _notes(dates: list[datetime.date]) -> tuple[Note, ...]:
    if dates[1] > dates[0]:
        return (Note(code="other_study_is_later"),)
    return (Note(code="other_study_same_day"),) if dates[0] == dates[1] else ()


def _compared(here: Side, there: Side) -> Note:
    values: dict[str, str | float | int] = {}
    for name, side in (("current", here), ("prior", there)):
        about = side.series.values
        values |= {name: about["series"], f"{name}_mm": about["thickness_mm"],
                   f"{name}_kernel": about["kernel"]}  # fmt: skip
    return Note(code="compared_series", values=values)


def _met(earlier: Examined, later: Examined, context: Context, by: By) -> _Meeting:
    """Both studies opened in the series most alike, and laid over each other."""
    tell = context.progress
    segmenter = outliner_of(context.models.load(by.models.segmenter))
    tracking = by.tracking
    watcher = Watcher(_judge(context, by), tracking.seen_from, tracking.unseen_below)
    opener = _Opener(segmenter, by)
    for pair in pairs(earlier.study, later.study, by.series, tracking.growth, by.memory_mb):
        tell("decode", 0.1)
        one = opener.opened(0, earlier, pair.one)
        if one is None:
            continue
        tell("decode", 0.3)
        other = opener.opened(1, later, pair.other)
        if other is None:
            continue
        tell("register", 0.5)
        found = register(one.lungs, other.lungs)
        tell("match", 0.7)
        return _Meeting(one, other, found, watcher, by)
    raise opener.refused or RefusalError(Reason.NO_SUITABLE_SERIES)


def _judge(context: Context, by: By) -> Model:
    """The detector in use, where it judges single places; else ours."""
    if context.models.card(by.models.detector).contract is None:
        return context.models.load(by.models.detector)
    return context.models.load(DETECTOR_ID)


@dataclass
class _Opener:
    """Opens series, each no more often than needed, and keeps the first refusal."""

    segmenter: Outliner
    by: By
    refused: RefusalError | None = None
    unfit: set[str] = field(default_factory=set)
    kept: dict[int, tuple[str, Side]] = field(default_factory=dict)

    def opened(self, which: int, examined: Examined, series: Candidate) -> Side | None:
        """A series of one study; None where it is refused."""
        key = series.layout.frames[0].instance.sop_instance_uid
        if key in self.unfit:
            return None
        if self.kept.get(which, ("", None))[0] != key:
            try:
                side = Side.opened(
                    examined, series, self.segmenter, self.by.series, self.by.memory_mb
                )
            except RefusalError as why:
                self.refused = self.refused or why
                self.unfit.add(key)
                return None
            self.kept[which] = (key, side)
        return self.kept[which][1]


@dataclass(frozen=True)
class _Row:
    """One lesion: the study it is of (0 the earlier, 1 the later), there and in the other."""

    outcome: Outcome
    which: int
    one: Measured
    other: Measured | None = None
    candidates: tuple[str, ...] = ()
    certainty: float | None = None
    notes: tuple[Note, ...] = ()

    @property
    def pair(self) -> tuple[Measured | None, Measured | None]:
        """The earlier study's side and the later's."""
        return (self.one, self.other) if self.which == 0 else (self.other, self.one)


@dataclass(frozen=True)
class _Meeting:
    """Two studies laid over each other."""

    earlier: Side
    later: Side
    registration: Registration = field(repr=False)
    watcher: Watcher
    by: By

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.earlier, self.later

    def rows(self) -> list[_Row]:
        """Every nodule of either study once: those of the earlier, then the later's own."""
        nodules = tuple(
            {
                f.tracking_uid: side.nodule(f, self.by.version)
                for f in side.examined.findings.findings
                if f.centre_lps_mm is not None
            }
            for side in self.sides
        )
        answers = match(
            [self._spot(n, 0) for n in nodules[0].values()],
            [self._spot(n, 1) for n in nodules[1].values()],
            self.by.tracking.least_certainty,
        )
        rows: list[_Row] = []
        seen: tuple[list[Measured], list[Measured]] = (
            list(nodules[0].values()), list(nodules[1].values()),
        )  # fmt: skip
        for which in (0, 1):
            for answer in answers[which]:
                one = nodules[which][answer.uid]
                row = self._row(answer, one, which, nodules[1 - which], seen[1 - which])
                if row is not None:
                    rows.append(row)
        return rows

    def _row(
        self, answer: Pairing, one: Measured, which: int,
        others: Mapping[str, Measured], taken: list[Measured],
    ) -> _Row | None:  # fmt: skip
        least = self.by.tracking.least_certainty
        if answer.certainty < least:
            likeliest = others[answer.likely[0]] if answer.likely else None
            return _Row(Outcome.UNCERTAIN, which, one, likeliest, answer.likely, answer.certainty)
        if answer.partner is None:
            return self._alone(one, which, taken, answer.certainty)
        if which == 1:
            return None
        return self._matched(one, others[answer.partner], answer.certainty)

    def _matched(self, earlier: Measured, later: Measured, certainty: float) -> _Row:
        """One nodule on both studies, outlined alike."""
        seeds = [self._across(later.centre_lps_mm, 1), self._across(earlier.centre_lps_mm, 0)]
        near = [[place, *(tuple(np.add(place, step)) for step in AROUND_MM)] for place in seeds]
        one, other = self.earlier.steadied(earlier, near[0]), self.later.steadied(later, near[1])
        return _Row(Outcome.MATCHED, 0, one, other, certainty=certainty)

    def _alone(self, one: Measured, which: int, taken: list[Measured], certainty: float) -> _Row:
        """A nodule that the other study's analysis did not report: is it there all the same?"""
        other = self.sides[1 - which]
        place = self._across(one.centre_lps_mm, which)
        if not other.covers(place):
            return _Row(Outcome.NOT_COVERED, which, one)
        look = self.watcher.look(other, place, one, taken)
        if look.seen is Seen.ABSENT or look.nodule is None:
            outcome = Outcome.RESOLVED if which == 0 else Outcome.NEW
            return _Row(outcome, which, one, certainty=min(certainty, 1 - look.probability))
        if look.seen is Seen.UNSURE:
            notes = (_unreported("maybe_seen", other),)
            return _Row(
                Outcome.UNCERTAIN, which, one, look.nodule, certainty=look.probability, notes=notes
            )
        taken.append(look.nodule)
        notes = (_unreported("seen_unreported", other),)
        return _Row(
            Outcome.MATCHED, which, one, look.nodule, certainty=look.probability, notes=notes
        )

    def _spot(self, nodule: Measured, which: int) -> Spot:
        place = nodule.centre_lps_mm if which == 0 else self._across(nodule.centre_lps_mm, 1)
        texture = None if nodule.sizes is None else nodule.sizes.texture
        return Spot(nodule.uid, place, nodule.volume_mm3, texture)

    def _across(self, lps_mm: Place, which: int) -> Place:
        """A point of one study in the other."""
        move = self.registration.forth if which == 0 else self.registration.back
        x, y, z = (float(v) for v in move(lps_mm))
        return x, y, z


def _unreported(code: str, side: Side) -> Note:
    date = side.date
    return Note(code=code, values={"year": date.year, "month": date.month, "day": date.day})


def _lesion(row: _Row, meeting: _Meeting, here: int) -> Lesion:
    """A row as a reader of the study ``here`` (0 the earlier, 1 the later) sees it."""
    matched = row.outcome is Outcome.MATCHED
    uids = [
        nodule.uid if nodule is not None and (matched or nodule is row.one) else None
        for nodule in row.pair
    ]
    looks = [
        None if nodule is None else side.look(nodule)
        for side, nodule in zip(meeting.sides, row.pair, strict=True)
    ]
    change = ChangeTold()
    if matched:
        sized = [
            None if nodule is None else side.sized(nodule)
            for side, nodule in zip(meeting.sides, row.pair, strict=True)
        ]
        change = told(sized[0], sized[1], meeting.by.tracking.growth)
    return Lesion(
        outcome=row.outcome if here == 1 else _SEEN_BACKWARDS.get(row.outcome, row.outcome),
        current_uid=uids[here], prior_uid=uids[1 - here],
        candidates=row.candidates,
        certainty=None if row.certainty is None else round(row.certainty, 4),
        current=looks[here], prior=looks[1 - here],
        changes=change.changes, withheld=change.withheld, notes=(*row.notes, *change.notes),
    )  # fmt: skip


# A nodule that came is one that is not there any more, to who looks from the earlier study:
# the names follow from which study shows it, the current or the other.
_SEEN_BACKWARDS = {Outcome.NEW: Outcome.RESOLVED, Outcome.RESOLVED: Outcome.NEW}
