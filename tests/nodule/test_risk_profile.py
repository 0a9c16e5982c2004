"""The risk profile: strict, with source and date, and told by a committed schema."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from risk_vectors import BROCK, brock_values, profile, profile_json

from nodule.risk.profile import SCHEMA, ProfileError, Source, inputs, read_profile, schema


def with_answer(part: str, name: str, **changed) -> str:
    answer = {"value": None, "source": "person", "date": "2026-11-01", **changed}
    return json.dumps({part: {name: answer}})


def test_the_committed_schema_is_up_to_date():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


def test_the_schema_describes_every_key_and_names_every_unit():
    committed = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found = {}
    for part in ("Patient", "ProfileNodule"):
        found.update(committed["$defs"][part]["properties"])
    assert tuple(found) == inputs()
    assert all(key["description"] for key in found.values())
    units = {name: key["unit"] for name, key in found.items() if "unit" in key}
    assert units == {
        "age_years": "a",
        "maximum_transverse_diameter_mm": "mm",
        "nodule_count": "1",
        "mayo_probability": "1",
    }


def test_an_answer_has_value_source_and_date():
    read = profile(**brock_values(BROCK[0][0]))
    assert read.value("age_years") == 55
    assert read.value("emphysema") is False
    assert read.answer("age_years").source is Source.PERSON
    assert read.answer("age_years").date.isoformat() == "2026-11-01"
    for missing in ("value", "source", "date"):
        answer = {"value": 60, "source": "dicom", "date": "2026-11-01"}
        del answer[missing]
        with pytest.raises(ProfileError, match=f"patient.age_years.{missing}"):
            read_profile(json.dumps({"patient": {"age_years": answer}}))


def test_what_is_absent_or_null_is_unknown():
    assert all(read_profile("{}").value(name) is None for name in inputs())
    asked = read_profile(with_answer("patient", "emphysema"))
    assert asked.value("emphysema") is None
    assert asked.answer("emphysema") is not None
    with pytest.raises(KeyError):
        asked.value("shoe_size")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("patient", "age_years", -1),
        ("patient", "age_years", 131),
        ("patient", "age_years", "68"),
        ("patient", "age_years", True),
        ("patient", "sex", "f"),
        ("patient", "emphysema", "yes"),
        ("patient", "emphysema", 1),
        ("patient", "extrathoracic_cancer", "long_ago"),
        ("nodule", "maximum_transverse_diameter_mm", 0),
        ("nodule", "maximum_transverse_diameter_mm", 150.1),
        ("nodule", "nodule_count", 0),
        ("nodule", "nodule_count", 1.5),
        ("nodule", "mayo_probability", 1.01),
        ("nodule", "pet_uptake", "some"),
    ],
)
def test_bad_values_are_refused_without_repeating_them(part, name, value):
    with pytest.raises(ProfileError, match=f"{part}.{name}.value") as caught:
        read_profile(with_answer(part, name, value=value))
    assert "131" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ("[]", "profile"),
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        ("[" * 100000, "not JSON"),
        ('{"patient": {}, "patient": {}}', "stands twice"),
        ('{"patient": {"shoe_size": null}}', "patient.shoe_size"),
        (with_answer("patient", "age_years", value=1, unit="a"), "age_years.unit"),
        (with_answer("patient", "age_years", date="yesterday"), "age_years.date"),
        (with_answer("patient", "age_years", source="guess"), "age_years.source"),
        ('{"patient": {"age_years": 68}}', "age_years"),
        (with_answer("patient", "age_years").replace("null", "NaN"), "age_years"),
    ],
)
def test_a_bad_profile_is_refused(text, fault):
    with pytest.raises(ProfileError, match=fault):
        read_profile(text)


@pytest.mark.parametrize(
    ("part", "name", "value", "source"),
    [
        ("patient", "emphysema", True, "image"),
        ("patient", "fleischner_risk", "low", "image"),
        ("patient", "fleischner_risk", "low", "dicom"),
        ("nodule", "pet_uptake", "none", "image"),
        ("nodule", "pet_uptake", "none", "dicom"),
    ],
)
def test_what_a_person_must_say_is_not_taken_from_images(part, name, value, source):
    with pytest.raises(ProfileError, match="person's answer"):
        read_profile(with_answer(part, name, value=value, source=source))
    assert read_profile(with_answer(part, name, value=value, source="fhir")).value(name) is not None


def test_a_contradiction_is_refused():
    history = {"extrathoracic_cancer": "none", "earlier_lung_cancer": False}
    with pytest.raises(ProfileError, match="contradicts"):
        profile(**history, known_primary_cancer=True)
    assert profile(**history, known_primary_cancer=False).value("known_primary_cancer") is False
    assert profile(known_primary_cancer=True).value("known_primary_cancer") is True


def test_a_profile_is_frozen_and_goes_through_json_unchanged():
    read = profile(**brock_values(BROCK[2][0]))
    with pytest.raises(ValidationError):
        read.patient.age_years.value = 3
    assert read_profile(read.model_dump_json()) == read
    assert read_profile(profile_json()) == read_profile("{}")


@pytest.mark.parametrize(
    ("text", "danish", "english"),
    [
        (with_answer("patient", "age_years", value=-3), "skal være mindst 0", "must be at least 0"),
        (with_answer("patient", "age_years", value=131), "må højst være 130", "at most 130"),
        (with_answer("patient", "age_years", value="68"), "skal være et tal", "must be a number"),
        (with_answer("patient", "sex", value="f"), "en af: 'female', 'male'", "one of: 'female'"),
        (with_answer("patient", "age_years", date="x"), "skal være en dato", "must be a date"),
        (with_answer("nodule", "nodule_count", value=1.5), "et helt tal", "a whole number"),
        (with_answer("patient", "emphysema", value="yes"), "true eller false", "true or false"),
        ('{"patient": {"shoe_size": 44}}', "nøglen findes ikke", "there is no such key"),
        ('{"patient": {}, "patient": {}}', "'patient' står to gange", "'patient' stands twice"),
        ("{", "ikke JSON i UTF-8", "not JSON in UTF-8"),
        ("[]", "profile: skal være et objekt", "profile: must be an object"),
        (
            with_answer("patient", "emphysema", value=True, source="image"),
            "emphysema er en persons svar; kilden kan ikke være image",
            "emphysema is a person's answer; its source cannot be image",
        ),
    ],
)
def test_a_fault_is_told_in_both_languages(text, danish, english):
    with pytest.raises(ProfileError) as caught:
        read_profile(text)
    assert danish in caught.value.told("da")
    assert english in caught.value.told("en")
    assert str(caught.value) == caught.value.told("en")
