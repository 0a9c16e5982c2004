"""What is known of an exam, from what was said of it to what a plan asks for."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from gransk.core.exam_facts import YES, Fact, Round
from gransk.core.programme import Programme
from gransk.reading.planning import UNSAID, Known, Word
from gransk.results.exam_facts import Standing, known_of
from gransk.results.tables import ExamProgramme, FactSource, ProgrammeSource

LISTS = (ProgrammeSource.FILE, ProgrammeSource.MACHINE)
"""Who names an exam's programme and may tell exceptions with it."""


def known_exam(
    session: Session, study_key: str, *, incomplete: bool, returned: bool = False
) -> Known:
    """What is known of a study's exam now.

    Parameters
    ----------
    session : Session
    study_key : str
    incomplete : bool
        Whether a view is missing.
    returned : bool
        Whether a person gave it to two people.
    """
    row = session.get(ExamProgramme, study_key)
    return known_by(row, known_of(session, study_key), incomplete=incomplete, returned=returned)


def known_by(
    row: ExamProgramme | None,
    facts: Mapping[Fact, Standing],
    *,
    incomplete: bool,
    returned: bool = False,
) -> Known:
    """What is known of an exam by its programme and the facts that count at it."""
    age, unit, screened = (facts.get(fact) for fact in (Fact.AGE, Fact.UNIT, Fact.ROUND))
    return Known(
        programme=Programme(row.programme) if row is not None and row.programme else None,
        listed=row is not None and row.source in LISTS,
        unit=unit.value if unit else "",
        age=int(age.value) if age else None,
        round=Round(screened.value) if screened else None,
        treated=_word(facts, Fact.TREATED),
        implant=_word(facts, Fact.IMPLANT),
        declines_ai=_word(facts, Fact.DECLINES_AI),
        incomplete=incomplete,
        returned=returned,
    )


def _word(facts: Mapping[Fact, Standing], fact: Fact) -> Word:
    found = facts.get(fact)
    if found is None:
        return UNSAID
    return Word(found.value == YES, found.source is FactSource.IMAGES)
