"""Sending by STOW-RS: to Orthanc, through a gate that asks for tokens, and to odd servers."""

from __future__ import annotations

import datetime
import socket
import ssl
import sys
import time
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from dicom_peers import an_object
from free_ports import free_port
from harness_orthanc import OrthancProcess, make_config
from stow_peers import Gate, StowPeer, others, told

from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError, UnclearError
from gransk.delivery.dicomweb import DicomwebCarrier
from gransk.delivery.tokens import Tokens
from gransk.site.config_destinations import DicomwebDestination, OAuth
from gransk.site.config_messages import TlsClient

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from oidc_harness import SECRET, ProviderProcess


def carrier(url, **values):
    values = {"timeout_seconds": 5} | values
    return DicomwebCarrier(DicomwebDestination(name="vna", kind="dicomweb", url=url, **values))


@pytest.fixture
def peer():
    """Starts servers that misbehave; they end with the test."""
    started = []

    def start(behaviour, context=None):
        started.append(StowPeer(behaviour, context))
        return started[-1]

    yield start
    for one in started:
        one.close()


def secret_file(folder, text):
    path = folder / f"secret-{text}"
    path.write_text(text)
    return path


# Orthanc


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    process = OrthancProcess(make_config(folder), folder / "orthanc")
    section = process.config.orthanc
    yield process.start(), f"{section.url}{section.dicomweb_root}", section
    process.stop()


def stored(process, uid):
    found = process.client.find_instance(uid)
    return None if found is None else process.client.file(found)


@pytest.mark.system
def test_orthanc_takes_what_is_sent_and_gives_it_back(archive):
    process, url, section = archive
    sender = carrier(url, username=section.username, password_file=section.password_file)
    uid, content = an_object()
    sender.send(uid, content)
    assert stored(process, uid) == content
    sender.send(uid, content)
    assert stored(process, uid) == content
    assert process.client.statistics()["CountInstances"] == 1
    other, more = an_object(size=3_000_000)
    sender.send(other, more)
    assert stored(process, other) == more
    sender.remove("1.2.3")  # it is not there
    with pytest.raises(RefusedError, match="answered 40"):  # Orthanc's plugin deletes nothing
        sender.remove(uid)


@pytest.mark.system
def test_orthanc_that_is_down_or_refuses_our_password_is_tried_again(archive, tmp_path):
    process, url, section = archive
    wrong = secret_file(tmp_path, "wrong")
    made = an_object()
    with pytest.raises(UnavailableError, match="answered 401"):
        carrier(url, username=section.username, password_file=wrong).send(*made)
    sender = carrier(url, username=section.username, password_file=section.password_file)
    sender.send(*an_object())
    process.stop()
    with pytest.raises(UnavailableError, match=r"ConnectError|RemoteProtocolError|ReadError"):
        sender.send(*made)
    process.start()
    sender.send(*made)
    assert stored(process, made[0]) == made[1]


@pytest.mark.system
def test_what_orthanc_cannot_read_is_refused(archive):
    _, url, section = archive
    sender = carrier(url, username=section.username, password_file=section.password_file)
    with pytest.raises(RefusedError):
        sender.send("1.2.3", b"no DICOM at all")


# Tokens


@pytest.fixture
def provider(tmp_path):
    started = []

    def start(**given):
        process = ProviderProcess(tmp_path, "http://127.0.0.1:1", **given).start()
        started.append(process)
        return process

    yield start
    for one in started:
        one.stop()


def oauth(provider, folder, **values):
    given = {
        "token_url": f"{provider.issuer}/token",
        "client_id": "gransk-delivery",
        "client_secret_file": secret_file(folder, SECRET),
        "scope": "dicom.write",
    }
    return OAuth(**{**given, **values})


@pytest.mark.system
@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
def test_a_token_is_asked_for_kept_and_renewed(archive, provider, peer, tmp_path, way):
    process, url, section = archive
    given = provider(seconds=3, authentication=way)
    gate = Gate(given.issuer, SECRET, url, (section.username, section.password()))
    door = peer(gate)
    sender = carrier(door.url, oauth=oauth(given, tmp_path, client_authentication=way))
    made = [an_object() for _ in range(3)]
    sender.send(*made[0])
    sender.send(*made[1])
    assert len(set(gate.seen)) == 1, "a token that stands is kept"
    time.sleep(1.6)
    sender.send(*made[2])
    assert len(set(gate.seen)) == 2, "it is renewed before it ends"
    assert [stored(process, uid) for uid, _ in made] == [content for _, content in made]


@pytest.mark.system
def test_a_token_that_is_not_taken_any_more_is_asked_for_anew(archive, provider, peer, tmp_path):
    process, url, section = archive
    given = provider()
    gate = Gate(given.issuer, SECRET, url, (section.username, section.password()))
    sender = carrier(peer(gate).url, oauth=oauth(given, tmp_path))
    sender.send(*an_object())
    given.stop()
    with pytest.raises(UnavailableError):  # the gate itself cannot ask any more
        sender.send(*an_object())
    given.start()
    uid, content = an_object()
    sender.send(uid, content)
    assert stored(process, uid) == content
    assert len(set(gate.seen)) == 2


@pytest.mark.system
def test_without_a_token_nothing_is_sent(provider, peer, tmp_path):
    door = peer(lambda handler, body: handler.reply(200, {}))
    given = provider()
    wrong = secret_file(tmp_path, "wrong")
    for values, match in (
        ({"client_secret_file": wrong}, "no token: error 'invalid_client'"),
        ({"token_url": f"http://127.0.0.1:{free_port()}/token"}, "no token: ConnectionError"),
        ({"token_url": f"{given.issuer}/jwks"}, "no token"),
        ({"client_secret_file": tmp_path / "none"}, "cannot be read"),
    ):
        settings = oauth(given, tmp_path, **values)
        with pytest.raises(UnavailableError, match=match):
            carrier(door.url, oauth=settings).send(*an_object())
    assert door.asked == []


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[]", b"5", b'{"access_token": ""}', b'{"access_token": 5}', b"{}",
     b'{"access_token": "a\nb", "token_type": "Bearer"}',
     b'{"access_token": "a", "expires_in": "odd"}', b'{"access_token": "a", "expires_in": [1]}'],
)  # fmt: skip
def test_a_server_that_gives_no_token_is_told(peer, tmp_path, body):
    door = peer(lambda handler, _: handler.reply(200, body, content_type="application/json"))
    settings = OAuth(
        token_url=door.url, client_id="g", client_secret_file=secret_file(tmp_path, "s")
    )
    with pytest.raises(UnavailableError, match="no token"):
        carrier(door.url, oauth=settings).send(*an_object())


def test_a_token_server_that_leads_elsewhere_is_not_followed(peer, tmp_path):
    other = peer(lambda handler, _: handler.reply(200, {"access_token": "stolen"}))
    door = peer(lambda handler, _: handler.reply(307, location=other.url))
    settings = OAuth(
        token_url=door.url, client_id="g", client_secret_file=secret_file(tmp_path, "s")
    )
    with pytest.raises(UnavailableError, match="no token"):
        carrier(door.url, oauth=settings).send(*an_object())
    assert other.asked == []


@pytest.mark.parametrize(
    ("life", "after", "asked"),
    [(600, 560, 1), (600, 580, 2), (20, 9, 1), (20, 11, 2), (None, 10**9, 1)],
)
def test_when_a_token_is_renewed(peer, tmp_path, life, after, asked):
    says = {"access_token": "t", "token_type": "Bearer"}
    says |= {} if life is None else {"expires_in": life}
    door = peer(lambda handler, _: handler.reply(200, says, content_type="application/json"))
    now = [0.0]
    settings = OAuth(
        token_url=door.url, client_id="g", client_secret_file=secret_file(tmp_path, "s")
    )
    tokens = Tokens(settings, lambda: now[0])
    tokens.token()
    now[0] = float(after)
    tokens.token()
    assert len(door.asked) == asked


def test_a_bearer_token_is_read_from_its_file_each_time(peer, tmp_path):
    door = peer(lambda handler, _: handler.reply(200, {}))
    path = secret_file(tmp_path, "one")
    sender = carrier(door.url, token_file=path)
    sender.send(*an_object())
    path.write_text("two")
    sender.send(*an_object())
    assert [headers["authorization"] for _, _, headers, _ in door.asked] == [
        "Bearer one",
        "Bearer two",
    ]


# Answers


def test_the_request_is_one_of_stow_rs(peer):
    door = peer(lambda handler, _: handler.reply(200, {}))
    uid, content = an_object()
    carrier(door.url).send(uid, content)
    ((method, path, headers, body),) = door.asked
    assert (method, path) == ("POST", "/dicom-web/studies")
    assert headers["accept"] == "application/dicom+json"
    kind, related, boundary = headers["content-type"].split("; ")
    assert (kind, related) == ("multipart/related", 'type="application/dicom"')
    mark = boundary.removeprefix("boundary=").encode()
    head, part, end = body.split(b"--" + mark)
    assert head == b""
    assert part == b"\r\ncontent-type: application/dicom\r\n\r\n" + content + b"\r\n"
    assert end == b"--\r\n"
    assert "authorization" not in headers


UID = "2.25.77"
SOON = {"retry_after": "7"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "match"),
    [
        (200, {}, {}, None, ""),
        (200, b"", {}, None, ""),
        (200, b"<xml/>", {}, None, ""),
        (202, {}, {}, None, ""),
        (202, told(UID, 0x0111), {}, None, ""),
        (409, told(UID, 0x0111), {}, None, ""),
        (202, told("1.2.3", 0xC000), {}, None, ""),
        (200, told(UID, 0xA700), {}, DoubtedError, "out of resources"),
        (202, told(UID, 0xA7FF), {}, DoubtedError, "out of resources"),
        (409, told(UID, 0xA700), {}, DoubtedError, "out of resources"),
        (200, told(UID, 0x0110), {}, RefusedError, "0x0110"),
        (202, told(UID, 0xA900), {}, RefusedError, "0xA900"),
        (409, told(UID, 0xC122), {}, RefusedError, "0xC122"),
        (409, told(UID, 0x0111, 0x0122), {}, RefusedError, "0x0122"),
        (409, {}, {}, RefusedError, "without saying why"),
        (409, b"no JSON", {}, RefusedError, "without saying why"),
        (202, b"no JSON", {}, UnclearError, "without saying what"),
        (409, [1], {}, RefusedError, "without saying why"),
        (409, {"00081198": {"Value": [5, {}]}}, {}, RefusedError, "0x0000"),
        (200, others(0x0110), {}, RefusedError, "0x0110"),
        (202, others(0xC122), {}, RefusedError, "0xC122"),
        (202, others(0xA700), {}, DoubtedError, "out of resources"),
        (202, others(0x0111), {}, None, ""),
        (409, told(UID, 0x0111) | others(0xA900), {}, RefusedError, "0xA900"),
        (200, {"0008119A": {"Value": [5]}}, {}, RefusedError, "0x0000"),
        (204, b"", {}, UnclearError, "no answer of STOW-RS"),
        (400, b"", {}, RefusedError, "answered 400"),
        (404, b"", {}, RefusedError, "answered 404"),
        (413, b"", {}, RefusedError, "answered 413"),
        (415, b"", {}, RefusedError, "answered 415"),
        (401, b"", {}, UnavailableError, "answered 401"),
        (403, b"", {}, DoubtedError, "answered 403"),
        (408, b"", {}, DoubtedError, "answered 408"),
        (425, b"", {}, DoubtedError, "answered 425"),
        (429, b"", SOON, DoubtedError, "answered 429"),
        (405, b"", {}, RefusedError, "answered 405"),
        (500, b"", SOON, DoubtedError, "answered 500"),
        (501, b"", {}, RefusedError, "answered 501"),
        (502, b"", {}, UnavailableError, "answered 502"),
        (504, b"", {}, UnavailableError, "answered 504"),
        (507, b"", {}, DoubtedError, "answered 507"),
        (503, b"", SOON, UnavailableError, "answered 503"),
        (302, b"", {"location": "http://127.0.0.1:1/"}, UnavailableError, "not followed"),
        (307, b"", {"location": "http://127.0.0.1:1/"}, UnavailableError, "not followed"),
    ],
)
def test_what_an_answer_means(peer, status, body, headers, error, match):
    door = peer(lambda handler, _: handler.reply(status, body, **headers))
    _, content = an_object()
    if error is None:
        carrier(door.url).send(UID, content)
        return
    with pytest.raises(error, match=match) as told_error:
        carrier(door.url).send(UID, content)
    assert type(told_error.value) is error
    if headers is SOON:
        assert told_error.value.after == 7


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        ("0", 0, 0),
        ("120", 120, 120),
        ("999999", 3600, 3600),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("in ten minutes", 500, 600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
    ],
)
def test_when_a_busy_server_wants_to_be_asked_again(peer, said, low, high):
    if said == "in ten minutes":
        then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
        said = format_datetime(then, usegmt=True)
    door = peer(lambda handler, _: handler.reply(503, retry_after=said))
    with pytest.raises(UnavailableError) as error:
        carrier(door.url).send(*an_object())
    assert low <= error.value.after <= high


def test_a_server_that_closes_in_the_middle_or_is_silent(peer):
    def cut(handler, body):
        handler.connection.shutdown(socket.SHUT_RDWR)

    def half(handler, body):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{")
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    for behaviour in (cut, half, lambda handler, body: time.sleep(3)):
        with pytest.raises(DoubtedError, match=r"RemoteProtocolError|ReadError|ReadTimeout"):
            carrier(peer(behaviour).url, timeout_seconds=1).send(*an_object())


def test_tls_and_certificates(peer, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    door = peer(lambda handler, _: handler.reply(200, {}), context)
    carrier(door.url, tls=TlsClient(authority_file=tmp_path / "ca.pem")).send(*an_object())
    for tls in (None, TlsClient(authority_file=tmp_path / "other.pem")):
        with pytest.raises(UnavailableError, match="TLS: the certificate does not stand"):
            carrier(door.url, tls=tls).send(*an_object())
    named = door.url.replace("127.0.0.1", "localhost")
    with pytest.raises(UnavailableError, match="Hostname mismatch"):
        carrier(named, tls=TlsClient(authority_file=tmp_path / "ca.pem")).send(*an_object())
    assert len(door.asked) == 1


def test_proxies_of_the_environment_are_not_used(peer, monkeypatch):
    door = peer(lambda handler, _: handler.reply(200, {}))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    carrier(door.url).send(*an_object())
    assert len(door.asked) == 1


def test_an_object_is_deleted_wherever_the_server_has_it(peer):
    held = {"1.2.4": ("1.2", "1.2.3"), "1.2.5": ("1.2", "1.2.3")}

    def answer(handler, _):
        if handler.command == "DELETE":
            *_, uid = handler.path.split("/")
            handler.reply(204 if held.pop(uid, None) else 404)
            return
        uid = handler.path.split("=")[1]
        if uid not in held:
            handler.reply(204)
            return
        study, series = held[uid]
        one = {"0020000D": study, "0020000E": series, "00080018": uid}
        handler.reply(200, [{tag: {"Value": [value]} for tag, value in one.items()}])

    door = peer(answer)
    sender = carrier(door.url)
    sender.remove("1.2.4")
    sender.remove("1.2.4")
    assert list(held) == ["1.2.5"]
    assert door.asked[1][:2] == (
        "DELETE",
        "/dicom-web/studies/1.2/series/1.2.3/instances/1.2.4",
    )
    assert len(door.asked) == 3


@pytest.mark.parametrize("body", [b"no JSON", {"a": 1}, [5], [{"00080018": {"Value": ["1.2.3"]}}]])
def test_removing_from_a_server_that_answers_oddly_removes_nothing_else(peer, body):
    def answer(handler, _):
        assert handler.command == "GET"
        handler.reply(200, body)

    door = peer(answer)
    if body == b"no JSON":
        with pytest.raises(RefusedError, match="not DICOM JSON"):
            carrier(door.url).remove("1.2.4")
    else:
        carrier(door.url).remove("1.2.4")
    assert {method for method, *_ in door.asked} == {"GET"}


@pytest.mark.parametrize(
    ("query", "deletion", "error"),
    [
        (501, 204, RefusedError),
        (500, 204, DoubtedError),
        (503, 204, UnavailableError),
        (200, 501, RefusedError),
        (200, 405, RefusedError),
        (200, 500, DoubtedError),
        (200, 502, UnavailableError),
    ],
)
def test_a_server_that_cannot_remove_says_so_or_is_in_doubt(peer, query, deletion, error):
    one = {"0020000D": "1.2", "0020000E": "1.2.3", "00080018": "1.2.4"}
    found = [{tag: {"Value": [value]} for tag, value in one.items()}]
    door = peer(
        lambda handler, _: (
            handler.reply(deletion)
            if handler.command == "DELETE"
            else handler.reply(query, found if query == 200 else b"")
        )
    )
    with pytest.raises(error) as told_error:
        carrier(door.url).remove("1.2.4")
    assert type(told_error.value) is error


@pytest.mark.parametrize(("status", "there"), [(204, True), (501, True), (500, False)])
def test_a_server_that_answers_no_queries_is_there(peer, status, there):
    door = peer(lambda handler, _: handler.reply(status))
    if there:
        carrier(door.url).echo()
        return
    with pytest.raises(UnavailableError, match="answered 500"):
        carrier(door.url).echo()
