"""Which other studies of a patient are compared with, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.patients import Identifier, Patient, agree, may_agree
from gransk.archive.priors import date_of, order, order_of
from gransk.archive.remote import Listed
from gransk.archive.tables import SeenStudy
from gransk.core.application import KnownStudy
from gransk.core.reasons import Reason
from gransk.site.config_archives import PriorsSection

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Candidate:
    """Another study of the patient: listed by our archive (``seen``) or by others."""

    listed: Listed
    seen: SeenStudy | None = None
    sources: tuple[str, ...] = ()

    @property
    def known(self) -> KnownStudy:
        return KnownStudy(
            study_instance_uid=self.listed.study_instance_uid,
            date=date_of(self.listed.study_date),
            modalities=self.listed.modalities,
            body_parts=self.listed.body_parts,
            description=self.listed.description,
            images=self.listed.images,
        )

    @property
    def settled(self) -> bool:
        """Is it here as a whole, its images looked at?"""
        return (
            self.seen is not None and not self.seen.pending and bool(self.seen.settled_fingerprint)
        )

    @property
    def order(self) -> tuple[str, str, str]:
        listed = self.listed
        return order_of(listed.study_date, listed.study_time, listed.study_instance_uid)


def local(session: Session, seen: SeenStudy, same: Collection[Identifier]) -> dict[str, Candidate]:
    """The patient's other studies in our archive, by Study Instance UID."""
    query = select(SeenStudy).where(
        SeenStudy.patient_id.in_([name for name, _ in same]),
        SeenStudy.deleted_at.is_(None),
        SeenStudy.study_instance_uid != seen.study_instance_uid,
    )
    return {
        other.study_instance_uid: Candidate(_listed(other), other)
        for other in session.scalars(query.order_by(SeenStudy.first_seen_at))
        if priors.stays(session, other)
    }


def judge(
    section: PriorsSection,
    seen: SeenStudy,
    wanted: Sequence[Candidate],
    same: Collection[Identifier],
    kept: Collection[str],
) -> list[tuple[Candidate, Reason | None]]:
    """Identity first, then the site's limits.

    Those ``kept`` were compared with before and have their place.
    """
    taken = len(kept)
    mine, date = Patient.of_study(seen), date_of(seen.study_date)
    judged: list[tuple[Candidate, Reason | None]] = []
    for candidate in wanted:
        other, theirs = candidate.listed.patient, date_of(candidate.listed.study_date)
        if candidate.settled:
            same_patient = agree(mine, other, same, section.issuer)
        else:
            same_patient = may_agree(mine, other, same)
        reason = None
        if not same_patient:
            reason = Reason.PRIOR_IDENTITY_MISMATCH
        elif date is None or theirs is None:
            reason = Reason.NO_DATE
        elif (date - theirs).days > section.oldest_years * DAYS_A_YEAR:
            reason = Reason.PRIOR_TOO_OLD
        elif candidate.listed.study_instance_uid in kept:
            pass
        elif taken >= section.most:
            reason = Reason.PRIOR_OVER_LIMIT
        else:
            taken += 1
        judged.append((candidate, reason))
    return judged


def is_earlier(one: Candidate, seen: SeenStudy) -> bool:
    """Is it an earlier study? One without a date is told of, and not compared."""
    dated = date_of(one.listed.study_date) is not None and date_of(seen.study_date) is not None
    return not dated or one.order < order(seen)


def exact_ids(same: Collection[Identifier]) -> list[str]:
    """Patient IDs that a query takes as they are, no wildcard in them (PS3.4 C.2.2.2.4)."""
    return sorted({name for name, _ in same if not set(name) & set("*?\\")})


def _listed(seen: SeenStudy) -> Listed:
    return Listed(
        study_instance_uid=seen.study_instance_uid,
        patient=Patient.of_study(seen),
        study_date=seen.study_date,
        study_time=seen.study_time,
        description=seen.description,
        modalities=tuple(seen.modalities),
        images=seen.images,
    )
