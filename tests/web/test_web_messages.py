"""Messages that are not delivered, and decisions by REST and by POST."""

import datetime
import http.server
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from hl7_cases import told

from gransk.core.screening import Breast, FindingType, Verdict
from gransk.delivery import messages
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.outgoing import decision_post
from gransk.delivery.systems import HttpSystem
from gransk.results.decisions import Decision, Mark, announce
from gransk.results.message_tables import MessageState, OutgoingMessage, ReceivedMessage
from gransk.site.config_messages import HttpDestination
from gransk.site.database import utcnow
from gransk.site.tables import Role

AT = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)


def decide(site, key, number=1, outcome=Verdict.NORMAL, marks=()):
    decision = Decision(study_key=key, number=number, outcome=outcome, marks=marks, decided_at=AT)
    with site.database.begin() as session:
        return announce(session, decision, ["ris"]).number


def test_decisions_are_read_by_cursor(site):
    one, two = site.study(1), site.study(2)
    decide(site, one)
    mark = Mark(breast=Breast.LEFT, finding_type=FindingType.MASS, suspicion=3)
    decide(site, two, outcome=Verdict.RECALL, marks=(mark,))
    machine = site.machine()
    first = machine.get("/api/decisions", params={"since": 0, "limit": 1}).json()
    assert first["cursor"] == 1
    assert first["decisions"][0]["accession_number"] == "ACC1"
    rest = machine.get("/api/decisions", params={"since": first["cursor"]}).json()
    (recall,) = rest["decisions"]
    assert (recall["outcome"], recall["patient_id"]) == ("recall", "000002-0000")
    assert recall["marks"] == [
        {"breast": "L", "view": None, "finding_type": "mass", "suspicion": 3}
    ]
    assert recall["study_instance_uid"] == "1.2.3.2"
    assert "study_key" not in recall
    end = machine.get("/api/decisions", params={"since": rest["cursor"]}).json()
    assert end == {"decisions": [], "cursor": 2}
    assert machine.get("/api/decisions", params={"since": -1}).status_code == 422


def test_a_reader_has_no_list_of_decisions(site):
    reader = site.person(Role.RADIOLOGIST)
    assert reader.get("/api/decisions").status_code == 403
    assert reader.get("/messages").status_code == 403


@pytest.mark.parametrize("language", ["en", "da"])
def test_what_is_not_delivered_is_shown_and_tried_again(site, language):
    coordinator = site.person(Role.COORDINATOR, language=language)
    key = site.study(1)
    html = coordinator.get("/messages").text
    empty = {"en": "Every message is delivered.", "da": "Alle beskeder er leveret."}
    assert empty[language] in html
    decide(site, key)
    with site.database.begin() as session:
        (row,) = messages.undelivered(session)
        ident, row.state, row.error = row.id, MessageState.FAILED, "answered AE <204>"
    html = coordinator.get("/messages").text
    assert "answered AE &lt;204&gt;" in html
    assert f'action="/messages/{ident}/retry"' in html
    answer = coordinator.post(f"/messages/{ident}/retry")
    assert (answer.status_code, answer.headers["location"]) == (303, "/messages?done=true")
    with site.database.read() as session:
        assert session.get_one(OutgoingMessage, ident).state == MessageState.WAITING
    again = coordinator.post(f"/messages/{ident}/retry")
    assert again.headers["location"] == "/messages?done=false"
    assert ident not in coordinator.get("/messages?done=false").text


def test_messages_that_were_not_taken_are_shown(site):
    coordinator = site.person(Role.COORDINATOR)
    with site.database.begin() as session:
        session.add(
            ReceivedMessage(
                sender="ris", control_id="<C1>", sha256="0" * 64, kind="ORU^R01", taken=False,
                refusal="not_known", detail="no exam", times=4, first_at=utcnow(),
                last_at=utcnow(),
            )
        )  # fmt: skip
    html = coordinator.get("/messages").text
    assert "Exam, patient or reader are not known." in html
    assert "&lt;C1&gt;" in html


class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.headers, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *values):
        pass


@pytest.fixture
def taker():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    server.taken, server.status = [], 202
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def post(taker, tmp_path):
    (tmp_path / "token").write_text("a-secret")
    return HttpSystem(
        HttpDestination(
            name="screening", kind="http", timeout_seconds=5, token_file=tmp_path / "token",
            url=f"http://127.0.0.1:{taker.server_port}/decisions",
        )
    )  # fmt: skip


def test_a_decision_is_posted_as_json_under_its_control_id(taker, tmp_path):
    system = post(taker, tmp_path)
    made = system.make(told())
    for _ in range(2):
        assert system.send(made.control_id, made.content) == b"{}"
    (headers, body), (again, same) = taker.taken
    assert headers["idempotency-key"] == again["idempotency-key"] == made.control_id
    assert headers["authorization"] == "Bearer a-secret"
    assert body == same == decision_post(told()).content


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, UnavailableError),
        (503, UnavailableError),
        (429, UnavailableError),
        (401, UnavailableError),
        (302, UnavailableError),
        (400, RefusedError),
        (422, RefusedError),
    ],
)
def test_what_a_system_answers(taker, tmp_path, status, error):
    taker.status = status
    with pytest.raises(error, match=str(status)):
        post(taker, tmp_path).send("1", b"{}")


def test_a_system_that_is_not_there(taker, tmp_path):
    system = post(taker, tmp_path)
    taker.shutdown()
    taker.server_close()
    with pytest.raises(UnavailableError):
        system.send("1", b"{}")
