"""The settings on the pages and by REST: typed, checked, drafted, approved, undone, taken out."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from fastapi.testclient import TestClient

from gransk.core.application import applications
from gransk.site.settings_acts import propose
from gransk.site.settings_drafts import settings_now
from gransk.site.settings_tables import Origin
from gransk.site.tables import Role
from gransk.web.settings import faults, subjects, words
from gransk.web.settings.schema import Field, Kind, Schema, fields
from gransk.web.texts import catalogue

UNITS = [
    {"name": "north", "title": "Mammography North", "responsible": ["karen"],
     "match": [{"station": "N1"}]},
    {"name": "south", "title": "Mammography South", "responsible": ["bo"],
     "match": [{"station": "S1"}]},
]  # fmt: skip


@pytest.fixture
def site(make_site, monkeypatch):
    made = make_site(reading={"units": UNITS})
    monkeypatch.setattr(made.app.state.wiring, "applications", applications())
    made.account("anna", "Anna", Role.ADMINISTRATOR)
    made.account("karen", "Karen", Role.RESPONSIBLE_RADIOLOGIST, language="da")
    made.account("bo", "Bo", Role.RESPONSIBLE_RADIOLOGIST)
    return made


@pytest.fixture
def anna(site):
    return site.signed_in("anna")


def form_of(client: TestClient, address: str) -> dict[str, list[str]]:
    """The fields of a page's form, as a browser would send them untouched."""
    from html.parser import HTMLParser

    found: dict[str, list[str]] = {}

    class Reader(HTMLParser):
        name, inside, chosen, text = "", False, "", ""
        mine = False

        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            if tag == "form":
                self.mine = "settings-form" in (given.get("class") or "")
            if not self.mine:
                return
            kind = given.get("type", "text")
            if tag == "input" and "name" in given and kind not in ("checkbox", "file"):
                found.setdefault(given["name"], []).append(given.get("value", ""))
            elif tag == "input" and kind == "checkbox" and "checked" in given:
                found.setdefault(given["name"], []).append(given["value"])
            elif tag in ("select", "textarea"):
                self.name, self.chosen, self.text = given["name"], None, ""
            elif tag == "option" and (self.chosen is None or "selected" in given):
                self.chosen = given["value"]

        def handle_data(self, data):
            self.text += data

        def handle_endtag(self, tag):
            if not self.mine:
                return
            if tag == "form":
                self.mine = False
            elif tag == "select":
                found.setdefault(self.name, []).append(self.chosen or "")
            elif tag == "textarea":
                found.setdefault(self.name, []).append(self.text)

    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    Reader().feed(answer.text)
    return found


def send(client: TestClient, address: str, changes: dict[str, str | list[str]], step="keep"):
    """Send a page's form with other values in it."""
    form = form_of(client, address) | {"step": step} | changes
    return client.post(address, data=form)


def value(site, key):
    with site.database.read() as session:
        return subjects.value_at(settings_now(session, site.app.state.wiring.host).content, key)


def drafted(answer) -> int:
    assert answer.status_code == 303, faults_of(answer)
    return int(re.fullmatch(r"/settings/drafts/(\d+)\?done=drafted", answer.headers["location"])[1])


def faults_of(answer) -> list[str]:
    return re.findall(r'class="(?:bad|error)"[^>]*>(?:<ul><li>)?([^<]+)<', answer.text)


LIMIT = "applications.nodule.operating_point"
REASON = {"reason": "fewer false marks"}


def test_every_key_of_the_site_is_on_a_page():
    assert subjects.left_out(applications()) == set()


def test_a_form_that_is_sent_untouched_changes_nothing(anna):
    for subject in subjects.SUBJECTS:
        answer = send(anna, f"/settings/of/{subject.name}", REASON)
        assert answer.status_code == 422, f"{subject.name} {answer.headers.get('location')}"
        assert "Nothing differs" in answer.text, f"{subject.name} {faults_of(answer)}"


def test_a_threshold_goes_from_the_form_over_two_approvals_into_force_and_back(site, anna):
    checked = send(anna, "/settings/of/limits", {LIMIT: "0,65"}, step="check")
    assert checked.status_code == 200
    assert "› Least probability that is reported" in checked.text
    assert value(site, LIMIT) is None
    number = drafted(send(anna, "/settings/of/limits", {LIMIT: "0.65"} | REASON))
    assert value(site, LIMIT) is None
    assert "Waiting for approval" in anna.get(f"/settings/drafts/{number}").text
    assert anna.post(f"/settings/drafts/{number}/approve").status_code == 403
    karen, bo = site.signed_in("karen"), site.signed_in("bo")
    assert "Mammography North" in karen.get(f"/settings/drafts/{number}").text
    assert karen.post(f"/settings/drafts/{number}/approve").status_code == 303
    assert value(site, LIMIT) is None
    assert karen.post(f"/settings/drafts/{number}/approve").status_code == 409
    assert bo.post(f"/settings/drafts/{number}/approve").status_code == 303
    assert value(site, LIMIT) == 0.65
    shown = anna.get("/settings/versions").text
    assert "fewer false marks" in shown
    assert "karen, bo" in shown
    undone = drafted(anna.post("/settings/versions/2/undo"))
    assert value(site, LIMIT) == 0.65
    for person in (karen, bo):
        assert person.post(f"/settings/drafts/{undone}/approve").status_code == 303
    assert value(site, LIMIT) is None


def test_of_two_drafts_of_the_same_the_second_is_told_to_be_overtaken(site, anna):
    karen, bo = site.signed_in("karen"), site.signed_in("bo")
    first, second = (
        drafted(send(anna, "/settings/of/limits", {LIMIT: "0.65"} | REASON)) for _ in range(2)
    )
    for person in (karen, bo):
        person.post(f"/settings/drafts/{first}/approve")
    answer = karen.post(f"/settings/drafts/{second}/approve")
    assert answer.headers["location"] == f"/settings/drafts/{second}?done=overtaken"
    shown = karen.get(answer.headers["location"]).text
    assert "Udkastet er lukket" in shown
    assert "Indhentet" in shown
    assert "godkendt.</p>" not in shown
    assert anna.get("/api/settings/drafts?waiting=true").json()["drafts"] == []
    assert anna.get(f"/api/settings/drafts/{second}").json()["state"] == "overtaken"
    assert bo.post(f"/settings/drafts/{second}/approve").status_code == 409


def test_who_made_a_draft_does_not_approve_it(site):
    karen = site.signed_in("karen")
    number = drafted(send(karen, "/settings/of/limits", {LIMIT: "0,7"} | REASON))
    assert "må ikke selv godkende" in karen.get(f"/settings/drafts/{number}").text
    answer = karen.post(f"/settings/drafts/{number}/approve")
    assert answer.status_code == 403
    assert "må ikke selv godkende" in answer.text
    turned = karen.post(f"/settings/drafts/{number}/turn-down", data={"reason": "thought again"})
    assert turned.status_code == 303
    assert "thought again" in karen.get(f"/settings/drafts/{number}").text


def test_what_is_not_clinical_is_in_force_at_once(site, anna):
    answer = send(anna, "/settings/of/site", {"organization": "Region <b>North</b>"} | REASON)
    number = drafted(answer)
    assert value(site, "organization") == "Region <b>North</b>"
    shown = anna.get(f"/settings/drafts/{number}?done=drafted").text
    assert "The change is in force" in shown
    assert "<b>North</b>" not in shown
    assert "&lt;b&gt;North" in shown


FAULTS = (
    ("limits", LIMIT, "much", "A number is wanted", "Skal være et tal"),
    ("limits", LIMIT, "1.5", "At most 1 is wanted", "Må højst være 1"),
    ("limits", "applications.mammo.report_limit", "1.5", "A whole number", "et helt tal"),
    ("site", "time_zone", "Mars/Base", "IANA time zone", "IANA&#39;s tidszonebase"),
    ("retention", "", "", "Nothing differs", "ingen forskel"),
    ("guidelines", "follow_up.grace_days", "-1", "At least 0", "mindst 0"),
    ("guidelines", "applications.nodule.follow_up.guidelines.incidental", "nope",
     "Does not fit", "Passer ikke"),
    ("reading", "reading.units.0.name", "North Wing", "1 to 64 of", "1 til 64"),
    ("reading", "reading.units.1.name", "north", "Names of units must differ", "To enheder"),
)  # fmt: skip


def test_faults_stand_at_their_field_in_the_persons_language(site, anna):
    karen = site.signed_in("karen")
    for subject, name, typed, english, danish in FAULTS:
        for client, said in ((anna, english), (karen, danish)):
            changed = {name: typed} if name else {}
            answer = send(client, f"/settings/of/{subject}", changed, "check")
            assert answer.status_code == 422
            assert said in answer.text, f"{name} {faults_of(answer)}"
            if name.startswith(("applications", "follow_up")) or name == "time_zone":
                assert f'id="f-{name}-fault"' in answer.text


def test_a_reason_is_asked_for_at_its_field(site, anna):
    answer = send(anna, "/settings/of/limits", {LIMIT: "0.7", "reason": " "})
    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text


def test_overrides_are_added_changed_ordered_and_removed(site, anna):
    address = "/settings/of/overrides"

    def act(form, do):
        made = anna.post(address, data=form | {"do": do})
        assert made.status_code == 200, made.text
        return made.text

    form = form_of(anna, address)
    text = act(form, "add:overrides:application:nodule")
    assert 'name="overrides.0.settings.operating_point"' in text
    assert 'value="nodule"' in text
    first = {
        "overrides.#count": "1", "overrides.0.name": "sharp", "overrides.0.application": "nodule",
        "overrides.0.where.unit": "north", "overrides.0.settings.operating_point": "0.8",
    }  # fmt: skip
    text = act(form | first, "add:overrides:application:mammo")
    both = first | {
        "overrides.#count": "2", "overrides.1.name": "old", "overrides.1.application": "mammo",
        "overrides.1.where.station": "S*", "overrides.1.settings.report_limit": "4",
    }  # fmt: skip
    moved = act(form | both, "down:overrides.0")
    assert moved.index('value="old"') < moved.index('value="sharp"')
    assert 'value="sharp"' not in act(form | both, "remove:overrides.0")
    assert "overrides.9" not in act(form | both, "up:overrides.9")
    number = drafted(anna.post(address, data=form | both | {"step": "keep"} | REASON))
    for name in ("karen", "bo"):
        site.signed_in(name).post(f"/settings/drafts/{number}/approve")
    kept = value(site, "overrides")
    assert [(one["name"], one["settings"]) for one in kept] == [
        ("sharp", {"operating_point": 0.8}),
        ("old", {"report_limit": 4}),
    ]
    assert "sharp" in anna.get("/settings/of/limits").text
    wrong = send(anna, address, {"overrides.0.settings.operating_point": "7"}, "check")
    assert 'id="f-overrides.0.settings.operating_point-fault"' in wrong.text


def test_an_override_of_one_unit_waits_for_that_unit_alone(site, anna):
    made = {
        "overrides.#count": "1", "overrides.0.name": "n", "overrides.0.application": "nodule",
        "overrides.0.where.unit": "north", "overrides.0.settings.smallest_mm": "4",
    }  # fmt: skip
    form = form_of(anna, "/settings/of/overrides") | made | {"step": "keep"} | REASON
    number = drafted(anna.post("/settings/of/overrides", data=form))
    assert anna.get(f"/api/settings/drafts/{number}").json()["open_units"] == ["north"]
    assert site.signed_in("bo").post(f"/settings/drafts/{number}/approve").status_code == 403


def test_two_people_at_once(site, anna):
    form = form_of(anna, "/settings/of/site") | {"step": "keep"} | REASON
    first = drafted(anna.post("/settings/of/site", data=form | {"organization": "A"}))
    assert first == 1
    other = anna.post("/settings/of/site", data=form | {"organization": "B"})
    assert other.status_code == 422
    assert "organization" in other.text
    assert value(site, "organization") == "A"
    # Another key of the same page goes through, over what came into force since.
    drafted(anna.post("/settings/of/site", data=form | {"language": "da"}))
    assert (value(site, "organization"), value(site, "language")) == ("A", "da")


def test_an_export_that_is_taken_in_changes_nothing_and_one_edited_is_checked(site, anna):
    drafted(send(anna, "/settings/of/site", {"organization": "A"} | REASON))
    exported = anna.get("/settings/versions/2/yaml")
    assert "attachment" in exported.headers["content-disposition"]
    address = "/settings/text/all"
    same = send(anna, address, {"text": exported.text} | REASON)
    assert "Nothing differs" in same.text
    values = yaml.safe_load(exported.text)
    for changed, said in (
        ({"language": "fr"}, "One of da, en"),
        ({"workers": {}}, "machine"),
        ({"nonsense": 1}, "There is no such key"),
    ):
        answer = send(anna, address, {"text": yaml.safe_dump(values | changed)} | REASON)
        assert answer.status_code == 422
        assert said in answer.text
    assert "line 1" in send(anna, address, {"text": "a: [b"} | REASON).text
    assert "Keys with values" in send(anna, address, {"text": "7"} | REASON).text
    drafted(send(anna, address, {"text": yaml.safe_dump(values | {"organization": "C"})} | REASON))
    assert value(site, "organization") == "C"


def test_page_rest_and_text_come_to_one_digest(site, anna):
    """The same change by each way is the same version, and undoing leads back."""

    def digest():
        return anna.get("/api/settings").json()["digest"]

    drafted(send(anna, "/settings/of/site", {"organization": "first"} | REASON))
    before = digest()
    found = set()
    drafted(send(anna, "/settings/of/site", {"organization": "A"} | REASON))
    found.add(digest())
    back = anna.get("/api/settings/versions").json()["versions"][0]["number"]
    drafted(anna.post(f"/settings/versions/{back}/undo"))
    assert digest() == before
    made = anna.post("/api/settings/drafts", json={"settings": {"organization": "A"}} | REASON)
    assert made.status_code == 201
    assert made.json()["state"] == "in_force"
    found.add(digest())
    made = anna.post(f"/api/settings/versions/{made.json()['version']}/undo", json={})
    assert made.status_code == 201
    drafted(send(anna, "/settings/text/organization", {"text": "A"} | REASON))
    found.add(digest())
    assert len(found) == 1


def test_rest_says_why_it_refuses(site, anna):
    address = "/api/settings/drafts"
    for asked, status, code in (
        ({"settings": {"language": "fr"}} | REASON, 422, "invalid"),
        ({"settings": {"nonsense": 1}} | REASON, 422, "unknown_key"),
        ({"settings": {"workers": {}}} | REASON, 422, "machine_key"),
        ({"settings": {"organization": "A"}}, 422, "reason"),
        ({"settings": {}} | REASON, 409, "no_change"),
        ({"yaml": "a: [b"} | REASON, 422, "unreadable"),
        ({"yaml": "7"} | REASON, 422, "unreadable"),
        ({"settings": {}, "base": 99} | REASON, 404, "no_version"),
    ):
        answer = anna.post(address, json=asked)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    faulty = anna.post(address, json={"settings": {"language": "fr"}} | REASON).json()
    assert faulty["faults"] == {"language": "One of da, en is wanted"}
    assert anna.post(address, json=REASON).status_code == 422
    made = anna.post(address, json={"settings": {"follow_up": {"grace_days": 3}}} | REASON).json()
    assert (made["state"], made["open_units"]) == ("waiting", ["north", "south"])
    assert made["changes"] == [
        {"key": "follow_up.grace_days", "kind": "changed", "before": 14, "after": 3}
    ]
    number = made["number"]
    assert anna.post(f"{address}/{number}/approve").status_code == 403
    karen = site.signed_in("karen")
    assert karen.post(f"{address}/{number}/approve").json()["open_units"] == ["south"]
    assert karen.post(f"{address}/99/approve").json()["code"] == "no_draft"
    down = karen.post(f"{address}/{number}/turn-down", json={"reason": "not now"}).json()
    assert (down["state"], down["turned_down_by"]) == ("turned_down", "karen")
    assert anna.get(f"{address}/{number}").json()["changes"] == made["changes"]
    assert [one["number"] for one in anna.get(address).json()["drafts"]] == [number]
    assert anna.get(address, params={"waiting": True}).json()["drafts"] == []


def test_no_file_of_this_machine_is_read_for_who_changes_settings(site, anna, tmp_path):
    (tmp_path / "secret").write_text("a-secret-of-this-machine")
    values = {"nodule": {"operating_point": {"file": str(tmp_path / "secret")}}}
    for answer in (
        anna.post("/api/settings/drafts", json={"settings": {"applications": values}} | REASON),
        anna.post("/api/settings/preview", json={"settings": {"applications": values}}),
        anna.post("/settings/preview", data={"settings": json.dumps({"applications": values})}),
        send(anna, "/settings/text/applications", {"text": yaml.safe_dump(values)} | REASON),
    ):
        assert answer.status_code == 422
        assert "the name of a file" in answer.text
        assert "a-secret" not in answer.text


def test_a_machine_reads_and_changes_nothing(site):
    machine = site.machine()
    assert machine.get("/api/settings").json()["version"] == 0
    assert machine.get("/api/settings/versions").json() == {"versions": []}
    for address, sent in (
        ("/api/settings/drafts", {"settings": {"organization": "A"}} | REASON),
        ("/api/settings/drafts/1/approve", {}),
        ("/api/settings/preview", {"settings": {}}),
        ("/api/settings/versions/1/undo", {}),
    ):
        assert machine.post(address, json=sent).status_code == 403


def test_an_auditor_sees_and_proposes_nothing(site, anna):
    drafted(send(anna, "/settings/of/site", {"organization": "A"} | REASON))
    auditor = site.person(Role.AUDITOR)
    for address in ("/settings", "/settings/of/limits", "/settings/text/all", "/settings/versions",
                    "/settings/versions/2", "/settings/drafts/1"):  # fmt: skip
        shown = auditor.get(address)
        assert shown.status_code == 200, address
        assert 'name="step" value="keep"' not in shown.text
        assert "/undo" not in shown.text
    assert auditor.post("/settings/versions/2/undo").status_code == 403


def test_what_is_not_there(site, anna):
    for address in ("/settings/of/nothing", "/settings/text/workers", "/settings/versions/99",
                    "/settings/versions/99/yaml", "/settings/drafts/99"):  # fmt: skip
        assert anna.get(address).status_code == 404, address
    assert anna.post("/settings/versions/99/undo").status_code == 404
    assert anna.post("/settings/preview", data={"settings": "no json"}).status_code == 422


def test_the_hub_says_what_waits(site, anna):
    assert "Waiting for approval" not in anna.get("/administration").text
    drafted(send(anna, "/settings/of/limits", {LIMIT: "0.7"} | REASON))
    assert "Waiting for approval ‒ 1" in anna.get("/administration").text


def test_every_check_of_the_configuration_has_words_in_both_languages(request):
    root = request.config.rootpath
    found = set()
    for path in (root / "gransk" / "site").glob("config*.py"):
        for message in re.findall(r'PydanticCustomError\(\s*"\w+",\s*"([^"{]+)"', path.read_text()):
            found.add(message)
    machine = {"models.signers, where a signature is required",
               "no less than quiet_seconds", "at least three times heartbeat_seconds",
               "an https:// address without query, as the provider names itself",
               "client_secret_file or client_secret_variable beside issuer, not both",
               "client_id beside issuer", "openid among scopes",
               "roles beside make_accounts"}  # fmt: skip
    assert found - machine
    assert {one for one in found - machine if f"wants: {one}" not in catalogue()} == set()
    assert {*faults._KEYS.values()} <= {
        key.removeprefix("fault_") for key in catalogue() if key.startswith("fault_")
    }


def test_a_draft_made_elsewhere_is_shown_as_well(site, anna):
    known = site.app.state.wiring
    with site.database.begin() as session:
        host = known.host
        content = settings_now(session, host).content | {"organization": "X"}
        propose(session, host, content, "shell:root", "by hand", Origin.FILE)
    assert "by hand" in anna.get("/settings/versions").text


def test_values_are_explained_in_the_language_of_the_page(site):
    for language, said in (("da", "Noduli under denne"), ("en", "Nodules below this")):
        person = site.person(Role.ADMINISTRATOR, name=f"in-{language}", language=language)
        assert f"<span>{said}" in person.get("/settings/of/limits").text


SAME_WORD = {
    "auc", "fhir", "format", "institution", "model", "port", "screening", "tls", "version",
    "webhooks",
}  # fmt: skip
"""Keys whose Danish name is the English one."""


def shown(schema: Schema, at, name: str) -> list[Field]:
    """A field and those within, of each kind that a list's item may be."""
    said = schema.shape(at).schema
    found = [fields(schema, at, name, None)]
    sections = []
    if found[0].kind is Kind.GROUP:
        sections = [(name, said)]
    elif found[0].kind is Kind.ITEMS:
        kinds = schema.kinds(said["items"])
        sections = [(f"{name}.0", schema.variant(said["items"], kind)) for kind in kinds]
    for within, section in sections:
        for key, inner in section["properties"].items():
            found += shown(schema, inner, f"{within}.{key}")
    return found


def test_every_field_has_a_name_and_an_explanation_in_each_language():
    every = [
        field
        for subject in subjects.SUBJECTS
        for place in subjects.places(subject, applications())
        for field in shown(place.schema, place.at, place.name)
    ]
    assert len(every) > 300
    assert {one.kind for one in every} == set(Kind)
    wrong = []
    for one in every:
        named = catalogue().get(f"setting_{one.key}", {"da": "", "en": ""})
        if "" in named.values() or (named["da"] == named["en"]) != (one.key in SAME_WORD):
            wrong.append(f"name: {one.name}")
        told = {tongue: words.help_of(one.name, one.help, tongue) for tongue in ("da", "en")}
        if any(spoken != tongue or not said for tongue, (said, spoken) in told.items()):
            wrong.append(f"explanation: {one.name}")
        elif told["da"][0] == told["en"][0]:
            wrong.append(f"untranslated: {one.name}")
    assert wrong == []
    used = {words.help_of(one.name, "", "en")[0] for one in every}
    kept = {both["en"] for key, both in catalogue().items() if key.startswith("setting_help_")}
    assert kept == used


def test_the_page_of_monitoring_is_in_the_persons_language(site):
    person = site.person(Role.ADMINISTRATOR, name="dane", language="da")
    page = person.get("/settings/of/monitoring").text
    for said in (
        "I kø højst (minutter)",
        "Får e-mail",
        "Serveren, der sender alarmer",
        "Ukrypteret",
    ):
        assert said in page
    for said in (">queue_minutes<", ">receivers<", "mail.example.org", ">Ingen fund<"):
        assert said not in page


def test_a_table_of_levels_that_cannot_be_read_is_refused_when_it_is_drafted(site):
    """Not at the next start of the service."""
    own = site.config.data_folder / "secrets" / "levels.yaml"
    administrator = site.person(Role.ADMINISTRATOR)
    wanted = {"settings": {"reading": {"levels_file": str(own)}}, "reason": "our own levels"}
    for content in (None, "{id: north}", "\tno: ["):
        if content is not None:
            own.write_text(content)
        answer = administrator.post("/api/settings/drafts", json=wanted)
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid"
        assert "levels" in answer.json()["detail"]
    own.write_text(
        "{id: north, version: '3', source: the unit, date: '2026', levels: "
        "[{indicator: recall, better: lower, acceptable: 0.2, desirable: 0.16}]}"
    )
    assert administrator.post("/api/settings/drafts", json=wanted).status_code == 201
