"""Opinions of an exam as a page shows them: each marked as a person's or the AI's."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from gransk.core.application import Picture
from gransk.reading.desk import Desk
from gransk.reading.exam import Read
from gransk.reading.opinions import NOT_CALIBRATED, AiOpinion, Opinion
from gransk.reading.sight import Sight, ai_shown
from gransk.results.blobs import BlobError
from gransk.web.reading.common import names
from gransk.web.texts import number, text
from gransk.web.views import Hung, hung
from gransk.web.wiring import Wiring
from gransk.web.worklist import reason_text


@dataclass(frozen=True)
class PersonSaid:
    """A person's opinion."""

    name: str
    opinion: Opinion
    at: datetime.datetime
    corrected: bool
    trainee: bool = False

    @property
    def initials(self) -> str:
        """As they stand beside what the person pointed at."""
        return "".join(part[0] for part in self.name.split())


@dataclass(frozen=True)
class AiSays:
    """The AI's sealed opinion.

    Parameters
    ----------
    opinion : AiOpinion
    title : str
        Of the application.
    score, probability, reason : str
        Empty where there is none.
    hung : sequence of sequence of Hung
        The views with its marks, in the layout of the application; none without pictures.
    """

    opinion: AiOpinion
    title: str
    score: str
    probability: str
    reason: str
    hung: Sequence[Sequence[Hung]]


def people_said(session: Session, desk: Desk) -> list[PersonSaid]:
    """First opinions of people, for who sees everything."""
    if desk.sight is not Sight.ALL:
        return []
    known = names(session, [read.account for read in desk.exam.counting])
    return [_said(read, known) for read in desk.exam.counting]


def own_said(session: Session, desk: Desk) -> PersonSaid | None:
    """The person's own read."""
    own = desk.own
    return None if own is None else _said(own, names(session, [own.account]))


def _said(read: Read, known: dict[str, str]) -> PersonSaid:
    return PersonSaid(known[read.account], read.opinion, read.at, read.corrected)


def ai_says(
    known: Wiring, session: Session, desk: Desk, language: str, pictures: bool
) -> AiSays | None:
    """The AI's opinion, where it is shown to the person.

    Parameters
    ----------
    known : Wiring
    session : Session
    desk : Desk
    language : str
    pictures : bool
        Whether the person may see images.
    """
    exam = desk.exam
    if exam.ai is None or not ai_shown(exam, desk.account, desk.sight):
        return None
    opinion = exam.ai.opinion
    application = known.applications.get(opinion.application)
    title = application.presentation.title[language] if application else opinion.application
    probability = opinion.probability
    return AiSays(
        opinion=opinion,
        title=title,
        score="" if opinion.exam_score is None else number(opinion.exam_score, 0, language),
        probability="" if probability is None else number(probability, 2, language),
        reason=(
            text("reading_ai_not_calibrated", language)
            if opinion.reason == NOT_CALIBRATED
            else reason_text(opinion.reason, language)
        ),
        hung=_hung(known, session, opinion, language, people_said(session, desk))
        if pictures
        else (),
    )


def _hung(
    known: Wiring,
    session: Session,
    opinion: AiOpinion,
    language: str,
    said: Sequence[PersonSaid],
) -> Sequence[Sequence[Hung]]:
    application = known.applications.get(opinion.application)
    if application is None or not opinion.analysis_key:
        return ()
    try:
        findings = known.findings(session, opinion.analysis_key)
    except (BlobError, KeyError, ValueError):
        return ()
    drawn = known.pictures(session, opinion.analysis_key)
    rows = hung(application.presentation.layout, drawn, findings.standing, language)
    return [[_pointed(one, drawn, said) for one in row] for row in rows]


def _pointed(one: Hung, drawn: Sequence[Picture], said: Sequence[PersonSaid]) -> Hung:
    """A picture with the places at which people pointed on its image."""
    placed = None if one.view is None else drawn[one.view.number].placed
    if one.view is None or placed is None:
        return one
    points = tuple(
        (*placed.point(*suspect.place.centre_px), person.initials)
        for person in said
        for suspect in person.opinion.suspects
        if suspect.place is not None and suspect.place.sop_instance_uid == one.image
    )
    return replace(one, view=replace(one.view, points=points))
