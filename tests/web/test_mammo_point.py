"""The page where a person points at a mammogram: every image in its own window."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from html import unescape
from pathlib import Path
from types import MappingProxyType

import httpx
import numpy as np
import pytest
from harness_orthanc import OrthancProcess, make_config
from mammo_exam import DRAWN, GE_R_MLO, draw, drawn_exam, image
from mammo_stage import Shown, seed
from PIL import Image
from pydicom import Dataset, dcmread
from web_server import serving
from web_site import Site, open_site

from gransk.core.study import Instance
from gransk.web.pointing import _slice
from gransk.web.windows import own_window
from mammo.image.pixels import read_pixels
from mammo.view import Laterality, Projection

R, CC = Laterality.RIGHT, Projection.CC


class Pointed(Shown):
    """Mammography as far as the page asks: one that measures what a person points at."""

    profile_schema = MappingProxyType({})

    def measure(self, *_: object) -> None:
        """The page asks only whether it can."""

    priors_wanted = compare = comparison_pictures = assess = report_text = measure


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Site, OrthancProcess, httpx.Client]]:
    folder = tmp_path_factory.mktemp("point")
    config = make_config(folder)
    process = OrthancProcess(config, folder / "orthanc").start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gransk.web.app.applications", lambda: {"mammo": Pointed()})
            site = open_site(config)
        exam = drawn_exam(folder / "exam")
        for file in exam.files:
            process.client.store(file.read_bytes())
        seed(site, exam, [], [])
        with serving(site.app, config.service.port) as address:
            cookies = site.signed_in("rasmussen").cookies
            with httpx.Client(base_url=address, cookies=cookies) as person:
                yield site, process, person
        site.close()
    finally:
        process.stop()


@pytest.mark.system
def test_the_page_shows_each_view_by_its_name_with_its_marks_and_its_own_grey(place):
    site, _, person = place
    key = site.study_key(1)
    item = site.item_id(key)
    answer = person.get(f"/studies/{key}/point/{item}")
    assert answer.status_code == 200
    assert "R CC" in answer.text
    assert answer.text.count('<polygon class="outline"') == 1
    scale = float(re.search(r'name="scale" value="([\d.]+)"', answer.text)[1])
    assert scale == pytest.approx(768 / 640)
    address = unescape(re.search(r'type="image" name="point" src="([^"]+)"', answer.text)[1])
    shown = np.asarray(Image.open(io.BytesIO(person.get(address).content)).convert("L"))
    _alike(shown, draw(R, CC) / 4095)
    x, y = (round(v) for v in DRAWN[0].centre)
    assert shown[y, x] > 190
    third = person.get(f"/studies/{key}/point/{item}?image=3")
    assert "L CC" in third.text
    assert '<polygon class="outline"' not in third.text


def _alike(shown: np.ndarray, expected: np.ndarray) -> None:
    """The same picture but for what a lossy compression and rounding change."""
    assert shown.shape == expected.shape
    assert np.abs(shown - 255.0 * expected).mean() < 4


def _film() -> Dataset:
    return image(R, CC, draw(R, CC) * 16, "film", film=True)


def _inverted() -> Dataset:
    return image(R, CC, draw(R, CC), "inverted", inverted=True)


def _ge() -> Dataset:
    if not GE_R_MLO.is_file():
        pytest.skip(f"{GE_R_MLO.name} is not in GRANSK_DATA")
    return dcmread(GE_R_MLO)


@pytest.mark.system
@pytest.mark.parametrize("made", [_film, _inverted, _ge])
def test_orthanc_shows_an_image_in_its_own_window(place, made, tmp_path):
    site, process, person = place
    object_ = made()
    path = Path(tmp_path) / "one.dcm"
    object_.save_as(path, enforce_file_format=True)
    found = process.client.store(path.read_bytes())
    orthanc_id = found["ID"] if isinstance(found, dict) else found
    tags = site.orthanc.instance_tags(str(orthanc_id))
    centre, width, function = own_window(tags)
    uids = (object_.StudyInstanceUID, object_.SeriesInstanceUID, object_.SOPInstanceUID)
    where = "/dicom-web/studies/{}/series/{}/instances/{}/rendered".format(*uids)
    answer = person.get(f"{where}?window={centre:g},{width:g},{function}")
    shown = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")).astype(float)
    read = partial(dcmread, path)
    expected = 255 * read_pixels(Instance(read(), read)).image
    assert shown.shape == expected.shape
    assert np.corrcoef(shown.ravel()[::7], expected.ravel()[::7])[0, 1] > 0.98
    assert np.abs(shown - expected).mean() < 12


def tags(**values: object) -> dict:
    known = {
        "centre": "0028,1050", "width": "0028,1051", "function": "0028,1056", "lut": "0028,3010",
        "slope": "0028,1053", "intercept": "0028,1052", "least": "0028,0106", "most": "0028,0107",
        "bits": "0028,0101", "signed": "0028,0103",
    }  # fmt: skip
    return {known[name]: {"Value": value} for name, value in values.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (tags(centre="2048", width="4096"), (2048, 4096, "linear")),
        (tags(centre="540\\600", width="580\\700", function="SIGMOID"), (540, 580, "sigmoid")),
        (tags(centre="1", width="2", function="LINEAR_EXACT"), (1, 2, "linear-exact")),
        (tags(lut=[{"0028,3002": {"Value": "1000\\500\\12"}}]), (1000, 1000, "linear")),
        (tags(centre="", width="", bits="12"), (2048, 4096, "linear")),
        (tags(bits="16", least="0", most="55879"), (27940, 55880, "linear")),
        (tags(bits="12", signed="1"), (0, 4096, "linear")),
        (tags(bits="8", slope="2", intercept="-10"), (245.5, 511, "linear")),
        (tags(centre="abc", width="100", bits="8"), (128, 256, "linear")),
    ],
)
def test_own_window(given, expected):
    assert own_window(given) == expected


def test_a_large_image_is_made_to_fit(tmp_path):
    exam = drawn_exam(tmp_path)
    large = tags(bits="12") | {"0028,0010": {"Value": "4096"}, "0028,0011": {"Value": "3072"}}
    shown = _slice(exam.findings, 1, large, exam.study.uid, Pointed.presentation)
    assert (shown.width, shown.height) == (1152, 1536)
    assert "window=2048,4096,linear" in shown.address
