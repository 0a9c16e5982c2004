"""The policies by REST: the same acts as on the pages and at the command line."""

from functools import cache

import pytest
import yaml
from read_site import TODAY, approve, keep, read_site, room
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.reading.figures import NotYetCountedError
from gransk.reading.policy_refusals import TEXTS, PolicyRefusal
from gransk.reading.room_file import write_room
from gransk.web.reading import policy_acts
from gransk.web.texts import text

API = "/api/policies"
VERSIONS = f"{API}/versions"
REASON = {"reason": "as agreed"}


@pytest.fixture
def site(tmp_path):
    with read_site(tmp_path) as made:
        yield made


@pytest.fixture
def at(site):
    """Signed-in clients by name."""
    return cache(site.signed_in)


def drafted(client, made):
    """The number of a room that was drafted by REST."""
    answer = client.post(VERSIONS, json={"yaml": write_room(made)} | REASON)
    assert answer.status_code == 201, answer.text
    return answer.json()["number"]


def approved(client, number):
    return client.post(f"{VERSIONS}/{number}/approve")


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()


def gransk(site, tmp_path, *arguments, written=None):
    """What ``gransk policies`` prints at the site."""
    file = tmp_path / "gransk.yaml"
    file.write_text(
        yaml.safe_dump(site.config.model_dump(mode="json", include={"reading", "time_zone"}))
        + f"database: {{url: '{site.config.database.url}'}}\n"
    )
    if written is not None:
        (tmp_path / "policies.yaml").write_text(written)
        arguments = (arguments[0], str(tmp_path / "policies.yaml"), *arguments[1:])
    done = CliRunner().invoke(app, ["policies", *arguments, "--config", str(file)])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_version_goes_from_draft_into_force_and_back(site, at):
    conny, karen, svend = at("conny"), at("karen"), at("svend")
    assert conny.get(API).json() == {"number": 0}
    first = drafted(conny, room())
    assert conny.get(f"{VERSIONS}/{first}").json()["state"] == "open"
    assert approved(conny, first).status_code == 403
    told = approved(karen, first).json()
    assert (told["open_units"], told["approved_by"]) == (["south"], {"herlev": "karen"})
    refused(approved(karen, first), 409, "approved")
    assert approved(svend, first).json()["state"] == "current"
    assert conny.get(API).json()["number"] == first
    second = drafted(conny, room(waiting_minutes=15))
    shown = svend.get(f"{VERSIONS}/{second}").json()
    assert any("15 minutter" in line for line in shown["changes"]), shown["changes"]
    for client in (karen, svend):
        assert approved(client, second).status_code == 200
    back = karen.post(f"{VERSIONS}/{first}/restore", json={"reason": "too short"})
    assert (back.status_code, back.json()["restores"]) == (201, first)
    third = back.json()["number"]
    refused(approved(karen, third), 403, "own_draft")
    listed = conny.get(VERSIONS).json()["versions"]
    assert [one["number"] for one in listed] == [third, second, first]
    assert [one["state"] for one in listed] == ["open", "current", "past"]
    few = conny.get(VERSIONS, params={"before": third, "limit": 1}).json()["versions"]
    assert [one["number"] for one in few] == [second]


def test_page_rest_and_command_come_to_one_version(site, at, tmp_path):
    """The same room by each way is the same document, file and digest."""
    conny = at("conny")
    made = room("decision_support", marks_from=7)
    by_page = keep(conny, made)
    by_rest = drafted(conny, made)
    document = conny.get(f"{VERSIONS}/{by_rest}").json()["document"]
    by_json = conny.post(VERSIONS, json={"document": document} | REASON).json()["number"]
    gransk(site, tmp_path, "draft", "--reason", "as agreed", written=write_room(made))
    by_command = conny.get(VERSIONS).json()["versions"][0]["number"]
    assert [by_page, by_rest, by_json, by_command] == [1, 2, 3, 4]
    shown = [conny.get(f"{VERSIONS}/{number}").json() for number in range(1, 5)]
    for key in ("digest", "document", "yaml", "changes", "units", "valid_from", "evidence"):
        assert all(one[key] == shown[0][key] for one in shown), key
    assert shown[0]["yaml"] == write_room(made)
    assert shown[0]["yaml"] == conny.get("/reading/policies/versions/2/yaml").text
    assert shown[0]["yaml"] == gransk(site, tmp_path, "export", "--version", "2")
    for client in (at("karen"), at("svend")):
        assert approve(client, by_command).status_code == 303
    assert conny.get(API).json()["yaml"] == gransk(site, tmp_path, "export")
    assert conny.get(API).json()["number"] == by_command


def test_a_limit_that_changes_is_simulated_by_the_service(site, at):
    conny = at("conny")
    made = room("safety_net", units=["herlev"], recall_from=9)
    checked = conny.post(f"{API}/check", json={"yaml": write_room(made)}).json()
    (simulation,) = checked["simulations"]
    assert (simulation["unit"], simulation["limits"]) == ("herlev", {"recall_from": 9})
    assert (simulation["exams"], simulation["missing"]) == (45, None)
    assert checked["changes"]
    assert conny.get(VERSIONS).json() == {"versions": []}, "checked, not kept"
    by_rest, by_page = drafted(conny, made), keep(conny, made)
    rest, page = (
        conny.get(f"{VERSIONS}/{number}").json()["evidence"] for number in (by_rest, by_page)
    )
    assert rest == page
    assert rest[0]["exams"] == 45
    elsewhere = {"yaml": write_room(room("safety_net", units=["south"], recall_from=9))}
    (none,) = conny.post(f"{API}/check", json=elsewhere).json()["simulations"]
    assert none["missing"] == "no_scores"
    refused(conny.post(VERSIONS, json=elsewhere | REASON), 422, "no_simulation")


def test_why_it_refuses(site, at, monkeypatch):
    conny, svend = at("conny"), at("svend")
    good = {"yaml": write_room(room())}
    unknown = {"yaml": write_room(room(units=["east"]))}
    past = {"yaml": good["yaml"].replace(str(TODAY), "2020-01-01")}
    for asked, status, code in (
        ({"yaml": "a: [b"} | REASON, 422, "unreadable"),
        ({"yaml": "7"} | REASON, 422, "unreadable"),
        (good | {"reason": " "}, 422, "reason"),
        (unknown | REASON, 422, "unknown_unit"),
        (past | REASON, 422, "in_the_past"),
    ):
        refused(conny.post(VERSIONS, json=asked), status, code)
    typed = {"yaml": good["yaml"].replace("kind:", "knd:")} | REASON
    faults = refused(conny.post(VERSIONS, json=typed), 422, "invalid")["faults"]
    assert "policies[0].kind" in faults, faults
    for asked in (REASON, good | {"document": {}} | REASON):
        assert conny.post(VERSIONS, json=asked).status_code == 422
    assert conny.get(VERSIONS).json() == {"versions": []}, "nothing is kept"
    number = drafted(conny, room())
    for client in (at("karen"), svend):
        assert approved(client, number).status_code == 200
    told = refused(svend.post(VERSIONS, json=good | REASON), 409, "no_change")
    assert told["error"] == TEXTS[PolicyRefusal.NO_CHANGE]["da"]
    refused(svend.post(f"{VERSIONS}/1/restore", json={}), 422, "reason")
    for answer in (
        conny.get(f"{VERSIONS}/99"),
        svend.post(f"{VERSIONS}/99/approve"),
        conny.post(f"{VERSIONS}/99/restore", json=REASON),
    ):
        refused(answer, 404, "no_version")

    def counting(*_):
        raise NotYetCountedError

    monkeypatch.setattr(policy_acts, "past_of", counting)
    told = refused(svend.post(VERSIONS, json=good | REASON), 503, "counting")
    assert told["error"] == text("policy_counting", "da")


def test_who_may_do_what(site, at):
    number = drafted(at("conny"), room())
    machine, vera, anna = site.machine(), at("vera"), at("anna")
    good = {"yaml": write_room(room())} | REASON
    for address in (API, VERSIONS, f"{VERSIONS}/{number}"):
        assert machine.get(address).status_code == 200, address
        assert vera.get(address).status_code == 200, address
        assert anna.get(address).status_code == 403, address
        assert site.client().get(address).status_code == 401, address
    for address, sent in (
        (VERSIONS, good),
        (f"{API}/check", {"yaml": good["yaml"]}),
        (f"{VERSIONS}/{number}/approve", {}),
        (f"{VERSIONS}/{number}/restore", REASON),
    ):
        for client in (machine, vera, anna):
            assert client.post(address, json=sent).status_code == 403, address
        karen = site.signed_in("karen")
        karen.headers.pop("x-csrf-token")
        assert karen.post(address, json=sent).status_code == 403, address
    assert len(vera.get(VERSIONS).json()["versions"]) == 1
