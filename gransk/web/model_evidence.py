"""What may be linked as evidence for a model: signed local validations that measured it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.models import Card
from gransk.reading.policy_tables import Validation
from gransk.registry.stages import Evidence
from gransk.registry.tables import EvidenceKind


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
