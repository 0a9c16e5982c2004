"""The MLLP client with peers that behave and peers that do not."""

import json
import socket
import ssl
import subprocess
from pathlib import Path

import mllp_peer
import pytest
import trustme
from hl7_cases import ris, told
from mllp_peer import Peer, id_of, saying

from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.client import MllpClient
from gransk.delivery.hl7.outgoing import decision_hl7
from gransk.site.hl7_mapping import default_mapping

NODE = Path(__file__).with_name("hl7_node.cjs")
MESSAGE = b"MSH|^~\\&|GRANSK||RIS||20260302||ORU^R01|CTRL1|P|2.5.1\rPID|1\r"


@pytest.fixture
def peer():
    made = []

    def make(behaviour=None, **values):
        made.append(Peer(behaviour, **values))
        return made[-1]

    yield make
    for one in made:
        one.close()


def client(port, seconds=20, **values):
    return MllpClient(ris(port=port, timeout_seconds=seconds, **values))


def send(one, content=MESSAGE):
    return one.send(id_of(content), content)


def test_one_connection_is_kept_and_the_bytes_arrive_as_they_are(peer):
    ris_ = peer()
    one = client(ris_.port)
    for _ in range(3):
        assert b"MSA|AA|CTRL1" in send(one)
    assert ris_.taken == [MESSAGE] * 3
    assert ris_.connections == 1


def test_an_answer_may_come_in_pieces(peer):
    assert b"AA" in send(
        client(
            peer(mllp_peer.in_pieces).port,
        )
    )


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_names_the_code_and_nothing_of_the_patient(peer, code):
    with pytest.raises(RefusedError, match=f"{code} 204") as refused:
        send(client(peer(saying(code, "204")).port))
    assert "rensen" not in str(refused.value)


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (mllp_peer.silent, "no answer in time"),
        (mllp_peer.wrong_id, "another control id"),
        (mllp_peer.half_closed, "without an answer"),
        (mllp_peer.garbage, "cannot be read"),
        (mllp_peer.endless, "no HL7"),
        (saying("CA"), "wants acknowledgement: accept"),
        (saying("XX"), "table 0008"),
    ],
)
def test_what_is_no_acknowledgement_is_no_delivery(peer, behaviour, why):
    ris_ = peer(behaviour)
    one = client(ris_.port, seconds=2)
    with pytest.raises(UnavailableError, match=why):
        send(one)
    ris_.behaviour = mllp_peer.agreeable
    assert b"AA" in send(one)
    assert ris_.connections == 2


def test_an_accept_acknowledgement_is_enough_where_that_is_asked_for(peer):
    assert b"CA" in send(client(peer(saying("CA")).port, acknowledgement="accept"))


def test_the_application_s_answer_is_awaited_after_the_accept(peer):
    ris_ = peer(mllp_peer.accept_then_application)
    assert b"MSA|AA" in send(client(ris_.port))


def test_a_peer_that_closed_between_messages_is_met_on_a_new_connection(peer):
    def once(peer_, connection, content):
        mllp_peer.agreeable(peer_, connection, content)
        connection.shutdown(socket.SHUT_RDWR)

    ris_ = peer(once)
    one = client(ris_.port)
    for _ in range(3):
        assert b"AA" in send(one)
    assert ris_.connections == 3
    assert set(ris_.taken) == {MESSAGE}


def test_a_kept_connection_that_turns_out_ended_is_opened_anew_once(peer):
    def every_other(peer_, connection, content):
        if len(peer_.taken) % 2 == 0:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            mllp_peer.agreeable(peer_, connection, content)

    ris_ = peer(every_other)
    one = client(ris_.port)
    assert b"AA" in send(one)
    assert b"AA" in send(one)
    assert ris_.connections == 2
    assert ris_.taken == [MESSAGE] * 3


def test_a_late_answer_is_not_taken_for_the_next_message_s(peer):
    ris_ = peer(mllp_peer.silent)
    one = client(ris_.port, seconds=2)
    with pytest.raises(UnavailableError):
        send(one)
    ris_.behaviour = saying("AE", "207")
    other = MESSAGE.replace(b"CTRL1", b"CTRL2")
    with pytest.raises(RefusedError):
        send(one, other)


def test_a_peer_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(UnavailableError, match="refused"):
        send(client(port))


@pytest.fixture
def tls(tmp_path):
    """A server's context that asks for a certificate, and files of a client that has one."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("gransk.test")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    return server, {
        "authority_file": str(tmp_path / "ca.pem"),
        "certificate_file": str(tmp_path / "own.pem"),
        "key_file": str(tmp_path / "key.pem"),
    }


def test_tls_with_an_own_authority_and_a_client_certificate(peer, tls):
    context, files = tls
    ris_ = peer(context=context)
    one = client(ris_.port, tls=files)
    assert b"AA" in send(one)
    assert b"AA" in send(one)
    assert ris_.connections == 1


def test_tls_refuses_a_peer_of_another_authority(peer, tls, tmp_path):
    context, _ = tls
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    ris_ = peer(context=context)
    with pytest.raises(UnavailableError, match="certificate"):
        send(client(ris_.port, tls={"authority_file": str(tmp_path / "other.pem")}))
    assert ris_.taken == []


def test_a_file_that_is_not_there_is_named(tmp_path, peer):
    missing = {"authority_file": str(tmp_path / "nobody.pem")}
    with pytest.raises(UnavailableError, match="PEM files"):
        send(client(peer().port, tls=missing))


@pytest.fixture
def node():
    """Starts servers of node-hl7-server: ``node(code)`` gives the port and what it prints."""
    started = []

    def start(code):
        process = subprocess.Popen(
            ["node", NODE, "server", code], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return json.loads(process.stdout.readline())["port"], process.stdout

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_the_server_of_another_implementation_understands_a_decision(node):
    port, printed = node("AA")
    settings = ris(port=port, timeout_seconds=20)
    made = decision_hl7(told(), settings, default_mapping())
    one = MllpClient(settings)
    assert b"MSA|AA" in one.send(made.control_id, made.content)
    assert json.loads(printed.readline()) == {
        "MSH.9.1": "ORU", "MSH.10": made.control_id, "PID.3.1": "PAT0001",
        "PID.5.1": "Sørensen", "OBR.18": "ACC-1", "OBR.25": "F",
    }  # fmt: skip
    one.close()


def test_the_refusal_of_another_implementation_is_one(node):
    port, _ = node("AE")
    settings = ris(port=port, timeout_seconds=20)
    made = decision_hl7(told(), settings, default_mapping())
    with pytest.raises(RefusedError, match="AE"):
        MllpClient(settings).send(made.control_id, made.content)
