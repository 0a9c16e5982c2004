"""What a person may see of an exam: the one place that decides it.

Every page, call, proxy answer, list, count and log asks `sight`. It goes by person and exam,
not by role: whoever can still be given a read or the arbitration sees "to read" and nothing
else, whatever other roles the person has.
"""

from __future__ import annotations

from enum import StrEnum

from gransk.reading.entries import TaskKind
from gransk.reading.exam import Exam, Qualification, State, blind
from gransk.reading.plan import Plan, PlanReason, PolicyKind


class Sight(StrEnum):
    """What of an exam a person may see."""

    TO_READ = "to_read"
    """That it is here. No opinion, author, state, order, count or time of anything else."""
    OWN = "own"
    """Beside that the person's own read."""
    ALL = "all"


def sight(exam: Exam, account: str, who: Qualification | None, oversees: bool) -> Sight:
    """What a person may see of an exam.

    Parameters
    ----------
    exam : Exam
    account : str
    who : Qualification, optional
        What the unit lets the person do; None for somebody who is not on its list now.
    oversees : bool
        Whether the person's roles let them see undecided exams: coordinator, responsible
        radiologist, administrator, auditor.

    Returns
    -------
    Sight
        Until the decision ``ALL`` only for who has been shown everything by an entry of the
        ledger and is given nothing of the exam any more, and for who oversees and cannot be
        given anything of it. After it for everybody but a trainee who has yet to read it.
    """
    if exam.state is State.DECIDED:
        return Sight.TO_READ if exam.holds(account, TaskKind.TRAINEE) else Sight.ALL
    if account in exam.seen:
        return Sight.ALL
    if oversees and (who is None or not candidate(exam, who)):
        return Sight.ALL
    return Sight.OWN if _read_these(exam, account) else Sight.TO_READ


def _read_these(exam: Exam, account: str) -> bool:
    """Has the person read the images as they are? A read of earlier ones is not shown again."""
    reads = (*exam.reads, *exam.trainee_reads)
    return any((read.round, read.account) == (exam.round, account) for read in reads)


def candidate(exam: Exam, who: Qualification) -> bool:
    """Can the person still be given a read or the arbitration, now or after new images?"""
    return blind(exam, who) and (who.reads or who.arbitrates or who.trainee)


def marks_shown(exam: Exam, account: str) -> bool:
    """Does the policy show the AI's marks to the person while reading?"""
    shows = exam.plan is not None and exam.plan.shows_marks and exam.opened_at is not None
    return shows and exam.holds(account, TaskKind.FIRST)


def ai_shown(exam: Exam, account: str, what: Sight) -> bool:
    """Is the AI's sealed opinion shown to the person?

    To who reads where the policy shows marks. To who sees everything where the AI had a part in
    the reading; where it is kept as shadow, or was held back, not even then.

    Parameters
    ----------
    exam : Exam
    account : str
    what : Sight
        Of the person.
    """
    if exam.ai is None or exam.plan is None:
        return False
    return marks_shown(exam, account) or (what is Sight.ALL and _has_part(exam.plan))


def _has_part(plan: Plan) -> bool:
    """Does the AI count, is it shown, or did its score choose how many read?"""
    by_score = {PlanReason.SCORE_LOW, PlanReason.SCORE_HIGH} & set(plan.reasons)
    triaged = plan.kind is PolicyKind.TRIAGE and bool(by_score)
    return plan.ai_counts or plan.shows_marks or plan.shows_ai_after or triaged
