"""The DICOMweb proxy in front of a real Orthanc."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from harness_orthanc import make_config
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from web_server import serving
from web_site import Site, open_site

from gransk.site.tables import Role
from gransk.web.dicomweb import rewrite

pytestmark = pytest.mark.system


def image(study: str, number: int) -> bytes:
    """A small CT image."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"{study}.1.{number}"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = study, f"{study}.1"
    made.PatientName, made.PatientID, made.Modality = "Test^Proxy", "P1", "CT"
    made.Rows = made.Columns = 64
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = np.full((64, 64), number, np.uint16).tobytes()
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


STUDY = generate_uid()
SERIES = f"{STUDY}.1"
INSTANCE = f"studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A site on a real port, and the address of its proxy."""
    from harness_orthanc import OrthancProcess

    folder = tmp_path_factory.mktemp("proxy")
    config = make_config(folder, service={"max_upload_mb": 1})
    process = OrthancProcess(config, folder / "orthanc").start()
    try:
        site = open_site(config)
        site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
        site.account("rikke", "Rikke Radiologist", Role.RADIOLOGIST)
        for number in (1, 2):
            site.orthanc.store(image(STUDY, number))
        with serving(site.app, config.service.port) as address:
            yield site, address
        site.close()
    finally:
        process.stop()


@pytest.fixture(scope="module")
def person(proxy: tuple[Site, str]) -> Iterator[httpx.Client]:
    """A radiologist's browser."""
    site, address = proxy
    browser = site.signed_in("rikke")
    cookies = {"gransk_session": browser.cookies["gransk_session"]}
    with httpx.Client(base_url=f"{address}/dicom-web/", cookies=cookies, timeout=30) as client:
        client.headers["x-csrf-token"] = browser.headers["x-csrf-token"]
        yield client


@pytest.fixture(scope="module")
def machine(proxy: tuple[Site, str]) -> Iterator[httpx.Client]:
    site, address = proxy
    token = site.machine("modality-1").headers["authorization"]
    headers = {"authorization": token}
    with httpx.Client(base_url=f"{address}/dicom-web/", headers=headers, timeout=30) as client:
        yield client


def multipart(*parts: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(
        b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + p + b"\r\n" for p in parts
    )
    kind = 'multipart/related; type="application/dicom"; boundary=edge'
    return body + b"--edge--\r\n", {"content-type": kind}


def test_nobody_reads_or_stores(proxy):
    address = f"{proxy[1]}/dicom-web"
    body, headers = multipart(image(STUDY, 1))
    for answer in (
        httpx.get(f"{address}/studies"),
        httpx.get(f"{address}/{INSTANCE}"),
        httpx.post(f"{address}/studies", content=body, headers=headers),
        httpx.get(f"{address}/studies", headers={"authorization": "Bearer wrong"}),
        httpx.get(f"{address}/studies", headers={"authorization": "Basic Z3JhbnNrOmdyYW5zaw=="}),
    ):
        assert answer.status_code == 401
        assert "Basic" not in answer.headers.get("www-authenticate", "")


def test_a_query_and_its_addresses(proxy, person):
    answer = person.get("studies", params={"PatientID": "P1", "includefield": "00081030"})
    (found,) = answer.json()
    assert found["0020000D"]["Value"] == [STUDY]
    assert found["00081190"]["Value"] == [f"{proxy[1]}/dicom-web/studies/{STUDY}"]
    assert person.get("studies", params={"PatientID": "other"}).json() == []


def test_metadata_names_no_host_but_ours(proxy, person):
    port = proxy[0].config.orthanc.url.rsplit(":", 1)[1]
    for path in (f"studies/{STUDY}/metadata", f"{INSTANCE}/metadata"):
        for accept in ("application/dicom+json", "multipart/related; type=application/dicom+xml"):
            answer = person.get(path, headers={"accept": accept})
            assert answer.status_code == 200
            assert f":{port}" not in answer.text
    tags = person.get(f"{INSTANCE}/metadata").json()[0]
    if address := tags["7FE00010"].get("BulkDataURI"):
        assert address.startswith(f"{proxy[1]}/dicom-web/")
        assert person.get(address).status_code == 200


def test_frames_and_whole_objects_come_as_they_are(person):
    accept = {"accept": 'multipart/related; type="application/octet-stream"'}
    frame = person.get(f"{INSTANCE}/frames/1", headers=accept)
    assert np.full((64, 64), 1, np.uint16).tobytes() in frame.content
    assert frame.headers["content-type"].startswith("multipart/related")
    whole = person.get(
        f"studies/{STUDY}", headers={"accept": 'multipart/related; type="application/dicom"'}
    )
    assert whole.content.count(b"DICM") == 2
    assert person.get(f"{INSTANCE}/rendered", headers={"accept": "image/png"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../system", "..%2fsystem", "%2e%2e/system", "studies/..%2f..%2fsystem", "servers",
        "studies/1.2.3/../../../instances", "studies/%2e%2e", "instances/abc/file", "wado",
        "studies/1.2.3%00", "studies/1.2.3/extra", "//127.0.0.1/studies", "studies/1.2.3/", "",
    ],
)  # fmt: skip
def test_only_listed_paths_are_passed_on(proxy, person, path):
    cookies = dict(person.cookies)
    host = proxy[1].removeprefix("http://")
    with httpx.Client(cookies=cookies) as client:
        raw = httpx.Request("GET", f"http://{host}/", headers={"cookie": _cookie(cookies)})
        raw.url = raw.url.copy_with(raw_path=f"/dicom-web/{path}".encode())
        answer = client.send(raw)
    assert answer.status_code in (307, 404)
    assert "DicomAet" not in answer.text


def _cookie(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_only_listed_methods_are_passed_on(person, method):
    assert person.request(method, f"studies/{STUDY}").status_code in (404, 405)
    assert len(person.get("studies").json()) >= 1


def test_our_headers_stay_here_and_so_do_orthancs(proxy, person):
    secret = proxy[0].config.orthanc.password()
    answer = person.get("studies", headers={"x-forwarded-host": "evil.example"})
    assert "evil.example" not in answer.text
    assert secret not in str(answer.headers) + answer.text
    for name in ("www-authenticate", "set-cookie", "server"):
        assert name not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_machine_stores_and_reads(proxy, machine):
    study = generate_uid()
    body, headers = multipart(image(study, 1), image(study, 2))
    answer = machine.post("studies", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["00081199"]["Value"]) == 2
    assert f"{proxy[1]}/dicom-web/" in answer.text
    found = machine.get("instances", params={"StudyInstanceUID": study}).json()
    assert len(found) == 2


def test_a_machine_sees_no_page_and_no_worklist(proxy, machine):
    for path in ("/api/worklist", "/", "/people"):
        assert machine.get(proxy[1] + path).status_code in (401, 403)


def test_a_radiologist_does_not_store_and_an_administrator_needs_the_csrf_token(proxy, person):
    body, headers = multipart(image(generate_uid(), 1))
    assert person.post("studies", content=body, headers=headers).status_code == 403
    site, address = proxy
    admin = site.signed_in("admin")
    cookies = {"gransk_session": admin.cookies["gransk_session"]}
    token = {"x-csrf-token": admin.headers["x-csrf-token"]}
    with httpx.Client(base_url=f"{address}/dicom-web/", cookies=cookies) as client:
        assert client.post("studies", content=body, headers=headers).status_code == 403
        assert client.post("studies", content=body, headers=headers | token).status_code == 200


def test_an_upload_past_the_limit_is_refused(machine):
    body, headers = multipart(b"x" * (2 << 20))
    assert machine.post("studies", content=body, headers=headers).status_code == 413


def test_what_is_not_multipart_is_refused(machine):
    headers = {"content-type": "application/json"}
    assert machine.post("studies", content=b"{}", headers=headers).status_code == 415


def test_the_rest_interface_stores_one_object(proxy, machine):
    study = generate_uid()
    headers = {"content-type": "application/dicom"}
    address = f"{proxy[1]}/api/studies"
    assert machine.post(address, content=image(study, 1), headers=headers).status_code == 201
    (found,) = machine.get("studies", params={"StudyInstanceUID": study}).json()
    assert dcmread(io.BytesIO(image(study, 1))).StudyInstanceUID == found["0020000D"]["Value"][0]
    assert machine.post(address, content=b"no DICOM", headers=headers).status_code == 422
    assert machine.post(address, content=b"{}").status_code == 415


def test_a_silent_orthanc_is_a_502(make_site):
    site = make_site()
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    client = site.signed_in("admin")
    with client:
        answer = client.get("/dicom-web/studies")
        assert answer.status_code == 502
        assert "Orthanc" in answer.json()["error"]


def test_addresses_are_rewritten_wherever_they_stand():
    body = (
        b'{"a":"http://localhost:8042/dicom-web/studies/1.2/bulk",'
        b'"b":"https:\\/\\/pacs\\/dicom-web\\/series\\/1",'
        b'"c":"http://elsewhere/other/studies/1","d":"http://h/dicom-web/studiesx"}'
    )
    assert rewrite(body, "/dicom-web", "http://me/dicom-web") == (
        b'{"a":"http://me/dicom-web/studies/1.2/bulk",'
        b'"b":"http://me/dicom-web\\/series\\/1",'
        b'"c":"http://elsewhere/other/studies/1","d":"http://h/dicom-web/studiesx"}'
    )
