"""The page of an exam: what it shows to whom, what it takes, and what it refuses."""

from __future__ import annotations

import datetime
import re

from reading_desks import NORMAL, RECALL, TECHNICAL
from reading_room import ai, plan

from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.reading.exam import State
from gransk.reading.ledger import entries
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PolicyKind
from gransk.site.tables import Role

SCORE = 7.0
AI_WORDS = ("AI", "Score", "by-ai")


def test_a_recall_is_recorded_as_it_was_typed(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    second = {"side-2": "L", "view-2": "both", "type-2": "skin", "suspicion-2": "3"}
    answer = desks.say(reader, key, **RECALL, **second, comment="ny <fortætning>")
    assert answer.status_code == 303
    (read,) = desks.of(key).reads
    one, two = read.opinion.suspects
    assert (one.breast, one.view, one.finding_type, one.suspicion) == (
        Breast.RIGHT, View.MLO, FindingType.MASS, 4,
    )  # fmt: skip
    assert (two.breast, two.view, two.finding_type, two.suspicion) == (
        Breast.LEFT, None, FindingType.SKIN, 3,
    )  # fmt: skip
    assert read.opinion.comment == "ny <fortætning>"
    html = desks.at(reader).get(f"/reading/{key}").text
    assert "ny &lt;fortætning&gt;" in html
    with desks.site.database.read() as session:
        entry = next(entry for entry in entries(session, key) if entry.kind == "read")
    assert (entry.role, entry.content.via) == ("radiologist" if reader != "dan" else "arbiter", "")
    assert entry.content.seconds is not None


def test_a_technical_repeat_names_views_and_why(desks):
    key = desks.exam()
    desks.say(desks.asked(key)[0], key, **TECHNICAL)
    technical = desks.of(key).reads[0].opinion.technical
    assert technical.views == ((Breast.LEFT, View.CC), (Breast.LEFT, View.MLO))
    assert technical.reason is TechnicalReason.BLURRED


FORMS = (
    ({}, "Choose normal, recall or technical repeat."),
    ({"verdict": "<x>"}, "Choose normal, recall or technical repeat."),
    ({"verdict": "recall"}, "A recall wants at least one finding."),
    ({"verdict": "recall", "side-1": "R"}, "Choose what each finding is."),
    (RECALL | {"suspicion-1": "9"}, "Choose the suspicion of each finding."),
    (RECALL | {"view-1": ""}, "Choose the view of each finding."),
    (RECALL | {"verdict": "normal"}, "choose recall, or clear the finding"),
    ({"verdict": "technical"}, "Choose which views are to be made again."),
    (TECHNICAL | {"reason": ""}, "Choose why they are to be made again."),
    (NORMAL | {"comment": "x" * 501}, "longer than 500"),
)
"""Forms that make no opinion, and what is said of each."""


def test_what_is_missing_is_said_and_nothing_typed_is_lost(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    for form, said in FORMS:
        answer = desks.say(reader, key, **{"comment": "mine <words>"} | form)
        assert answer.status_code == 422, form
        assert said in answer.text
        assert desks.of(key).reads == ()
        assert checked(answer.text) == {
            (name, value)
            for name, values in form.items()
            for value in ([values] if isinstance(values, str) else values)
            if name != "comment" and value not in ("", "9", "<x>")
        }
        if "comment" not in form:
            assert "mine &lt;words&gt;</textarea>" in answer.text


def checked(html: str) -> set[tuple[str, str]]:
    found = re.findall(
        r'<input type="(?:radio|checkbox)" name="([^"]+)" value="([^"]+)"([^>]*)>', html
    )
    return {(name, value) for name, value, rest in found if " checked" in rest}


def test_new_images_are_refused_and_what_was_typed_stands(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    token = desks.open(reader, key)
    desks.new_images(key)
    page = desks.at(reader)
    typed = RECALL | {"images": token, "comment": "my words"}
    waits = page.post(f"/reading/{key}/read", data=typed)
    assert waits.status_code == 409
    assert "New images have arrived" in waits.text
    assert "my words</textarea>" in waits.text
    assert ("type-1", "mass") in checked(waits.text)
    assert desks.of(key).reads == ()

    desks.new_images(key, "i3", how=plan())
    if reader not in desks.asked(key):
        desks.move(key, desks.asked(key)[0], reader)
    again = page.post(f"/reading/{key}/read", data=typed)
    assert again.status_code == 409
    assert "look at the new images" in again.text
    assert 'name="images" value="i3"' in again.text
    assert ("type-1", "mass") in checked(again.text)
    fresh = typed | {"images": "i3", "stale": "yes"}
    unseen = page.post(f"/reading/{key}/read", data=fresh)
    assert unseen.status_code == 422
    assert "Look at the new images, and say that you have." in unseen.text
    saved = page.post(f"/reading/{key}/read", data=fresh | {"seen_new": "yes"})
    assert saved.status_code == 303
    assert [(read.account, read.opinion.comment) for read in desks.of(key).counting] == [
        (reader, "my words")
    ]


def test_the_same_save_twice_is_one_read(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    form = NORMAL | {"images": desks.open(reader, key)}
    for _ in range(2):
        assert desks.at(reader).post(f"/reading/{key}/read", data=form).status_code == 303
    assert len(desks.of(key).reads) == 1
    other = desks.at(reader).post(f"/reading/{key}/read", data=RECALL | {"images": "i1"})
    assert other.status_code == 409
    assert len(desks.of(key).reads) == 1


def test_who_was_given_nothing_gets_nothing(desks):
    key = desks.exam()
    stranger = next(name for name in ("anna", "bo", "cara", "dan") if name not in desks.asked(key))
    page = desks.at(stranger)
    answers = [page.get(f"/reading/{key}"), page.post(f"/reading/{key}/open")]
    answers += [
        page.post(f"/reading/{key}/{what}", data=NORMAL | {"images": "i1", "why": "other"})
        for what in ("read", "correct", "safety", "verdict")
    ]
    assert [answer.status_code for answer in answers] == [403, 409, 409, 409, 409, 409]
    assert all("The exam is not on your list." in answer.text for answer in answers)
    assert page.get("/reading/unknown").status_code == 404
    assert page.post("/reading/unknown/open").status_code == 409
    assert page.post("/reading/unknown/read", data=NORMAL | {"images": "i"}).status_code == 404
    assert desks.kinds(key).count("read") == 0


def test_the_token_of_the_session_is_wanted(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    page = desks.at(reader)
    kept = page.headers.pop("x-csrf-token")
    assert page.post(f"/reading/{key}/open").status_code == 403
    assert page.post(f"/reading/{key}/read", data=NORMAL | {"images": "i1"}).status_code == 403
    form = NORMAL | {"images": "i1", "csrf": kept}
    assert page.post(f"/reading/{key}/read", data=form).status_code == 303


def test_roles_that_do_not_read_have_no_list(desks):
    key = desks.exam()
    overseeing = (Role.COORDINATOR, Role.ADMINISTRATOR, Role.AUDITOR)
    for role in (Role.NURSE, Role.RADIOGRAPHER, *overseeing):
        name = f"p-{role}"
        desks.person(name, role)
        page = desks.at(name)
        assert page.get("/reading").status_code == 403
        assert page.post(f"/reading/{key}/read", data=NORMAL).status_code == 403
        seen = page.get(f"/reading/{key}").status_code
        assert seen == (200 if role in overseeing else 403), role


def test_the_unit_s_list_and_the_role_must_both_permit_a_read(desks):
    """A trainee by role whom the list takes for a reader by mistake gives no read that counts."""
    desks.person("nils", Role.TRAINEE)
    for name in ("anna", "bo", "cara", "dan"):
        desks.listed(name, active=False)
    desks.listed("nils")
    key = desks.exam()
    assert desks.asked(key) == ["nils"]
    answer = desks.at("nils").post(f"/reading/{key}/open")
    assert answer.status_code == 409
    assert "not on the unit&#39;s list for this" in answer.text
    read = desks.at("nils").post(f"/reading/{key}/read", data=NORMAL | {"images": "i1"})
    assert read.status_code == 409
    assert desks.of(key).reads == ()


def pages(desks, reader, key):
    """Everything that a reader sees of an exam until the own read is saved."""
    page = desks.at(reader)
    return [
        page.get("/reading").text,
        page.get(f"/reading/{key}").text,
        page.post(f"/reading/{key}/open").text,
        page.get(f"/reading/{key}").text,
        page.post(f"/reading/{key}/read", data={"images": "i1"}).text,
    ]


def test_nothing_of_others_shows_before_the_own_read(desks):
    """Whatever others said, and whatever the AI said: the pages are the same."""
    first = desks.exam(plan(PolicyKind.REPLACE_READER), ai(exam_score=SCORE))
    reader = desks.asked(first)[0]
    told = [
        (plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL, exam_score=10.0), ()),
        (plan(), None, (RECALL,)),
        (plan(PolicyKind.TRIAGE), ai(exam_score=1.0), ()),
        (plan(PolicyKind.SHADOW), ai(AiSaid.RECALL, exam_score=9.0), ()),
    ]
    shown = [plain(html, first, 1) for html in pages(desks, reader, first)]
    for how, opinion, reads in told:
        key = desks.exam(how, opinion)
        while reader not in desks.asked(key):
            key = desks.exam(how, opinion)
        others = [name for name in desks.asked(key) if name != reader]
        for form, name in zip(reads, others, strict=False):
            desks.say(name, key, **form)
        here = [plain(html, key, desks.count) for html in pages(desks, reader, key)]
        assert here[1:] == shown[1:]
    assert not any(word in html for html in shown for word in AI_WORDS[1:])


def plain(html: str, key: str, number: int) -> str:
    html = html.replace(key, "KEY").replace(f"Patient{number}", "NAME")
    html = re.sub(r"0*\d+-0000|ACC\d+|1\.2\.3\.\d+", "ID", html)
    # Derived from person, exam, task and images, so another one for each exam.
    html = re.sub(r'data-draft="[0-9a-f]{64}"', "DRAFT", html)
    return re.sub(r"<time.*?</time>", "TIME", html)


def test_marks_show_while_reading_where_the_policy_says_so_and_to_readers_alone(desks):
    how = plan(PolicyKind.DECISION_SUPPORT)
    key = desks.exam(how, ai(AiSaid.RECALL, exam_score=SCORE))
    reader = desks.asked(key)[0]
    desks.open(reader, key)
    html = desks.at(reader).get(f"/reading/{key}").text
    assert 'class="said by-ai"' in html
    assert "Score 7" in html
    assert "A research model" in html
    assert "by-person" not in html
    desks.open("tove", key)
    html = desks.at("tove").get(f"/reading/{key}").text
    assert "data-reading" in html
    assert "by-ai" not in html


def test_the_own_read_is_shown_and_corrected_while_another_is_awaited(desks):
    key = desks.exam()
    one, other = desks.asked(key)
    desks.say(one, key, **NORMAL)
    page = desks.at(one)
    html = page.get(f"/reading/{key}").text
    assert f'href="/reading/{key}/correct"' in html
    form = page.get(f"/reading/{key}/correct").text
    assert checked(form) == {("verdict", "normal")}
    assert f'action="/reading/{key}/correct"' in form
    answer = page.post(f"/reading/{key}/correct", data=RECALL | {"images": "i1"})
    assert answer.status_code == 303
    assert desks.of(key).reads[0].opinion.verdict is Verdict.RECALL
    desks.say(other, key, **NORMAL)
    assert "/correct" not in page.get(f"/reading/{key}").text
    late = page.post(f"/reading/{key}/correct", data=NORMAL | {"images": "i1"})
    assert late.status_code == 409
    assert "That cannot be done to the exam now." in late.text
    assert desks.kinds(key).count("corrected") == 1


def test_where_the_score_decides_how_many_read_no_read_is_corrected(desks):
    """That a read can be changed would tell that another person was asked, and by it the score."""
    said = []
    for reads in (1, 2):
        key = desks.exam(plan(PolicyKind.TRIAGE, human_reads=reads), ai(exam_score=4.0))
        reader = desks.asked(key)[0]
        desks.say(reader, key, **NORMAL)
        assert "/correct" not in desks.at(reader).get(f"/reading/{key}").text
        answer = desks.at(reader).post(f"/reading/{key}/correct", data=RECALL | {"images": "i1"})
        said.append((answer.status_code, "cannot be done to the exam now" in answer.text))
    assert said == [(409, True), (409, True)]


def test_the_safety_net_shows_the_ai_afterwards_and_asks_again(desks):
    how = plan(PolicyKind.SAFETY_NET)
    key = desks.exam(how, ai(AiSaid.RECALL, exam_score=9.0))
    one, other = desks.asked(key)
    for name in (one, other):
        assert "by-ai" not in desks.at(name).get(f"/reading/{key}").text
        saved = desks.say(name, key, **NORMAL)
    assert saved.headers["location"] == f"/reading/{key}?saved={key}", "asked again at once"
    assert "Look again" in desks.at(one).get("/reading").text
    desks.open(one, key)
    html = desks.at(one).get(f"/reading/{key}").text
    assert 'class="said by-ai"' in html
    assert f'action="/reading/{key}/safety"' in html
    assert 'value="technical"' not in html
    desks.say(one, key, "safety", **NORMAL)
    assert desks.of(key).kept == (one,)
    desks.say(other, key, "safety", **RECALL)
    assert desks.of(key).state is State.DISCORDANT


def test_after_the_decision_everything_is_told(desks, monkeypatch):
    key = desks.exam(plan(PolicyKind.REPLACE_READER), ai(exam_score=2.0))
    reader = desks.asked(key)[0]
    desks.say(reader, key, **NORMAL)
    assert desks.of(key).state is State.DECIDED
    other = next(name for name in ("anna", "bo") if name != reader)
    html = desks.at(other, "da").get(f"/reading/{key}").text
    assert "Afgørelse" in html
    own = desks.at(reader, "da").get(f"/reading/{key}").text
    assert "Afgørelse" not in own
    assert 'class="said by-ai"' not in own
    monkeypatch.setattr("gransk.reading.sight.HELD", datetime.timedelta(0))
    html = desks.at(reader, "da").get(f"/reading/{key}").text
    assert "Afgørelse" in html
    assert html.count('class="said by-person"') == 1
    assert html.count('class="said by-ai"') == 1
    assert "data-reading" not in html


def test_what_is_kept_as_shadow_is_shown_to_nobody(desks):
    key = desks.exam(plan(PolicyKind.SHADOW), ai(AiSaid.RECALL, exam_score=9.0))
    for name in desks.asked(key):
        desks.say(name, key, **NORMAL)
    assert desks.of(key).state is State.DECIDED
    for name in ("anna", "cara", "admin"):
        assert "by-ai" not in desks.at(name).get(f"/reading/{key}").text


def test_the_form_says_its_keys(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    desks.open(reader, key)
    for language, letters in (("en", "nrtcil"), ("da", "ngtkbl")):
        html = desks.at(reader, language).get(f"/reading/{key}").text
        keys = re.findall(r'data-key="(.)"', html)
        assert len(keys) == len(set(keys))
        assert set(letters) == set(keys)
        for letter in letters:
            assert f"<kbd>{letter.upper()}</kbd>" in html
    assert html.count('data-group="many"') == 1
    assert re.findall(r'name="side-1" value="(.)"[^>]*><kbd>(.)', html) == [("R", "1"), ("L", "2")]
    assert 'target="gransk-images"' in html
    assert 'src="/static/reading.js"' in html


def test_earlier_exams_are_one_key_away(desks):
    key = desks.exam()
    reader = desks.asked(key)[0]
    latest, before = desks.earlier(key, "20240110"), desks.earlier(key, "20220109")
    desks.open(reader, key)
    html = desks.at(reader, "da").get(f"/reading/{key}").text
    links = re.findall(r'target="(gransk-\w+)"[^>]*StudyInstanceUIDs=([0-9.]+)"', html)
    assert links == [
        ("gransk-images", "1.2.3.1"), ("gransk-earlier", latest), ("gransk-earlier", before),
    ]  # fmt: skip
    assert "Tidligere, 10.01.2024 <kbd>F</kbd>" in html


def test_what_is_typed_is_kept_under_a_key_of_one_person_and_opening(desks):
    def draft(name, key):
        html = desks.at(name).get(f"/reading/{key}").text
        return re.search(r'data-draft="([0-9a-f]{64})"', html)[1]

    key, other = desks.exam(), desks.exam()
    one, two = desks.asked(key)
    before = {name: desks.open(name, key) and draft(name, key) for name in (one, two)}
    assert before[one] != before[two]
    assert draft(one, key) == before[one]
    del desks.clients[one]
    assert draft(one, key) == before[one], "the same after a new sign-in"
    third = desks.asked(other)[0]
    desks.open(third, other)
    assert draft(third, other) not in before.values()
    desks.say(one, key, **NORMAL)
    html = desks.at(one).get(f"/reading/{key}/correct").text
    assert 'data-draft="' in html
    assert before[one] not in html, "a correction is no first read"
    desks.new_images(key, how=plan())
    again = next(name for name in desks.asked(key) if name in before)
    desks.open(again, key)
    assert draft(again, key) != before[again]
