"""A site's own past: every exam that has ended, as one person may see it."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from gransk.core.findings import ModelIdentity
from gransk.reading.model_name import model_name
from gransk.reading.past import Density, PastExam
from gransk.reading.past_keeping import Closed, KeptPast, Owners, Whole
from gransk.reading.past_ledger import density_of
from gransk.reading.readers import standing
from gransk.reading.sight import Sight, sight
from gransk.reading.working_days import MONDAY_TO_FRIDAY, WorkingDays
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.store import read_findings
from gransk.site.database import utcnow

KEPT = 8
"""Of how many that see different exams the lists are kept."""


class Seen(NamedTuple):
    """Exams that have ended and of which a person may see everything.

    Parameters
    ----------
    mark : tuple of int and frozenset of str
        Equal only where the same exams, as they then were, are seen.
    closed : list of Closed
        By date.
    """

    mark: tuple[int, frozenset[str]]
    closed: list[Closed]


class SitePast:
    """The site's past, asked for by one person at a time.

    Parameters
    ----------
    owners : Owners
    blobs : BlobStore
        With the findings, for density and models.
    zone : tzinfo, optional
        The site's; None: the machine's own.
    working : WorkingDays
        Of the site.
    """

    def __init__(
        self,
        owners: Owners,
        blobs: BlobStore,
        zone: datetime.tzinfo | None = None,
        working: WorkingDays = MONDAY_TO_FRIDAY,
    ) -> None:
        self._blobs = blobs
        self._lock = threading.Lock()
        self._kept = KeptPast(owners, zone, working)
        self._seen: dict[tuple[int, frozenset[str]], Seen] = {}
        self._densities: dict[str, Density | None] = {}

    def __call__(
        self, session: Session, account: str, oversees: bool, today: datetime.date
    ) -> Seen:
        """What a person may count.

        Parameters
        ----------
        session : Session
        account : str
        oversees : bool
            Whether the person's roles let them see undecided exams.
        today : date
            By the policies of which it is told whether two people would read an exam anyway.
        """
        with self._lock:
            whole = self._kept(session, today)
        units = {one.guarded.unit for one in whole.guarded if one.guarded is not None}
        asks = {unit: standing(session, unit, account, oversees) for unit in units}
        now = utcnow()

        def seen(one: Closed) -> bool:
            exam = one.guarded
            return exam is None or sight(exam, asks[exam.unit], now) is Sight.ALL

        hidden = frozenset(
            one.past.exam for one in whole.guarded if not one.open_to(account) and not seen(one)
        )
        return self._without(whole, hidden)

    def _without(self, whole: Whole, hidden: frozenset[str]) -> Seen:
        """What is left where some exams are hidden; of the last that asked it is kept."""
        mark = (whole.version, hidden)
        with self._lock:
            found = self._seen.get(mark)
            if found is None:
                left = [one for one in whole.closed if one.past.exam not in hidden]
                kept = [one for key, one in self._seen.items() if key[0] == whole.version]
                self._seen = {one.mark: one for one in kept[-KEPT:]}
                found = self._seen[mark] = Seen(mark, left if hidden else whole.closed)
        return found

    def models(self, session: Session, closed: Sequence[Closed]) -> tuple[ModelIdentity, ...]:
        """The models that gave exams their scores, as a validation is signed for them.

        Parameters
        ----------
        session : Session
        closed : sequence of Closed
            Exams of one model name, in order; the findings of the latest that can be read tell.

        Returns
        -------
        tuple of ModelIdentity
            Empty where no findings can be read that are of that name.
        """
        for one in reversed(closed):
            try:
                found = read_findings(session, self._blobs, one.analysis_key)
            except (BlobError, KeyError, ValueError):
                # `gransk doctor` names what cannot be read; another exam's may be.
                continue
            digests = {model.id: model.sha256 for model in found.models}
            name = model_name(found.application, found.application_version, digests)
            if one.past.ai is not None and name == one.past.ai.model:
                return found.models
        return ()

    def with_density(self, session: Session, closed: Iterable[Closed]) -> list[PastExam]:
        """The exams with the density that their findings name; those are read once."""
        found = ((one.past, self._density(session, one.analysis_key)) for one in closed)
        return [
            past if density is None else past.model_copy(update={"density": density})
            for past, density in found
        ]

    def _density(self, session: Session, analysis_key: str) -> Density | None:
        if not analysis_key:
            return None
        if analysis_key not in self._densities:
            try:
                found = density_of(read_findings(session, self._blobs, analysis_key))
            except (BlobError, KeyError, ValueError):
                # Findings that cannot be read tell no density; `gransk doctor` names them.
                found = None
            self._densities[analysis_key] = found
        return self._densities[analysis_key]
