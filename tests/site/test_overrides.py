"""Settings for one study: which overrides hold, and what they make."""

import pytest
from pydicom import Dataset

from gransk.core.programme import Programme
from gransk.core.study import Instance, Study
from gransk.site.config_overrides import Override, laid_over
from gransk.site.overrides import StudyFacts, matches, resolved


def image(number=1, **attributes):
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2", f"1.3.{number}"
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.4", "1.5"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return Instance(header, lambda: header)


def study(*images):
    return Study.from_instances(images)


def override(name, where, settings, application="marker"):
    values = {"name": name, "application": application, "where": where, "settings": settings}
    return Override.model_validate(values)


def test_the_later_wins_and_sections_are_laid_over_each_other():
    overrides = [
        override("acme", {"manufacturer": "acme*"}, {"a": {"x": 2}, "list": [1]}),
        override("other", {"manufacturer": "other"}, {"a": {"x": 9}}),
        override("theirs", {"manufacturer": "ACME"}, {"a": {"x": 9}}, application="reader"),
        override("station", {"station": "CT?"}, {"a": {"y": 3}}),
        override("again", {"unit": "north"}, {"a": {"x": 4}}),
    ]
    facts = StudyFacts.of_headers(
        study(image(Manufacturer="ACME Medical", StationName="CT1")), unit="north"
    )
    found = resolved(
        {"marker": {"a": {"x": 1, "z": 0}, "list": [5, 6]}}, overrides, "marker", facts
    )
    assert found.fired == ("acme", "station", "again")
    assert found.settings == {"a": {"x": 4, "y": 3, "z": 0}, "list": [1]}
    again = resolved({}, [one.model_dump(mode="json") for one in overrides], "marker", facts)
    assert again.fired == found.fired, "kept versions say it as JSON"


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"institution": "hospital NORTH"}, True),
        ({"institution": "Hospital"}, False),
        ({"model_name": "Reveal*"}, True),
        ({"model_name": "Reveal*", "unit": "west"}, False),
        ({"programme": "screening"}, True),
        ({"programme": "clinical"}, False),
        ({"age_from": 40, "age_below": 50}, True),
        ({"age_from": 49.5}, False),
        ({"age_below": 49}, False),
        ({"kernel": "B70*"}, False),
    ],
)
def test_everything_that_is_asked_must_hold(where, holds):
    facts = StudyFacts.of_headers(
        study(
            image(
                InstitutionName="Hospital North",
                ManufacturerModelName="Revealer",
                PatientAge="049Y",
            )
        ),
        unit="north",
        programme=Programme.SCREENING,
    )
    assert matches(override("x", where, {"a": 1}).where, facts) is holds


@pytest.mark.parametrize(
    ("text", "years"),
    [("018M", 1.5), ("730D", 730 / 365.25), ("052W", 364 / 365.25), ("", None), ("old", None)],
)
def test_ages(text, years):
    found = StudyFacts.of_headers(study(image(PatientAge=text))).age
    assert found == (None if years is None else pytest.approx(years))


def test_images_that_differ_in_age_have_none():
    two = study(image(1, PatientAge="049Y"), image(2, PatientAge="050Y"))
    assert StudyFacts.of_headers(two).age is None


def test_the_kernel_is_that_of_chosen_images():
    sharp, soft = image(1, ConvolutionKernel=["Br64", "3"]), image(2, ConvolutionKernel="Br40")
    facts = StudyFacts.of_headers(study(sharp, soft))
    assert facts.kernel == ()
    assert facts.of_images([sharp]).kernel == ("Br64", "3", "Br64\\3")
    where = override("x", {"kernel": "br6*"}, {"a": 1}).where
    assert matches(where, facts.of_images([sharp]))
    assert not matches(where, facts.of_images([soft]))


def test_laying_over_changes_nothing_that_was_given():
    settings, more = {"a": {"b": 1}}, {"a": {"c": 2}, "d": 3}
    assert laid_over(settings, more) == {"a": {"b": 1, "c": 2}, "d": 3}
    assert (settings, more) == ({"a": {"b": 1}}, {"a": {"c": 2}, "d": 3})
