"""Scans with known nodules: folders, LUNA16 and LIDC-IDRI, from tiny files."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from chest_series import chest_series, series_uid
from ct_images import file_bytes

from bench.nodule.froc import patients_by_series, unseen
from bench.nodule.lidc import read_lidc, read_xml
from bench.nodule.luna16 import read_luna16, read_metaimage
from bench.nodule.scans import find_scan, read_hosts, trained
from bench.nodule.truth import Case, Texture, read_folder
from gransk.core.errors import InvalidValueError
from training.nodule.split import cases as split_cases

HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = -10 -20 -30
CenterOfRotation = 0 0 0
ElementSpacing = 0.5 0.6 2.5
DimSize = 4 3 2
ElementType = MET_SHORT
ElementDataFile = 1.2.3.raw
"""
STORED = np.arange(24, dtype="<i2").reshape(2, 3, 4) - 12


def write(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(images):
        (folder / f"{number:04d}.dcm").write_bytes(file_bytes(ds))
    return folder


def metaimage(folder, header=HEADER, content=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.2.3.mhd").write_text(header)
    (folder / "1.2.3.raw").write_bytes(STORED.tobytes() if content is None else content)
    return folder / "1.2.3.mhd"


def test_a_folder_with_its_nodules(tmp_path):
    write(tmp_path / "P1", chest_series("s", length_mm=25))
    write(tmp_path / "P1", [])
    entry = {
        "patient": "P1",
        "series_uid": series_uid("s"),
        "nodules": [
            {"centre_lps_mm": [1, 2, 3], "longest_axial_mm": [4.0, 6.5, 5], "readers": 3,
             "texture": [5, 2, 1]},
            {"centre_lps_mm": [4, 5, 6], "longest_axial_mm": [9.0], "readers": 1},
        ],
    }  # fmt: skip
    (tmp_path / "nodules.json").write_text(json.dumps([entry]))
    (case,) = read_folder(tmp_path)
    first, second = case.nodules
    assert (first.diameter_mm, first.counted, first.texture) == (6.5, True, Texture.GROUND_GLASS)
    assert (second.counted, second.texture) == (False, Texture.UNKNOWN)
    assert case.load().hu.shape == (10, 48, 48)
    del entry["nodules"][0]["longest_axial_mm"]
    (tmp_path / "nodules.json").write_text(json.dumps([entry]))
    with pytest.raises(InvalidValueError, match="longest_axial_mm"):
        list(read_folder(tmp_path))


def test_the_named_series_is_read_else_the_largest(tmp_path):
    folder = write(tmp_path / "a", chest_series("short", length_mm=10))
    for number, ds in enumerate(chest_series("long", length_mm=20)):
        (folder / f"long{number}.dcm").write_bytes(file_bytes(ds))
    assert find_scan(folder).geometry.shape[0] == 8
    assert find_scan(folder, series_uid("short")).volume().hu.shape[0] == 4
    with pytest.raises(InvalidValueError, match="CT series"):
        find_scan(folder, "1.2.3")


def test_scans_that_training_saw_are_left_out(tmp_path):
    seen, test = split_cases("LIDC-IDRI", "val")[0], split_cases("LIDC-IDRI", "test")[0]
    assert seen in trained()
    assert test not in trained()
    given = [Case(n, n, lambda: None) for n in (seen, test, "1.2.3", "4.5.6")]
    kept, left_out = unseen(iter(given), {"1.2.3": seen})
    assert ([c.name for c in kept], left_out) == ([test, "4.5.6"], 2)
    table = tmp_path / "nodules.csv"
    table.write_text("nodule,patient,series_uid\na,P1,1.2\nb,P1,1.2\n")
    assert patients_by_series(table) == {"1.2": "P1"}


def test_a_host_that_training_saw_is_refused(tmp_path):
    host = write(tmp_path / "host", chest_series("s", length_mm=25, PatientID="P1"))
    ((name, volume),) = read_hosts([host])
    assert (name, volume.hu.shape) == ("host", (10, 48, 48))
    by_folder = write(tmp_path / "Case_000", chest_series("s", length_mm=25))
    patient = split_cases("LIDC-IDRI", "train")[0]
    by_patient = write(tmp_path / "x", chest_series("s", length_mm=25, PatientID=patient))
    for folder in (by_folder, by_patient):
        with pytest.raises(InvalidValueError, match="no training or tuning saw"):
            list(read_hosts([folder]))


def test_luna16(tmp_path):
    metaimage(tmp_path / "subset0")
    (tmp_path / "annotations.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,-9,-18.8,-27.5,6.5\n9.9,0,0,0,5\n"
    )
    (tmp_path / "annotations_excluded.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,1,2,3,-1\n"
    )
    (case,) = read_luna16(tmp_path)
    assert case.name == "1.2.3"
    assert [(n.diameter_mm, n.counted) for n in case.nodules] == [(6.5, True), (3.0, False)]
    volume = case.load()
    assert np.array_equal(volume.hu, STORED)
    # The nodule lies in slice 1, row 2, column 2.
    assert volume.geometry.to_index(case.nodules[0].centre_lps_mm) == pytest.approx([1, 2, 2])
    with pytest.raises(InvalidValueError, match="mhd"):
        list(read_luna16(tmp_path / "nowhere"))


def test_metaimages_from_head_to_feet_compressed_and_of_other_byte_order(tmp_path):
    plain = read_metaimage(metaimage(tmp_path / "plain"))
    turned = HEADER.replace("0 0 0 1\n", "0 0 0 -1\n").replace("-20 -30", "-20 -27.5")
    volume = read_metaimage(metaimage(tmp_path / "turned", turned, STORED[::-1].tobytes()))
    assert np.array_equal(volume.hu, plain.hu)
    assert volume.geometry == plain.geometry
    packed = HEADER.replace("CompressedData = False", "CompressedData = True")
    volume = read_metaimage(metaimage(tmp_path / "z", packed, zlib.compress(STORED.tobytes())))
    assert np.array_equal(volume.hu, plain.hu)
    order = HEADER.replace("MSB = False", "MSB = True")
    volume = read_metaimage(metaimage(tmp_path / "msb", order, STORED.astype(">i2").tobytes()))
    assert np.array_equal(volume.hu, plain.hu)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ElementDataFile = 1.2.3.raw", "ElementDataFile = ../1.2.3.raw"),
        ("MET_SHORT", "MET_OTHER"),
        ("DimSize = 4 3 2", "DimSize = 4 3 3"),
        ("DimSize = 4 3 2", "DimSize = 400000 300000 2"),
        ("ElementSpacing = 0.5 0.6 2.5", "ElementSpacing = a b c"),
        ("NDims = 3", "NDims = 2"),
    ],
)
def test_wrong_metaimages_are_refused(tmp_path, old, new):
    assert old in HEADER
    with pytest.raises(InvalidValueError):
        read_metaimage(metaimage(tmp_path, HEADER.replace(old, new)))


def roi(image, points, inclusion="TRUE"):
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points
    )
    return (
        f"<roi><imageZposition>0</imageZposition><imageSOP_UID>{image}</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edges}</roi>"
    )


def marked(rois, texture=None):
    ratings = f"<characteristics><texture>{texture}</texture></characteristics>" if texture else ""
    return (
        f"<unblindedReadNodule><noduleID>1</noduleID>{ratings}{''.join(rois)}</unblindedReadNodule>"
    )


def message(series, sessions, name="LidcReadMessage"):
    read = "".join(f"<readingSession>{s}</readingSession>" for s in sessions)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="http://www.nih.gov">'
        f"<ResponseHeader><SeriesInstanceUid>{series}</SeriesInstanceUid></ResponseHeader>"
        f"{read}</{name}>"
    )


def square(x, y, half=1):
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


def test_lidc_as_tcia_ships_it(tmp_path):
    images = chest_series("s", length_mm=25, PatientID="LIDC-IDRI-0001")
    folder = write(tmp_path / "LIDC-IDRI-0001" / "study" / "series", images)
    at = [str(ds.SOPInstanceUID) for ds in images]
    # Slices 3 and 4, columns 10 to 12, rows 20 to 22, by three readers; one wider.
    wide = marked([roi(at[3], square(11, 21, 2)), roi(at[4], square(11, 21))], 5)
    same = marked([roi(at[3], square(11, 21)), roi(at[4], square(11, 21))], 4)
    hole = marked([roi(at[3], square(11, 21)), roi(at[3], square(30, 30, 9), "FALSE")], 1)
    alone = marked([roi(at[7], square(35, 35))], 1)
    point = marked([roi(at[1], [(5, 6)])])
    no_nodule = f"<nonNodule><imageSOP_UID>{at[1]}</imageSOP_UID></nonNodule>"
    sessions = [wide + alone, same + point + no_nodule, hole, point]
    (folder / "069.xml").write_text(message(series_uid("s"), sessions))
    (tmp_path / "films.xml").write_text(message("9", [], "IdriReadMessage"))
    (case,) = read_lidc(tmp_path)
    assert (case.name, case.patient) == ("LIDC-IDRI-0001", "LIDC-IDRI-0001")
    found = sorted(case.nodules, key=lambda n: n.centre_lps_mm[2])
    assert [n.counted for n in found] == [False, True, False]
    small, three, one = found
    geometry = find_scan(folder).geometry
    assert three.centre_lps_mm == pytest.approx(
        tuple(geometry.to_lps(((3.5 + 3.5 + 3) / 3, 21, 11)))
    )
    assert three.diameter_mm == pytest.approx(4 * 2**0.5 * 7.0)
    assert three.texture is Texture.PART_SOLID
    assert small.diameter_mm == 3.0
    assert small.texture is Texture.UNKNOWN
    assert one.diameter_mm == pytest.approx(2 * 2**0.5 * 7.0)
    assert one.texture is Texture.GROUND_GLASS
    assert case.load().hu.shape == (10, 48, 48)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><LidcReadMessage>&a;</LidcReadMessage>',
        "<LidcReadMessage>",
        "<other/>",
    ],
)
def test_other_xml_is_refused(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(InvalidValueError, match="XML"):
        read_xml(path)
