"""Which coded clinical data answer which questions of a risk profile, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """Frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(Part):
    """Codes of one system: each alone, or all that begin so.

    Parameters
    ----------
    system : str
        Name of a system of the table.
    codes : tuple of str
    beginning : tuple of str
        A code fits that is one of these, or goes on after it (C34 takes C34.1).
    """

    system: str
    codes: tuple[str, ...] = ()
    beginning: tuple[str, ...] = ()

    def fits(self, code: str) -> bool:
        return code in self.codes or any(code.startswith(start) for start in self.beginning)


class Observed(Part):
    """An Observation whose coded value answers a question."""

    code: Match
    key: str
    values: tuple[Valued, ...] = Field(min_length=1)


class Valued(Part):
    """Codes that mean one answer; a value of null: nobody knows."""

    value: Any
    of: tuple[Match, ...] = Field(min_length=1)


class Diagnosed(Part):
    """A Condition that answers questions.

    Parameters
    ----------
    name : str
    of : tuple of Match
    answers : dict
        Value by key.
    while_active : dict
        Further ones while the condition is active, recurs or relapses.
    dated_by : str
        ``onset``: the answer is true of the day of onset, which must be told. ``record``: of the
        day it was recorded, else of its onset.
    """

    name: str
    of: tuple[Match, ...] = Field(min_length=1)
    answers: dict[str, Any]
    while_active: dict[str, Any] = Field(default_factory=dict)
    dated_by: Literal["onset", "record"] = "record"


class Inherited(Part):
    """A condition of a relative that answers questions."""

    relatives: tuple[Match, ...] = Field(min_length=1)
    of: tuple[Match, ...] = Field(min_length=1)
    answers: dict[str, Any]


class System(Part):
    """A code system by its URIs, without the ``prefix`` of its codes (SKS puts D before ICD-10)."""

    uris: tuple[str, ...] = Field(min_length=1)
    prefix: str = ""


class CodeTable(Part):
    """The whole table.

    Parameters
    ----------
    version, sources : str
    part : str
        Of the profile's schema that is answered.
    systems : dict of str to tuple of System
    gender : dict
        Answer by Patient.gender, and its key.
    """

    version: str
    sources: tuple[str, ...]
    part: str
    systems: dict[str, tuple[System, ...]]
    gender_key: str
    gender: dict[str, Any]
    observations: tuple[Observed, ...] = ()
    conditions: tuple[Diagnosed, ...] = ()
    relatives: tuple[Inherited, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> CodeTable:
        named = [one.code for one in self.observations]
        named += [match for one in self.observations for value in one.values for match in value.of]
        named += [match for condition in self.conditions for match in condition.of]
        for one in self.relatives:
            named += [*one.of, *one.relatives]
        for match in named:
            if match.system not in self.systems:
                raise ValueError(f"no system {match.system!r}")
            if not match.codes and not match.beginning:
                raise ValueError(f"{match.system}: no codes")
        return self

    def fits(self, matches: tuple[Match, ...], coding: tuple[str, str]) -> bool:
        """Is a code, with the URI of its system, among some?"""
        return fits(self.systems, matches, coding)


def fits(
    systems: Mapping[str, tuple[System, ...]], matches: Iterable[Match], coding: tuple[str, str]
) -> bool:
    """Is a code, with the URI of its system, among some of a table's?

    Parameters
    ----------
    systems : mapping of str to tuple of System
        Of the table.
    matches : iterable of Match
    coding : (str, str)
        URI of the system, and code.
    """
    uri, code = coding
    return any(
        uri in system.uris
        and code.startswith(system.prefix)
        and match.fits(code.removeprefix(system.prefix))
        for match in matches
        for system in systems[match.system]
    )
