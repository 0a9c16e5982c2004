"""Remote archives that behave badly: whatever they answer is a RemoteError, and soon."""

import io
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pynetdicom import AE, evt
from tiny import TinyStudy

from gransk.archive.patients import Patient
from gransk.archive.remote import (
    MOST_ANSWERS,
    Listed,
    RemoteError,
    RemoteGoneError,
    StoppedError,
    Visit,
)
from gransk.archive.remote_dicomweb import DicomwebArchive
from gransk.archive.remote_dimse import STUDY_ROOT_FIND, STUDY_ROOT_MOVE, DimseArchive
from gransk.site.config_archives import PriorArchive
from gransk.site.config_machine import OrthancSection

STUDY = TinyStudy()


def answer(**attributes):
    values = Dataset()
    values.StudyInstanceUID = STUDY.uid
    values.PatientID = "P1"
    values.StudyDate = "20230101"
    for keyword, value in attributes.items():
        setattr(values, keyword, value)
    return values


@contextmanager
def dimse(find, move=None):
    """A DIMSE archive that answers as told; the archive as we see it."""
    entity = AE("PACS")
    entity.add_supported_context(STUDY_ROOT_FIND)
    entity.add_supported_context(STUDY_ROOT_MOVE)
    handlers = [(evt.EVT_C_FIND, find)]
    if move is not None:
        handlers.append((evt.EVT_C_MOVE, move))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    section = PriorArchive(
        name="pacs", kind="dimse", aet="PACS", host="127.0.0.1",
        port=server.socket.getsockname()[1], timeout_seconds=2,
    )  # fmt: skip
    try:
        yield DimseArchive(section, OrthancSection(password_file="none"))
    finally:
        server.shutdown()


def lists(*answers):
    def find(event):
        for one in answers:
            if event.identifier.QueryRetrieveLevel == "STUDY":
                yield 0xFF00, one

    return find


def visit(stopped=lambda: False, lenient=False, admit=lambda header: None):
    return Visit(admit, lambda: 0, stopped, lenient)


def test_modalities_that_are_not_listed_are_asked_of_the_series():
    def find(event):
        if event.identifier.QueryRetrieveLevel == "SERIES":
            assert event.identifier.StudyInstanceUID == STUDY.uid
            yield 0xFF00, answer(Modality="CT", BodyPartExamined="CHEST")
            yield 0xFF00, answer(Modality="SR")
        else:
            yield 0xFF00, answer()

    with dimse(find) as archive:
        (found,) = archive.find("P1")
    assert (found.modalities, found.body_parts) == (("CT", "SR"), ("CHEST",))
    assert found.patient == Patient("P1", "", "", "")


def test_a_refused_query_is_an_error():
    def find(event):
        yield 0xA700, None

    with dimse(find) as archive, pytest.raises(RemoteError, match="0xA700"):
        archive.find("P1")


def test_an_archive_that_lists_without_end_is_cut_off():
    def find(event):
        while not event.is_cancelled:
            yield 0xFF00, answer(ModalitiesInStudy="CT")

    with dimse(find) as archive, pytest.raises(RemoteError, match=str(MOST_ANSWERS)):
        archive.find("P1")


def test_an_archive_that_is_slow_to_list_is_not_waited_for():
    def find(event):
        time.sleep(4)
        yield 0xFF00, answer()

    with dimse(find) as archive, pytest.raises(RemoteError, match="without an answer"):
        archive.find("P1")


@pytest.mark.parametrize(
    "damaged",
    [
        {"StudyInstanceUID": ""},
        {"StudyInstanceUID": "../../etc"},
        {"StudyInstanceUID": "1." * 40},
    ],
)
def test_answers_that_name_no_study_are_passed_over(damaged):
    good = answer(ModalitiesInStudy=["CT", "SR"])
    with dimse(lists(answer(**damaged), good)) as archive:
        (found,) = archive.find("P1")
    assert (found.study_instance_uid, found.modalities) == (STUDY.uid, ("CT", "SR"))


def test_a_move_that_brings_nothing_is_broken_off():
    def move(event):
        yield "127.0.0.1", 9
        time.sleep(6)

    with dimse(lists(answer()), move) as archive:
        begun = time.monotonic()
        with pytest.raises(RemoteError):
            archive.retrieve(STUDY.uid, visit())
        assert time.monotonic() - begun < 6


def test_a_move_is_broken_off_when_we_stop():
    def move(event):
        time.sleep(4)
        yield "127.0.0.1", 9

    with dimse(lists(answer()), move) as archive:
        begun = time.monotonic()
        with pytest.raises(StoppedError):
            archive.retrieve(STUDY.uid, visit(stopped=lambda: True))
        assert time.monotonic() - begun < 4


@pytest.mark.parametrize(("listed", "error"), [((answer(),), RemoteError), ((), RemoteGoneError)])
def test_a_refused_move_is_told_apart_from_a_study_that_is_gone(listed, error):
    def move(event):
        yield None, None  # the destination is unknown: 0xA801

    with dimse(lists(*listed), move) as archive, pytest.raises(RemoteError) as raised:
        archive.retrieve(STUDY.uid, visit())
    assert type(raised.value) is error


def test_a_damaged_value_costs_itself_alone():
    values = answer(PatientSex="F ", PatientBirthDate="1950.01.01")
    tag = Tag("NumberOfStudyRelatedInstances")
    values[tag] = RawDataElement(tag, "IS", 4, b"many", 0, False, True)
    listed = Listed.of(values)
    assert listed is not None
    assert (listed.images, listed.study_date) == (0, "20230101")
    assert listed.patient == Patient("P1", "", "19500101", "F")


class Store:
    """Where objects would be stored; keeps them."""

    def __init__(self):
        self.kept = []

    def store(self, content):
        self.kept.append(content)


@contextmanager
def dicomweb(status, kind, body, store=None):
    """A web server that gives one answer to everything; the archive as we see it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    section = PriorArchive(
        name="vna", kind="dicomweb", url=f"http://127.0.0.1:{server.server_port}",
        timeout_seconds=2,
    )  # fmt: skip
    try:
        yield DicomwebArchive(section, store or Store())
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "match"),
    [
        (500, b"", "500"),
        (401, b"", "credentials"),
        (302, b"", "302"),
        (200, b"<html>", "JSON"),
        (200, b"[" * 100_000, "JSON"),
        (200, b"{}", "list"),
    ],
)
def test_bad_answers_to_a_query(status, body, match):
    with dicomweb(status, "application/dicom+json", body) as archive:
        with pytest.raises(RemoteError, match=match):
            archive.find("P1")
        with pytest.raises(RemoteError):
            archive.echo()


def test_one_damaged_answer_costs_itself_alone():
    good = {"0020000D": {"vr": "UI", "Value": [STUDY.uid]}}
    good |= {"00080061": {"vr": "CS", "Value": ["CT"]}}
    answers = [3, {"0020000D": 7}, {"zz": {}}, good]
    with dicomweb(200, "application/dicom+json", json.dumps(answers).encode()) as archive:
        assert [one.study_instance_uid for one in archive.find("P1")] == [STUDY.uid]


def multipart(*parts, end=b"--b--\r\n"):
    heads = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(heads + part + b"\r\n" for part in parts) + end


RELATED = 'multipart/related; type="application/dicom"; boundary=b'


def test_every_object_is_shown_before_it_is_stored():
    seen, store = [], Store()
    images = STUDY.images()
    with dicomweb(200, RELATED, multipart(*images), store) as archive:
        archive.retrieve(
            STUDY.uid,
            visit(admit=lambda header: seen.append((header.InstanceNumber, len(store.kept)))),
        )
    assert seen == [(1, 0), (2, 1), (3, 2)]
    assert [dcmread(io.BytesIO(one)).InstanceNumber for one in store.kept] == [1, 2, 3]


@pytest.mark.parametrize(
    ("status", "kind", "body", "error", "match"),
    [
        (200, RELATED, multipart(STUDY.image(1), end=b""), RemoteError, "middle"),
        (200, RELATED, b"nonsense", RemoteError, "multipart"),
        (200, "text/html", b"<html>", RemoteError, "multipart"),
        (200, RELATED, multipart(b"no DICOM"), RemoteError, "no DICOM"),
        (200, RELATED, multipart(TinyStudy().image(1)), RemoteError, "another study"),
        (206, RELATED, multipart(STUDY.image(1)), RemoteError, "part"),
        (404, "text/plain", b"", RemoteGoneError, "no such study"),
        (503, "text/plain", b"", RemoteError, "503"),
    ],
)
def test_bad_answers_to_a_retrieval(status, kind, body, error, match):
    with dicomweb(status, kind, body) as archive, pytest.raises(error, match=match):
        archive.retrieve(STUDY.uid, visit())


def test_a_part_is_taken_where_the_whole_did_not_come():
    store = Store()
    with dicomweb(206, RELATED, multipart(STUDY.image(1)), store) as archive:
        archive.retrieve(STUDY.uid, visit(lenient=True))
    assert len(store.kept) == 1
