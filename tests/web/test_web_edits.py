"""Prepared by a colleague, signed by a radiologist: the pages."""

from __future__ import annotations

import datetime
import re
from typing import Any, ClassVar

import pytest
from sqlalchemy import select
from web_objects import Lesions, findings_of_study
from web_site import Site

from gransk.core.application import FollowsUp
from gransk.core.codes import Code
from gransk.core.findings import Quality, Region, ReviewState
from gransk.results import edits
from gransk.results.tables import FindingAct, Report, Track, Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.tables import Event, Role
from gransk.web.permissions import OF_ROLE, Permission, role_for

TEXTURE = Code(value="T", scheme="99TEST", meaning="Texture")
LABELS = {
    "texture": {
        value: (Quality(name="texture", concept=TEXTURE, value=Code(
            value=value, scheme="99TEST", meaning=value)),)
        for value in ("solid", "hazy")
    }
}  # fmt: skip
TEXTS = {
    "texture": {"en": "Texture", "da": "Tekstur"},
    "texture_solid": {"en": "solid", "da": "solid"},
    "texture_hazy": {"en": "hazy", "da": "sløret"},
    "rejected_vessel": {"en": "Vessel", "da": "Kar"},
}


class Followed(Lesions):
    """An application that follows up, as far as the pages ask."""

    profile_schema: ClassVar[dict[str, Any]] = {}
    presentation = Lesions.presentation.__class__(
        **{
            **Lesions.presentation.__dict__,
            "texts": {**Lesions.presentation.texts, **TEXTS},
            "labels": LABELS,
            "codes": {"texture": {v: q.value for v, (q,) in LABELS["texture"].items()}},
            "rejections": ("vessel",),
        }
    )

    def _by_the_worker(self, *_: Any) -> Any:
        raise AssertionError("the pages measure and compare nothing")

    priors_wanted = measure = compare = comparison_pictures = assess = report_text = _by_the_worker


@pytest.fixture
def site(make_site) -> Site:
    assert isinstance(Followed(), FollowsUp)
    made = make_site()
    made.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    made.app.state.wiring.applications = {"lesion": Followed()}
    return made


class Desk:
    """A released study with two findings, and who works on it."""

    def __init__(self, site: Site, **sealed: Any) -> None:
        self.site = site
        self.key = site.study(1, pending=False)
        self.findings = sealed.pop("findings", findings_of_study("1.2.3"))
        self.item = site.sealed(self.key, self.findings, **sealed)
        self.first, self.second = (f.tracking_uid for f in self.findings.findings)

    def post(self, client: Any, act: str, **form: Any) -> str:
        """Do an act; the code of what became of it."""
        path = f"/studies/{self.key}/{act if act == 'sign' else f'findings/{act}'}"
        answer = client.post(path, data={"workitem": self.item, **form})
        if answer.status_code != 303:
            return str(answer.status_code)
        return re.search(r"done=(\w+)", answer.headers["location"])[1]

    def ready(self) -> None:
        """The worker made the report with the latest acts."""
        with self.site.database.begin() as session:
            session.get_one(Workitem, self.item).state = WorkState.READY

    def shown(self, client: Any, **query: str) -> str:
        return client.get(f"/studies/{self.key}", params=query).text

    def result(self, client: Any) -> dict[str, Any]:
        return client.get(f"/api/studies/{self.key}").json()[0]

    @property
    def report(self) -> str:
        with self.site.database.read() as session:
            return str(session.get_one(Workitem, self.item).report_key)

    def acts(self) -> list[FindingAct]:
        with self.site.database.read() as session:
            return list(session.scalars(select(FindingAct).order_by(FindingAct.number)))


@pytest.fixture
def desk(site) -> Desk:
    return Desk(site)


def test_a_colleague_prepares_and_a_radiologist_signs(site, desk):
    rita = site.person(Role.RADIOGRAPHER, name="rita")
    dorte = site.person(Role.RADIOLOGIST, name="dorte")
    assert desk.post(rita, "confirm", finding=desk.first) == "edit_confirmed"
    with site.database.read() as session:
        item = session.get_one(Workitem, desk.item)
        assert (item.state, item.attempt) == (WorkState.WAITING, 2)
    html = desk.shown(rita, done="edit_confirmed")
    assert "Confirmed. A new report is being made." in html
    assert "Nodule 1" in html
    assert 'hx-trigger="every 2s"' in html
    rejected = desk.post(rita, "reject", finding=desk.second, reason="vessel", words="branches")
    assert rejected == "edit_rejected"
    assert "Sign the report" not in desk.shown(dorte)
    assert desk.post(dorte, "sign", report=desk.report) == "edit_not_yet"
    desk.ready()
    html = desk.shown(dorte)
    assert "Sign the report" in html
    assert "Not signed" in html
    assert "Prepared by Rita (Radiographer)" in html
    assert "Nodule 2: rejected, Vessel, “branches”" in html
    assert "Sign the report" not in desk.shown(rita)
    assert desk.post(rita, "sign", report=desk.report) == "403"
    assert desk.post(dorte, "sign", report=desk.report) == "edit_signed"
    desk.ready()
    html = desk.shown(rita)
    assert "Signed by Dorte (Radiologist)" in html
    result = desk.result(rita)
    assert result["signed"]["person"] == "Dorte"
    states = [[r["state"] for r in f["reviews"]] for f in result["result"]["findings"]]
    assert states == [["confirmed"], ["rejected"]]
    assert [(a.account, a.role, a.kind) for a in desk.acts()] == [
        ("rita", "radiographer", "confirm"),
        ("rita", "radiographer", "reject"),
        ("dorte", "radiologist", "sign"),
    ]


def test_a_change_after_signing_makes_it_unsigned(site, desk):
    dorte = site.person(Role.RADIOLOGIST, name="dorte")
    assert desk.post(dorte, "sign", report=desk.report) == "edit_signed"
    desk.ready()
    assert "Signed by Dorte" in desk.shown(dorte)
    rita = site.person(Role.TRAINEE, name="rita")
    assert desk.post(rita, "confirm", finding=desk.first) == "edit_confirmed"
    desk.ready()
    html = desk.shown(dorte)
    assert "Signed by Dorte" not in html
    assert "Sign the report" in html


def test_nobody_signs_another_report_than_the_page_showed(site, desk):
    dorte = site.person(Role.RADIOLOGIST)
    assert desk.post(dorte, "sign", report="0" * 64) == "edit_changed"
    assert desk.acts() == []


def test_what_the_analysis_said_stands_beside_a_persons_word(site):
    findings = findings_of_study("1.2.3")
    first = findings.findings[0].model_copy(update={"qualities": LABELS["texture"]["solid"]})
    found = findings.model_copy(update={"findings": (first, *findings.findings[1:])})
    desk = Desk(site, findings=found)
    rita = site.person(Role.RADIOGRAPHER)
    desk.post(rita, "relabel", finding=desk.first, labels=["texture=hazy"])
    assert "Texture: the analysis said solid." in desk.shown(rita)
    desk.post(rita, "relabel", finding=desk.first, labels=["texture=solid"])
    assert "the analysis said" not in desk.shown(rita)


def test_properties_are_set_and_the_models_value_stays(site, desk):
    rita = site.person(Role.NURSE, name="rita", language="da")
    form = {"finding": desk.first, "labels": ["texture=hazy", ""]}
    assert desk.post(rita, "relabel", **form) == "edit_relabelled"
    assert desk.post(rita, "relabel", finding=desk.first, labels=["texture=solid"]) == (
        "edit_relabelled"
    )
    desk.ready()
    html = desk.shown(rita)
    assert "Uændret: solid" in html
    assert "egenskaber rettet, Tekstur: sløret" in html
    first = desk.result(rita)["result"]["findings"][0]
    changes = [review["changes"][0] for review in first["reviews"]]
    assert changes[0]["before"] is None
    assert changes[1]["before"]["value"] == "hazy"
    assert first["qualities"][0]["value"]["value"] == "solid"
    assert desk.post(rita, "relabel", finding=desk.first, labels=[""]) == "edit_nothing"


@pytest.mark.parametrize(
    ("act", "form", "answer"),
    [
        ("confirm", {"finding": "1.9.9"}, "404"),
        ("reject", {"finding": "FIRST", "reason": "boredom"}, "422"),
        ("reject", {"finding": "FIRST"}, "422"),
        ("reject", {"finding": "FIRST", "reason": "vessel", "words": "x" * 501}, "422"),
        ("relabel", {"finding": "FIRST", "labels": ["texture=blue"]}, "422"),
        ("relabel", {"finding": "FIRST", "labels": ["colour=blue"]}, "422"),
        ("add", {"image": 2, "column": 3, "row": 4}, "404"),
        ("add", {"image": 1, "column": -3, "row": 4}, "422"),
        ("add", {"image": 1}, "edit_no_place"),
        ("withdraw", {"number": 77}, "edit_changed"),
        ("confirm", {"finding": "FIRST", "workitem": "unknown"}, "404"),
    ],
)
def test_what_makes_no_sense_changes_nothing(site, desk, act, form, answer):
    form = {name: desk.first if value == "FIRST" else value for name, value in form.items()}
    assert desk.post(site.person(Role.RADIOGRAPHER), act, **form) == answer
    assert desk.acts() == []
    with site.database.read() as session:
        assert session.get_one(Workitem, desk.item).state == WorkState.READY


def test_an_own_act_is_taken_back(site, desk):
    rita, other = site.person(Role.RADIOGRAPHER), site.person(Role.TRAINEE)
    desk.post(rita, "reject", finding=desk.first, reason="vessel")
    (made,) = desk.acts()
    assert 'name="number"' in desk.shown(rita)
    assert 'name="number"' not in desk.shown(other)
    assert desk.post(other, "withdraw", number=made.number) == "edit_not_yours"
    assert desk.post(rita, "withdraw", number=made.number) == "edit_withdrawn"
    html = desk.shown(rita)
    assert "<s>" in html
    assert "taken back" in html
    assert 'class="rejected"' not in html


def test_a_place_is_pointed_at_and_waits_to_be_measured(site, desk):
    rita, dorte = site.person(Role.RADIOGRAPHER), site.person(Role.RADIOLOGIST)
    clicked = {"image": 1, "scale": 1.5, "point.x": 150, "point.y": 75, "column": 0, "row": 0}
    assert desk.post(rita, "add", **clicked) == "edit_added"
    assert desk.post(rita, "add", image=1, column=12.5, row=8.25) == "edit_added"
    places = [act.content["place"] for act in desk.acts()]
    assert [(p["column"], p["row"]) for p in places] == [(100.0, 50.0), (12.5, 8.25)]
    assert {p["sop_instance_uid"] for p in places} == {"1.2.3.4.5"}
    desk.ready()
    html = desk.shown(dorte)
    assert "Added findings that wait to be measured: 2." in html
    assert "Sign the report" not in html
    assert desk.post(dorte, "sign", report=desk.report) == "edit_not_yet"
    with site.database.begin() as session:
        for act in desk.acts():
            made = desk.findings.findings[0].model_copy(update={"tracking_id": "Nodule 1"})
            edits.measured(session, act.number, act.analysis_key, made)
    html = desk.shown(dorte)
    assert "Nodule 3" in html
    assert "Nodule 4" in html
    assert "added by a person" in html
    assert "Sign the report" in html


def test_an_unreleased_or_older_report_takes_no_acts(site):
    desk = Desk(site, released=False)
    rita = site.person(Role.RADIOGRAPHER)
    assert desk.post(rita, "confirm", finding=desk.first) == "edit_not_possible"
    assert "Nodule 1" not in desk.shown(rita)
    with site.database.begin() as session:
        item = session.get_one(Workitem, desk.item)
        session.get_one(Report, item.report_key).released_at = utcnow()
        item.state = WorkState.WAITING
        item.images_at = utcnow() + datetime.timedelta(minutes=1)
    assert desk.post(rita, "confirm", finding=desk.first) == "edit_not_possible"
    assert "Nodule 1" not in desk.shown(rita)


def test_lesions_keep_their_names_on_the_page(site, desk):
    with site.database.begin() as session:
        session.add(
            Track(
                analysis_key=session.get_one(Workitem, desk.item).analysis_key,
                finding_uid=desk.first,
                lesion_uid="2.25.77",
                study_key=desk.key,
                at=utcnow(),
            )
        )
    rita = site.person(Role.RADIOGRAPHER)
    assert 'value="2.25.77"' in desk.shown(rita)
    assert desk.post(rita, "confirm", finding="2.25.77") == "edit_confirmed"
    (act,) = desk.acts()
    assert (act.finding_uid, act.lesion_uid) == (desk.first, "2.25.77")
    desk.ready()
    reviews = desk.result(rita)["result"]["findings"][0]["reviews"]
    assert [review["state"] for review in reviews] == [ReviewState.CONFIRMED]


def test_rejected_findings_leave_the_worklists_line(site, desk):
    rita = site.person(Role.RADIOGRAPHER)
    before = rita.get("/").text
    assert "2 nodules" in before
    desk.post(rita, "reject", finding=desk.first, reason="vessel")
    desk.ready()
    with site.database.begin() as session:
        item = session.get_one(Workitem, desk.item)
        was = session.get_one(Report, item.report_key)
        session.add(
            Report(
                key="e" * 64, analysis_key=was.analysis_key, workitem_id=item.id,
                incomplete=False, supersedes=was.key, created_at=utcnow(), released_at=utcnow(),
                released_by="policy", withdrawn_at=None, follow_up_sha256=None,
            )
        )  # fmt: skip
        item.report_key = "e" * 64
    assert "1 nodules, 8.5 mm" in rita.get("/").text
    assert "Nodule 1" in desk.shown(rita)
    findings = desk.result(rita)["result"]["findings"]
    assert [bool(f["reviews"]) for f in findings] == [True, False]


def test_the_waiting_part_of_the_page_is_asked_for_alone(site, desk):
    rita = site.person(Role.RADIOGRAPHER)
    desk.post(rita, "confirm", finding=desk.first)
    address = f"/studies/{desk.key}/desk/{desk.item}"
    assert "every 2s" in rita.get(address).text
    desk.ready()
    html = rita.get(address).text
    assert "every 2s" not in html
    assert "<html" not in html
    assert rita.get(f"/studies/{desk.key}/desk/other").status_code == 404


def test_free_words_are_escaped(site, desk):
    rita = site.person(Role.RADIOGRAPHER)
    desk.post(rita, "reject", finding=desk.first, reason="vessel", words="<script>x</script>")
    assert "<script>x" not in desk.shown(rita)


@pytest.mark.parametrize("role", list(Role))
def test_who_prepares_and_who_signs(site, desk, role):
    client = site.person(role)
    may = OF_ROLE[role]
    prepares = role in (
        Role.RADIOLOGIST, Role.ARBITER, Role.RESPONSIBLE_RADIOLOGIST, Role.TRAINEE,
        Role.RADIOGRAPHER, Role.NURSE,
    )  # fmt: skip
    signs = role in (Role.RADIOLOGIST, Role.ARBITER, Role.RESPONSIBLE_RADIOLOGIST)
    assert (Permission.PREPARE in may, Permission.SIGN in may) == (prepares, signs)
    done = desk.post(client, "confirm", finding=desk.first)
    assert done == ("edit_confirmed" if prepares else "403")
    desk.ready()
    assert desk.post(client, "sign", report=desk.report) == ("edit_signed" if signs else "403")
    if role is Role.AUDITOR:
        return
    with site.database.read() as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject == desk.key)).all()
    assert ("finding_edited" in kinds) == prepares
    assert ("report_signed" in kinds) == signs


def test_a_person_of_several_roles_acts_in_the_first_that_permits():
    roles = ["radiographer", "responsible_radiologist", "auditor"]
    assert role_for(roles, Permission.PREPARE) is Role.RADIOGRAPHER
    assert role_for(roles, Permission.SIGN) is Role.RESPONSIBLE_RADIOLOGIST
    with pytest.raises(ValueError, match="no role"):
        role_for(["nurse"], Permission.SIGN)


def test_outlines_and_neighbours_of_the_image_that_a_person_points_at(site, monkeypatch):
    findings = findings_of_study("1.2.3")
    frame = findings.frames[0]
    frames = tuple(
        frame.model_copy(update={"sop_instance_uid": f"1.2.3.4.{n}", "instance_number": n + 10})
        for n in range(1, 4)
    )
    square = ((1.0, 1.0), (5.0, 1.0), (5.0, 5.0))
    region = Region(sop_instance_uid="1.2.3.4.2", points=square)
    outlined = findings.findings[0].model_copy(update={"regions": (region,)})
    found = findings.model_copy(update={"frames": frames, "findings": (outlined,)})
    key = site.study(1)
    item = site.sealed(key, found)
    orthanc = site.app.state.wiring.orthanc
    monkeypatch.setattr(orthanc, "find_instance", lambda uid: uid)
    tags = {"0028,0010": {"Value": "256"}, "0028,0011": {"Value": "512"}}
    monkeypatch.setattr(orthanc, "instance_tags", lambda uid: tags)
    rita = site.person(Role.RADIOGRAPHER)
    html = rita.get(f"/studies/{key}/point/{item}").text
    assert "Image 2 of 3" in html
    assert 'points="1.00,1.00 5.00,1.00 5.00,5.00"' in html
    assert 'width="768" height="384"' in html
    image = "instances/1.2.3.4.2/rendered?window=-600,1500,linear"
    assert f"/dicom-web/studies/1.2.3.1/series/1.2.3.4/{image}" in html
    alone = rita.get(f"/studies/{key}/point/{item}?image=3", headers={"hx-request": "true"}).text
    assert "<html" not in alone
    assert "data-next" not in alone
    assert "data-previous" in alone
    assert site.person(Role.COORDINATOR).get(f"/studies/{key}/point/{item}").status_code == 403
    monkeypatch.setattr(orthanc, "find_instance", lambda uid: None)
    assert rita.get(f"/studies/{key}/point/{item}").status_code == 404
