"""Local validation on pages: the report, its signature, its files, and the gate that it opens."""

import io
import json
import re
from functools import cache

import pytest
from pypdf import PdfReader
from read_site import FIRST_DAY, approve, keep, read_site, room, text_of

from gransk.core.keys import digest
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, Outcome
from gransk.reading.policy_tables import Validation
from gransk.results.tables import FactSource
from gransk.site.tables import Event

ASKED = "/reading/validation?unit=herlev"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A unit with a shadow policy that says what a validation must hold."""
    with read_site(tmp_path_factory.mktemp("validation")) as made:
        number = keep(made.signed_in("conny"), room())
        for name in ("karen", "svend"):
            assert approve(made.signed_in(name), number).status_code == 303
        yield made


@pytest.fixture(scope="module")
def at(site):
    """Signed-in browsers by name."""
    return cache(site.signed_in)


def fields(page):
    """The hidden fields of the form to sign."""
    form = page.text.split('action="/reading/validation/sign"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def sign(client, **changes):
    return client.post("/reading/validation/sign", data=fields(client.get(ASKED)) | changes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "conny",
            ("ROC curve", "Operating points", "Subgroups", "First reader", "Called positive"),
        ),
        ("dorte", ("ROC-kurve", "AI's arbejdspunkter", "Undergrupper", "Første gransker")),
    ],
)
def test_the_report_of_a_unit(at, name, words):
    page = at(name).get(ASKED)
    said = text_of(page)
    for word in words:
        assert word in said
    assert "mammo 1.0 mass@cccccccc" in said
    assert page.text.count("<svg xmlns") == 1
    assert "<desc>" in page.text
    counts = dict(re.findall(r"<dt>([^<]*)</dt><dd>(\d+)", page.text))
    assert list(counts.values())[:6] == ["45", "0", "0", "45", "5", "1"]
    assert "style=" not in page.text


def test_the_area_is_that_of_the_exams(at):
    """Four cancers of score 9 and one of 3, beside 34 free of 3, four of 4 and two of 9."""
    said = text_of(at("conny").get(ASKED))
    pairs = 4 * (38 + 0.5 * 2) + 1 * (0.5 * 34)
    assert f"Area under the curve {pairs / (5 * 40):.3f}" in said


def test_density_comes_from_the_findings(at):
    page = at("conny").get(ASKED).text
    rows = re.findall(r"<tr><td>density</td><th scope=\"row\">([^<]*)</th>", page)
    assert rows == ["c", "unknown"]


def test_the_report_is_signed_as_it_was_seen_and_kept(site, at, monkeypatch):
    karen = at("karen")
    assert 'action="/reading/validation/sign"' not in at("conny").get(ASKED).text
    assert at("conny").post("/reading/validation/sign").status_code == 403
    changed = sign(karen, seen="0" * 64)
    assert changed.status_code == 409
    assert "have come since" in changed.text
    sent = fields(karen.get(ASKED)) | {"seen": "0" * 64}
    with monkeypatch.context() as patch:
        patch.setattr(site.app.state.wiring.figures, "patience_seconds", 0.0)
        busy = karen.post("/reading/validation/sign", data=sent)
    assert busy.status_code == 409, "what cannot be asked for again waits"
    refused = at("svend").post("/reading/validation/sign", data=fields(karen.get(ASKED)))
    assert refused.status_code == 409
    assert "Kun enhedens ansvarlige radiolog" in refused.text
    answer = sign(karen)
    assert answer.status_code == 303
    page = karen.get(answer.headers["location"])
    assert "signed and kept" in page.text
    assert "It holds what the policies in force ask for" in page.text
    with site.database.read() as session:
        (row,) = session.query(Validation).all()
    assert (row.unit, row.exams, row.cancers, row.signed_by) == ("herlev", 45, 5, "karen")
    assert row.models == {"mass": ["2", "c" * 64]}
    assert row.digest == digest(row.report)
    later = {(ACCESSION, "ACC2"): Outcome(cancer=True, found="interval")}
    with site.database.begin() as session:
        state_outcomes(session, later, FactSource.FILE, "conny")
    assert "<dd>6</dd>" in karen.get(ASKED).text
    kept = karen.get(f"/reading/validation/{row.number}").text
    assert "<dd>6</dd>" not in kept, "what was signed stays"


def test_a_signed_report_leaves_as_data_and_as_a_document(site, at):
    vera = at("vera")
    found = json.loads(vera.get("/reading/validation/1/json").text)
    assert found["digest"] == digest(found["report"])
    assert found["signed_by"] == "karen"
    answer = at("dorte").get("/reading/validation/1/pdf")
    pages = PdfReader(io.BytesIO(answer.content)).pages
    words = " ".join(page.extract_text() for page in pages)
    for word in ("Lokal validering: Herlev", "Underskrevet af karen", "ROC-kurve", "Undergrupper"):
        assert word in words
    assert found["digest"] in words
    with site.database.read() as session:
        events = [e.data for e in session.query(Event) if e.kind == "figures_exported"]
    assert [one["form"] for one in events] == ["json", "pdf"]
    assert vera.get("/reading/validation/99").status_code == 404


def test_a_signed_validation_lets_the_ai_count(at):
    conny, karen = at("conny"), at("karen")
    number = keep(conny, room("replace_reader", units=["herlev"], recall_from=9))
    assert approve(karen, number).status_code == 303


def test_what_is_missing_is_told(at):
    first = f"{FIRST_DAY:%Y-%m-%d}"
    page = at("conny").get(f"{ASKED}&last={first}")
    assert "has a score of the AI in this period" in page.text
    few = text_of(at("conny").get(f"{ASKED}&first={first}&last={FIRST_DAY.year + 1}-12-31"))
    assert "The report holds the minimum" in few
    south = at("conny").get("/reading/validation?unit=south")
    assert "Let the AI run in shadow first" in south.text


def test_nobody_else_sees_it(at):
    for address in (ASKED, "/reading/validation/1", "/reading/validation/1/json"):
        assert at("anna").get(address).status_code == 403
        assert at("admin").get(address).status_code == 403
