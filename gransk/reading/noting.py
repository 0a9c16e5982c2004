"""From released reports to the follow-up list."""

from __future__ import annotations

import datetime
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from gransk.core.followup import Advice, FollowUp
from gransk.core.patients import PatientStudy
from gransk.reading.confirming import Confirmation
from gransk.reading.followup import changed, tell_overdue
from gransk.reading.tables import OPEN, Closing, FollowUpRow, FollowUpState
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.edits import report_signature
from gransk.results.store import read_follow_up
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.config import FollowUpSection
from gransk.site.events import SYSTEM, EventKind, record

PatientOf = Callable[[Session, str], PatientStudy | None]
"""Patient and date of a study, by its key."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Noter:
    """Brings the follow-up list in step with a report as it is released.

    Parameters
    ----------
    blobs : BlobStore
    patient_of : callable
    settings : FollowUpSection
        ``config.follow_up``.
    confirmation : callable
        Asked where the settings let advice be in force without a signature.
    """

    blobs: BlobStore
    patient_of: PatientOf
    settings: FollowUpSection
    confirmation: Confirmation

    def __call__(self, session: Session, item: Workitem, report: Report) -> None:
        """Note what a report advises.

        As `gransk.reading.urgent.Raiser` does, it lets a release be tried again where the advice
        cannot be read now: no patient misses the list for a moment's fault. Advice that makes no
        sense is told, and stops no release.

        Raises
        ------
        BlobError, OSError
            Where the advice cannot be read now.
        """
        who = self.patient_of(session, item.study_key)
        if who is None:
            return
        try:
            told = read_follow_up(session, self.blobs, report.key)
        except ValueError as error:
            log.error("advice of study %s makes no sense: %s", item.study_key, type(error).__name__)
            data = {"report": report.key, "error": type(error).__name__}
            record(session, SYSTEM, EventKind.FOLLOW_UP_CHANGED, item.study_key, data)
            _pass_over(session, item, report)
            return
        signed = report_signature(session, item.study_key, item.application, report) is not None
        at_once = self.settings.after == "released"
        counts = signed or (at_once and not self.confirmation(session, item, report))
        _Note(session, item, report, who, signed, counts).take(dated(told))


def dated(told: FollowUp | None) -> Advice | None:
    """The most pressing advice that has a date; None where none has."""
    if told is None or told.assessment is None:
        return None
    return next((advice for advice in told.assessment.advice if advice.due is not None), None)


@dataclass(frozen=True)
class _Note:
    """One report on its way to the list.

    ``counts`` says whether its advice is in force: signed, or the site asks for no signature and
    the models may spare it.
    """

    session: Session
    item: Workitem
    report: Report
    who: PatientStudy
    signed: bool
    counts: bool

    def take(self, advice: Advice | None) -> None:
        self._part_from_others()
        row = self._row()
        if row is None:
            if advice is not None:
                self._begin(advice)
        elif row.study_key == self.item.study_key:
            self._again(row, advice)
        elif not self._older(row):
            self._newer(row, advice)

    def _row(self) -> FollowUpRow | None:
        query = select(FollowUpRow).where(
            FollowUpRow.patient_key.in_(self.who.keys),
            FollowUpRow.application == self.item.application,
        )
        rows = self.session.scalars(query.with_for_update()).all()
        # Of identifiers that were joined, the row that still asks for something comes first.
        return min(rows, key=lambda row: row.state not in OPEN, default=None)

    def _part_from_others(self) -> None:
        """The study was thought another patient's: that patient's row ends."""
        query = select(FollowUpRow).where(
            FollowUpRow.study_key == self.item.study_key,
            FollowUpRow.application == self.item.application,
            FollowUpRow.patient_key.not_in(self.who.keys),
        )
        for row in self.session.scalars(query.with_for_update()):
            if row.state in OPEN:
                _close(self.session, row, Closing.OTHER_PATIENT)

    def _older(self, row: FollowUpRow) -> bool:
        """A report of an earlier study than the row's changes nothing."""
        if self.who.date is None or row.study_date is None:
            return False
        return self.who.date < row.study_date

    def _begin(self, advice: Advice) -> None:
        row = FollowUpRow(
            id=secrets.token_hex(16),
            application=self.item.application,
            patient_key=self.who.keys[0],
            responsible="",
            next_step="",
            note="",
            booked_on=None,
            told_overdue=None,
            closing=None,
            version=0,
        )
        self._advise(row, advice)
        self.session.add(row)
        self._write(row, self._wanted())

    def _again(self, row: FollowUpRow, advice: Advice | None) -> None:
        """Another report of the same study."""
        if row.signed and not self.counts:
            # Signed advice stands until a person signs the new report.
            row.report_key = self.report.key
            return
        before = (row.due_from, row.due_to, row.state, row.signed)
        self._advise(row, advice)
        state = FollowUpState(row.state)
        by_suite = row.closing in (
            Closing.NO_ADVICE, Closing.NEW_STUDY, Closing.OTHER_PATIENT, Closing.MERGED,
        )  # fmt: skip
        if advice is None:
            state = FollowUpState.CLOSED if row.state in OPEN else state
            row.closing = Closing.NO_ADVICE if row.state in OPEN else row.closing
        elif state == FollowUpState.PROPOSED or (state == FollowUpState.CLOSED and by_suite):
            state, row.closing = self._wanted(), None
        if (row.due_from, row.due_to, state, row.signed) != before:
            self._write(row, state)

    def _newer(self, row: FollowUpRow, advice: Advice | None) -> None:
        """A newer study: what was advised before is done with."""
        was_open = row.state in OPEN
        self._advise(row, advice)
        row.next_step, row.booked_on = "", None
        if advice is not None or (was_open and not self.counts):
            row.closing = None
            self._write(row, self._wanted())
        elif was_open:
            row.closing = Closing.NEW_STUDY
            self._write(row, FollowUpState.CLOSED)

    def _wanted(self) -> FollowUpState:
        return FollowUpState.DUE if self.counts else FollowUpState.PROPOSED

    def _advise(self, row: FollowUpRow, advice: Advice | None) -> None:
        row.study_key, row.study_date = self.item.study_key, self.who.date
        row.report_key, row.signed = self.report.key, self.signed
        due = advice.due if advice is not None else None
        row.advice = None if advice is None else advice.model_dump(mode="json", exclude={"detail"})
        row.due_from, row.due_to = due or (None, None)

    def _write(self, row: FollowUpRow, state: FollowUpState) -> None:
        row.state = state
        changed(self.session, row, SYSTEM, {"report": self.report.key})


def _pass_over(session: Session, item: Workitem, report: Report) -> None:
    """The row of a study stays as it was, and is not asked to take this report again."""
    session.execute(
        update(FollowUpRow)
        .where(FollowUpRow.study_key == item.study_key, FollowUpRow.application == item.application)
        .values(report_key=report.key)
    )


def _close(session: Session, row: FollowUpRow, why: Closing) -> None:
    row.state, row.closing = FollowUpState.CLOSED, why
    changed(session, row, SYSTEM, {})


def catch_up(session: Session, noter: Noter) -> int:
    """Bring rows in step whose study has another report by now; returns how many.

    A report that was released before and stands again is released no second time. One whose
    advice cannot be read now is left for the next time.
    """
    query = (
        select(Workitem, Report)
        .join(Report, Report.key == Workitem.report_key)
        .join(
            FollowUpRow,
            and_(
                FollowUpRow.study_key == Workitem.study_key,
                FollowUpRow.application == Workitem.application,
            ),
        )
        .where(FollowUpRow.report_key != Workitem.report_key, Workitem.state == WorkState.READY)
        .where(Report.released_at.is_not(None), Report.withdrawn_at.is_(None))
    )
    noted = 0
    for item, report in session.execute(query).all():
        try:
            noter(session, item, report)
        except (BlobError, OSError) as error:
            log.error("advice of study %s cannot be read: %s", item.study_key, type(error).__name__)
        else:
            noted += 1
    return noted


def unconfirmed(
    session: Session, settings: FollowUpSection, confirmation: Confirmation
) -> list[str]:
    """Studies whose advice is due though nobody signed it and no model may spare that now.

    The gate was open when they were put on the list, or nothing asked it: its validation fell
    short later, the unit's AI was paused, or the site asks for signatures again. Nothing takes
    such a patient off the list. Rows that a person has changed since are that person's.

    Parameters
    ----------
    session : Session
    settings : FollowUpSection
        ``config.follow_up``.
    confirmation : callable
        The gate.
    """
    query = (
        select(FollowUpRow.study_key, Workitem, Report)
        .outerjoin(
            Workitem,
            and_(
                Workitem.study_key == FollowUpRow.study_key,
                Workitem.application == FollowUpRow.application,
            ),
        )
        .outerjoin(Report, Report.key == FollowUpRow.report_key)
        .where(
            FollowUpRow.state == FollowUpState.DUE,
            FollowUpRow.signed.is_(False),
            FollowUpRow.changed_by == SYSTEM,
        )
        .order_by(FollowUpRow.due_to, FollowUpRow.id)
    )
    return [
        key
        for key, item, report in session.execute(query)
        if settings.after == "signed"
        or item is None
        or report is None
        or confirmation(session, item, report)
    ]


def tend(session: Session, noter: Noter, today: datetime.date) -> None:
    """What the service does now and then: catch up, and tell what has become overdue."""
    catch_up(session, noter)
    tell_overdue(session, today, noter.settings.grace_days)
