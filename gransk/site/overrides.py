"""The settings of an application for one study: the site's, with the overrides that match.

::

    facts = StudyFacts.of_headers(study, unit="north", programme=None)
    found = resolved(config.applications, config.overrides, "nodule", facts)
    found.settings          # for the application's schema
    found.fired             # names of the overrides that hold, in order
    facts = facts.of_images(selection.instances)      # once images are chosen: the kernel
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from pydicom import Dataset

from gransk.core.programme import Programme
from gransk.core.study import Instance, Study
from gransk.site.config_overrides import Override, StudyMatch, laid_over

_UNITS = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
"""How many of a unit of Patient's Age (PS3.5 6.2, AS) are a year."""


@dataclass(frozen=True)
class StudyFacts:
    """What overrides ask of a study; None or empty where it is not known.

    Parameters
    ----------
    unit : str, optional
    programme : Programme, optional
    institution, station, manufacturer, model_name : tuple of str
        Every value that images state.
    kernel : tuple of str
        Convolution Kernel (0018,1210) of the chosen images, each of its values, and all with a
        backslash between; empty while none are chosen.
    age : float, optional
        Patient's Age, in years; of images that differ none.
    """

    unit: str | None = None
    programme: Programme | None = None
    institution: tuple[str, ...] = ()
    station: tuple[str, ...] = ()
    manufacturer: tuple[str, ...] = ()
    model_name: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    age: float | None = None

    @classmethod
    def of_headers(
        cls, study: Study, unit: str | None = None, programme: Programme | None = None
    ) -> StudyFacts:
        """What the headers of a study say; no kernel, which is asked of chosen images."""
        headers = [instance.header for instance in study.instances]
        ages = {age for age in map(_age, headers) if age is not None}
        return cls(
            unit=unit,
            programme=programme,
            institution=_texts(headers, "InstitutionName"),
            station=_texts(headers, "StationName"),
            manufacturer=_texts(headers, "Manufacturer"),
            model_name=_texts(headers, "ManufacturerModelName"),
            age=ages.pop() if len(ages) == 1 else None,
        )

    def of_images(self, instances: Sequence[Instance]) -> StudyFacts:
        """The same with the kernel of the chosen images."""
        return replace(self, kernel=_texts([one.header for one in instances], "ConvolutionKernel"))


@dataclass(frozen=True)
class Resolved:
    """The settings for one study.

    Parameters
    ----------
    settings : dict
        Of the application, as JSON values.
    fired : tuple of str
        Names of the overrides that hold, in the order in which they were laid over.
    """

    settings: dict[str, Any]
    fired: tuple[str, ...] = ()


def resolved(
    sections: Mapping[str, Mapping[str, Any]],
    overrides: Iterable[Override | Mapping[str, Any]],
    application: str,
    facts: StudyFacts,
) -> Resolved:
    """The settings of an application for one study.

    Parameters
    ----------
    sections : mapping
        ``applications`` of a configuration or of a kept version.
    overrides : iterable of Override or mapping
        Likewise.
    application : str
    facts : StudyFacts
    """
    settings = dict(sections.get(application, {}))
    fired = []
    for one in overrides:
        override = one if isinstance(one, Override) else Override.model_validate(one)
        if override.application == application and matches(override.where, facts):
            settings = laid_over(settings, override.settings)
            fired.append(override.name)
    return Resolved(settings, tuple(fired))


def matches(where: StudyMatch, facts: StudyFacts) -> bool:
    """Whether a study is what an override is for: everything that is asked holds."""
    texts = ("institution", "station", "manufacturer", "model_name", "kernel")
    if any(not _like(getattr(where, name), getattr(facts, name)) for name in texts):
        return False
    if where.unit is not None and where.unit != facts.unit:
        return False
    if where.programme is not None and where.programme != facts.programme:
        return False
    if where.age_from is None and where.age_below is None:
        return True
    if facts.age is None:
        return False
    return (where.age_from is None or facts.age >= where.age_from) and (
        where.age_below is None or facts.age < where.age_below
    )


def _like(pattern: str | None, values: tuple[str, ...]) -> bool:
    if pattern is None:
        return True
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)


def _texts(headers: Iterable[Dataset], keyword: str) -> tuple[str, ...]:
    """Every value of an attribute; of several in one image each, and all together."""
    found: dict[str, None] = {}
    for header in headers:
        value = header.get(keyword)
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        parts = [str(part).strip() for part in several if part is not None]
        found.update(dict.fromkeys((*parts, "\\".join(parts))))
    return tuple(text for text in found if text)


def _age(header: Dataset) -> float | None:
    """Patient's Age (0010,1010) in years, such as 063Y; None where there is none to read."""
    text = str(header.get("PatientAge") or "").strip()
    number, unit = text[:-1], text[-1:]
    return int(number) / _UNITS[unit] if number.isdecimal() and unit in _UNITS else None
