"""From a room, one exam and the sealed opinion of the AI to a plan, with every reason.

Two people read wherever the AI may not count. What nobody said of an exam never lets it count,
unless the site says how it is known (`gransk.reading.policy.Facts`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import Fact, Round
from gransk.core.programme import UNKNOWN, Programme
from gransk.core.reasons import Reason
from gransk.reading.plan import Plan, PlanReason, PolicyKind
from gransk.reading.policy import CATEGORY, KnownBy, Limit, Policy, Room, Rule, StudyMark, When


class Word(NamedTuple):
    """What is said of a fact that is yes or no.

    Parameters
    ----------
    value : bool, optional
        None: nobody said it.
    by_images : bool
        Whether the images alone say it.
    """

    value: bool | None = None
    by_images: bool = False


UNSAID = Word()


@dataclass(frozen=True)
class Known:
    """What is known of an exam when it opens.

    Parameters
    ----------
    programme : Programme, optional
    listed : bool
        Whether a list or another system named the programme.
    unit : str
        Empty where it is unknown.
    age : int, optional
        Whole years.
    round : Round, optional
    treated, implant, declines_ai : Word
    incomplete : bool
        Whether a view is missing.
    returned : bool
        Whether a person gave it to two people.
    """

    programme: Programme | None = None
    listed: bool = False
    unit: str = ""
    age: int | None = None
    round: Round | None = None
    treated: Word = UNSAID
    implant: Word = UNSAID
    declines_ai: Word = UNSAID
    incomplete: bool = False
    returned: bool = False


@dataclass(frozen=True)
class AiSaid:
    """The sealed opinion of the AI, as far as a plan depends on it.

    Parameters
    ----------
    sealed_at : datetime
        With its time zone.
    models : tuple of (id, SHA-256)
    research : bool
        Whether any model's card says so.
    score : int, optional
        1 to 10, by the site's calibration; None without one.
    category : str, optional
        ``low`` or ``high``, by the calibration's limit; None where it has none.
    refused : Reason, optional
        Why there is no opinion.
    """

    sealed_at: datetime.datetime
    models: tuple[tuple[str, str], ...] = ()
    research: bool = True
    score: int | None = None
    category: Literal["low", "high"] | None = None
    refused: Reason | None = None

    def __post_init__(self) -> None:
        if self.sealed_at.tzinfo is None:
            raise InvalidValueError("sealed_at", self.sealed_at, "an instant with a time zone")
        if self.score is not None and not 1 <= self.score <= 10:
            raise InvalidValueError("score", self.score, "1 to 10")


@dataclass(frozen=True)
class Gate:
    """What stands at a unit for the models that gave the opinion (`gransk.reading.gate`).

    Parameters
    ----------
    validated : bool
        By a signed local validation with the site's minimum.
    paused : bool
        Whether the unit's AI is paused.
    """

    validated: bool = False
    paused: bool = False


class Choice(NamedTuple):
    """Which policy an exam is read by.

    Parameters
    ----------
    policy : Policy
    study : StudyMark, optional
    certain : bool
        Whether that depends on nothing that nobody said.
    """

    policy: Policy
    study: StudyMark | None
    certain: bool


def choose(room: Room, exam: Known) -> Choice | None:
    """The policy of the first rule that fits; None where the exam stays outside of the room.

    A rule that may fit, for all that is known, holds the exam in the room. Where such rules
    and the one that fits are not of one mind, the choice is not certain.
    """
    rules: list[Rule] = []
    fits: bool | None = None
    for rule in room.rules:
        fits = _fits(rule.when, room, exam)
        if fits is not False:
            rules.append(rule)
        if fits:
            break
    named = [rule.policy for rule in rules if rule.policy is not None]
    if not named:
        return None
    first = next(rule for rule in rules if rule.policy == named[0])
    agreed = all((rule.policy, rule.study) == (first.policy, first.study) for rule in rules)
    return Choice(room.policy(named[0]), first.study, bool(fits) and agreed)


def waiting(room: Room, exam: Known) -> datetime.timedelta | None:
    """How long after its last image an exam opens; None where it stays outside of the room."""
    choice = choose(room, exam)
    return None if choice is None else datetime.timedelta(minutes=choice.policy.waiting_minutes)


def says(policy: Policy, ai: AiSaid) -> Literal["recall", "normal"] | None:
    """What the AI's opinion is under a policy; None where it has none, or no score tells it.

    Where the policy says of no score that it recalls, the calibration's category does.
    """
    if ai.refused is not None:
        return None
    reached = _reached(policy.recall_from or CATEGORY, ai)
    return None if reached is None else "recall" if reached else "normal"


def plan(room: Room, exam: Known, ai: AiSaid | None, gate: Gate, at: datetime.datetime) -> Plan:
    """How one exam is read, and why.

    Parameters
    ----------
    room : Room
        In force.
    exam : Known
    ai : AiSaid, optional
        None where nothing is sealed yet.
    gate : Gate
        Of the exam's unit and the models of ``ai``.
    at : datetime
        When the exam opens, in the site's time zone.

    Returns
    -------
    Plan
        Two people and no AI where no rule covers the exam.

    Raises
    ------
    InvalidValueError
        Where ``at`` has no time zone.
    """
    if at.tzinfo is None:
        raise InvalidValueError("at", at, "an instant with a time zone")
    choice = choose(room, exam)
    if choice is None:
        return Plan(
            policy="",
            version=room.version,
            kind=PolicyKind.DOUBLE_READING,
            human_reads=2,
            ai_counts=False,
            reasons=(PlanReason.NO_POLICY,),
        )
    policy = choice.policy
    study = choice.study if choice.study and at.date() <= choice.study.until else None
    held = [*_unseen(choice, exam, ai, gate, at)]
    if policy.counts:
        held += _uncounted(policy, room, exam, ai, gate, study)
    read = _two(held) if held else _as_said(policy, ai)
    return Plan(
        policy=policy.name,
        version=room.version,
        kind=policy.kind,
        human_reads=1 if read.alone else 2,
        ai_counts=read.alone and policy.kind is PolicyKind.REPLACE_READER,
        shows_marks=read.marks,
        shows_ai_after=read.after,
        experienced=read.alone and policy.experienced_alone,
        differing=policy.differing,
        arbitration=policy.arbitration,
        arbitrates_single_recall=read.alone and policy.arbitrates_single_recall,
        study=None if study is None else study.kind,
        reasons=tuple(sorted(set(read.reasons), key=list(PlanReason).index)),
    )


class _Read(NamedTuple):
    reasons: tuple[PlanReason, ...]
    alone: bool = False
    marks: bool = False
    after: bool = False


def _two(reasons: list[PlanReason]) -> _Read:
    return _Read(tuple(reasons))


def _as_said(policy: Policy, ai: AiSaid | None) -> _Read:
    """What the policy makes of an opinion that nothing holds back."""
    stands = (PlanReason.POLICY,)
    if ai is None or policy.kind in (PolicyKind.DOUBLE_READING, PolicyKind.SHADOW):
        return _Read(stands)
    if policy.kind is PolicyKind.REPLACE_READER:
        return _Read(stands, alone=True)
    marks = policy.marks_from is not None and bool(_reached(policy.marks_from, ai))
    if policy.kind is PolicyKind.DECISION_SUPPORT:
        return _Read(stands, marks=marks)
    limit = policy.double_from if policy.kind is PolicyKind.TRIAGE else policy.recall_from
    high = limit is not None and _reached(limit, ai)
    if high is None:  # without a calibration a safety net has nothing to say
        return _Read((PlanReason.NOT_CALIBRATED,))
    scored = (PlanReason.SCORE_HIGH if high else PlanReason.SCORE_LOW,)
    if policy.kind is PolicyKind.TRIAGE:
        return _Read(scored, alone=not high, marks=marks)
    return _Read(scored, after=high)


def _unseen(
    choice: Choice, exam: Known, ai: AiSaid | None, gate: Gate, at: datetime.datetime
) -> Iterator[PlanReason]:
    """Why the AI has no part in an exam, whatever the policy would give it."""
    if not choice.certain:
        unknown = exam.programme is None
        yield PlanReason.PROGRAMME_UNKNOWN if unknown else PlanReason.RULE_UNKNOWN
    if exam.returned:
        yield PlanReason.RETURNED
    if choice.policy.kind in (PolicyKind.DOUBLE_READING, PolicyKind.SHADOW):
        return
    if exam.declines_ai.value:
        yield PlanReason.DECLINED
    if gate.paused:
        yield PlanReason.PAUSED
    if ai is None or ai.sealed_at > at:
        yield PlanReason.LATE
    elif ai.refused is not None:
        yield PlanReason.REFUSED


_FLAGS = {
    Fact.IMPLANT: (PlanReason.IMPLANT, PlanReason.IMPLANT_UNKNOWN),
    Fact.TREATED: (PlanReason.TREATED, PlanReason.TREATED_UNKNOWN),
    Fact.DECLINES_AI: (PlanReason.DECLINED, PlanReason.DECLINE_UNKNOWN),
}


def _uncounted(
    policy: Policy,
    room: Room,
    exam: Known,
    ai: AiSaid | None,
    gate: Gate,
    study: StudyMark | None,
) -> Iterator[PlanReason]:
    """Why the AI's opinion may be no reading, and spare none."""
    if exam.programme is None:
        yield PlanReason.PROGRAMME_UNKNOWN
    elif exam.programme is not Programme.SCREENING:
        yield PlanReason.NOT_SCREENING
    if exam.incomplete:
        yield PlanReason.INCOMPLETE
    for fact, (so, unknown) in _FLAGS.items():
        value = resolved(room, exam, fact)
        if value is not False:
            yield unknown if value is None else so
    if study is None and not gate.validated:
        yield PlanReason.NOT_VALIDATED
    if ai is None or ai.refused is not None:
        return
    if study is None and ai.research:
        yield PlanReason.RESEARCH_MODEL
    if any(_reached(limit, ai) is None for limit in policy.limits.values()):
        yield PlanReason.NOT_CALIBRATED


def resolved(room: Room, exam: Known, fact: Fact) -> bool | None:
    """Whether a fact is so, by what was said and how the site knows it; None where unknown."""
    word: Word = getattr(exam, fact.value)
    known = room.facts.of(fact).by
    if word.value or (word.value is False and (not word.by_images or known is KnownBy.IMAGES)):
        return word.value
    return False if known is KnownBy.EXCEPTIONS and exam.listed else None


def _fits(when: When, room: Room, exam: Known) -> bool | None:
    """Whether a rule is for an exam; None where that depends on what nobody said."""
    parts = (
        _among(exam.programme, when.programmes),
        _among(exam.unit or None, when.units),
        _between(exam.age, when.age_from, when.age_to),
        _among(exam.round, when.rounds),
        _is(resolved(room, exam, Fact.TREATED), when.treated),
    )
    if False in parts:
        return False
    return None if None in parts else True


def _among(value: str | None, wanted: tuple[str, ...]) -> bool | None:
    if not wanted:
        return True
    if value is None:
        return True if UNKNOWN in wanted else None
    return value in wanted


def _between(value: int | None, low: int | None, high: int | None) -> bool | None:
    if low is None and high is None:
        return True
    if value is None:
        return None
    return (low is None or low <= value) and (high is None or value <= high)


def _is(value: bool | None, wanted: bool | None) -> bool | None:
    if wanted is None:
        return True
    return None if value is None else value == wanted


def _reached(limit: Limit, ai: AiSaid) -> bool | None:
    """Whether a score reaches a limit; None where there is no score to tell."""
    if limit == CATEGORY:
        return None if ai.category is None else ai.category == "high"
    if limit == 1:
        return True
    return None if ai.score is None else ai.score >= int(limit)
