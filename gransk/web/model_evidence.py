"""What may be linked as evidence for a model: validations that measured it, and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.models import Card
from gransk.oversight.compared import (
    FOLLOW_UP_MONTHS,
    Hides,
    Listed,
    Summaries,
    compared,
    evidence,
    listed,
)
from gransk.reading.policy_tables import Validation
from gransk.registry.stages import Evidence
from gransk.registry.tables import EvidenceKind
from gransk.site.database import utcnow


def linkable(session: Session, card: Card) -> list[Evidence]:
    """Signed local validations of exactly this model, the latest first."""
    rows = session.scalars(select(Validation).order_by(Validation.number.desc()))
    return [
        Evidence(
            EvidenceKind.VALIDATION,
            f"{row.unit}, {row.application}",
            {
                "number": row.number, "digest": row.digest, "unit": row.unit,
                "exams": row.exams, "cancers": row.cancers, "signed_by": row.signed_by,
            },
        )
        for row in rows
        if row.models.get(card.id) == [card.version, card.digest]
    ]  # fmt: skip


def comparisons(session: Session, hides: Hides, model: str) -> list[Listed]:
    """Comparisons that tried a model and have studies ready, the newest first.

    Parameters
    ----------
    session : Session
    hides : callable
        What who asks may not see.
    model : str
        Name and version, as the registry has it.
    """
    return [
        one for one in listed(session, hides) if one.ready and model in set(_models(one.settings))
    ]


def counted(
    session: Session, summaries: Summaries, hides: Hides, of: Iterable[Listed]
) -> list[Evidence]:
    """What comparisons say now, as far as who links them may see: figures that name no study."""
    found = []
    for one in of:
        said = compared(session, summaries, one, hides, FOLLOW_UP_MONTHS)
        content = evidence(one, said, utcnow())
        found.append(Evidence(EvidenceKind.COMPARISON, one.name, content))
    return found


def _models(settings: Mapping[str, Any]) -> Iterable[str]:
    chosen = settings.get("models")
    for value in chosen.values() if isinstance(chosen, Mapping) else ():
        yield from value if isinstance(value, list) else [str(value)]
