"""Which codes of other systems tell what became of a woman, as a table with version and sources."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import Field, model_validator

from gransk.core.profile_codes import Match, Part, System, fits

Matches = tuple[Match, ...]


class OutcomeCodes(Part):
    """The whole table.

    Parameters
    ----------
    version : str
    sources : tuple of str
    systems : dict of str to tuple of System
    invasive, in_situ : tuple of Match
        Diagnoses of breast cancer.
    cancer, found, follow_up : tuple of Match
        Observations with codes of our own: whether there was cancer, when it was found, and over
        how long it is known.
    size, positive_nodes, node_category, stage : tuple of Match
        Observations of pathology.
    surgery : dict of str to tuple of Match
        Procedures.
    """

    version: str
    sources: tuple[str, ...] = Field(min_length=1)
    systems: dict[str, tuple[System, ...]]
    invasive: Matches
    in_situ: Matches
    cancer: Matches
    found: Matches
    follow_up: Matches
    size: Matches
    positive_nodes: Matches
    node_category: Matches
    stage: Matches
    surgery: dict[Literal["mastectomy", "conserving"], Matches]

    @model_validator(mode="after")
    def _check(self) -> OutcomeCodes:
        named = [
            *self.invasive, *self.in_situ, *self.cancer, *self.found, *self.follow_up, *self.size,
            *self.positive_nodes, *self.node_category, *self.stage,
            *(match for matches in self.surgery.values() for match in matches),
        ]  # fmt: skip
        for match in named:
            if match.system not in self.systems:
                raise ValueError(f"no system {match.system!r}")
            if not match.codes and not match.beginning:
                raise ValueError(f"{match.system}: no codes")
        return self

    def fits(self, matches: Matches, coding: tuple[str, str]) -> bool:
        """Is a code, with the URI of its system, among some?"""
        return fits(self.systems, matches, coding)


@cache
def outcome_codes() -> OutcomeCodes:
    """The table that ships."""
    text = resources.files(__package__).joinpath("outcome_codes.yaml").read_text(encoding="utf-8")
    return OutcomeCodes.model_validate(yaml.safe_load(text))
