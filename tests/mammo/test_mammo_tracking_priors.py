"""Which earlier studies are wanted for comparison."""

from __future__ import annotations

import datetime

from gransk.core.application import KnownStudy
from mammo.tracking.priors import priors_wanted

TODAY = datetime.date(2026, 1, 5)


def known(
    uid: str, year: int | None, description: str = "", *more: str, images: int = 4
) -> KnownStudy:
    date = None if year is None else datetime.date(year, 1, 5)
    return KnownStudy(uid, date, more or ("MG",), (), description, images)


def wanted(*studies: KnownStudy, date: datetime.date | None = TODAY) -> tuple[str, ...]:
    return priors_wanted("1.1", date, studies)


def test_latest_then_oldest_then_the_others() -> None:
    assert wanted(known("1.2", 2020), known("1.3", 2024), known("1.4", 2022)) == (
        "1.3", "1.2", "1.4",
    )  # fmt: skip


def test_only_earlier_mammograms_count() -> None:
    studies = (
        known("1.1", 2024), known("1.2", 2026), known("1.3", 2027), known("1.4", None),
        known("1.5", 2024, "", "US"), known("1.6", 2024, "", "MR"),
        known("1.7", 2024, "", "MG", "SR"),
    )  # fmt: skip
    assert wanted(*studies) == ("1.7",)
    assert wanted(known("1.2", 2024), date=None) == ()


def test_biopsies_and_specimens_are_not_wanted_and_additional_views_come_last() -> None:
    studies = (
        known("1.2", 2025, "Mammografi, stereotaktisk biopsi"),
        known("1.3", 2025, "Specimen radiograph"),
        known("1.4", 2025, "Mammografi forstørrelse"),
        known("1.5", 2024, "Screening mammografi"),
        known("1.6", 2023, "", images=1),
    )
    assert wanted(*studies) == ("1.5", "1.4", "1.6")
