"""Every kind of object through two archives, and back: Orthanc, and dcmtk's dcmqrscp."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness_orthanc import OrthancProcess, make_config, store_scu
from kind_studies import SHORT, Case
from pydicom import Dataset, dcmread

pytestmark = pytest.mark.system

ARCHIVE = """NetworkTCPPort = 11112
MaxPDUSize = 65536
MaxAssociations = 8
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (20, 1024mb) ANY
AETable END
"""
ALONE = """
import fcntl, socket, struct, subprocess, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
    fcntl.ioctl(door, 0x8914, struct.pack("16sH14x", b"lo", 1))
config, study, back, *files = sys.argv[1:]
server = subprocess.Popen(["dcmqrscp", "-c", config])
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", 11112), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    subprocess.run(["storescu", "-R", "-aec", "ARCHIVE", "127.0.0.1", "11112", *files], check=True)
    subprocess.run(["getscu", "-S", "-aec", "ARCHIVE", "-od", back,
        "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" + study,
        "127.0.0.1", "11112"], check=True)
finally:
    server.kill()
    server.wait()
"""
"""Runs in a network of its own, since dcmqrscp listens on every address."""


@pytest.fixture(params=[pytest.param(made, id=name) for name, made in SHORT.items()])
def case(request, tmp_path) -> Case:
    return request.param(tmp_path / "study")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orthanc")
    process = OrthancProcess(make_config(folder), folder / "orthanc").start()
    yield process
    process.stop()


def same(sent: Dataset, back: Dataset, kind: str) -> None:
    """Element by element, with the bytes of pixels and documents."""
    assert [e.tag for e in sent] == [e.tag for e in back], kind
    for element in sent:
        got = back[element.tag]
        assert (got.VR, got.value) == (element.VR, element.value), (kind, element.keyword)


def files_of(case: Case, folder: Path) -> list[Path]:
    paths = []
    for number, made in enumerate(case.objects):
        paths.append(folder / f"{number}-{made.kind}.dcm")
        paths[-1].write_bytes(made.content)
    return paths


def test_orthanc_keeps_every_element(case, archive, tmp_path):
    files = files_of(case, tmp_path)
    assert set(store_scu(archive.config, files)) == {0x0000}
    for path, made in zip(files, case.objects, strict=True):
        found = archive.client.find_instance(made.sop_instance_uid)
        back = dcmread(io.BytesIO(archive.client.file(found)))
        same(dcmread(path), back, made.kind)
        archive.client.delete_instance(found)
        assert archive.client.file(archive.client.store(made.content)) == made.content


def test_dcmqrscp_keeps_every_element(case, tmp_path):
    if sys.platform != "linux" or shutil.which("dcmqrscp") is None:
        pytest.skip("dcmtk is not installed")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own can be made here")
    store, back = tmp_path / "store", tmp_path / "back"
    store.mkdir()
    back.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(ARCHIVE.format(folder=store))
    study = str(case.header.StudyInstanceUID)
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", ALONE, config, study, back,
         *files_of(case, tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    returned = {str(one.SOPInstanceUID): one for one in map(dcmread, back.iterdir())}
    assert set(returned) == {made.sop_instance_uid for made in case.objects}
    for path, made in zip(files_of(case, tmp_path), case.objects, strict=True):
        same(dcmread(path), returned[made.sop_instance_uid], made.kind)
