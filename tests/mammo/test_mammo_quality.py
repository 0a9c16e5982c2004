"""Which views are too poor, and which should be taken again: drawn breasts and real films."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mammogram_objects import instance_of, mammogram, read
from mammogram_phantom import PIXEL_MM, drawn
from scipy import ndimage

from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.reasons import Reason
from mammo.image.anatomy import Anatomy, find_anatomy
from mammo.image.pixels import Pixels, SpacingSource, read_pixels
from mammo.image.quality import Checked, Limit, Measured, Why, advice, check_view
from mammo.image.texts import NOTES, WHY
from mammo.image.texts import texts as quality_texts
from mammo.image.turning import Turn
from mammo.view import Laterality, Projection, Source, View
from training.mammo.films import cbis_mass

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data"))
FILMS = DATA / "mg" / "cbis_mass"
INSTANCE = instance_of(mammogram())


def view(side="L", projection="CC"):
    return View(INSTANCE, Laterality(side), Projection(projection), Source.FILM)


def checked(image, projection="CC", spacing=(PIXEL_MM, PIXEL_MM)):
    image = image.astype(np.float32)
    pixels = Pixels(image, spacing, SpacingSource.SCANNED, Turn(image.shape))
    prepared = pixels.prepared()
    found = find_anatomy(prepared, Projection(projection))
    return check_view(pixels, prepared, found, view("L", projection))


def refused(image, *args):
    with pytest.raises(RefusalError) as caught:
        checked(image, *args)
    assert caught.value.reason is Reason.IMAGE_QUALITY
    return caught.value.detail.split(", ")


@pytest.fixture(scope="module")
def films():
    """One real film of each scanner, seen by both views."""
    if not FILMS.exists():
        pytest.skip("the training films are not there: set GRANSK_DATA")
    first = {}
    for film in cbis_mass(FILMS):
        first.setdefault((film.scanner, film.view), film)
    chosen = [first["A", "CC"], first["B", "MLO"], first["C", "CC"], first["D", "MLO"]]
    return [(f, *f.pixels()) for f in chosen]


def on(films, change):
    """Each film, changed: image of 0..1, its view, its spacing."""
    for film, stored, spacing in films:
        yield np.clip(change(stored.astype(np.float32) / 255, spacing), 0, 1), film.view, spacing


def blurred(mm):
    return lambda image, s: ndimage.gaussian_filter(image, (mm / s[0], mm / s[1]))


def noisy(amount):
    noise = np.random.default_rng(1)
    return lambda image, s: image + noise.normal(0, amount, image.shape)


TECHNICAL = {Why.LOW_CONTRAST, Why.SATURATED, Why.BLURRED, Why.NOISY, Why.CUT_OFF}


def test_real_films_as_they_are_need_no_new_image(films):
    for image in on(films, lambda image, s: image):
        assert not TECHNICAL & set(checked(*image).why)


def test_blurred_films(films):
    for image in on(films, blurred(0.3)):
        assert Why.BLURRED in checked(*image).why
    for image in on(films, blurred(0.8)):
        assert refused(*image) == ["blurred"]


def test_saturated_films(films):
    first, *_ = on(films, lambda image, s: image * 1.7)
    assert Why.SATURATED in checked(*first).why
    for image in on(films, lambda image, s: image * 4):
        assert "saturated" in refused(*image)


def test_films_of_few_greys(films):
    for image in on(films, lambda image, s: 0.4 + 0.1 * image):
        assert refused(*image) == ["low_contrast"]


def test_noisy_films(films):
    for image in on(films, noisy(0.25)):
        assert "noisy" in refused(*image)


def test_a_film_whose_front_is_cut_off(films):
    for film, stored, spacing in films:
        image = stored.astype(np.float32) / 255
        prepared = film.prepared()
        chest_right = prepared.mirrored
        middle = prepared.to_native([prepared.grey.shape[1] * 0.7, 0.0])[0]
        cut = image[:, int(middle) :] if chest_right else image[:, : int(middle)]
        assert Why.CUT_OFF in checked(cut, film.view, spacing).why


def test_a_cc_that_is_cut_off_at_its_side():
    image = drawn(muscle=None)
    assert Why.CUT_OFF not in checked(image).why
    assert Why.CUT_OFF in checked(image[: round(135 / PIXEL_MM)]).why


def test_a_muscle_that_is_short_or_missing():
    assert Why.MUSCLE_SHORT in checked(drawn((20.0, 50.0)), "MLO").why
    assert Why.MUSCLE_MISSING in checked(drawn(muscle=None), "MLO").why
    enough = checked(drawn((50.0, 170.0)), "MLO").why
    assert not {Why.MUSCLE_SHORT, Why.MUSCLE_MISSING} & set(enough)


def one(side, projection, line_mm=80.0, in_profile=True, why=()):
    """A checked view of a posterior nipple line of that length."""
    nipple = (line_mm / 0.2, 100.0)
    anatomy = Anatomy(np.zeros((4, 4), bool), (), nipple, in_profile, (0.0, 100.0))
    return Checked(view(side, projection), Measured(0.5, 0, 0.5, 0, 0), anatomy, why)


def told(*views):
    told = []
    for note in advice(views):
        code = "positioning" if note.code.startswith("positioning") else "technical_repeat"
        told.append((code, note.values["view"], note.code.removeprefix(f"{code}_")))
    return told


def test_lines_of_cc_and_mlo_within_ten_millimetres():
    assert told(one("R", "CC", 71), one("R", "MLO", 80)) == []
    assert told(one("R", "CC", 69), one("R", "MLO", 80)) == [("positioning", "R CC", "nipple_line")]
    assert told(one("L", "CC", 92), one("L", "MLO", 80)) == [
        ("positioning", "L MLO", "nipple_line")
    ]
    # Other breasts, and a breast of one view, are not compared.
    assert told(one("L", "CC", 60), one("R", "MLO", 90)) == []


def test_the_nipple_must_be_in_profile_in_one_view():
    assert told(one("R", "CC", in_profile=False), one("R", "MLO")) == []
    assert told(one("R", "CC", in_profile=False), one("R", "MLO", in_profile=False)) == [
        ("positioning", "R CC", "nipple_not_in_profile"),
        ("positioning", "R MLO", "nipple_not_in_profile"),
    ]


def test_two_criteria_that_a_breast_misses_advise_new_images():
    short = one("R", "MLO", 80, why=(Why.MUSCLE_SHORT,))
    assert told(one("R", "CC", 80), short) == [("positioning", "R MLO", "muscle_short")]
    assert told(one("R", "CC", 60), short) == [
        ("technical_repeat", "R MLO", "muscle_short"),
        ("technical_repeat", "R CC", "nipple_line"),
    ]
    # What another breast misses is another matter.
    assert told(one("L", "CC", 60), one("L", "MLO", 80), one("R", "CC", 80), short) == [
        ("positioning", "R MLO", "muscle_short"),
        ("positioning", "L CC", "nipple_line"),
    ]


def test_image_quality_and_a_missing_muscle_advise_a_new_image_alone():
    for why in (Why.BLURRED, Why.MUSCLE_MISSING):
        assert told(one("R", "MLO", why=(why,))) == [("technical_repeat", "R MLO", why.value)]


def test_a_real_digital_image_passes():
    path = DATA / "mg" / "ge_senographe_essential_r_mlo.dcm"
    if not path.exists():
        pytest.skip("the GE image is not there: set GRANSK_DATA")
    pixels = read_pixels(read(path.read_bytes()))
    prepared = pixels.prepared()
    anatomy = find_anatomy(prepared, Projection.MLO)
    found = check_view(pixels, prepared, anatomy, view("R", "MLO"))
    assert not TECHNICAL & set(found.why)


def test_every_text_is_in_danish_and_english():
    assert set(WHY) == set(Why)
    for texts in (*NOTES.values(), *WHY.values()):
        assert set(texts) == {"en", "da"}
        assert texts["en"] != texts["da"]
    joined = quality_texts()
    again = joined["technical_repeat_blurred"]["da"].format(view="R MLO")
    assert again == "R MLO: overvej ny optagelse: billedet er uskarpt."
    assert joined["scale_assumed"]["en"].startswith("The image does not say")
    assert len(joined) == 3 + 2 * len(Why)


def test_figures_and_limits_refuse_impossible_values():
    with pytest.raises(InvalidValueError):
        replace(Measured(0.5, 0, 0.5, 0, 0), saturated=1.5)
    with pytest.raises(InvalidValueError):
        Limit("contrast", Why.LOW_CONTRAST, 0.2, 0.2)
