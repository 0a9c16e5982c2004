"""Files of a study, fetched from a real Orthanc; damaged ones are told, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness_orthanc import store_scu
from pydicom import dcmread
from tiny import SR, Site, TinyStudy

from gransk.archive import orthanc as orthanc_module
from gransk.archive.fetch import fetch_study, read_header
from gransk.archive.files import read_file
from gransk.archive.inputs import FileFacts, read_inputs
from gransk.archive.orthanc import NotInArchiveError
from gransk.archive.orthanc_config import LOOPBACK_AET
from gransk.core.errors import UnreadableInputError
from gransk.core.exam_facts import place_of

Sites = Callable[..., Site]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ct" / "LIDC-IDRI-0001"


@pytest.mark.system
def test_input_images_alone_come_and_load(site: Sites, tmp_path: Path) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images(value=5), study.other(SR, "SR"))
    here.look(2)
    fetched = fetch_study(here.process.client, here.row(), tmp_path / "work")
    assert fetched.uid == study.uid
    assert [i.header.InstanceNumber for i in fetched.instances] == [1, 2, 3]
    assert "PixelData" not in fetched.instances[0].header
    assert fetched.instances[0].load().pixel_array.max() == 5
    assert fetched.instances[0].transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert len(list((tmp_path / "work").iterdir())) == 3


@pytest.mark.system
def test_headers_from_tags_agree_with_files(site: Sites, tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip(f"no demonstration data in {REAL.parent}")
    here = site()
    here.send(*(path.read_bytes() for path in sorted(REAL.glob("*.dcm"))[:12]))
    (orthanc_id,) = here.process.client.study_ids()
    inputs = read_inputs(here.process.client, orthanc_id, FileFacts(here.process.client))
    here.look()
    fetched = fetch_study(here.process.client, here.row(), tmp_path)
    assert inputs.headers is not None
    assert len(inputs.headers.instances) == len(fetched.instances) == 12
    for light, whole in zip(inputs.headers.instances, fetched.instances, strict=True):
        assert light.transfer_syntax_uid == whole.transfer_syntax_uid == "1.2.840.10008.1.2.4.80"
        assert light.load().PixelData == whole.load().PixelData
        for element in light.header:
            if element.VR not in ("SQ", "US", "SS", "UI"):
                assert element.value == whole.header[element.tag].value, element.keyword


@pytest.mark.system
def test_headers_tell_which_dicom_node_sent_an_image(site: Sites, tmp_path: Path) -> None:
    here, study = site(), TinyStudy()
    (tmp_path / "sent.dcm").write_bytes(study.image(1))
    assert store_scu(here.process.config, [tmp_path / "sent.dcm"]) == [0]
    here.send(study.image(2))
    (orthanc_id,) = here.process.client.study_ids()
    inputs = read_inputs(here.process.client, orthanc_id, FileFacts(here.process.client))
    assert inputs.headers is not None
    places = {i.header.InstanceNumber: place_of(i.header).aet for i in inputs.headers.instances}
    assert places == {1: LOOPBACK_AET, 2: ""}


@pytest.mark.system
def test_a_study_that_went(site: Sites, tmp_path: Path) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images())
    here.look(2)
    here.process.client.delete_study(here.row().orthanc_id)
    with pytest.raises(NotInArchiveError):
        fetch_study(here.process.client, here.row(), tmp_path)


@pytest.mark.system
def test_pixels_cut_short_still_come(site: Sites, tmp_path: Path) -> None:
    here, study = site(), TinyStudy()
    here.send(*study.images()[:2], study.image(3, cut=40))
    here.look(2)
    fetched = fetch_study(here.process.client, here.row(), tmp_path)
    assert len(fetched.instances) == 3
    with pytest.raises(Exception, match=r"(?i)bytes|length|pixel"):
        _ = fetched.instances[2].load().pixel_array


@pytest.mark.parametrize(
    "content", [b"", b"not DICOM", b"\0" * 4096, b"\0" * 128 + b"DICM\xff\xff"]
)
def test_unreadable_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "000001.dcm"
    path.write_bytes(content)
    with pytest.raises(UnreadableInputError, match=r"000001\.dcm"):
        read_header(path)


def test_a_damaged_value_is_left_out(tmp_path: Path) -> None:
    """Rows, a number of two bytes, in three: later reading must not fail on it."""
    content = TinyStudy().image(1)
    header = b"\x28\x00\x10\x00US"
    at = content.index(header)
    path = tmp_path / "000001.dcm"
    path.write_bytes(content[:at] + header + b"\x03\x00\x10\x00\x10" + content[at + 10 :])
    assert "Rows" not in read_header(path)
    assert "Rows" not in read_file(path)


def test_a_huge_header_stays_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "000001.dcm"
    study = TinyStudy()
    path.write_bytes(study.image(1))
    whole = dcmread(path)
    whole.add_new(0x00091001, "OB", b"\1" * (64 << 20))
    whole.save_as(path)
    header = read_header(path)
    assert header.get_item(0x00091001, keep_deferred=True).value is None
    assert header.Modality == "CT"


@pytest.mark.system
def test_store_and_find(site: Sites) -> None:
    here, study = site(), TinyStudy()
    client = here.process.client
    orthanc_id = client.store(study.image(1))
    assert client.store(study.image(1)) == orthanc_id
    uid = client.instances(client.study_ids()[0])[0].sop_instance_uid
    assert client.find_instance(uid) == orthanc_id
    assert client.find_instance("1.2.3") is None
    with pytest.raises(orthanc_module.ArchiveRefusedError):
        client.store(b"not DICOM")
