"""What is known of an exam beside its programme, as far as its images say it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from pydicom import Dataset

from gransk.core.dates import date_of
from gransk.core.errors import InvalidValueError
from gransk.core.study import Study


class Fact(StrEnum):
    """What may be said of an exam. A value never changes meaning."""

    ROUND = "round"
    """Whether the woman was screened before: `Round`."""
    TREATED = "treated"
    """Breast cancer treated earlier: surgery or radiotherapy of a breast."""
    IMPLANT = "implant"
    DECLINES_AI = "declines_ai"
    """The woman does not want AI to have a part in the reading."""
    UNIT = "unit"
    """Which unit's exam it is: a name of the site's configuration."""
    AGE = "age"
    """Whole years at the exam."""
    EQUIPMENT = "equipment"
    """Manufacturer and model of the machine."""


class Round(StrEnum):
    """Of screening. They are always counted apart."""

    FIRST = "first"
    LATER = "later"


YES, NO = "yes", "no"
FLAGS = frozenset({Fact.TREATED, Fact.IMPLANT, Fact.DECLINES_AI})
"""Facts that are yes or no. Yes keeps an exam with two people."""
STATED = (Fact.ROUND, Fact.TREATED, Fact.IMPLANT, Fact.DECLINES_AI, Fact.UNIT)
"""Facts that people, lists and machines may say; the others come from the images alone."""

OLDEST_YEARS = 130
LONGEST = 128
"""Characters of a fact."""
_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def checked(fact: Fact, value: str) -> str:
    """A fact's value as it is kept.

    Raises
    ------
    InvalidValueError
        Where it is none of that fact.
    """
    text = value.strip()
    if fact in FLAGS or fact is Fact.ROUND:
        allowed: Sequence[str] = (YES, NO) if fact in FLAGS else tuple(Round)
        if text not in allowed:
            raise InvalidValueError(fact, text, " or ".join(allowed))
    elif fact is Fact.AGE and not (text.isdecimal() and int(text) <= OLDEST_YEARS):
        raise InvalidValueError(fact, text, f"whole years from 0 to {OLDEST_YEARS}")
    elif fact is Fact.UNIT and not _NAME.fullmatch(text):
        raise InvalidValueError(fact, text, "a unit's name: 1 to 64 of a-z, 0-9, '_' and '-'")
    elif not 1 <= len(text) <= LONGEST or not text.isprintable():
        raise InvalidValueError(fact, f"{len(text)} characters", f"1 to {LONGEST}, printable")
    return text


class Place(NamedTuple):
    """Where an image comes from; empty where it does not say it.

    Parameters
    ----------
    institution, department, station : str
        Institution Name (0008,0080), Institutional Department Name (0008,1040) and Station
        Name (0008,1010).
    aet : str
        Sending Application Entity Title (0002,0017): who sent it to the archive.
    """

    institution: str = ""
    department: str = ""
    station: str = ""
    aet: str = ""


@dataclass(frozen=True)
class Where:
    """Images that a unit calls its own: every part that is not empty is equal.

    Upper and lower case, and blanks around a value, make no difference.
    """

    institution: str = ""
    department: str = ""
    station: str = ""
    aet: str = ""

    def __post_init__(self) -> None:
        if not any(self._wanted()):
            raise InvalidValueError("match", "nothing", "at least one attribute")

    def fits(self, place: Place) -> bool:
        """Is an image from that place one of these?"""
        pairs = zip(self._wanted(), place, strict=True)
        return all(not wanted or wanted == _plain(got) for wanted, got in pairs)

    def _wanted(self) -> tuple[str, ...]:
        return tuple(map(_plain, (self.institution, self.department, self.station, self.aet)))


def facts_of(study: Study, units: Mapping[str, Sequence[Where]]) -> dict[Fact, str]:
    """What the images of a study say; what they do not say is left out.

    Parameters
    ----------
    study : Study
    units : mapping of unit to sequence of Where
        By which images a unit's exams are known.
    """
    headers = [instance.header for instance in study.instances]
    age = _age(study)
    said = {
        Fact.IMPLANT: _implant(headers),
        Fact.UNIT: unit_of(map(place_of, headers), units),
        Fact.AGE: "" if age is None else str(age),
        Fact.EQUIPMENT: _equipment(headers),
    }
    return {fact: value for fact, value in said.items() if value}


def place_of(header: Dataset) -> Place:
    """Where an image comes from."""
    meta = getattr(header, "file_meta", None)
    aet = "" if meta is None else _text(meta, "SendingApplicationEntityTitle")
    return Place(
        institution=_text(header, "InstitutionName"),
        department=_text(header, "InstitutionalDepartmentName"),
        station=_text(header, "StationName"),
        aet=aet,
    )


def unit_of(places: Iterable[Place], units: Mapping[str, Sequence[Where]]) -> str:
    """The unit whose images these are; empty where there is none, or more than one.

    An image that fits no unit says nothing; images of two units leave it open.
    """
    found = {
        name
        for place in set(places)
        for name, wheres in units.items()
        if any(where.fits(place) for where in wheres)
    }
    return found.pop() if len(found) == 1 else ""


def _implant(headers: Sequence[Dataset]) -> str:
    """By Breast Implant Present (0028,1300): yes by one image, no by every image."""
    said = {_text(header, "BreastImplantPresent").upper() for header in headers}
    if "YES" in said:
        return YES
    return NO if said == {"NO"} else ""


def _age(study: Study) -> int | None:
    """Whole years by birth date and study date, else by Patient's Age (0010,1010)."""
    header = study.instances[0].header
    on, born = date_of(study), _date(_text(header, "PatientBirthDate"))
    if on is not None and born is not None and born <= on:
        years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    else:
        match = re.fullmatch(r"(\d{3})Y", _text(header, "PatientAge"))
        if match is None:
            return None
        years = int(match[1])
    return years if years <= OLDEST_YEARS else None


def _equipment(headers: Sequence[Dataset]) -> str:
    """Manufacturer and model; empty where images of several machines are in the study."""
    keywords = ("Manufacturer", "ManufacturerModelName")
    found = {" ".join(filter(None, (_text(h, k) for k in keywords))) for h in headers} - {""}
    text = found.pop() if len(found) == 1 else ""
    return text[:LONGEST].strip() if text.isprintable() else ""


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) else ""
