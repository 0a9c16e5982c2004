"""The simulator's page: figures beside what was done and beside the policy in force."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reading"))

from past_exams import past
from read_site import FIRST_DAY, approve, keep, read_site, room, text_of

from gransk.core.exam_facts import Round
from gransk.reading.evidence import scenario_of
from gransk.reading.past import PastAi
from gransk.reading.policy import Policy
from gransk.reading.simulation.figures import simulate
from gransk.web.reading.simulating import MEASURES, models_of, past_of_model, shown

MODEL = "mammo 1.0 mass@cccccccc"
ASKED = "/reading/simulation?unit=herlev"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with read_site(tmp_path_factory.mktemp("simulation")) as made:
        yield made


@pytest.fixture(scope="module")
def at(site):
    """Signed-in browsers by name."""
    return cache(site.signed_in)


def scored(number, model, **values):
    return past(number, **values | {"ai": PastAi(score=5.0, model=model)})


def test_a_past_is_from_the_first_to_the_last_score_of_a_model():
    exams = [past(1, score=None), scored(2, "old"), scored(3, "old"), scored(4, "new"),
             past(5, score=None), scored(6, "new"), scored(7, "new", unit="other")]  # fmt: skip
    assert models_of(exams, "odense") == ["new", "old"]
    assert [one.exam for one in past_of_model(exams, "odense", "new").exams] == ["e4", "e5", "e6"]
    assert past_of_model(exams, "odense", "none").exams == []


def test_each_measure_reads_as_the_simulation_has_it():
    exams = [scored(n, "m", round=Round.LATER) for n in range(200)]
    made = simulate(
        exams, "odense", "m", scenario_of(Policy(name="p", kind="triage", double_from=9))
    )
    (table,) = shown([made], "da")
    lines = {line.measure: line for line in table.lines}
    assert set(lines) <= set(MEASURES)
    assert lines["readings"].was == "2,00 (2,00 – 2,00)"
    assert lines["readings"].would_be == ("1,00 (1,00 – 1,00)",)
    assert lines["readings"].changes == ("-50,0 (-50,0 – -50,0) %",)
    assert lines["recall"].changes[0].endswith("procentpoint")


@pytest.mark.parametrize(("name", "words"), [("conny", "Side by side"), ("dorte", "Side om side")])
def test_a_policy_beside_what_was_done(at, name, words):
    client = at(name)
    assert words not in client.get(ASKED).text
    page = client.get(f"{ASKED}&kind=triage&double_from=9&marks_from=&recall_from=")
    said = re.sub(r"\s+", " ", text_of(page))
    assert words in said
    assert MODEL in said
    assert re.search(r"1[.,]15 \(", said), "readings: two in 6 of 40, one in the others"


def test_the_policy_in_force_stands_beside_and_the_result_goes_into_a_draft(site, at):
    conny = at("conny")
    number = keep(conny, room("safety_net", units=["herlev"], recall_from=10))
    assert approve(at("karen"), number).status_code == 303
    assert approve(at("svend"), number).status_code in (303, 409)
    page = conny.get(f"{ASKED}&kind=safety_net&recall_from=8")
    assert "Policy in force" in page.text
    assert "shown again where AI recalls from score 10" in text_of(page)
    address = re.search(r'href="(/reading/policies/draft\?kind[^"]*)"', page.text)[1]
    form = conny.get(address.replace("&amp;", "&")).text
    select = form.split('name="policy.0.recall_from"')[1].split("</select>")[0]
    assert '<option value="8" selected>' in select
    same = conny.get(f"{ASKED}&kind=safety_net&recall_from=10").text
    assert "Policy in force</th>" not in same


def test_what_cannot_be_simulated_is_told(at):
    conny = at("conny")
    wrong = conny.get(f"{ASKED}&kind=triage&recall_from=9")
    assert wrong.status_code == 422
    assert "A limit is missing or does not belong" in wrong.text
    assert conny.get(f"{ASKED}&kind=triage&double_from=11").status_code == 422
    south = conny.get("/reading/simulation?unit=south&kind=triage&double_from=9")
    assert "Let the AI run in shadow first" in south.text
    assert at("anna").get(ASKED).status_code == 403
    early = f"{ASKED}&kind=triage&double_from=9&last={FIRST_DAY:%Y-%m-%d}"
    assert "Let the AI run in shadow first" in conny.get(early).text
