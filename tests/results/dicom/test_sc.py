"""The summary pages: what a person sees, and what may not be seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from dicom_samples import by_kind, ct_headers, errors, findings_of, make, nodule, pictures, read
from PIL import ImageDraw

import gransk
from gransk.core import codes
from gransk.core.findings import Note
from gransk.results.dicom import page
from gransk.results.dicom.canvas import BACKGROUND, HEIGHT, OUTLINE, WIDTH
from gransk.results.dicom.texts import TEXTS


def pages(objects: list) -> list[np.ndarray]:
    return [read(made).pixel_array for made in objects if made.kind == "SC"]


def drawn(page: np.ndarray) -> int:
    """Pixels that are not background."""
    return int((page != np.array(BACKGROUND)).any(axis=-1).sum())


def test_page_is_a_colour_image_of_the_study(headers, two_nodules, tmp_path):
    made = by_kind(make(headers, two_nodules), "SC")
    image = read(made)
    assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (image.Rows, image.Columns, image.PhotometricInterpretation) == (HEIGHT, WIDTH, "RGB")
    assert image.BurnedInAnnotation == "NO"
    assert image.ImageComments == "Research use, not a medical device."
    path = tmp_path / "page.dcm"
    path.write_bytes(made.content)
    assert {e for e in errors(path) if "Laterality" not in e} == set()


def test_outlines_are_painted_on_the_pictures(headers, two_nodules):
    (page,) = pages(make(headers, two_nodules))
    (bare,) = pages(make(headers, two_nodules, pictures=[]))
    assert (page == np.array(OUTLINE)).all(axis=-1).sum() > 300
    assert (bare == np.array(OUTLINE)).all(axis=-1).sum() == 0


def test_no_patient_data_is_burned_in(headers, two_nodules):
    """Another patient with the same findings has the same pixels."""
    other = ct_headers()
    for header in other:
        header.PatientName, header.PatientID = "Someone^Else", "X"
        header.AccessionNumber, header.StudyDescription = "Y", "Z"
        header.PatientBirthDate = "19000101"
    assert np.array_equal(pages(make(headers, two_nodules))[0], pages(make(other, two_nodules))[0])


def test_language_changes_the_words(headers, two_nodules):
    english, danish = (
        pages(make(headers, two_nodules, language=language, pictures=[]))[0]
        for language in ("en", "da")
    )
    assert not np.array_equal(english, danish)


def test_incomplete_study_is_marked(headers, two_nodules):
    whole = pages(make(headers, two_nodules))[0]
    part = pages(make(headers, two_nodules, incomplete=True))[0]
    changed = np.argwhere((whole != part).any(axis=-1))
    assert len(changed)
    assert changed[:, 0].max() < 170


def test_many_findings_and_pictures_go_on_to_more_pages(headers):
    many = [nodule(n, headers, (5, 30, 40)) for n in range(1, 15)]
    objects = make(headers, findings_of(headers, *many), pictures=pictures(14))
    numbers = [read(made).InstanceNumber for made in objects if made.kind == "SC"]
    assert numbers == [1, 2, 3, 4]
    assert len({made.sop_instance_uid for made in objects if made.kind == "SC"}) == 4
    assert len({made.series_instance_uid for made in objects if made.kind == "SC"}) == 1
    assert all(drawn(page) > 20_000 for page in pages(objects))


def test_page_without_findings_or_pictures_says_so(headers):
    (page,) = pages(make(headers, findings_of(headers), pictures=[]))
    (found,) = pages(make(headers, findings_of(headers, nodule(1, headers, (5, 30, 40)))))
    assert 5_000 < drawn(page) < drawn(found)


@pytest.fixture
def said(monkeypatch) -> list[list[str]]:
    """Every text drawn, page by page."""
    pages_said: list[list[str]] = []
    drawn_text, new_page = ImageDraw.ImageDraw.text, page._draw_page

    def text(self, xy, words, *rest, **named):
        pages_said[-1].append(words)
        drawn_text(self, xy, words, *rest, **named)

    def draw_page(*given):
        pages_said.append([])
        return new_page(*given)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    monkeypatch.setattr(page, "_draw_page", draw_page)
    return pages_said


@pytest.mark.parametrize(("language", "point"), [("en", "."), ("da", ",")])
def test_scores_are_no_percentages(headers, said, language, point):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(
        update={"probability": 0.97, "malignancy_concept": codes.SUSPICION}
    )
    make(headers, findings_of(headers, lesion), language=language)
    (words,) = said
    assert f"{TEXTS['score'][language]} 0{point}97" in words
    assert words[words.index(TEXTS["suspicion"][language]) + 1] == f"0{point}12"
    assert TEXTS["score_text"][language] in words
    assert TEXTS["suspicion_text"][language] in words
    assert not any("%" in word for word in words)


def test_probability_of_cancer_is_called_that(headers, said):
    make(headers, findings_of(headers, nodule(1, headers, (5, 30, 40))))
    (words,) = said
    assert words[words.index("Probability of cancer") + 1] == "0.12"
    assert TEXTS["suspicion_text"]["en"] not in words


def test_pictures_stand_by_their_own_cards_with_slice_and_names(headers, said):
    """Two pictures of the third finding, and one of none, in an order of their own."""
    many = [nodule(n, headers, (n, 30, 40), radius=1) for n in range(1, 9)]
    owners = [*reversed(many), many[2], None]
    shown = [
        dataclasses.replace(
            picture,
            tracking_uid=owner.tracking_uid if owner else "",
            caption={"en": f"view {n}", "da": f"syn {n}"},
        )
        for n, (picture, owner) in enumerate(zip(pictures(10), owners, strict=True))
    ]
    make(headers, findings_of(headers, *many), pictures=shown)
    assert len(said) > 1
    for n, finding in enumerate(many, 1):
        heading = finding.tracking_id
        (own,) = [words for words in said if heading in words]
        assert own[own.index(heading) :].count(f"{n + 2}/12") >= 1
        whole = " ".join(own)
        if n == 3:
            assert "view 5" in own
            assert "view 8" in own
        else:
            for word in (f"{heading}: Slice from the feet {n + 2}/12", "Volume 188 mm³",
                         "Long axis 6.8 mm"):  # fmt: skip
                assert word in whole
    assert "view 9" in said[0]


def test_notes_keep_their_room(headers, said):
    many = [
        nodule(n, headers, (5, 30, 40)).model_copy(update={"malignancy": 0.5}) for n in range(1, 6)
    ]
    notes = (Note(code="thick", values={"mm": 2.5}),)
    make(headers, findings_of(headers, *many, notes=notes))
    assert "Slices of 2.5 mm." in said[0]


def test_words_are_those_of_the_pages():
    path = Path(gransk.__file__).parent / "web" / "texts.yaml"
    web = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("score", "score_text", "suspicion", "suspicion_text"):
        assert TEXTS[key] == web[key]
