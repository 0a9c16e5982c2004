"""The summary pages: what a person sees, and what may not be seen."""

from __future__ import annotations

import numpy as np
from dicom_samples import by_kind, ct_headers, errors, findings_of, make, nodule, pictures, read

from gransk.results.dicom.page import BACKGROUND, HEIGHT, OUTLINE, WIDTH


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
    assert numbers == [1, 2, 3]
    assert len({made.sop_instance_uid for made in objects if made.kind == "SC"}) == 3
    assert len({made.series_instance_uid for made in objects if made.kind == "SC"}) == 1
    assert all(drawn(page) > 20_000 for page in pages(objects))


def test_page_without_findings_or_pictures_says_so(headers):
    (page,) = pages(make(headers, findings_of(headers), pictures=[]))
    (found,) = pages(make(headers, findings_of(headers, nodule(1, headers, (5, 30, 40)))))
    assert 5_000 < drawn(page) < drawn(found)
