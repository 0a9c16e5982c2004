"""Sending by C-STORE: to dcmtk and to dcmjs-dimse, that behave and that do not."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import tempfile
import threading
import time

import pytest
import trustme
from dicom_peers import NodePeer, Storescp, an_object, dataset_of, wait
from free_ports import free_port
from pydicom.uid import (
    EnhancedSRStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MammographyCADSRStorage,
    SecondaryCaptureImageStorage,
)

from gransk.delivery import dicom
from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError
from gransk.delivery.dicom import DicomCarrier
from gransk.delivery.dimse import store
from gransk.site.config_destinations import DicomDestination
from gransk.site.config_messages import TlsClient

pytestmark = pytest.mark.system


def carrier(port, idle_seconds=10.0, **values):
    values = {"aet": "STORESCP", "host": "127.0.0.1", "timeout_seconds": 5} | values
    settings = DicomDestination(name="pacs", kind="dicom", port=port, **values)
    return DicomCarrier(settings, idle_seconds)


@pytest.fixture
def storescp(tmp_path):
    peer = Storescp(tmp_path)
    yield peer.start()
    peer.kill()


@pytest.fixture
def node(tmp_path):
    peer = NodePeer(tmp_path)
    yield peer.start()
    peer.kill()


@pytest.mark.parametrize(
    ("sop_class", "syntax", "size"),
    [
        (EnhancedSRStorage, None, 0),
        (MammographyCADSRStorage, None, 0),
        (SecondaryCaptureImageStorage, None, 3_000_000),
        (EnhancedSRStorage, ImplicitVRLittleEndian, 0),
    ],
)
def test_the_bytes_of_the_file_arrive(storescp, sop_class, syntax, size):
    given = {} if syntax is None else {"syntax": syntax}
    uid, content = an_object(sop_class, size=size, **given)
    sender = carrier(storescp.port)
    sender.send(uid, content)
    assert storescp.held == {uid: dataset_of(content)}
    storescp.forget()
    sender.send(uid, content)
    assert storescp.held == {uid: dataset_of(content)}, "again, as it was"
    sender.close()


def test_a_worker_that_is_killed_while_it_sends_leaves_nothing_on_the_disk(
    storescp, tmp_path, monkeypatch
):
    """Whatever is on the disk at the moment of sending would stay."""
    folder, seen = tmp_path / "temporary", []
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def watched(association, path, kind):
        seen.append((path.read_bytes(), list(folder.iterdir()), path.resolve().exists()))
        return store(association, path, kind)

    monkeypatch.setattr(dicom, "store", watched)
    uid, content = an_object(size=3_000_000)
    sender = carrier(storescp.port)
    sender.send(uid, content)
    sender.close()
    assert seen == [(content, [], False)]
    assert storescp.held == {uid: dataset_of(content)}


def test_one_association_serves_many_objects_and_ends_when_idle(node):
    sender = carrier(node.port, idle_seconds=0.5)
    made = [an_object(kind) for kind in (EnhancedSRStorage, SecondaryCaptureImageStorage) * 3]
    for uid, content in made:
        sender.send(uid, content)
    assert [line["uid"] for line in node.taken] == [uid for uid, _ in made]
    digests = {uid: {hashlib.sha256(dataset_of(content)).hexdigest()} for uid, content in made}
    assert node.counted == digests
    assert node.count("association") == 1
    assert node.lines[0]["calling"] == "GRANSK"
    wait(lambda: node.count("released") == 1, "the association to be released")
    sender.send(*made[0])
    assert node.count("association") == 2
    sender.close()


def test_threads_have_associations_of_their_own(node):
    sender = carrier(node.port)
    made = [an_object(size=100_000) for _ in range(12)]
    threads = [threading.Thread(target=sender.send, args=one) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(node.counted) == {uid for uid, _ in made}
    assert 1 <= node.count("association") <= 12
    sender.close()


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007, 0x0111])
def test_success_and_warnings_mean_stored(node, status):
    node.plan(status=status)
    sender = carrier(node.port)
    sender.send(*an_object())
    sender.close()


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (0xA700, DoubtedError, "out of resources"),
        (0xA7FF, DoubtedError, "out of resources"),
        (0xA900, RefusedError, "0xA900"),
        (0xC000, RefusedError, "0xC000"),
        (0xCFFF, RefusedError, "0xCFFF"),
        (0x0110, RefusedError, "0x0110"),
        (0x0122, RefusedError, "0x0122"),
        (0x0124, RefusedError, "0x0124"),
        (0xFE00, RefusedError, "0xFE00"),
    ],
)
def test_failures_are_told_apart(node, status, error, told):
    node.plan(status=status)
    sender = carrier(node.port)
    made = an_object()
    with pytest.raises(error, match=told):
        sender.send(*made)
    node.plan()
    sender.send(*made)
    assert node.count("association") == 1, "a failure ends no association"
    sender.close()


@pytest.mark.parametrize("reject", ["transient", "permanent"])
def test_a_rejected_association_is_asked_for_again_later(node, reject):
    node.plan(reject=reject)
    sender = carrier(node.port, calling_aet="STRANGER")
    # The peer closes right after its answer: on a busy machine the closing is seen first.
    with pytest.raises(UnavailableError, match=r"rejects .*does it know STRANGER|does not answer"):
        sender.send(*an_object())
    node.plan()
    sender.send(*an_object())
    sender.close()


def test_a_kind_that_the_peer_does_not_take_is_refused_and_the_others_go(node):
    node.plan(refuse=[MammographyCADSRStorage])
    sender = carrier(node.port)
    with pytest.raises(RefusedError, match=f"does not accept SOP class {MammographyCADSRStorage}"):
        sender.send(*an_object(MammographyCADSRStorage))
    sender.send(*an_object())
    assert len(node.taken) == 1
    sender.close()


def test_a_kind_that_was_not_proposed_has_another_association(node):
    sender = carrier(node.port)
    sender.send(*an_object())
    sender.send(*an_object(syntax=JPEG2000Lossless))
    assert len(node.taken) == 2
    assert node.count("association") == 2
    sender.close()


@pytest.mark.parametrize("when", ["during", "unanswered"])
def test_a_peer_that_closes_in_the_middle_leaves_in_doubt_whether_the_object_is_why(node, when):
    sender = carrier(node.port)
    sender.send(*an_object())
    node.plan(close=when)
    made = an_object(size=2_000_000)
    with pytest.raises(DoubtedError, match="ended the association"):
        sender.send(*made)
    assert node.count("association") == 2, "the kept one, and one made for the object"
    node.plan()
    sender.send(*made)
    assert len(node.counted) == 2
    assert all(len(digests) == 1 for digests in node.counted.values())
    sender.close()


def test_a_peer_that_restarted_is_met_on_a_new_association(node):
    sender = carrier(node.port)
    sender.send(*an_object())
    node.kill()
    with pytest.raises(UnavailableError, match="Connection refused"):
        sender.send(*an_object())
    node.start()
    sender.send(*an_object())
    sender.send(*an_object())
    node.kill()
    node.start()
    sender.send(*an_object())
    assert len(node.taken) == 4
    sender.close()


def test_a_peer_that_is_not_there_is_unavailable_at_once():
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"STORESCP at 127\.0\.0\.1:.*Connection refused"):
        carrier(free_port()).send(*an_object())
    assert time.monotonic() - began < 4


def test_a_silent_peer_is_given_up_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="makes no association"):
            carrier(silent.getsockname()[1], timeout_seconds=1).send(*an_object())
        assert time.monotonic() - began < 6


def test_a_slow_answer_is_not_waited_for(tmp_path):
    peer = Storescp(tmp_path, "--sleep-during", "3").start()
    try:
        sender = carrier(peer.port, timeout_seconds=1)
        with pytest.raises(DoubtedError, match="no answer in time"):
            sender.send(*an_object())
    finally:
        peer.kill()


def test_a_peer_whose_disk_is_full_is_unavailable(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a disk to fill cannot be mounted here: {mounted.stderr.strip()}")
    try:
        peer = Storescp(disk).start()
        sender = carrier(peer.port)
        big, small = an_object(size=1_000_000), an_object()
        with pytest.raises(UnavailableError, match="out of resources"):
            sender.send(*big)
        for path in peer.folder.iterdir():
            path.unlink()
        sender.send(*small)
        assert peer.held[small[0]] == dataset_of(small[1])
        sender.close()
        peer.kill()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


class Certificates:
    """An authority, the peer's certificate and ours."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.peer = self._issued(folder / "peer", self.authority, "127.0.0.1")
        self.ours = self._issued(folder / "ours", self.authority, "gransk.example")
        self.stranger = self._issued(folder / "stranger", trustme.CA(), "gransk.example")

    def _issued(self, path, authority, name):
        made = authority.issue_cert(name)
        key, cert = path.with_suffix(".key"), path.with_suffix(".pem")
        made.private_key_pem.write_to_path(key)
        cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        return key, cert


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(tmp_path, certificates):
    """storescp over TLS that wants a certificate of the authority from us too."""
    key, cert = certificates.peer
    peer = Storescp(tmp_path, "+tls", key, cert, "+cf", certificates.ca, "-rc")
    yield peer.start()
    peer.kill()


def test_over_tls_with_certificates_on_both_sides(secure, certificates):
    key, cert = certificates.ours
    tls = TlsClient(authority_file=certificates.ca, certificate_file=cert, key_file=key)
    uid, content = an_object()
    sender = carrier(secure.port, tls=tls)
    sender.send(uid, content)
    sender.send(*an_object())
    assert secure.held[uid] == dataset_of(content)
    sender.close()


def test_a_peer_with_a_foreign_certificate_is_sent_nothing(secure, certificates, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    key, cert = certificates.ours
    tls = TlsClient(authority_file=tmp_path / "other.pem", certificate_file=cert, key_file=key)
    with pytest.raises(UnavailableError, match="TLS: the certificate does not stand"):
        carrier(secure.port, tls=tls).send(*an_object())
    assert secure.held == {}


def test_a_peer_that_bears_another_name_is_sent_nothing(secure, certificates):
    key, cert = certificates.ours
    tls = TlsClient(authority_file=certificates.ca, certificate_file=cert, key_file=key)
    with pytest.raises(UnavailableError, match="Hostname mismatch"):
        carrier(secure.port, tls=tls, host="localhost").send(*an_object())
    assert secure.held == {}


def test_a_peer_that_does_not_know_our_certificate_is_unavailable(secure, certificates):
    key, cert = certificates.stranger
    tls = TlsClient(authority_file=certificates.ca, certificate_file=cert, key_file=key)
    with pytest.raises(UnavailableError, match=r"does not answer|ended the association"):
        carrier(secure.port, tls=tls).send(*an_object())
    assert secure.held == {}


def test_nothing_goes_in_the_clear_where_tls_is_wanted(storescp, certificates):
    tls = TlsClient(authority_file=certificates.ca)
    with pytest.raises(UnavailableError, match="TLS"):
        carrier(storescp.port, tls=tls).send(*an_object())
    assert storescp.held == {}


def test_a_certificate_file_that_is_missing_is_told(storescp, tmp_path):
    tls = TlsClient(authority_file=tmp_path / "none.pem")
    with pytest.raises(UnavailableError, match=r"none\.pem: No such file"):
        carrier(storescp.port, tls=tls).send(*an_object())


def test_dicom_has_no_deletion(storescp):
    with pytest.raises(RefusedError, match="no deletion"):
        carrier(storescp.port).remove("1.2.3")
