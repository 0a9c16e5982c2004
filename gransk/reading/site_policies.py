"""The site's policies as opening asks for them (`gransk.reading.entering.Site`)."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Collection
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.calibration import EXAM_SCORE
from gransk.core.findings import Findings, ModelIdentity
from gransk.core.reasons import Reason
from gransk.reading import rooms
from gransk.reading.ai import Said, category_of
from gransk.reading.entering import Place
from gransk.reading.exam import Exam
from gransk.reading.gate import gate_of
from gransk.reading.knowing import known_exam
from gransk.reading.opinions import NOT_CALIBRATED, AiOpinion
from gransk.reading.opinions import AiSaid as Opined
from gransk.reading.plan import Plan, PlanReason, PolicyKind
from gransk.reading.planning import AiSaid, Gate, Known, choose, plan, says, waiting
from gransk.reading.policy import CATEGORY, Policy, Room
from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import Workitem
from gransk.site.config import Config
from gransk.site.database import utcnow


class SitePolicies:
    """Where exams are read, what the AI says of them and how they are read.

    Parameters
    ----------
    config : Config
    blobs : BlobStore
        With the findings of sealed analyses.
    earlier : callable
        Whether a study, by its key, is here as another one's earlier study alone.
    applications : collection of str
        Whose studies may be read in the reading room.
    """

    def __init__(
        self,
        config: Config,
        blobs: BlobStore,
        earlier: Callable[[Session, str], bool],
        applications: Collection[str] = ("mammo",),
    ) -> None:
        self.config = config
        self.blobs = blobs
        self.earlier = earlier
        self.applications = applications

    def since(self, session: Session) -> datetime.datetime | None:
        """When the first version of the site's policies came into force."""
        day = rooms.first_day(session)
        if day is None:
            return None
        midnight = datetime.datetime.combine(day, datetime.time(), self.config.zone)
        return midnight.astimezone()

    def place(self, session: Session, item: Workitem) -> Place | None:
        """Where an exam is read; None where no rule covers it, or it is an earlier study."""
        room = self._room(session, utcnow())
        if room is None or item.application != room.application:
            return None
        if self.earlier(session, item.study_key):
            return None
        known = self._known(session, item.study_key, item.incomplete)
        after = waiting(room, known)
        return None if after is None else Place(known.unit, after)

    def says(self, session: Session, study_key: str, findings: Findings) -> Said:
        """What the AI says of an exam by the policy that covers it now."""
        room = self._room(session, utcnow())
        if room is None:
            return Said(Opined.NO_OPINION, NOT_CALIBRATED)
        choice = choose(room, self._known(session, study_key, False))
        if choice is None:
            return Said(Opined.NO_OPINION, NOT_CALIBRATED)
        score = findings.measured(EXAM_SCORE)
        found = AiSaid(
            sealed_at=utcnow(),
            research=findings.research,
            score=None if score is None else round(score),
            category=category_of(findings),
        )
        name, said = choice.policy.name, says(choice.policy, found)
        if said is None:
            return Said(Opined.NO_OPINION, NOT_CALIBRATED, name, room.version)
        opinion = Opined.RECALL if said == "recall" else Opined.NORMAL
        return Said(opinion, "", name, room.version)

    def plan(self, session: Session, study_key: str, exam: Exam, at: datetime.datetime) -> Plan:
        """How an exam is read; its sealed opinion, if any, is ``exam.ai``."""
        room = self._room(session, at)
        if room is None:
            return Plan(
                policy="",
                version=0,
                kind=PolicyKind.DOUBLE_READING,
                human_reads=2,
                ai_counts=False,
                reasons=(PlanReason.NO_POLICY,),
            )
        incomplete = session.scalar(
            select(Workitem.incomplete).where(
                Workitem.study_key == study_key, Workitem.application == exam.application
            )
        )
        known = self._known(session, study_key, incomplete is not False, exam.returned)
        said, gate = None, Gate()
        if exam.ai is not None:
            said, gate = self._sealed(session, room, known, exam.ai.opinion, at)
        return plan(room, known, said, gate, self._local(at))

    def _sealed(
        self,
        session: Session,
        room: Room,
        known: Known,
        opinion: AiOpinion,
        at: datetime.datetime,
    ) -> tuple[AiSaid, Gate]:
        """A sealed opinion as a plan asks for it, and what stands at the unit for its models."""
        models: tuple[ModelIdentity, ...] = ()
        if opinion.analysis_key:
            models = read_findings(session, self.blobs, opinion.analysis_key).models
        score = opinion.exam_score
        choice = choose(room, known)
        said = AiSaid(
            sealed_at=opinion.sealed_at,
            models=tuple(opinion.models.items()),
            research=not models or any(model.research for model in models),
            score=None if score is None else round(score),
            category=None if choice is None else _category(room, choice.policy, opinion),
            refused=Reason(opinion.reason) if opinion.reason in set(Reason) else None,
        )
        day = self._local(at).date()
        return said, gate_of(session, room, known.unit, opinion.application, models, day)

    def _known(
        self, session: Session, study_key: str, incomplete: bool, returned: bool = False
    ) -> Known:
        """What is known of an exam; a site of one unit that matches no images has it all."""
        known = known_exam(session, study_key, incomplete=incomplete, returned=returned)
        return dataclasses.replace(known, unit=known.unit or self.config.reading.only_unit)

    def _room(self, session: Session, at: datetime.datetime) -> Room | None:
        return rooms.in_force(session, self._local(at).date())

    def _local(self, at: datetime.datetime) -> datetime.datetime:
        return at.astimezone(self.config.zone)


def _category(room: Room, policy: Policy, opinion: AiOpinion) -> Literal["low", "high"] | None:
    """The category by which an opinion was sealed; None where it was by a score, or otherwise."""
    sealed_by = (opinion.policy, opinion.policy_version)
    if sealed_by != (policy.name, room.version) or policy.recall_from not in (None, CATEGORY):
        return None
    return {Opined.RECALL: "high", Opined.NORMAL: "low"}.get(opinion.said)  # type: ignore[return-value]
