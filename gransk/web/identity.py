"""What follows where a study became another identity's, in every room at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from gransk.archive.followed import exam_identity, patient_study
from gransk.archive.identity import Changed, alone
from gransk.reading import moving
from gransk.results import profiles
from gransk.site.config import Config


@dataclass(frozen=True)
class Mover:
    """Moves what is kept by patient, in the transaction that changes the identity.

    Parameters
    ----------
    config : Config
    """

    config: Config

    def __call__(self, session: Session, one: Changed, said: bool) -> None:
        """Move what belongs to a study.

        A follow-up moves where somebody said that the patient is the same, or nothing else is
        here of whom it was thought to be. Else the study was another patient's: then the new
        report ends that patient's follow-up and begins one of its own.
        """
        seen = one.seen
        profiles.move(session, seen)
        who = patient_study(session, seen.key)
        if who is not None and (said or alone(session, seen.key, one.before)):
            moving.follow_ups(session, seen.key, who)
        exam = exam_identity(session, seen.key)
        if exam is not None and one.before.identifier != (
            seen.patient_id,
            seen.issuer_of_patient_id,
        ):
            moving.tell_again(session, seen.key, exam, self.config.messages)
