"""What the site's rules would do with a study: settings, series, policy, destinations.

Nothing is analysed, so what depends on findings is told for each thing that they may say.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.exam_facts import Fact, Round
from gransk.core.reasons import Reason
from gransk.pipeline.trial import InArchive, Read, Tried
from gransk.reading import rooms
from gransk.reading.gate import gate_of
from gransk.reading.knowing import known_exam
from gransk.reading.plan import Plan
from gransk.reading.planning import AiSaid, Known, Word, choose, plan
from gransk.reading.policy import Room
from gransk.results.exam_facts import said_unit
from gransk.results.programmes import said_programme
from gransk.results.routing import ReportFacts, holds
from gransk.site.config import Config
from gransk.site.config_destinations import Destination, Outcome
from gransk.site.config_priority import PriorityRule

SCORES = tuple(range(1, 11))
LOWEST, HIGHEST = SCORES[0], SCORES[-1]
OUTCOMES: tuple[Outcome, ...] = ("none", "findings")
Said = Literal["no_opinion", "low", "high"]


@dataclass(frozen=True)
class Sent:
    """When a report would go to a destination: by outcome, the scores with which it would.

    ``scores`` is None where no rule of the destination asks for one.
    """

    outcome: Outcome
    goes: bool
    scores: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Destined:
    """One destination."""

    name: str
    kind: str
    objects: tuple[str, ...]
    sent: tuple[Sent, ...]

    @property
    def always(self) -> bool:
        return all(one.goes and one.scores in (None, SCORES) for one in self.sent)

    @property
    def never(self) -> bool:
        return not any(one.goes for one in self.sent)


@dataclass(frozen=True)
class Planned:
    """How the exam would be read if the AI said so."""

    said: Said
    plan: Plan


@dataclass(frozen=True)
class Ruled:
    """What would follow of one application's report.

    Parameters
    ----------
    read : Read
    destinations : tuple of Destined
        Empty where nothing would be analysed.
    priority : tuple of PriorityRule
        That may hold, by what findings say.
    policy : str, optional
        Name of the reading policy; empty where no rule covers the exam, None where the
        reading room is not this application's or has no policies.
    plans : tuple of Planned
    """

    read: Read
    destinations: tuple[Destined, ...] = ()
    priority: tuple[PriorityRule, ...] = ()
    policy: str | None = None
    plans: tuple[Planned, ...] = ()


def in_archive(session: Session, key: str) -> InArchive | None:
    """A study of the archive with what somebody said of it; None where it is not there."""
    seen = session.get(SeenStudy, key)
    if seen is None or seen.deleted_at is not None:
        return None
    return InArchive(
        key=key,
        orthanc_id=seen.orthanc_id,
        study_instance_uid=seen.study_instance_uid,
        unit=said_unit(session, key),
        programme=said_programme(session, key),
    )


def ruled(
    session: Session, config: Config, tried: Tried, study_key: str | None, now: datetime.datetime
) -> list[Ruled]:
    """What would follow of each application's report.

    Parameters
    ----------
    session : Session
    config : Config
        Whose rules are tried.
    tried : Tried
    study_key : str, optional
        Of a study in the archive: what people and lists said of it counts.
    now : datetime
        In the site's time zone.
    """
    room = rooms.in_force(session, now.date())
    known = _known(session, tried, study_key)
    found = []
    for read in tried.read:
        if read.reason is not None:
            found.append(Ruled(read))
            continue
        mine = room is not None and room.application == read.application
        choice = choose(room, known) if mine and room is not None else None
        found.append(
            Ruled(
                read,
                destinations=tuple(_destined(one, read, tried) for one in config.destinations),
                priority=tuple(
                    rule for rule in config.priority.rules if rule.application == read.application
                ),
                policy=("" if choice is None else choice.policy.name) if mine else None,
                plans=_plans(session, room, known, read, now) if mine and choice else (),
            )
        )
    return found


def _known(session: Session, tried: Tried, study_key: str | None) -> Known:
    if study_key is not None:
        known = known_exam(session, study_key, incomplete=False)
        return replace(known, unit=tried.unit, programme=tried.programme)
    age, screened = tried.facts.get(Fact.AGE), tried.facts.get(Fact.ROUND)
    implant = tried.facts.get(Fact.IMPLANT)
    return Known(
        programme=tried.programme,
        unit=tried.unit,
        age=int(age) if age else None,
        round=Round(screened) if screened else None,
        implant=Word() if implant is None else Word(implant == "yes", by_images=True),
    )


def _plans(
    session: Session, room: Room | None, known: Known, read: Read, now: datetime.datetime
) -> tuple[Planned, ...]:
    if room is None:
        return ()
    gate = gate_of(session, room, known.unit, read.application, read.models, now.date())
    models = tuple((one.id, one.sha256) for one in read.models)
    research = any(one.research for one in read.models) or not read.models
    refused = AiSaid(now, models, research, refused=Reason.NO_SUITABLE_SERIES)
    low = AiSaid(now, models, research, score=LOWEST, category="low")
    high = AiSaid(now, models, research, score=HIGHEST, category="high")
    said: Sequence[tuple[Said, AiSaid]] = (("no_opinion", refused), ("low", low), ("high", high))
    return tuple(Planned(name, plan(room, known, ai, gate, now)) for name, ai in said)


def _destined(one: Destination, read: Read, tried: Tried) -> Destined:
    return Destined(
        name=one.name,
        kind=one.kind,
        objects=tuple(kind.value for kind in one.objects),
        sent=tuple(_sent(one, outcome, read, tried) for outcome in OUTCOMES),
    )


def _sent(one: Destination, outcome: Outcome, read: Read, tried: Tried) -> Sent:
    def goes(score: int | None) -> bool:
        facts = ReportFacts(
            application=read.application,
            outcome=outcome,
            score=score,
            modalities=frozenset(tried.modalities),
            places=frozenset(tried.places),
            unit=tried.unit,
        )
        return not one.when or any(holds(rule, facts) for rule in one.when)

    asks = any(rule.score_from is not None or rule.score_to is not None for rule in one.when)
    if not asks:
        return Sent(outcome, goes(None))
    scores = tuple(score for score in SCORES if goes(score))
    return Sent(outcome, bool(scores) or goes(None), scores)
