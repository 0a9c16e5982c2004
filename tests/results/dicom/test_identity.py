"""Whose objects they are: patient, study, characters, time; equal bytes for equal inputs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from dicom_samples import (
    COLUMNS,
    ROWS,
    by_kind,
    ct_headers,
    errors,
    findings_of,
    make,
    nodule,
    read,
    real_case,
    tool,
)
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings
from gransk.core.object_kinds import ObjectKind
from gransk.core.study import Instance, Study

PATIENT_AND_STUDY = (
    "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "StudyDescription", "ReferringPhysicianName", "PatientName",
    "SpecificCharacterSet", "TimezoneOffsetFromUTC",
)  # fmt: skip

CHARACTERS = [
    (None, "Soerensen^Aase", "CT thorax"),
    ("ISO_IR 100", "Sørensen^Åse Æble", "CT på indikation"),
    ("ISO_IR 101", "Wałęsa^Łukasz", "CT płuc"),
    ("ISO_IR 144", "Люкceмбypг", "КТ"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东", "胸部 CT på æøå"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "흉부"),
    ("GB18030", "Wang^XiaoDong=王^小东", "胸部"),
]


def named(charset: object, person: str, words: str) -> list[Dataset]:
    headers = ct_headers()
    for header in headers:
        del header.SpecificCharacterSet
        if charset is not None:
            header.SpecificCharacterSet = charset
        header.PatientName, header.StudyDescription = person, words
        header.ReferringPhysicianName, header.AccessionNumber = "House", "A1"
    return headers


@pytest.mark.parametrize(("charset", "person", "words"), CHARACTERS)
@pytest.mark.parametrize("language", ["en", "da"])
def test_characters_are_those_of_the_source(charset, person, words, language):
    headers = named(charset, person, words)
    findings = findings_of(headers, nodule(1, headers, (5, 30, 40)))
    for made in make(headers, findings, language=language):
        dataset = read(made)
        expected = charset if isinstance(charset, str) or charset is None else list(charset)
        got = dataset.get("SpecificCharacterSet")
        assert (list(got) if isinstance(expected, list) else got) == expected
        assert str(dataset.PatientName) == person
        assert dataset.StudyDescription == words
        assert "?" not in dataset.SeriesDescription
        assert ("knuder" if language == "da" else "nodules") in dataset.SeriesDescription


def test_simplified_chinese_with_escapes_stays_the_same_bytes():
    """pydicom reads ISO 2022 IR 58 with its escapes left in the text, and writes them back."""
    escape = b"\x1b$)A"
    person = b"Zhang^XiaoDong=" + escape + "张".encode("gb2312") + b"^" + escape
    person += "小东".encode("gb2312")
    words = escape + "胸部".encode("gb2312")
    headers = named(["", "ISO 2022 IR 58"], "", "")
    for header in headers:
        header["PatientName"] = raw("PatientName", person)
        header["StudyDescription"] = raw("StudyDescription", words)
    for made in make(headers, findings_of(headers, nodule(1, headers, (5, 30, 40)))):
        assert person in made.content
        assert words in made.content
        assert list(read(made).SpecificCharacterSet) == ["", "ISO 2022 IR 58"]


def test_undeclared_bytes_stay_the_same_bytes():
    headers = named(None, "Sørensen^Åse", "CT på")
    for header in headers:
        header.PatientName = "Sørensen^Åse".encode("latin-1")
    findings = findings_of(headers, nodule(1, headers, (5, 30, 40)))
    for made in make(headers, findings):
        assert "Sørensen^Åse".encode("latin-1") in made.content
        assert "SpecificCharacterSet" not in read(made)


def test_patient_and_study_are_the_source(headers, two_nodules):
    for made in make(headers, two_nodules):
        dataset = read(made)
        for keyword in PATIENT_AND_STUDY:
            assert dataset[keyword].value == headers[0][keyword].value, keyword


def test_private_tags_are_never_copied(headers, two_nodules):
    for header in headers:
        item = Dataset()
        item.PatientID, item.IssuerOfPatientID = "X1", "Other"
        item.private_block(0x0011, "SECRET MAKER", create=True).add_new(1, "LO", "do not copy")
        header.OtherPatientIDsSequence = [item]
    for made in make(headers, two_nodules):
        dataset = read(made)
        assert dataset.OtherPatientIDsSequence[0].PatientID == "X1"
        assert b"do not copy" not in made.content
        assert b"SECRET MAKER" not in made.content


def test_each_model_is_contributing_equipment(headers, two_nodules):
    other = two_nodules.models[0].model_copy(update={"sha256": "cd" * 32})
    for first, second in zip(
        make(headers, two_nodules),
        make(headers, two_nodules.model_copy(update={"models": (other,)})),
        strict=True,
    ):
        (item,) = read(first).ContributingEquipmentSequence
        (changed,) = read(second).ContributingEquipmentSequence
        assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        told = (item.Manufacturer, item.ManufacturerModelName, item.SoftwareVersions)
        assert told == ("Gransk", "nodule-detector", "0.1.0")
        assert item.DeviceUID != changed.DeviceUID


def test_source_is_left_alone(headers, two_nodules):
    study = Study.from_instances([Instance(header=h, load=lambda h=h: h) for h in headers])
    before = [h.to_json() for h in headers]
    make(headers, two_nodules, study=study)
    assert [h.to_json() for h in headers] == before


@pytest.mark.parametrize(
    ("offset", "date", "time"),
    [
        ("+0100", "20260302", "003005"),
        ("-0530", "20260301", "180005"),
        (None, "20260301", "233005"),
    ],
)
def test_times_are_in_the_source_time_zone(two_nodules, offset, date, time):
    headers = ct_headers()
    for header in headers:
        del header.TimezoneOffsetFromUTC
        if offset:
            header.TimezoneOffsetFromUTC = offset
    for made in make(headers, two_nodules):
        dataset = read(made)
        assert dataset.get("TimezoneOffsetFromUTC") == offset
        content = "PresentationCreation" if made.kind is ObjectKind.PR else "Content"
        for name in ("Series", content, "InstanceCreation"):
            assert (dataset[f"{name}Date"].value, dataset[f"{name}Time"].value) == (date, time)


@pytest.mark.parametrize(
    "keyword",
    ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
     "StudyID", "AccessionNumber", "ReferringPhysicianName"],
)  # fmt: skip
def test_missing_attribute_is_written_empty(two_nodules, keyword):
    headers = ct_headers()
    for header in headers:
        delattr(header, keyword)
    for made in make(headers, two_nodules):
        assert read(made)[keyword].is_empty


MALFORMED = {
    "StudyDate": "2026-13-45",
    "StudyTime": "half past ten",
    "PatientBirthDate": "born in May",
    "PatientID": "9" * 90,
    "StudyDescription": "x" * 200,
    "AccessionNumber": "far too long an accession number",
    "PatientSex": "unknown to us",
    "PatientAge": "twenty",
    "PatientWeight": "heavy",
    "TimezoneOffsetFromUTC": "CET",
    "SpecificCharacterSet": "ISO_IR 999",
    "StudyInstanceUID": "1.2.abc.05",
    "FrameOfReferenceUID": "frame-1",
    "SeriesInstanceUID": "series one",
    "PatientName": "a=b=c=d^^^^^^^^",
}


def raw(keyword: str, text: str | bytes) -> RawDataElement:
    """An element as a careless scanner writes it."""
    tag = Tag(pydicom.datadict.tag_for_keyword(keyword))
    value = text if isinstance(text, bytes) else text.encode()
    value += b" " * (len(value) % 2)
    vr = pydicom.datadict.dictionary_VR(tag)
    return RawDataElement(tag, vr, len(value), value, 0, False, True)


@pytest.mark.parametrize("keyword", MALFORMED)
@pytest.mark.filterwarnings("ignore")
def test_malformed_value_does_not_stop_the_writing(keyword):
    headers = ct_headers()
    with pydicom.config.disable_value_validation():
        for header in headers:
            header[keyword] = raw(keyword, MALFORMED[keyword])
    objects = make(headers, findings_of(headers, nodule(1, headers, (5, 30, 40))))
    assert {made.kind for made in objects} == set(ObjectKind) - {ObjectKind.CAD}, "CAD if asked for"
    if keyword in ("PatientID", "AccessionNumber", "StudyInstanceUID"):
        assert all(str(read(made)[keyword].value) == MALFORMED[keyword] for made in objects)


def test_equal_inputs_give_equal_bytes(headers, two_nodules):
    first, second = make(headers, two_nodules), make(headers, two_nodules)
    assert [m.content for m in first] == [m.content for m in second]
    other = make(headers, two_nodules, report_key="ef" * 32)
    uids = {m.sop_instance_uid for m in first} | {m.series_instance_uid for m in first}
    assert not uids & {m.sop_instance_uid for m in other}
    assert not uids & {m.series_instance_uid for m in other}


def test_another_process_makes_the_same_bytes(headers, two_nodules):
    script = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import dicom_samples as c\n"
        "h = c.ct_headers()\n"
        "f = c.findings_of(h, c.nodule(1, h, (5, 30, 40)), c.nodule(2, h, (6, 20, 20), radius=3),"
        " notes=(c.Note(code='thick', values={'mm': 2.5}),))\n"
        "print(*(hashlib.sha256(m.content).hexdigest() for m in c.make(h, f)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    here = [hashlib.sha256(m.content).hexdigest() for m in make(headers, two_nodules)]
    assert done.stdout.split() == here


def test_objects_name_themselves_in_the_file_meta(headers, two_nodules):
    for made in make(headers, two_nodules):
        dataset = read(made)
        assert dataset.SOPInstanceUID == made.sop_instance_uid
        assert dataset.SeriesInstanceUID == made.series_instance_uid
        assert dataset.file_meta.MediaStorageSOPInstanceUID == made.sop_instance_uid
        assert dataset.file_meta.ImplementationVersionName == "GRANSK"


@pytest.mark.parametrize(("number", "expected"), [(3, 9001), (3000566, 3000567), (None, 9001)])
def test_series_stand_behind_the_images(two_nodules, number, expected):
    headers = ct_headers()
    for header in headers:
        header.SeriesNumber = number
    made = {m.kind: read(m).SeriesNumber for m in make(headers, two_nodules)}
    assert [made[kind] for kind in ("SR", "SEG", "SC")] == [expected, expected + 1, expected + 2]
    assert len(set(made.values())) == len(made)
    assert min(made.values()) == expected


def test_images_must_be_of_the_study(headers, two_nodules):
    with pytest.raises(InvalidValueError, match="images not in the study"):
        make(headers[:3], two_nodules)


def test_an_instant_without_a_time_zone_is_refused(headers, two_nodules):
    naive = two_nodules and pydicom.valuerep.DT("20260301120000")
    with pytest.raises(InvalidValueError, match="time zone"):
        make(headers, two_nodules, created=naive)


def entity_complaints(paths: list[Path]) -> set[str]:
    done = subprocess.run([tool("dcentvfy"), *paths], capture_output=True, check=False)
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    # The tool counts Accession Number to the series where a request may repeat it.
    return {line for line in lines if "Different information entities" not in line}


def test_patient_and_study_agree_with_the_images(headers, two_nodules, tmp_path):
    paths = []
    for k, header in enumerate(headers):
        header.add_new("PixelData", "OW", bytes(2 * ROWS * COLUMNS))
        paths.append(tmp_path / f"ct{k}.dcm")
        pydicom.dcmwrite(paths[-1], header, enforce_file_format=True)
    source_errors = errors(paths[0])
    before = entity_complaints(paths)
    for made in make(headers, two_nodules):
        paths.append(tmp_path / f"{made.kind}.dcm")
        paths[-1].write_bytes(made.content)
        assert errors(paths[-1]) <= source_errors
    assert entity_complaints(paths) <= before


def test_real_case_has_no_error_that_the_source_lacks(tmp_path):
    files = real_case()
    headers = sorted(
        (pydicom.dcmread(f, stop_before_pixels=True) for f in files),
        key=lambda h: float(h.ImagePositionPatient[2]),
    )
    study = Study.from_instances([Instance(header=h, load=lambda h=h: h) for h in headers])
    findings: Findings = findings_of(headers, nodule(1, headers, (60, 300, 150), radius=6))
    objects = make(headers, findings, study=study)
    source_errors = errors(files[0])
    before = entity_complaints(files)
    paths = []
    for made in objects:
        paths.append(tmp_path / f"{made.kind}.dcm")
        paths[-1].write_bytes(made.content)
        assert errors(paths[-1]) <= source_errors
    assert entity_complaints([*files, *paths]) <= before
    assert len(by_kind(objects, "SR").content) < 100_000
