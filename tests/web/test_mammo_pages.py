"""The page of a mammography case, and the hanging that the viewer is told."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from harness_orthanc import make_config
from mammo_exam import drawn_exam
from mammo_stage import Shown, seed
from web_site import open_site

from gransk.core.findings import Findings, Note
from gransk.site.tables import Role
from gransk.web.access import Caller
from gransk.web.hanging import hanging
from mammo.application import MammoApplication
from mammo.pictures import pictures
from mammo.view import STANDARD


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A factory: a site with an exam on it, a radiologist's browser, and the case's address."""
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"mammo": Shown()})
    sites = []

    def make(exam, language="en"):
        site = open_site(make_config(tmp_path))
        sites.append(site)
        key, _ = seed(site, exam, [], pictures(exam.study, exam.findings))
        return site, site.signed_in("rasmussen"), f"/studies/{key}"

    yield make
    for site in sites:
        site.close()


def test_a_case_hangs_four_views_with_every_mark_once(opened, tmp_path):
    exam = drawn_exam(tmp_path / "exam")
    _, client, case = opened(exam)
    page = client.get(case).text
    whole = page[page.index('class="hung"') : page.index('<ol class="findings">')]
    assert re.findall(r"<figcaption>(\w \w+)", whole) == ["R CC", "L CC", "R MLO", "L MLO"]
    assert re.findall(r'<figure class="(\w+)"', whole) == ["inner", "outer"] * 2
    assert whole.count('class="outline"') == 3
    assert re.findall(r'class="name"[^>]*>(\d)<', whole) == ["1", "2", "3"]
    for uid in exam.images.values():
        assert f"initialSOPInstanceUID={uid}" in whole
    for number in re.findall(r"/(\d)\.png", whole):
        assert client.get(f"{case}/pictures/{_analysis(page)}/{number}.png").status_code == 200


def _analysis(page: str) -> str:
    return re.search(r"/pictures/([0-9a-f]+)/0\.png", page)[1]


def test_the_words_are_those_of_a_probability_and_not_of_readers(opened, tmp_path):
    _, client, case = opened(drawn_exam(tmp_path / "exam"))
    page = client.get(case).text
    assert "<dt>Probability of cancer</dt>" in page
    assert "Readers&#39; suspicion" not in page
    assert "Readers' suspicion" not in page
    assert "Image number" not in page
    assert "not shown: not calibrated here" in page


def test_a_mark_names_the_other_mark_of_its_lesion(opened, tmp_path):
    _, client, case = opened(drawn_exam(tmp_path / "exam"))
    page = client.get(case).text
    told = re.findall(r"<dt>Same lesion</dt><dd>([^<]+)</dd>", page)
    assert told == ["Mark 2 (R MLO)", "Mark 1 (R CC)"]


@pytest.mark.parametrize(
    ("language", "heading", "told"),
    [
        ("en", "Choice of views (number of series/image)", "R CC (3/1) is analysed."),
        ("da", "Valg af projektioner (nummer på serie/billede)", "R CC (3/1) analyseres."),
    ],
)
def test_the_choice_of_views_is_told_in_words_of_mammography(
    opened, tmp_path, language, heading, told
):
    exam = drawn_exam(tmp_path / "exam")
    chosen = Note(code="image_chosen", values={"image": "R CC (3/1)", "view": "R CC"})
    findings = exam.findings.model_copy(update={"choice": (chosen,)})
    site, _, case = opened(dataclasses.replace(exam, findings=findings))
    page = site.person(Role.RADIOLOGIST, language=language).get(case).text
    assert f'<h3>{heading}</h3><ul class="notes"><li>{told}</li></ul>' in page
    assert {"en": "Choice of series", "da": "Valg af serie"}[language] not in page


def test_no_risk_profile_is_offered_where_none_is_asked_for(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"mammo": MammoApplication()})
    _, client, case = opened(drawn_exam(tmp_path / "exam"))
    assert f'href="{case}/profile"' not in client.get(case).text


def test_a_missing_view_is_said_on_the_page(opened, tmp_path):
    _, client, case = opened(drawn_exam(tmp_path / "exam", STANDARD[:3]))
    page = client.get(case).text
    whole = page[page.index('class="hung"') : page.index('<ol class="findings">')]
    assert re.search(r'<figcaption>L MLO</figcaption><p class="warn">Not there</p>', whole)


def test_the_viewer_is_told_the_layout_and_the_images_of_the_analysis(opened, tmp_path):
    exam = drawn_exam(tmp_path / "exam")
    site, client, _ = opened(exam)
    told = hanging(site.app.state.wiring, Caller(), exam.study.uid)
    assert told == {
        "layout": [["R CC", "L CC"], ["R MLO", "L MLO"]],
        "labels": {uid: name for name, uid in exam.images.items()},
    }
    content = client.get(f"/viewer/app-config.js?StudyInstanceUIDs={exam.study.uid}").text
    assert json.dumps(told) in content
    assert "extensions: granskHanging.extensions" in content
    assert not re.search(r"__[A-Z]+__", content)
    assert hanging(site.app.state.wiring, Caller(), "1.2.3") is None


def test_before_release_the_viewer_goes_by_the_images_own_attributes(opened, tmp_path):
    exam = drawn_exam(tmp_path / "exam")
    site, _, _ = opened(exam)
    from gransk.results.tables import Report

    with site.database.begin() as session:
        for report in session.query(Report).all():
            report.released_at = None
    told = hanging(site.app.state.wiring, Caller(), exam.study.uid)
    assert told["layout"]
    assert told["labels"] == {}


def test_a_persons_kind_becomes_the_findings_own(opened, tmp_path):
    exam = drawn_exam(tmp_path / "exam")
    site, client, case = opened(exam)
    finding = exam.findings.findings[0]
    answer = client.post(
        f"{case}/findings/relabel",
        data={
            "workitem": site.item_id(site.study_key(1)),
            "finding": finding.tracking_uid,
            "labels": ["kind=calcifications"],
        },
    )
    assert answer.status_code == 303
    assert "done=edit_relabelled" in answer.headers["location"]
    page = client.get(case).text
    assert "Before: Kind mass" in page or "mass" in page
    assert "calcifications</dd>" in page
    assert isinstance(exam.findings, Findings)
