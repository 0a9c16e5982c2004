"""Our door for HL7 v2: who is let in, what is taken, answered and counted once."""

import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from hl7_cases import message, msh, order_of, read_of

from gransk.core.programme import Programme
from gransk.core.screening import Verdict
from gransk.delivery.hl7.acknowledgement import Refusal, read_acknowledgement
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.hl7.incoming import NotTakenError
from gransk.delivery.hl7.mllp import Unframer, framed
from gransk.results.message_tables import ExamOrder, ReceivedMessage
from gransk.results.programmes import programme_of
from gransk.site.config_messages import ListenerSection
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.hl7_mapping import default_mapping
from gransk.site.tables import Event, Role
from gransk.web.hl7_listener import Hl7Listener
from gransk.web.hl7_taking import Takers, Taking

NODE = Path(__file__).parents[1] / "delivery" / "hl7_node.cjs"
PERSON = {"accession_number": "ACC-1", "patient_id": "PAT0001"}


class Room:
    """A reading room that takes what the test lets it."""

    def __init__(self):
        self.reads = []
        self.facts = []
        self.error = None

    def read(self, session, taken):
        session.add(ExamOrder(accession_number="written by the room", sender="x", placer_order="",
                              filler_order="", service=[], at=utcnow()))  # fmt: skip
        session.flush()
        if self.error:
            raise self.error
        self.reads.append(taken)

    def keep(self, session, said, sender):
        self.facts.append((said, sender))


class Door:
    """A listener on a free port, and what a sender does at it."""

    def __init__(self, site, takers=None, **values):
        self.site = site
        self.room = Room()
        sender = {"name": "ris", "addresses": ["127.0.0.0/8"], "application": "RIS"}
        self.settings = ListenerSection.model_validate(
            {"port": _free(), "senders": [sender], "readers": {"RIS17": "rita"}} | values
        )
        takers = takers or Takers(read=self.room.read, facts=self.room.keep)
        self.taking = Taking(self.settings, default_mapping(), site.database, takers)
        self.listener = Hl7Listener(self.settings, self.taking)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.listener.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.listener.port), 10)
        connection.settimeout(20)
        return connection

    def say(self, content, connection=None):
        """Send one message; the acknowledgement."""
        return read_acknowledgement(self.raw(framed(content), connection))

    def raw(self, data, connection=None):
        own = connection or self.connect()
        own.sendall(data)
        unframer = Unframer(10**6)
        while True:
            got = own.recv(65536)
            if not got:
                return b""
            if found := unframer.feed(got):
                if connection is None:
                    own.close()
                return found[0].content

    def close(self):
        self._stop.set()
        self._thread.join(5)


def _free():
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


@pytest.fixture
def door(site):
    made = []

    def make(takers=None, **values):
        made.append(Door(site, takers, **values))
        return made[-1]

    site.account("rita", "Rita Reader", Role.RADIOLOGIST)
    yield make
    for one in made:
        one.close()


def received(site):
    with site.database.read() as session:
        return session.scalars(select(ReceivedMessage).order_by(ReceivedMessage.first_at)).all()


def events(site, kind):
    with site.database.read() as session:
        return session.scalars(select(Event).where(Event.kind == kind)).all()


def test_a_read_is_taken_with_its_study_and_account(site, door):
    key = site.study(1, **PERSON)
    one = door()
    answer = one.say(read_of())
    assert (answer.code, answer.control_id) == ("AA", "C1")
    (taken,) = one.room.reads
    assert (taken.study_key, taken.account, taken.sender) == (key, "rita", "ris")
    assert taken.statement.verdict is Verdict.RECALL
    (event,) = events(site, EventKind.MESSAGE_TAKEN)
    assert (event.actor, event.data["kind"]) == ("ris", "ORU^R01")


def test_the_same_control_id_is_answered_again_and_counted_once(site, door):
    site.study(1, **PERSON)
    one = door()
    with one.connect() as connection:
        for _ in range(3):
            assert one.say(read_of(), connection).code == "AA"
    assert len(one.room.reads) == 1
    assert received(site)[0].times == 3
    other = one.say(read_of(outcome="111140^^DCM", marks=False))
    assert (other.code, other.errors) == ("AE", ("205",))
    assert len(one.room.reads) == 1


def test_what_is_refused_is_rolled_back_and_may_be_sent_again(site, door):
    site.study(1, **PERSON)
    one = door()
    one.room.error = NotTakenError(Refusal.NOT_NOW, "the exam is not open")
    for _ in range(2):
        answer = one.say(read_of())
        assert (answer.code, answer.errors) == ("AE", ("206",))
    with site.database.read() as session:
        assert session.get(ExamOrder, "written by the room") is None
    assert len(events(site, EventKind.MESSAGE_REFUSED)) == 1
    one.room.error = None
    assert one.say(read_of()).code == "AA"
    (row,) = received(site)
    assert (row.taken, row.times, row.refusal) == (True, 3, None)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (read_of(patient="9999999999"), "204"),
        (read_of(accession="ACC-2"), "204"),
        (read_of(reader="NOBODY"), "204"),
        (read_of(outcome="??"), "103"),
        (read_of(application="PACS"), "204"),
        (read_of(processing="T"), "202"),
        (read_of(version="3.0"), "203"),
        (read_of(kind="ADT^A01^ADT_A01"), "200"),
        (read_of(kind="ORU^R30^ORU_R30"), "201"),
        (read_of(control_id=""), "101"),
    ],
)
def test_what_cannot_be_taken_is_answered_with_its_reason(site, door, content, error):
    site.study(1, **PERSON)
    one = door()
    answer = one.say(content)
    assert answer.errors == (error,)
    assert answer.code == ("AR" if error in ("200", "201", "202", "203") else "AE")
    assert one.room.reads == []


def test_aa_is_answered_only_after_the_commit(site, door, monkeypatch):
    site.study(1, **PERSON)
    one = door()
    begin = site.database.begin

    @contextmanager
    def fails_to_commit():
        with suppress(RuntimeError), begin() as session:
            yield session
            raise RuntimeError
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    monkeypatch.setattr(site.database, "begin", fails_to_commit)
    answer = one.say(read_of())
    assert (answer.code, answer.errors) == ("AE", ("207",))
    monkeypatch.setattr(site.database, "begin", begin)
    assert received(site) == []
    assert one.say(read_of()).code == "AA"


def test_an_order_says_programme_and_facts_before_the_images_come(site, door):
    one = door()
    content = order_of(
        "OBX|1|ST|PROGRAMME^^99GRANSK||screening||||||F",
        "OBX|2|ST|ROUND^^99GRANSK||later||||||F",
        "OBX|3|CE|DECLINES-AI^^99GRANSK||Y||||||F",
    )
    assert one.say(content).code == "AA"
    ((said, sender),) = one.room.facts
    assert (said.accession_number, said.declines_ai, sender) == ("ACC-1", True, "ris")
    with site.database.read() as session:
        order = session.get_one(ExamOrder, "ACC-1")
    assert (order.placer_order, order.filler_order) == ("P1", "F1")
    assert order.service == ["MAM-SCR", "Screening mammography", "99RIS"]


def test_an_order_of_an_exam_that_is_here(site, door):
    key = site.study(1, **PERSON)
    one = door()
    screening = "OBX|1|ST|PROGRAMME^^99GRANSK||screening||||||F"
    assert one.say(order_of(screening, kind="OMG^O19^OMG_O19")).code == "AA"
    with site.database.read() as session:
        assert programme_of(session, key) is Programme.SCREENING
    (changed,) = events(site, EventKind.PROGRAMME_STATED)
    assert (changed.actor, changed.data["source"]) == ("ris", "machine")
    other = order_of(screening, patient="1", control_id="O2")
    assert one.say(other).errors == ("204",)


def test_a_cancelled_order_says_nothing(site, door):
    one = door()
    content = order_of("OBX|1|ST|ROUND^^99GRANSK||first||||||F", control="CA")
    assert one.say(content).code == "AA"
    assert one.room.facts == []


def test_facts_are_not_lost_where_nothing_keeps_them(site, door):
    one = door(Takers())
    content = order_of("OBX|1|ST|ROUND^^99GRANSK||first||||||F")
    assert one.say(content).errors == ("206",)
    assert one.say(read_of()).errors == ("200",)


def test_a_sender_takes_part_in_what_the_site_lets_it(site, door):
    site.study(1, **PERSON)
    sender = {"name": "ris", "addresses": ["127.0.0.1"], "application": "RIS", "takes": ["orders"]}
    one = door(senders=[sender])
    assert one.say(read_of()).errors == ("200",)
    assert one.say(order_of()).code == "AA"


def test_an_address_that_is_nobodys_is_not_listened_to(site, door):
    one = door(senders=[{"name": "ris", "addresses": ["10.0.0.0/8"], "application": "RIS"}])
    with suppress(ConnectionError):
        assert one.raw(framed(read_of())) == b""
    assert received(site) == []


def test_accept_acknowledgements_where_they_are_asked_for(site, door):
    site.study(1, **PERSON)
    one = door()
    assert one.say(read_of(accept="AL", answer="NE")).code == "CA"
    assert one.say(read_of(accept="AL", answer="NE", control_id="C2", outcome="?")).code == "CE"


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_the_answer_is_in_the_sender_s_version_and_letters(site, door, version):
    one = door()
    raw = one.raw(framed(read_of(version=version, charset="8859/1").decode().encode("latin-1")))
    answer = Message(raw)
    assert (answer.msh.text(12), answer.msh.text(18)) == (version, "8859/1")
    assert (answer.msh.text(5), answer.msh.text(6)) == ("RIS", "HOSP")
    assert answer.msh.text(9, 2) == "R01"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(range(256)) * 50,
        framed(b""),
        framed(b"MSH|^~\\&|" + b"\xff" * 100),
        framed(b"|" * 5000),
        framed(b"MSH|^~\\&|RIS|HOSP" + b"|" * 3000),
        b"\x0bMSH|^~\\&|half a message",
        framed(b"MSH|^~\\&|RIS|HOSP|||||ORU^R01|BIG|P|2.5.1\r" + b"NTE|1||x\r" * 40_000),
    ],
    ids=["http", "bytes", "empty", "letters", "bars", "header", "half", "oversize"],
)
def test_garbage_harms_nothing(site, door, data):
    site.study(1, **PERSON)
    one = door(largest_kb=64)
    with one.connect() as connection:
        connection.sendall(data)
        connection.settimeout(1)
        with suppress(OSError):
            connection.recv(65536)
    assert one.say(read_of()).code == "AA"
    assert [row.taken for row in received(site)] == [True]


def test_a_message_over_the_limit_is_refused_under_its_own_control_id(site, door):
    one = door(largest_kb=16)
    big = message(msh(control_id="BIG"), *["NTE|1||" + "x" * 90] * 400)
    with one.connect() as connection:
        answer = one.say(big, connection)
        assert (answer.code, answer.control_id, answer.errors) == ("AE", "BIG", ("102",))
        assert one.say(order_of(), connection).code == "AA"


def test_a_half_message_ends_its_connection_in_time(site, door):
    one = door(message_seconds=0.5)
    with one.connect() as connection:
        connection.sendall(b"\x0bMSH|^~\\&|")
        assert connection.recv(10) == b""


def test_more_connections_than_the_site_allows_are_closed(site, door):
    one = door(connections=1)
    with one.connect() as first:
        assert one.say(order_of(), first).code == "AA"
        with one.connect() as second:
            assert second.recv(10) == b""
        assert one.say(order_of(), first).code == "AA"


def test_no_patient_data_in_logs_events_or_answers(site, door, caplog):
    caplog.set_level(logging.DEBUG)
    site.study(1, **PERSON)
    one = door()
    one.room.error = ValueError("Sørensen PAT0001")
    told = [one.raw(framed(read_of()))]
    for content in (
        read_of(control_id="2", outcome="Sørensen"),
        read_of(control_id="3", reader="Sørensen"),
        read_of(control_id="4", patient="PAT9999"),
        read_of(control_id="5").replace(b"SUSPICION", b"SUSPICION").replace(b"|1|4|", b"|1|Aase|"),
        read_of(control_id="6")[:300] + b"\xff\xfe",
    ):
        told.append(one.raw(framed(content)))
    with site.database.read() as session:
        for event in session.scalars(select(Event)):
            told.append(json.dumps(event.data).encode())
    everything = caplog.text.encode() + b"".join(told)
    for private in ("Sørensen", "PAT0001", "PAT9999", "Aase", "19500101"):
        assert private.encode() not in everything
        assert private.encode("latin-1") not in everything


def test_tls_with_a_client_certificate(site, door, tmp_path):
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = {"certificate_file": "cert.pem", "key_file": "key.pem", "clients_file": "ca.pem"}
    one = door(tls={key: str(tmp_path / name) for key, name in files.items()})
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    authority.issue_cert("ris.test").configure_cert(context)
    with context.wrap_socket(one.connect(), server_hostname="127.0.0.1") as connection:
        assert one.say(order_of(), connection).code == "AA"
    stranger = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with (
        suppress(OSError),
        stranger.wrap_socket(one.connect(), server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(framed(order_of(control_id="X")))
        assert connection.recv(10) == b""
    assert [row.control_id for row in received(site)] == ["O1"]


def test_the_client_of_another_implementation_is_understood(site, door, tmp_path):
    site.study(1, **PERSON)
    one = door()
    (tmp_path / "read.hl7").write_bytes(read_of())
    told = subprocess.run(
        ["node", NODE, "client", str(one.listener.port), tmp_path / "read.hl7"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(told.stdout.splitlines()[-1]) == {"code": "AA", "id": "C1"}
    assert one.room.reads[0].statement.comment == ""
    assert one.room.reads[0].study_key == site.study_key(1)
