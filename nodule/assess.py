"""Risk and advice for a study, from findings, comparisons and profile alone."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gransk.core.findings import Finding, Findings, Note
from gransk.core.followup import Advice, Assessment, Comparison, Risk
from gransk.core.study import Study
from nodule.advising import advice_of, pressing, without_guideline
from nodule.answers import (
    exam_date,
    in_course,
    nodule_of,
    patient_of,
    quality,
    said_of,
    stored_profile,
)
from nodule.course import Course, category_before, course_of, earlier
from nodule.follow_up_settings import FollowUpSettings
from nodule.growth.classes import GrowthClass
from nodule.guidelines.engine import advise
from nodule.guidelines.situation import Morphology, Situation
from nodule.guidelines.table import Guideline
from nodule.risk.profile import Course as Told
from nodule.risk.profile import Patient, Profile, ProfileNodule, Setting
from nodule.risks import percents, risks_of

CALCIFIED = ("diffuse", "central", "laminated", "popcorn")
"""Patterns of calcium that are called benign."""
FAST_DAYS = 400.0
"""BTS 2015 works up a nodule that doubles within this; NELSON calls it positive."""
LOOKS = {
    Morphology.CALCIFIED: "calcification",
    Morphology.FAT: "fat",
    Morphology.PERIFISSURAL: "perifissural",
    Morphology.JUXTAPLEURAL: "juxtapleural",
}
"""The property that tells a looks."""
ASSUMED = Setting.INCIDENTAL
"""The reason for a scan where nobody answered it; every advice by it says so."""


def assess(
    study: Study,
    findings: Findings,
    comparisons: Sequence[Comparison],
    profile: Mapping[str, Any] | None,
    settings: FollowUpSettings,
) -> Assessment:
    """Risk and advice.

    Parameters
    ----------
    study : Study
        Its headers alone are read.
    findings : Findings
        Rejected ones count for nothing.
    comparisons : sequence of Comparison
        With lesions by the tracking UIDs of ``findings``; later studies are left out.
    profile : mapping or None
        By ``profile.schema.json``.
    settings : FollowUpSettings
        The site's.

    Raises
    ------
    UnreadableInputError
        Where the profile does not fit its schema. Answers that contradict each other were
        given at different times: they are taken as unknown, and a note says so.
    """
    given, contradicting = stored_profile(profile)
    exam = exam_date(study)
    if exam is None:
        return Assessment(notes=(Note(code="assessment_without_date"),))
    kept = [finding for finding in findings.findings if not finding.rejected]
    before, notes = earlier(comparisons, exam)
    said, unassigned = said_of(kept, given)
    notes += [*contradicting, *unassigned]
    patient = patient_of(study, given, exam)
    setting = None if patient.setting is None else patient.setting.value
    if setting is None:
        notes.append(Note(code="setting_assumed"))
    guideline = settings.guidelines.guideline(setting or ASSUMED)
    asked = _Asked(exam, patient, guideline, setting is None, len(kept), settings.risk_models)
    assessed = [asked.about(one, said[one.tracking_uid], before) for one in kept]
    for one in assessed:
        notes += one.notes
    advice = [advice for one in assessed for advice in one.advice]
    if guideline is None:
        advice = [without_guideline((setting or ASSUMED).value)]
    elif not kept:
        advice = list(asked.about_none())
    return Assessment(
        risks=tuple(risk for one in assessed for risk in one.risks),
        advice=pressing(advice),
        growth={one.uid: one.course.growth.value for one in assessed if one.course.growth},
        withheld={one.uid: one.course.withheld for one in assessed if one.course.withheld},
        unknown=_unknown(patient, assessed),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Assessed:
    """One finding."""

    uid: str
    course: Course
    nodule: ProfileNodule
    risks: tuple[Risk, ...] = ()
    advice: tuple[Advice, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class _Asked:
    """What holds for every finding of the study."""

    exam: datetime.date
    patient: Patient
    guideline: Guideline | None
    assumed: bool
    count: int
    models: tuple[str, ...]

    def about(
        self, finding: Finding, said: ProfileNodule, before: Sequence[Comparison]
    ) -> _Assessed:
        uid = finding.tracking_uid
        course = course_of(finding, self.exam, before, self.guideline)
        told = None if said.course is None else said.course.value
        nodule = nodule_of(finding, said, self.count, self.exam)
        nodule = in_course(nodule, course.told, self.exam)
        profile = Profile(patient=self.patient, nodule=nodule)
        risks = risks_of(uid, profile, self.models)
        found = _Assessed(uid, course, nodule, risks)
        if not course.looks:
            name = finding.tracking_id
            return dataclasses.replace(
                found, notes=(Note(code="no_size_no_advice", values={"finding": name}),)
            )
        if told in (Told.GROWING, Told.STABLE) and len(course.looks) < 2:
            note = Note(code="course_without_scan", values={"finding": finding.tracking_id})
            found = dataclasses.replace(found, notes=(note,))
        fast = fast_doubling(finding, course, before)
        if fast is not None:
            found = dataclasses.replace(found, notes=(*found.notes, fast))
        if self.guideline is None:
            return found
        situation = self._situation(finding, course, profile, told, risks)
        situation = category_before(self.guideline, situation)
        outcome = advise(self.guideline, situation)
        return dataclasses.replace(found, advice=advice_of(outcome, situation, uid, self.assumed))

    def about_none(self) -> tuple[Advice, ...]:
        """The guideline's own answer for a scan without nodules, where it has one."""
        if self.guideline is None:
            return ()
        situation = Situation(self.exam, Profile(patient=self.patient))
        outcome = advise(self.guideline, situation)
        if not any(option.row is not None for option in outcome.options):
            return ()
        return advice_of(outcome, situation, None, self.assumed)

    def _situation(
        self,
        finding: Finding,
        course: Course,
        profile: Profile,
        told: Told | None,
        risks: tuple[Risk, ...],
    ) -> Situation:
        clear = {Told.GROWING: True, Told.STABLE: False}
        new = {Told.NEW: True, Told.FIRST: False}
        return Situation(
            exam=self.exam,
            profile=profile,
            looks=course.looks,
            texture=profile.value("texture"),
            count=self.count,
            is_new=course.is_new if told is None else new.get(told, course.is_new),
            morphology=morphology(finding),
            confirmed=looks_confirmed(finding),
            spiculated=profile.value("spiculated"),
            clear_growth=None if told is None else clear.get(told),
            brock=percents(risks, "brock"),
            herder=percents(risks, "herder"),
        )


def fast_doubling(finding: Finding, course: Course, before: Sequence[Comparison]) -> Note | None:
    """A short doubling time of a nodule that the guideline does not call growing.

    Guidelines that go by diameter let a nodule of 10 mm gain two thirds of its volume before
    they call it growth; those that go by volume work it up from this doubling time on.
    """
    lesions = [one.of(finding.tracking_uid) for one in before]
    seen = [lesion for lesion in lesions if lesion is not None and lesion.changes]
    if not seen or course.growth in (None, GrowthClass.GROWTH):
        return None
    doubling = seen[-1].changed("vdt_days")
    if doubling is None or doubling.value > FAST_DAYS:
        return None
    return Note(
        code="fast_doubling",
        values={"finding": finding.tracking_id, "days": round(doubling.value)},
    )


def morphology(finding: Finding) -> Morphology:
    """The looks that some guidelines call benign, as the image shows it."""
    if quality(finding, "calcification") in CALCIFIED:
        return Morphology.CALCIFIED
    if quality(finding, "fat") == "present":
        return Morphology.FAT
    if quality(finding, "perifissural") == "yes":
        return Morphology.PERIFISSURAL
    if quality(finding, "juxtapleural") == "yes":
        return Morphology.JUXTAPLEURAL
    return Morphology.ORDINARY


def looks_confirmed(finding: Finding) -> bool:
    """Did a person set the property that tells the looks?

    Who confirms a finding says that it is a nodule, not what it looks like.
    """
    named = LOOKS.get(morphology(finding))
    return named is not None and finding.labelled(named) is not None


def _unknown(patient: Patient, assessed: Sequence[_Assessed]) -> tuple[str, ...]:
    """Keys that nobody answered: of the patient, and spiculation where a nodule lacks it."""
    keys = [
        name
        for name in Patient.model_fields
        if (answer := getattr(patient, name)) is None or answer.value is None
    ]
    if any(one.nodule.spiculated is None or one.nodule.spiculated.value is None
           for one in assessed):  # fmt: skip
        keys.append("spiculated")
    return tuple(keys)
