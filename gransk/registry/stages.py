"""Stages of admitted models: who moved which, why, and on what evidence.

A step to active stands only once the responsible radiologist, who is not its author, approved
it; every other step stands at once. Nothing is edited: rows are added.

>>> propose(session, "mynet@1.0.0", Stage.SHADOW, "anna", "to be compared")
>>> propose(session, "mynet@1.0.0", Stage.ACTIVE, "anna", "it finds more", evidence)
>>> decide(session, "mynet@1.0.0", responsible, approved=True, reason="seen")
>>> of_stage(session, Stage.ACTIVE)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.core.models import Card
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.tables import (
    EvidenceKind,
    ModelAttempt,
    ModelEvidence,
    ModelRow,
    ModelStep,
    ModelVerdict,
    Stage,
)
from gransk.results.blobs import Stored, keep
from gransk.site.answering import SHELL, reason_of
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.tables import Account, Role

MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.CANDIDATE: frozenset({Stage.SHADOW, Stage.RETIRED}),
    Stage.SHADOW: frozenset({Stage.ACTIVE, Stage.RETIRED}),
    Stage.ACTIVE: frozenset({Stage.SHADOW, Stage.RETIRED}),
    Stage.RETIRED: frozenset({Stage.SHADOW, Stage.ACTIVE}),
}
"""Every allowed step; from retired to active only what was active before."""


@dataclass(frozen=True)
class Evidence:
    """A piece of evidence that is to be kept with a step.

    Parameters
    ----------
    kind : EvidenceKind
    title : str
        Of a file: its name.
    content : mapping
        JSON values: figures, or ``number`` of a validation or comparison.
    file : Stored, optional
        In the store of large objects already.
    """

    kind: EvidenceKind
    title: str
    content: Mapping[str, Any]
    file: Stored | None = None


@dataclass(frozen=True)
class Step:
    """A step with its verdict and evidence."""

    row: ModelStep
    verdict: ModelVerdict | None
    evidence: tuple[ModelEvidence, ...]

    @property
    def stage(self) -> Stage:
        return Stage(self.row.stage)

    @property
    def stands(self) -> bool:
        return not self.row.wants_approval or (self.verdict is not None and self.verdict.approved)

    @property
    def open(self) -> bool:
        """Proposed, and not decided yet."""
        return self.row.wants_approval and self.verdict is None


@dataclass(frozen=True)
class Registered:
    """A model of the registry as it stands."""

    row: ModelRow
    attempt: ModelAttempt
    steps: tuple[Step, ...]

    @property
    def card(self) -> Card:
        return Card.model_validate(self.row.card)

    @property
    def stage(self) -> Stage:
        return next(step.stage for step in reversed(self.steps) if step.stands)

    @property
    def proposed(self) -> Step | None:
        """The step that awaits a verdict."""
        last = self.steps[-1]
        return last if last.open else None

    @property
    def was_active(self) -> bool:
        return any(step.stands and step.stage is Stage.ACTIVE for step in self.steps)

    @property
    def moves(self) -> tuple[Stage, ...]:
        """Stages that may be proposed now, in the order of `Stage`."""
        if self.proposed is not None:
            return ()
        allowed = MOVES[self.stage]
        if self.stage is Stage.RETIRED and not self.was_active:
            allowed = allowed - {Stage.ACTIVE}
        return tuple(stage for stage in Stage if stage in allowed)


def registered(session: Session) -> list[Registered]:
    """Every admitted model, by name."""
    verdicts = {row.step: row for row in session.scalars(select(ModelVerdict))}
    evidence: dict[int, list[ModelEvidence]] = {}
    for piece in session.scalars(select(ModelEvidence).order_by(ModelEvidence.number)):
        evidence.setdefault(piece.step, []).append(piece)
    steps: dict[str, list[Step]] = {}
    for row in session.scalars(select(ModelStep).order_by(ModelStep.number)):
        found = Step(row, verdicts.get(row.number), tuple(evidence.get(row.number, ())))
        steps.setdefault(row.model, []).append(found)
    rows = session.execute(
        select(ModelRow, ModelAttempt)
        .join(ModelAttempt, ModelRow.attempt == ModelAttempt.number)
        .order_by(ModelRow.name)
    )
    return [Registered(row, attempt, tuple(steps[row.name])) for row, attempt in rows]


def one(session: Session, name: str) -> Registered:
    """An admitted model by its name ``id@version``.

    Raises
    ------
    RegistryError
        Where there is none.
    """
    found = next((each for each in registered(session) if each.row.name == name), None)
    if found is None:
        raise RegistryError(ModelRefusal.UNKNOWN, name)
    return found


def card_digests(session: Session) -> dict[str, str]:
    """SHA-256 of the card of every admitted model, by its name."""
    return {
        name: sha256
        for name, sha256 in session.execute(select(ModelRow.name, ModelRow.card_sha256))
    }


def of_stage(session: Session, stage: Stage) -> tuple[str, ...]:
    """Names ``id@version`` of the admitted models at a stage."""
    return tuple(each.row.name for each in registered(session) if each.stage is stage)


def propose(
    session: Session,
    name: str,
    stage: Stage,
    author: str,
    reason: str,
    evidence: Sequence[Evidence] = (),
    used_by: Sequence[str] = (),
) -> Step:
    """Move a model to another stage; to active, propose it.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    name : str
    stage : Stage
    author : str
        Account; with ``shell:`` before the name of who works at the command line.
    reason : str
    evidence : sequence of Evidence
    used_by : sequence of str
        Keys of the settings in force that name it (`gransk.registry.choice.named_by`): while
        there are any, an active model stays active. A roll-back gives none.

    Raises
    ------
    RegistryError
    """
    why = _reason(reason)
    take_turn(session)
    found = one(session, name)
    if found.proposed is not None:
        raise RegistryError(ModelRefusal.AWAITS_VERDICT, found.proposed.stage.value)
    if stage not in MOVES[found.stage]:
        raise RegistryError(ModelRefusal.NO_SUCH_MOVE, f"{found.stage.value} → {stage.value}")
    if stage not in found.moves:
        raise RegistryError(ModelRefusal.NEVER_ACTIVE, name)
    if found.stage is Stage.ACTIVE and used_by:
        raise RegistryError(ModelRefusal.IN_USE, ", ".join(used_by))
    row = ModelStep(
        model=name, stage=stage, wants_approval=stage is Stage.ACTIVE,
        author=author, reason=why, at=utcnow(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    kept = tuple(_keep_evidence(session, row.number, author, piece) for piece in evidence)
    data = {
        "step": row.number, "from": found.stage.value, "to": stage.value,
        "proposed": row.wants_approval, "sha256": found.row.sha256,
    }  # fmt: skip
    record(session, author, EventKind.MODEL_STAGED, subject(name), data)
    return Step(row, None, kept)


def decide(
    session: Session, name: str, account: Account, approved: bool, reason: str = ""
) -> ModelVerdict:
    """Approve the proposed step of a model, or turn it down; its author may take it back.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    name : str
    account : Account
        Of the responsible radiologist.
    approved : bool
    reason : str
        Wanted where it is turned down.

    Raises
    ------
    RegistryError
    """
    why = reason.strip() if approved else _reason(reason)
    take_turn(session)
    found = one(session, name)
    step = found.proposed
    if step is None:
        raise RegistryError(ModelRefusal.NOTHING_PROPOSED, name)
    own = step.row.author.removeprefix(SHELL) == account.name
    if own and approved:
        raise RegistryError(ModelRefusal.OWN_STEP, name)
    if not own and not responsible(account):
        raise RegistryError(ModelRefusal.NOT_RESPONSIBLE, account.name)
    verdict = ModelVerdict(
        step=step.row.number, approved=approved, author=account.name, reason=why, at=utcnow()
    )
    session.add(verdict)
    data = {
        "step": step.row.number, "to": step.stage.value, "approved": approved,
        "sha256": found.row.sha256,
    }  # fmt: skip
    record(session, account.name, EventKind.MODEL_STAGED, subject(name), data)
    return verdict


def add_evidence(
    session: Session, name: str, author: str, evidence: Sequence[Evidence]
) -> tuple[ModelEvidence, ...]:
    """Keep evidence with a model's last step.

    Raises
    ------
    RegistryError
    """
    take_turn(session)
    step = one(session, name).steps[-1].row.number
    kept = tuple(_keep_evidence(session, step, author, piece) for piece in evidence)
    data = {"step": step, "evidence": [piece.number for piece in kept]}
    record(session, author, EventKind.MODEL_STAGED, subject(name), data)
    return kept


def responsible(account: Account) -> bool:
    """Whether an account may approve a model's step to active."""
    return account.active and Role.RESPONSIBLE_RADIOLOGIST.value in account.roles


def _reason(text: str) -> str:
    try:
        return reason_of(text)
    except InvalidValueError as error:
        raise RegistryError(ModelRefusal.NO_REASON) from error


def subject(name: str) -> str:
    """A model as the event log names it: at most 64 characters."""
    return name[:64]


def _keep_evidence(session: Session, step: int, author: str, piece: Evidence) -> ModelEvidence:
    if piece.file is not None:
        keep(session, [piece.file])
    row = ModelEvidence(
        step=step, kind=piece.kind, title=piece.title[:128], content=dict(piece.content),
        sha256=None if piece.file is None else piece.file.sha256, author=author, at=utcnow(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row
