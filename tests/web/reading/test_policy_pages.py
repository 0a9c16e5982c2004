"""Versions of the policies on pages: drafted, simulated, approved, restored, refused."""

import html
import re
from functools import cache

import pytest
import yaml
from read_site import DRAFT, TODAY, approve, form, keep, read_site, room, text_of

import gransk
from gransk.reading import rooms
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import TEXTS, PolicyRefusal
from gransk.reading.room_file import write_room
from gransk.site.tables import Event
from gransk.web.reading.policy_form import PolicyFields, document, fields_of
from gransk.web.texts import catalogue

STUDY = {
    "kind": "approved_study", "reference": "Committee <b>number 7</b>", "until": "2099-12-31",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with read_site(tmp_path_factory.mktemp("policies")) as made:
        yield made


@pytest.fixture(scope="module")
def at(site):
    """Signed-in browsers by name."""
    return cache(site.signed_in)


def test_a_form_says_what_the_room_says():
    whole = Room.model_validate(
        yaml.safe_load(
            f"""
valid_from: {TODAY}
policies:
  - {{name: a, kind: triage, double_from: 10, marks_from: 8, experienced_alone: true,
      arbitrates_single_recall: true, waiting_minutes: 5}}
  - {{name: b, kind: replace_reader, recall_from: category, differing: breast,
      arbitration: consensus, target_working_days: 7}}
rules:
  - {{when: {{programmes: [screening], units: [x, y], age_from: 50, age_to: 69, treated: false,
      rounds: [later]}}, policy: a, study: {{kind: simulation, reference: The past year,
      until: 2099-01-01}}}}
  - {{when: {{programmes: [screening]}}, policy: b}}
  - {{when: {{programmes: [clinical, unknown]}}, policy: null}}
facts: {{implant: {{by: images, because: Every machine says so}}}}
minimum: {{mammo: {{exams: 7, cancers: 2}}, nodule: {{exams: 9, cancers: 1}}}}
"""
        )
    )
    again = Room.model_validate(document(fields_of(whole, TODAY.isoformat())))
    assert again == whole


def test_the_way_of_a_version(site, at):
    """Drafted by one, approved by the units' responsible radiologists, in force, and undone."""
    conny, karen, svend = at("conny"), at("karen"), at("svend")
    assert "No version is in force" in conny.get("/reading/policies").text
    first = keep(conny, room())
    assert approve(conny, first).status_code == 403
    page = karen.get(f"/reading/policies/versions/{first}")
    assert "New: Policy p: two people read; the AI's result is kept" in text_of(page)
    assert "Herlev" in page.text
    assert approve(karen, first).status_code == 303
    assert "No version is in force" in conny.get("/reading/policies").text, "South has not"
    assert "Godkend" in svend.get(f"/reading/policies/versions/{first}").text
    assert approve(svend, first).status_code == 303
    now = text_of(conny.get("/reading/policies"))
    assert "Rule 1: screening → p" in now
    assert "Granskningspolitik p: to personer gransker" in text_of(svend.get("/reading/policies"))
    second = keep(conny, room(waiting_minutes=15))
    for client in (karen, svend):
        assert approve(client, second).status_code == 303
    changed = text_of(conny.get(f"/reading/policies/versions/{second}"))
    assert "Gone: Policy p" in changed
    assert f"Gransk {gransk.__version__} " in changed
    assert "opens 15 minutes" in changed
    answer = karen.post(f"/reading/policies/versions/{first}/restore", data={"reason": "too short"})
    third = int(re.search(r"versions/(\d+)", answer.headers["location"])[1])
    assert "Repeats version" in karen.get(f"/reading/policies/versions/{third}").text
    refused = approve(karen, third)
    assert refused.status_code == 409
    assert TEXTS[PolicyRefusal.OWN_DRAFT]["en"] in text_of(refused)
    assert "Ask another responsible radiologist" in text_of(refused)
    assert approve(svend, third).status_code == 303
    assert "opens 15 minutes" in text_of(conny.get("/reading/policies")), "Herlev has not"
    with site.database.read() as session:
        kinds = [one.kind for one in session.query(Event) if one.kind.startswith("room_")]
    assert kinds.count("room_drafted") == 3
    assert kinds.count("room_approved") == 5


def test_what_a_draft_changes_is_told_before_it_is_kept(site, at):
    conny = at("conny")
    before = len(versions(site))
    answer = conny.post(DRAFT, data=form(room("decision_support", marks_from=8), step="check"))
    assert answer.status_code == 200
    assert "see the AI's marks from score 8 on" in text_of(answer)
    assert len(versions(site)) == before
    assert 'value="decision_support" selected' in answer.text, "it comes back as it was sent"
    other = {f"policy.1.{name}": value for name, value in vars(PolicyFields("other")).items()}
    answer = conny.post(DRAFT, data=form(room(), step="check") | other)
    assert "No rule uses: other." in text_of(answer)


def versions(site):
    with site.database.read() as session:
        return rooms.versions(session)


def test_a_limit_that_changes_brings_its_simulation(site, at):
    conny = at("conny")
    made = room("safety_net", units=["herlev"], recall_from=9)
    answer = conny.post(DRAFT, data=form(made, step="check"))
    assert answer.status_code == 200
    said = text_of(answer)
    assert "Simulation at Herlev: safety net after two readers, AI recalls from from score 9" in (
        re.sub(r"\s+", " ", said)
    )
    assert "40 exams, 40 with known outcome, 5 cancers" in said
    assert "15.0 % (" in said
    number = keep(conny, made)
    (evidence,) = versions(site)[-1].row.evidence
    assert evidence["unit"] == "herlev"
    assert evidence["limits"] == {"recall_from": 9}
    assert evidence["exams"] == 45
    assert "Cancers detected per 1,000" in conny.get(f"/reading/policies/versions/{number}").text


def test_a_unit_without_scores_has_no_simulation_and_so_no_such_draft(site, at):
    conny = at("conny")
    made = room("safety_net", recall_from=9, units=["south"])
    shown = conny.post(DRAFT, data=form(made, step="check"))
    assert "Let the AI run in shadow first" in text_of(shown)
    refused = conny.post(DRAFT, data=form(made))
    assert refused.status_code == 409
    assert TEXTS[PolicyRefusal.NO_SIMULATION]["en"] in text_of(refused)
    assert "attached by itself" in text_of(refused)


def test_ai_counts_nowhere_without_a_signed_validation(site, at):
    conny, karen = at("conny"), at("karen")
    number = keep(conny, room("replace_reader", units=["herlev"], recall_from=9))
    refused = approve(karen, number)
    assert refused.status_code == 409
    assert TEXTS[PolicyRefusal.NOT_VALIDATED]["en"] in text_of(refused)
    assert "Sign a local validation" in text_of(refused)


def test_only_who_answers_for_a_unit_approves_for_it(site, at):
    conny, karen = at("conny"), at("karen")
    with site.database.read() as session:
        base = rooms.newest_approved(session).room.document() | {"valid_from": TODAY.isoformat()}
    south = {"when": {"programmes": ["clinical"], "units": ["south"]}, "policy": None}
    made = Room.model_validate(base | {"rules": [south, *base["rules"]]})
    number = keep(conny, made)
    assert versions(site)[-1].row.units == ["south"]
    assert "/approve" not in karen.get(f"/reading/policies/versions/{number}").text
    refused = approve(karen, number)
    assert refused.status_code == 409
    assert TEXTS[PolicyRefusal.NOT_RESPONSIBLE]["en"] in text_of(refused)
    assert "the configuration names them" in text_of(refused)


@pytest.mark.parametrize(
    ("changes", "told", "fortalt"),
    [
        (
            {"policy.0.kind": "triage"},
            "Policy p: Two readers from is missing",
            "",
        ),
        ({"policy.0.double_from": "9"}, "Two readers from does not belong to this kind", "–"),
        ({"policy.0.name": "Has Blanks"}, "Name: only small letters", "kun små bogstaver"),
        ({"policy.0.waiting_minutes": "soon"}, "Waiting time (minutes)", "helt tal"),
        ({"policy.0.experienced_alone": "yes"}, "nobody's opinion stands alone", "fjern"),
        ({"rule.0.policy": "other"}, "Rule 1", "Regel 1"),
        ({"rule.0.programmes": []}, "Rule 1, Programme: at least one", "mindst én"),
        ({"rule.0.age_from": "70", "rule.0.age_to": "50"}, "Rule 1", "laveste alder"),
        ({"known_by.treated": "exceptions"}, "on what the unit relies", "mindst ti tegn"),
        ({"known_by.treated": "images", "because.treated": "x" * 20}, "choose another", "vælg"),
        ({"valid_from": "someday"}, "Valid from", "Gælder fra"),
        ({"valid_from": "2020-01-01"}, "Choose today or a later day", "Vælg i dag"),
        ({"reason": ""}, "The reason is missing", "Begrundelsen mangler"),
    ],
)
def test_faults_are_told_with_their_place_in_both_languages(at, changes, told, fortalt):
    sent = form(room(waiting_minutes=3)) | changes
    for client, words in ((at("conny"), told), (at("dorte"), fortalt)):
        answer = client.post(DRAFT, data=sent)
        assert answer.status_code in (409, 422)
        alert = answer.text.split('role="alert"')[1].split("</div>")[0]
        assert words in html.unescape(alert), alert
        kept = sent.get("policy.0.name")
        assert f'value="{kept}"' in answer.text, "what was typed comes back"


def test_a_version_can_be_written_as_text(site, at):
    conny = at("conny")
    assert "kind: shadow" in conny.get(f"{DRAFT}?mode=text").text
    text = write_room(room("decision_support", marks_from=1, study=STUDY))
    sent = {"mode": "text", "step": "keep", "reason": "as agreed", "text": text}
    wrong = conny.post(DRAFT, data=sent | {"text": text.replace("marks_from", "mark_from")})
    assert wrong.status_code == 422
    assert "policies[0].mark_from: unknown key; did you mean 'marks_from'?" in text_of(wrong)
    assert "line 1" in text_of(conny.post(DRAFT, data=sent | {"text": "a: [<script>"}))
    assert "<script>" not in conny.post(DRAFT, data=sent | {"text": "a: [<script>"}).text
    answer = conny.post(DRAFT, data=sent)
    assert answer.status_code == 303
    page = conny.get(answer.headers["location"]).text
    assert "Committee &lt;b&gt;number 7&lt;/b&gt;" in page
    number = versions(site)[-1].row.version
    assert conny.get(f"/reading/policies/versions/{number}/yaml").text == text


def test_who_may_do_what(at):
    vera, anna, conny = at("vera"), at("anna"), at("conny")
    assert vera.get("/reading/policies").status_code == 200
    assert "New draft" not in vera.get("/reading/policies").text
    assert vera.get(DRAFT).status_code == 403
    assert anna.get("/reading/policies").status_code == 403
    assert conny.get("/reading/policies/versions/999").status_code == 404
    sent = form(room())
    token = conny.headers.pop("x-csrf-token")
    try:
        assert conny.post(DRAFT, data=sent).status_code == 403
        answer = conny.post(DRAFT, data=sent | {"csrf": token, "step": "check"})
        assert answer.status_code == 200
    finally:
        conny.headers["x-csrf-token"] = token


def test_every_refusal_has_a_remedy():
    for refusal in PolicyRefusal:
        assert set(catalogue()[f"policy_remedy_{refusal}"]) == {"en", "da"}
