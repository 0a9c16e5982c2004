"""A case page beside earlier studies."""

from __future__ import annotations

import datetime
import io
import re

import numpy as np
import pytest
from PIL import Image
from web_objects import findings_of_study

from gransk.core import codes
from gransk.core.application import Picture
from gransk.core.findings import Measurement, Note
from gransk.core.followup import (
    Advice,
    Assessment,
    Comparison,
    FollowUp,
    Lesion,
    Look,
    NotCompared,
    Outcome,
)
from gransk.core.keys import digest
from gransk.core.reasons import Reason, text
from gransk.site.tables import Role

KEY = digest("comparison")
NOW, BEFORE = datetime.date(2026, 1, 5), datetime.date(2025, 7, 1)
SCRIPT = "<script>alert(1)</script>"


def volume(mm3):
    return Measurement(
        name="volume_mm3", concept=codes.VOLUME, unit=codes.MM3, value=mm3, interval=(mm3 - 9, None)
    )


def look(study, date, mm3):
    return Look(
        study_instance_uid=study,
        series_instance_uid="1.2.9",
        date=date,
        measurements=(volume(mm3),),
    )


def told(findings):
    first, second = findings.findings
    change = Measurement(name="volume_change", concept=codes.VOLUME, unit=codes.PERCENT, value=50.0)
    lesions = (
        Lesion(
            outcome=Outcome.MATCHED,
            current_uid=first.tracking_uid,
            prior_uid=first.tracking_uid,
            current=look("1.2.3.1", NOW, 150.0),
            prior=look("1.2.3.2", BEFORE, 100.0),
            changes=(change,),
            withheld=(Note(code="why"),),
        ),
        Lesion(outcome=Outcome.NEW, current_uid=second.tracking_uid),
        Lesion(outcome=Outcome.RESOLVED, prior_uid="1.2.77", prior=look("1.2.3.2", BEFORE, 61.0)),
    )
    comparison = Comparison(
        application="lesion",
        application_version="1",
        current_study="1.2.3.1",
        prior_study="1.2.3.2",
        current_date=NOW,
        prior_date=BEFORE,
        lesions=lesions,
        key=KEY,
    )
    advice = Advice(
        tracking_uid=first.tracking_uid,
        guideline="fleischner-2017",
        version="1.0",
        source_state="secondary",
        status="advice",
        row="solid-1",
        proposal=True,
        text={"en": f"CT in 3 months {SCRIPT}", "da": "CT om 3 måneder"},
        reason={"en": "Volume 150 mm3", "da": "Volumen 150 mm3"},
    )
    return FollowUp(
        comparisons=(comparison,),
        not_compared=(NotCompared(reason=Reason.PRIOR_IDENTITY_MISMATCH, study_date=BEFORE),),
        assessment=Assessment(advice=(advice,)),
        text={"en": f"Two nodules. {SCRIPT}", "da": "To noduli."},
    )


@pytest.fixture
def followed(site):
    """A released study compared with another; its key."""
    findings = findings_of_study("1.2.3.1")
    first = findings.findings[0].tracking_uid
    study, other = site.study(1), site.study(2)
    site.sealed(other)
    site.sealed(study, findings, follow_up=told(findings))
    grey = np.full((20, 30), 90, np.uint8)
    sides = [
        Picture(pixels=grey + n, caption={"en": f"side {n}", "da": f"side {n}"}, tracking_uid=first)
        for n in (0, 1)
    ]
    site.comparison(KEY, study, other, sides)
    return study


def test_the_page_tells_change_course_advice_and_what_was_not_compared(site, followed):
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{followed}").text
    assert "50.0 %" in html
    assert "Seen before <small>2025-07-01" in html
    assert "CT in 3 months" in html
    assert "Volume 150 mm3" in html
    assert "A proposal" in html
    assert "fleischner-2017 1.0 · row solid-1 · from secondary sources" in html
    assert text(Reason.PRIOR_IDENTITY_MISMATCH, "en") in html
    assert f'href="/studies/{site.study_key(2)}"' in html
    assert "No longer seen (2025-07-01)" in html
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', html)
    assert len(circles) == 2
    assert float(circles[0][1]) > float(circles[1][1]), "larger lies higher"
    assert html.count("/comparisons/") == 2


def test_what_comes_from_outside_is_escaped(site, followed):
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{followed}").text
    assert SCRIPT not in html
    assert html.count("&lt;script&gt;alert(1)") == 3


def test_the_page_in_danish(site, followed):
    html = site.person(Role.RADIOLOGIST, language="da").get(f"/studies/{followed}").text
    assert "CT om 3 måneder" in html
    assert "To noduli." in html
    assert "50,0 %" in html
    assert "Set før" in html


def test_sides_are_seen_by_those_who_may_see_images_alone(site, followed):
    address = f"/studies/{followed}/comparisons/{KEY}/1.png"
    answer = site.person(Role.RADIOLOGIST).get(address)
    assert Image.open(io.BytesIO(answer.content)).getpixel((3, 3)) == 91
    tag = {"if-none-match": answer.headers["etag"]}
    assert site.signed_in("p-radiologist").get(address, headers=tag).status_code == 304
    assert site.signed_in("p-radiologist").get(address.replace("/1.", "/2.")).status_code == 404
    assert site.person(Role.COORDINATOR).get(address).status_code == 403
    assert site.client().get(address).status_code in (303, 401)


def test_a_comparison_of_another_or_unreleased_study_is_not_there(site, followed):
    other, third = site.study_key(2), site.study(3)
    findings = findings_of_study("1.2.3.3")
    site.sealed(third, findings, released=False, follow_up=told(findings))
    reader = site.person(Role.RADIOLOGIST)
    for study in (other, third):
        assert reader.get(f"/studies/{study}/comparisons/{KEY}/0.png").status_code == 404
    assert "CT in 3 months" not in reader.get(f"/studies/{third}").text
