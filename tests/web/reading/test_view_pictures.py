"""Pictures that readers point at, what a form makes of a place, and who sees others' places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mammo_exam import drawn_exam
from reading_desks import NORMAL, RECALL, Desks
from reading_room import ai, plan

from gransk.archive.orthanc import ArchiveError
from gransk.core.keys import digest
from gransk.core.screening import Breast, View
from gransk.reading.ai import Said, opinion_of
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid, Difference, Place
from gransk.reading.plan import Differing, PolicyKind
from gransk.site.database import utcnow
from gransk.web.reading.view_pictures import (
    FOR_PRESENTATION,
    FOR_PROCESSING,
    SIDE_PX,
    views,
)
from mammo.pictures import pictures
from mammo.presentation import presentation

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
NAMES = {
    "sop_class": "0008,0016", "sop": "0008,0018", "series": "0020,000e", "side": "0020,0062",
    "other_side": "0020,0060", "view": "0018,5101", "columns": "0028,0011", "rows": "0028,0010",
    "spacing": "0018,1164", "frames": "0028,0008", "number": "0020,0013", "code": "0054,0220",
}  # fmt: skip


def image(name: str = "R CC", number: int = 1, **values: Any) -> dict[str, Any]:
    """An image's attributes as the archive gives them."""
    side, view = name.split()
    known = {
        "sop_class": FOR_PRESENTATION, "sop": f"1.2.{number}", "series": f"1.3.{number}",
        "side": side, "view": view, "columns": "2000", "rows": "3000", "spacing": "0.1\\0.1",
        "number": str(number),
    } | values  # fmt: skip
    return {NAMES[key]: {"Value": value} for key, value in known.items() if value is not None}


EXAM = [image("L MLO", 4), image("R MLO", 3), image("R CC", 1), image("L CC", 2)]


def place(name: str = "R MLO", number: int = 3, at: tuple[float, float] = (700, 900)) -> str:
    """As the browser writes it."""
    return f"{name} 1.2.{number} {at[0]} {at[1]} 150.0"


def test_views_hang_as_everywhere_and_small():
    found = views("1.1", EXAM)
    assert [one.name for one in found] == ["R CC", "L CC", "R MLO", "L MLO"]
    assert {(one.width, one.height) for one in found} == {(600, SIDE_PX)}
    assert {one.radius_px for one in found} == {150.0}
    assert found[0].address.startswith(
        "/dicom-web/studies/1.1/series/1.3.1/instances/1.2.1/rendered?window="
    )
    assert found[0].address.endswith("&viewport=600,900")


def test_what_an_image_does_not_say_is_not_guessed():
    coded = [{"0008,0100": {"Value": "399368009"}}]
    found = views(
        "1.1",
        [
            image("X X", 5, spacing=None),
            image("R MLO", 6, side=None, other_side="L", view=None, code=coded),
        ],
    )
    assert [(one.name, one.side, one.view) for one in found] == [
        ("L MLO", "L", "MLO"),
        ("", "", ""),
    ]
    assert found[1].radius_px == 150.0, "a share of the longer side"


def test_results_volumes_and_raw_images_are_no_pictures():
    raw = image("R CC", 7, sop_class=FOR_PROCESSING)
    others = [image(number=8, sop_class=CAPTURE), image(number=9, frames="60")]
    assert [one.sop_instance_uid for one in views("1.1", [raw, *EXAM, *others])] == [
        "1.2.1", "1.2.2", "1.2.3", "1.2.4",
    ]  # fmt: skip
    assert [one.sop_instance_uid for one in views("1.1", [raw, *others])] == ["1.2.7"]


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Any:
    tags = dict(enumerate(EXAM))
    monkeypatch.setattr("gransk.archive.orthanc.Orthanc.tags", lambda *_: tags)
    return monkeypatch


@pytest.mark.parametrize("wrong", [{"rows": None}, {"columns": "0"}, {"rows": "many"}])
def test_an_image_that_does_not_say_its_size_is_left_out(wrong):
    found = views("1.1", [image("R CC", 1, **wrong), image("L CC", 2)])
    assert [one.name for one in found] == ["L CC"]


def test_a_place_is_kept_with_the_finding(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    assert desks.say(reader, key, **RECALL, **{"place-1": place()}).status_code == 303
    (suspect,) = desks.of(key).reads[0].opinion.suspects
    assert (suspect.breast, suspect.view) == (Breast.RIGHT, View.MLO)
    assert suspect.place == Place(
        sop_instance_uid="1.2.3", centre_px=(700.0, 900.0), radius_px=150.0
    )
    assert "place marked" in desks.at(reader).get(f"/reading/{key}").text
    html = desks.at(reader).get(f"/reading/{key}/correct").text
    assert 'name="place-1" value="R MLO 1.2.3 700.0 900.0 150.0"' in html


WRONG = [
    (place("L MLO"), "another breast or view"),
    (place("R CC"), "another breast or view"),
    ("R MLO 1.2.3 700 900", "Point at the place again"),
    ("R MLO x 700 900 150", "Point at the place again"),
    ("R MLO 1.2.3 nan 900 150", "Point at the place again"),
    ("R MLO 1.2.3 700 900 -1", "Point at the place again"),
]


def test_a_place_that_cannot_be_is_shown_again(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    for typed, said in WRONG:
        answer = desks.say(reader, key, **RECALL, **{"place-1": typed})
        assert answer.status_code == 422, typed
        assert said in answer.text
        assert f'name="place-1" value="{typed}"' in answer.text
    alone = desks.say(reader, key, **RECALL, **{"place-2": place("- -")})
    assert alone.status_code == 422, "a place alone is no finding, and is not dropped"
    assert desks.of(key).reads == ()
    unknown = {"place-1": place("- -"), "view-1": "both"}
    assert desks.say(reader, key, **(RECALL | unknown)).status_code == 303


def test_only_who_has_the_exam_before_them_has_its_pictures(desks, archive):
    key = desks.exam()
    one, two = desks.asked(key)
    other = next(name for name in ("anna", "bo", "cara", "dan") if name not in (one, two))
    address = f"/reading/{key}/views"
    assert desks.at(one).get(address).status_code == 404, "not opened yet"
    desks.open(one, key)
    html = desks.at(one).get(address).text
    assert re.findall(r"<figcaption><kbd>\d</kbd> ([^<]+)", html) == [
        "R CC", "L CC", "R MLO", "L MLO",
    ]  # fmt: skip
    assert desks.at(other).get(address).status_code == 404
    assert desks.at(one).get("/reading/nothing/views").status_code == 404

    def silent(*_: object) -> None:
        raise ArchiveError("away")

    archive.setattr("gransk.archive.orthanc.Orthanc.tags", silent)
    assert desks.at(one).get(address).status_code == 502


@pytest.mark.blinding
@pytest.mark.parametrize("kind", [PolicyKind.DOUBLE_READING, PolicyKind.DECISION_SUPPORT])
def test_pictures_tell_a_first_reader_nothing_of_others(desks, archive, kind):
    """Not where another pointed, nor the AI's marks, even where the page itself shows those."""
    opinion = ai(AiSaid.RECALL, exam_score=9.0)
    read, fresh = desks.exam(plan(kind), opinion), desks.exam(plan(kind), opinion)
    one, two = desks.asked(read)
    while two not in desks.asked(fresh):
        fresh = desks.exam(plan(kind), opinion)
    desks.say(one, read, **RECALL, **{"place-1": place()})
    told = []
    for key in (read, fresh):
        desks.open(two, key)
        html = desks.at(two).get(f"/reading/{key}/views").text
        assert "<circle" not in html
        assert "outline" not in html
        told.append(re.sub(r"studies/[\d.]+/", "", html))
    assert told[0] == told[1]


def test_who_decides_sees_where_both_pointed(desks, archive):
    key = desks.exam(plan(differing=Differing.LESION))
    one, two = desks.asked(key)
    desks.say(one, key, **RECALL, **{"place-1": place()})
    desks.say(two, key, **RECALL, **{"place-1": place(at=(1500, 2500))})
    exam = desks.of(key)
    assert (exam.state, exam.difference) == (State.DISCORDANT, Difference.LESION)
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    desks.open(arbiter, key)
    html = desks.at(arbiter).get(f"/reading/{key}/views").text
    assert re.findall(r'<circle class="pointed" cx="([\d.]+)" cy="([\d.]+)"', html) in (
        [("700.0", "900.0"), ("1500.0", "2500.0")],
        [("1500.0", "2500.0"), ("700.0", "900.0")],
    )
    for name in (one, two):
        assert f">{name[0].upper()}G</text>" in html


def test_near_places_are_one_lesion(desks):
    key = desks.exam(plan(differing=Differing.LESION))
    one, two = desks.asked(key)
    desks.say(one, key, **RECALL, **{"place-1": place()})
    desks.say(two, key, **RECALL, **{"place-1": place(at=(800, 1000))})
    assert desks.of(key).state is State.DECIDED


class Shown:
    """Mammography as far as pages need it."""

    id = "mammo"
    presentation = presentation()


def test_places_stand_beside_the_marks_of_the_ai(make_site: Any, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"mammo": Shown()})
    desks = Desks(make_site())
    desks.unit()
    drawn = drawn_exam(tmp_path / "exam")
    analysis = digest(["analysis", desks.site.study_key(1)])
    said = Said(AiSaid.RECALL, policy="p", version=1)
    opinion = opinion_of(drawn.findings, "b" * 64, analysis, said, utcnow())
    mark = next(one for one in opinion.marks if one.place is not None)
    one_mark = {"said": AiSaid.RECALL, "reason": "", "policy": "p", "marks": (mark,)}
    opinion = opinion.model_copy(update=one_mark)
    how = plan(PolicyKind.REPLACE_READER, differing=Differing.LESION)
    key = desks.exam(how, opinion, study_instance_uid=drawn.study.uid)
    shown = pictures(drawn.study, drawn.findings)
    desks.site.sealed(key, drawn.findings, released=False, pictures=shown, application="mammo")
    (reader,) = desks.asked(key)
    image_uid, (x, y) = mark.place.sop_instance_uid, mark.place.centre_px
    form = RECALL | {
        "side-1": mark.breast.value,
        "view-1": mark.view.value,
        "place-1": f"{mark.breast} {mark.view} {image_uid} {x + 200} {y + 200} 20",
    }
    assert desks.say(reader, key, **form).status_code == 303
    assert desks.of(key).difference is Difference.LESION
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    desks.open(arbiter, key)
    html = desks.at(arbiter).get(f"/reading/{key}").text
    figures = re.findall(r"<figure.*?</figure>", html, re.DOTALL)
    (pointed,) = [one for one in figures if 'class="pointed"' in one]
    assert f"{mark.breast} {mark.view}" in pointed
    assert 'polygon class="outline"' in pointed
    desks.say(arbiter, key, "verdict", **NORMAL, why="ai_mark_missed")
    assert desks.of(key).state is State.DECIDED
