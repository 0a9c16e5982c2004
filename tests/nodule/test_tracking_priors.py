"""Which earlier studies are wanted, and the pair of series that is compared."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from chest_series import chest_series, study

from gransk.core.application import KnownStudy
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from nodule.application import NoduleApplication
from nodule.growth.rules import growth_rules
from nodule.series import SeriesRules
from nodule.tracking.priors import Shows, priors_wanted, shows
from nodule.tracking.series_pair import pairs

TODAY = datetime.date(2026, 3, 1)


def known(number: int, days: int, description: str = "CT thorax", **values) -> KnownStudy:
    return KnownStudy(
        f"1.2.{number}", TODAY - datetime.timedelta(days), **{"modalities": ("CT",)} | values,
        description=description,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "description", "expected"),
    [
        (("CHEST",), "", Shows.WHOLE),
        ((), "CT-thorax + øvre abdomen", Shows.WHOLE),
        (("ABDOMEN",), "CT thorax/abdomen/bækken", Shows.WHOLE),
        ((), "Lungescreening lavdosis", Shows.WHOLE),
        ((), "Low dose lung screening", Shows.WHOLE),
        ((), "PET-CT whole body", Shows.WHOLE),
        ((), "CTA pulmonalis", Shows.WHOLE),
        (("CHESTABDPELVIS",), "", Shows.WHOLE),
        ((), "CT PE protocol", Shows.WHOLE),
        (("HEART",), "Coronary CTA", Shows.PARTLY),
        ((), "CT hjerte", Shows.PARTLY),
        ((), "", Shows.UNKNOWN),
        ((), "Kontrol om 3 mdr.", Shows.UNKNOWN),
        (("HEAD",), "", Shows.NOT),
        ((), "CT cerebrum", Shows.NOT),
        ((), "CT abdomen", Shows.NOT),
        ((), "CT af venstre knæ", Shows.NOT),
        ((), "CTcolografi", Shows.NOT),
    ],
)
def test_what_a_study_shows(parts, description, expected):
    one = KnownStudy("1.2.3", TODAY, ("CT",), parts, description)
    assert shows(one) is expected


def test_the_latest_then_the_oldest_then_the_others():
    found = [known(n, days) for n, days in ((1, 400), (2, 90), (3, 1500), (4, 800))]
    assert priors_wanted("1.2.9", TODAY, found) == ("1.2.2", "1.2.3", "1.2.1", "1.2.4")
    assert priors_wanted("1.2.9", TODAY, found[::-1]) == ("1.2.2", "1.2.3", "1.2.1", "1.2.4")


def test_what_is_sure_comes_first():
    found = [known(1, 10, ""), known(2, 200, "CT hjerte"), known(3, 900), known(4, 5, "CT knæ")]
    assert priors_wanted("1.2.9", TODAY, found) == ("1.2.3", "1.2.2", "1.2.1")


def test_what_is_no_prior():
    found = [
        known(9, 90),
        known(1, 0),
        known(2, -30),
        replace(known(3, 90), date=None),
        known(4, 90, modalities=("MR",)),
        known(5, 90, modalities=("CR", "SR")),
        known(6, 90, images=3),
    ]
    assert priors_wanted("1.2.9", TODAY, found) == ()
    assert priors_wanted("1.2.9", None, [known(1, 90)]) == ()


def test_the_application_reads_the_date_from_the_study():
    series = chest_series("s", StudyDate="20260301")
    wanted = NoduleApplication().priors_wanted(study(series), [known(1, 90), known(2, -1)])
    assert wanted == ("1.2.1",)


def chosen(one, other, **rules):
    found = next(pairs(study(*one), study(*other), SeriesRules(**rules), growth_rules()))
    return found.one.stack.label, found.other.stack.label


def test_series_alike_in_thickness_and_kernel_are_compared():
    thin = chest_series("thin", 1, spacing=1.0, ConvolutionKernel="Br40d")
    thick = chest_series("thick", 2, spacing=3.0, ConvolutionKernel="Br40d")
    sharp = chest_series("sharp", 3, spacing=3.0, ConvolutionKernel="Bl57d")
    before = chest_series("before", 4, spacing=3.0, ConvolutionKernel="B31f")
    old = chest_series("old", 5, spacing=3.0, ConvolutionKernel="B70f")
    assert chosen([thin, thick, sharp], [old]) == ("3", "5")
    fit = chest_series("fit", 6, spacing=1.25, ConvolutionKernel="STANDARD")
    assert chosen([thin, thick, sharp], [before, old, fit]) == ("1", "6")


def test_thinner_series_of_the_preferred_kernel_win_where_both_are_alike():
    def both(name, number):
        return [
            chest_series(f"{name} thick", number, spacing=2.5, ConvolutionKernel="Br40d"),
            chest_series(f"{name} thin", number + 1, spacing=1.0, ConvolutionKernel="Br40d"),
            chest_series(f"{name} lung", number + 2, spacing=1.0, ConvolutionKernel="Bl57d"),
        ]

    assert chosen(both("a", 1), both("b", 11)) == ("2", "12")
    wanted = ("lung", "medium")
    assert chosen(both("a", 1), both("b", 11), preferred_kernels=wanted) == ("3", "13")


def test_no_suitable_series_is_refused():
    with pytest.raises(RefusalError) as refusal:
        chosen([chest_series("few", 1, length_mm=20)], [chest_series("s", 2)])
    assert refusal.value.reason is Reason.COVERAGE_INCOMPLETE


def test_two_scans_too_large_for_memory_are_refused():
    one, other = (study(chest_series(name, n, length_mm=210)) for n, name in enumerate("ab", 1))
    with pytest.raises(RefusalError) as refusal:
        next(pairs(one, other, SeriesRules(), growth_rules(), 3))
    assert refusal.value.reason is Reason.MEMORY_LIMIT
