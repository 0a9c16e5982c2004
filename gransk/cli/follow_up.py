"""What ``--prior`` and ``--profile`` add to an analysis: comparison, risk and advice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gransk.core import reasons
from gransk.core.application import Application, ChecksProfiles, FollowsUp, Picture
from gransk.core.errors import ConfigurationError, UnreadableInputError
from gransk.core.findings import Finding, Findings, Note
from gransk.core.followup import (
    Advice,
    Assessment,
    Comparison,
    FollowUp,
    Lesion,
    Outcome,
    Risk,
    renamed,
)
from gransk.core.identity import patient
from gransk.core.reasons import Reason
from gransk.core.study import Study

IDENTITY = 4
"""Of `gransk.core.identity.patient`: identifier, issuer, birth date and sex; not the name."""


@dataclass(frozen=True)
class Refused:
    """Why the prior is not compared with.

    Parameters
    ----------
    reason : Reason
    cause : Reason, optional
        Why it could not be analysed, where it could not.
    """

    reason: Reason
    cause: Reason | None = None

    def as_json(self) -> dict[str, Any]:
        told = {"reason": self.reason.value, "text": reasons.text(self.reason, "en")}
        if self.cause is not None:
            cause = reasons.text(self.cause, "en")
            told |= {"cause": self.cause.value, "text": f"{told['text']} {cause}"}
        return told


@dataclass(frozen=True)
class Followed:
    """What was asked beside the findings, and what came of it.

    Parameters
    ----------
    comparison : Comparison, optional
    refused : Refused, optional
        Where a prior was given and not compared with.
    assessment : Assessment
    told : FollowUp, optional
        All of it, as reports tell it.
    sides : tuple of Picture
        Both sides of compared lesions.
    """

    comparison: Comparison | None = None
    refused: Refused | None = None
    assessment: Assessment = Assessment()  # noqa: RUF009
    told: FollowUp | None = None
    sides: tuple[Picture, ...] = ()

    @property
    def asked_for_prior(self) -> bool:
        return self.comparison is not None or self.refused is not None


def follower(application: Application, option: str) -> FollowsUp:
    """The application, where it follows up.

    Raises
    ------
    ConfigurationError
        Where it does not.
    """
    if not isinstance(application, FollowsUp):
        raise ConfigurationError(
            f"{option}: the application {application.id!r} does not follow up; leave it out"
        )
    return application


def read_profile(path: Path, application: Application) -> dict[str, Any]:
    """A risk profile from its JSON file, checked by the application.

    Raises
    ------
    UnreadableInputError
        The message names keys and never values.
    """
    try:
        found = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except OSError as error:
        raise UnreadableInputError(f"--profile {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _TwiceError) else "not JSON in UTF-8"
        raise UnreadableInputError(f"--profile {path}: {why}") from error
    if not isinstance(found, dict):
        raise UnreadableInputError(f"--profile {path}: must be a JSON object")
    if isinstance(application, ChecksProfiles):
        application.check_profile(found)
    return found


def same_patient(study: Study, prior: Study) -> bool:
    """Do identifier with issuer, birth date and sex agree? Without an identifier they do not."""
    one, other = (patient(each.instances[0].header)[:IDENTITY] for each in (study, prior))
    return bool(one[0]) and one == other


def inherited(findings: Findings, comparison: Comparison) -> tuple[Findings, Comparison]:
    """Both under the tracking UIDs that matched lesions bear in the prior."""
    names = {
        str(one.current_uid): str(one.prior_uid)
        for one in comparison.lesions
        if one.outcome is Outcome.MATCHED
    }
    lesions = tuple(
        one.model_copy(update={"current_uid": names.get(str(one.current_uid), one.current_uid)})
        for one in comparison.lesions
    )
    return renamed(findings, names), comparison.model_copy(update={"lesions": lesions})


def finding_json(application: Application, finding: Finding, followed: Followed) -> dict[str, Any]:
    """Keys of a finding: its state and change where a prior was given, and its risks."""
    uid = finding.tracking_uid
    risk = [_risk(application, one) for one in followed.assessment.risks if one.tracking_uid == uid]
    if not followed.asked_for_prior:
        return {"risk": risk}
    lesion = None if followed.comparison is None else followed.comparison.of(uid)
    growth = followed.assessment.growth.get(uid)
    return {
        "state": _state(lesion),
        "prior_tracking_uid": None if lesion is None else lesion.prior_uid,
        "prior_volume_mm3": _volume(lesion, now=False),
        "compared_volume_mm3": _volume(lesion, now=True),
        "volume_change_percent": _changed(lesion, "volume_change_percent"),
        "diameter_change_mm": _changed(lesion, "diameter_change_mm"),
        "vdt_days": _changed(lesion, "vdt_days"),
        "vdt_interval_days": _interval(lesion),
        "growth_class": growth,
        "withheld": None if growth else _withheld(uid, lesion, followed),
        "risk": risk,
    }


def study_json(application: Application, followed: Followed) -> dict[str, Any]:
    """Keys of the study."""
    assessment = followed.assessment
    answer: dict[str, Any] = {}
    if followed.asked_for_prior:
        lesions = () if followed.comparison is None else followed.comparison.lesions
        answer["resolved"] = [_gone(one) for one in lesions if one.outcome is Outcome.RESOLVED]
        answer["not_covered"] = [
            _gone(one) for one in lesions if one.outcome is Outcome.NOT_COVERED
        ]
    answer["advice"] = [_advice(one) for one in assessment.advice]
    answer["unknown"] = list(assessment.unknown)
    notes = list(assessment.notes)
    if followed.comparison is not None:
        notes += followed.comparison.notes
    answer["follow_up_notes"] = [_note(application, one) for one in notes]
    if followed.refused is not None:
        answer["refused_comparison"] = followed.refused.as_json()
    return answer


def _state(lesion: Lesion | None) -> str | None:
    """Matched, new or uncertain: whether a nodule is new cannot be told where its place lacks."""
    if lesion is None:
        return None
    if lesion.outcome is Outcome.NOT_COVERED:
        return Outcome.UNCERTAIN.value
    return lesion.outcome.value


def _volume(lesion: Lesion | None, now: bool) -> float | None:
    """Of a matched lesion, measured alike in both studies: now or then."""
    if lesion is None or lesion.outcome is not Outcome.MATCHED:
        return None
    look = lesion.current if now else lesion.prior
    return None if look is None else look.measured("volume_mm3")


def _changed(lesion: Lesion | None, name: str) -> float | None:
    found = None if lesion is None else lesion.changed(name)
    return None if found is None else found.value


def _interval(lesion: Lesion | None) -> list[float | None] | None:
    found = None if lesion is None else lesion.changed("vdt_days")
    if found is None or found.interval is None:
        return None
    return list(found.interval)


def _withheld(uid: str, lesion: Lesion | None, followed: Followed) -> str:
    """Why a finding has no growth class."""
    if followed.refused is not None:
        return followed.refused.reason.value
    if lesion is None or lesion.outcome is not Outcome.MATCHED:
        return "not_matched"
    codes = [note.code for note in (*followed.assessment.withheld.get(uid, ()), *lesion.withheld)]
    return codes[0] if codes else "no_growth_rule"


def _gone(lesion: Lesion) -> dict[str, Any]:
    """A lesion that one of the studies alone shows."""
    look = lesion.prior or lesion.current
    place = None if look is None or look.centre_lps_mm is None else list(look.centre_lps_mm)
    return {
        "tracking_uid": lesion.prior_uid or lesion.current_uid,
        "seen_in": "current" if lesion.prior_uid is None else "prior",
        "volume_mm3": None if look is None else look.measured("volume_mm3"),
        "centre_lps_mm": place,
    }


def _advice(advice: Advice) -> dict[str, Any]:
    detail = advice.detail.get("en", {})
    return {
        "tracking_uid": advice.tracking_uid,
        "guideline": advice.guideline,
        "version": advice.version,
        "source_state": advice.source_state,
        "status": advice.status,
        "row": advice.row,
        "action": advice.action or None,
        "due_date": None if advice.due is None else advice.due[0].isoformat(),
        "due": None if advice.due is None else [day.isoformat() for day in advice.due],
        "proposal": advice.proposal,
        "text": advice.text["en"],
        "reason": advice.reason["en"],
        "assumed_setting": bool(advice.detail.get("assumed_setting", False)),
        **{key: detail.get(key, []) for key in ("options", "changed_by", "notices")},
    }


def _risk(application: Application, risk: Risk) -> dict[str, Any]:
    ends = risk.probability
    one = None if ends is None else ends[0] if ends[0] == ends[1] else list(ends)
    return {
        "model": risk.model,
        "version": risk.version,
        "calculated_by": risk.calculated_by or risk.model,
        "probability": one,
        "contributions": [
            {
                "input": part.input,
                "value": list(part.value) if isinstance(part.value, tuple) else part.value,
                "log_odds": part.log_odds[0]
                if part.log_odds[0] == part.log_odds[1]
                else list(part.log_odds),
            }
            for part in risk.contributions
        ],
        "warnings": [_note(application, note) for note in risk.warnings],
        "refused": None if risk.refused is None else _note(application, risk.refused),
    }


def _note(application: Application, note: Note) -> dict[str, str]:
    return {"code": note.code, "text": application.presentation.text(note, "en")}


class _TwiceError(ValueError):
    """A key stands twice in one JSON object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _TwiceError(f"the key {name!r} stands twice")
    return dict(pairs)
