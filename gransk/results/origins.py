"""Where the images of an exam come from, as rules of delivery ask."""

from __future__ import annotations

import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from gransk.core.exam_facts import Place, place_of
from gransk.core.study import Study
from gransk.site.database import Base, UtcDateTime, utcnow


class ExamOrigin(Base):
    """What the images of a study say of where they were made, when it last settled."""

    __tablename__ = "exam_origin"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    places: Mapped[list[list[str]]] = mapped_column(JSON)
    """Institution, department, station and AE title of the sender: each combination once."""
    modalities: Mapped[list[str]] = mapped_column(JSON)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


def read_images(session: Session, study_key: str, headers: Study) -> None:
    """Keep what the images of a study that settled say."""
    found = [instance.header for instance in headers.instances]
    places = sorted({place_of(header) for header in found})
    modalities = sorted({str(header.get("Modality", "")).strip() for header in found} - {""})
    row = session.get(ExamOrigin, study_key)
    if row is None:
        row = ExamOrigin(study_key=study_key)
        session.add(row)
    row.places, row.modalities, row.at = [list(place) for place in places], modalities, utcnow()


def origin_of(session: Session, study_key: str) -> tuple[frozenset[Place], frozenset[str]]:
    """Places and modalities of a study; empty where they were never read."""
    row = session.get(ExamOrigin, study_key)
    if row is None:
        return frozenset(), frozenset()
    return frozenset(Place(*place) for place in row.places), frozenset(row.modalities)
