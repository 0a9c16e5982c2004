"""What patient administrations say of identities by HL7 v2, taken into the archive's rows."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.correcting import queue
from gransk.archive.identity import Changed, Identities, Said, Who
from gransk.delivery.hl7.adt import IdentityWord
from gransk.reading import moving
from gransk.site.config import Config

Moved = Callable[[Session, Changed, bool], None]
"""What follows where a study became another identity's; True where someone said so."""


@dataclass(frozen=True)
class IdentityTaker:
    """Takes what messages say of patients.

    Parameters
    ----------
    config : Config
    moved : callable
    """

    config: Config
    moved: Moved

    def __call__(self, session: Session, words: Sequence[IdentityWord], sender: str) -> None:
        """Keep each word, and let what is here follow it."""
        known = Identities(self.config.identity, self.config.priors.issuer)
        changed: list[Changed] = []
        for word in words:
            changed += known.take(session, self._said(word), sender)
        for word in words:
            if word.prior is not None:
                issuer = word.identifier[1] or known.issuer
                priors.ask_for_patient(session, word.identifier[0], issuer)
        follow(session, known, changed, self.moved)

    def _said(self, word: IdentityWord) -> Said:
        who = Who(
            *word.identifier, patient_name=word.name, birth_date=word.birth_date, sex=word.sex
        )
        said_at = word.said_at
        if said_at.tzinfo is None and self.config.zone is not None:
            said_at = said_at.replace(tzinfo=self.config.zone)
        return Said(word.event, said_at.astimezone(datetime.UTC), who, word.prior)


def follow(session: Session, known: Identities, changed: Sequence[Changed], moved: Moved) -> None:
    """What follows where somebody said that studies are another identity's.

    Rows are locked before the first event is written: others lock them in that order.
    """
    again: set[str] = set()
    for one in changed:
        if known.corrects:
            queue(session, one.seen)
        again |= {
            one.seen.key,
            *priors.later_studies(session, one.seen),
            *priors.dependents(session, one.seen.key),
        }
    priors.ask_again(session, sorted(again))
    moving.lock(session, [one.seen.key for one in changed])
    known.tell(session)
    for one in changed:
        moved(session, one, True)
