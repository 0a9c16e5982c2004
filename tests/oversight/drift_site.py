"""Observed studies in a database, without an archive."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.results.observed import Observation
from gransk.results.tables import Analysis, Blob
from gransk.site.database import Database

START = datetime.datetime(2025, 1, 6, 8, 0, tzinfo=datetime.UTC)
"""A Monday."""
A_DAY = 40
KERNELS = ("Br40", "Br60")


def at(n: int) -> datetime.datetime:
    """When the nth study was analysed: five days a week."""
    day, within = divmod(n, A_DAY)
    return START + datetime.timedelta(days=day // 5 * 7 + day % 5, minutes=within)


def key(n: int) -> str:
    return digest(["observed", n])[:32]


def add(
    session: Session, numbers: Sequence[int], facts: Sequence[dict[str, Any]], **values: Any
) -> None:
    """Observed studies."""
    if session.get(Blob, "0" * 64) is None:
        session.add(Blob(sha256="0" * 64, size=0, created_at=START))
        session.flush()
    session.add_all(
        Analysis(
            key=digest(["analysis", n]), application="nodule", findings_sha256="0" * 64,
            pictures_sha256="0" * 64, seconds=1.0, sealed_at=at(n),
        )
        for n in numbers
    )  # fmt: skip
    session.flush()
    row = {"application": "nodule", "unit": "north", "regime": "a" * 16, "counted_at": None}
    session.add_all(
        Observation(
            study_key=key(n), analysis_key=digest(["analysis", n]), facts=said, at=at(n),
            **row | values,
        )
        for n, said in zip(numbers, facts, strict=True)
    )  # fmt: skip


def fill(
    database: Database, scores: Sequence[float], first: int = 0, seed: int = 0, **values: Any
) -> None:
    """Studies with these scores, and other facts that do not move."""
    rng = np.random.default_rng([seed, first])
    facts = [
        {
            "score": float(score),
            "age": float(round(rng.normal(65, 8), 2)),
            "kernel": KERNELS[int(rng.random() < 0.3)],
            "thickness": 1.0,
            "manufacturer": "Acme",
        }
        for score in scores
    ]
    with database.begin() as session:
        add(session, range(first, first + len(facts)), facts, **values)
