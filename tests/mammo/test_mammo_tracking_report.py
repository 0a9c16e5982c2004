"""What follows from comparisons, and what people read of them."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from mammo_follow_up import PLACE, exam, image

import mammo.tracking
from gransk.core.application import Examined
from gransk.core.findings import Note
from gransk.core.followup import Comparison, FollowUp, Lesion, NotCompared, Outcome
from gransk.core.reasons import Reason
from mammo.coding import measurement
from mammo.presentation import presentation
from mammo.texts import NAMES, NOTES
from mammo.tracking.change import told
from mammo.tracking.follow_up import assess, report_text
from mammo.tracking.settings import TrackingSettings
from mammo.tracking.texts import TEXTS

TODAY = datetime.date(2026, 1, 5)


@pytest.fixture(scope="module")
def current() -> Examined:
    return exam("20260105", {"L CC": (image(None), [PLACE, (300.0, 420.0, 5.0)])})


def matched(uid: str, prior_uid: str, later_mm: float) -> Lesion:
    said = told(10.0, later_mm, TrackingSettings(repeat_error=0.1))
    return Lesion(
        outcome=Outcome.MATCHED, current_uid=uid, prior_uid=prior_uid, certainty=0.9,
        changes=said.changes, notes=said.notes,
    )  # fmt: skip


def comparison(date: datetime.date, *lesions: Lesion, **more: object) -> Comparison:
    values: dict[str, object] = {
        "application": "mammo",
        "application_version": "1",
        "current_study": "1.1",
        "prior_study": f"1.2.{date:%Y%m%d}",
        "current_date": TODAY,
        "prior_date": date,
        "lesions": lesions,
    }
    return Comparison.model_validate(values | more)


def tell(note: Note, language: str) -> str:
    return presentation().text(note, language)


def test_growth_is_told_against_the_latest_earlier_exam(current: Examined) -> None:
    one, other = (f.tracking_uid for f in current.findings.findings)
    older = comparison(datetime.date(2022, 1, 5), matched(one, "1.9", 15.0))
    newer = comparison(
        datetime.date(2024, 1, 5),
        matched(one, "1.8", 10.1),
        Lesion(outcome=Outcome.NEW, current_uid=other),
    )
    later = comparison(datetime.date(2028, 1, 5), matched(one, "1.7", 20.0))
    assessed = assess([older, newer, later], TODAY)
    assert assessed.growth == {one: "stable"}
    assert assessed.risks == ()
    assert assessed.advice == ()
    assert [note.code for note in assessed.notes] == ["priors_beside_score"]
    assert assess([], TODAY).notes == ()


def test_the_report_says_what_became_of_each_mark(current: Examined) -> None:
    one, other = (f.tracking_uid for f in current.findings.findings)
    told_of = comparison(
        datetime.date(2024, 3, 2),
        matched(one, "1.8", 15.0),
        Lesion(outcome=Outcome.NEW, current_uid=other),
        Lesion(outcome=Outcome.RESOLVED, prior_uid="1.7"),
        notes=(Note(code="compared_views", values={"views": "L CC"}),),
    )
    refused = comparison(datetime.date(2020, 1, 5), refused=Reason.REGISTRATION_FAILED)
    follow_up = FollowUp(
        comparisons=(told_of, refused),
        not_compared=(NotCompared(study_date=None, reason=Reason.PRIOR_TOO_OLD),),
        assessment=assess([told_of], TODAY),
    )
    danish = report_text(current.study, current.findings, follow_up, "da", tell)
    assert "Sammenlignet med 02.03.2024:" in danish
    assert "Mark 1: ses på begge, ændring af diameter +5,0 mm (" in danish
    assert "Mark 2: ny." in danish
    assert "markering fra 02.03.2024: ses ikke længere." in danish
    assert "kunne ikke lægges over hinanden" in danish
    assert "uden dato: Den tidligere undersøgelse er ældre" in danish
    assert "ændrer den ikke" in danish
    english = report_text(current.study, current.findings, follow_up, "en", tell)
    assert "change of diameter +5.0 mm (" in english
    assert "no longer seen" in english


def test_a_mark_tells_its_numbers_by_name_and_the_other_mark_of_its_lesion(
    current: Examined,
) -> None:
    one, other = current.findings.findings
    share = (*one.measurements, measurement("score_share", 43.0))
    paired = (
        one.model_copy(update={"lesion_uid": "1.5", "measurements": share}),
        other.model_copy(update={"lesion_uid": "1.5"}),
    )
    findings = current.findings.model_copy(update={"findings": paired})
    text = report_text(current.study, findings, FollowUp(), "da", tell)
    (line,) = [line for line in text.splitlines() if line.startswith("- Mark 1:")]
    assert "andel af undersøgelsens resultat 43 %" in line
    assert line.endswith("samme læsion som Mark 2")
    alone = report_text(current.study, current.findings, FollowUp(), "en", tell)
    assert "same lesion" not in alone


def test_marks_that_a_person_rejected_are_left_out(current: Examined) -> None:
    from gransk.core.findings import Review, ReviewState

    one, other = current.findings.findings
    said = Review(
        state=ReviewState.REJECTED, by="R", at=datetime.datetime(2026, 1, 6, tzinfo=datetime.UTC)
    )
    findings = current.findings.model_copy(
        update={"findings": (one.model_copy(update={"reviews": (said,)}), other)}
    )
    told_of = comparison(
        datetime.date(2024, 3, 2),
        matched(one.tracking_uid, "1.8", 15.0),
        Lesion(outcome=Outcome.NEW, current_uid=other.tracking_uid),
    )
    text = report_text(current.study, findings, FollowUp(comparisons=(told_of,)), "en", tell)
    assert "Mark 2: new" in text
    assert "Mark 1" not in text


def test_every_code_has_both_languages_with_the_same_values() -> None:
    folder = Path(mammo.tracking.__file__).parent
    codes = {
        code
        for path in folder.glob("*.py")
        for code in re.findall(r'code="(\w+)"', path.read_text())
    }
    assert codes
    assert codes <= set(TEXTS)
    for by in TEXTS.values():
        fields = [set(re.findall(r"{(\w+)", by[language])) for language in ("en", "da")]
        assert fields[0] == fields[1]


def test_the_presentation_knows_every_text_and_none_hides_another() -> None:
    shown = presentation()
    assert all(shown.texts[code] == by for code, by in TEXTS.items())
    assert not set(TEXTS) & (set(NAMES) | set(NOTES))
    assert shown.course in TEXTS
