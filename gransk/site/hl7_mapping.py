"""Which HL7 v2 fields and codes mean what: a site's own table over a documented default."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gransk.site.config_types import Section, pattern_of
from gransk.site.faults import read_yaml

FieldPath = Annotated[
    str,
    pattern_of(
        r"(?!MSH-[012]\b)[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}(\.[1-9]\d?){0,2}",
        "a field such as OBR-18, PID-3.1 or OBR-32.1.1",
    ),
]
CodeText = Annotated[
    str,
    pattern_of(
        r"[^|^~\\&\x00-\x1f]{1,64}(\^[^|^~\\&\x00-\x1f]{0,64}(\^[^|^~\\&\x00-\x1f]{1,16})?)?",
        "a code such as J, or value^meaning^scheme",
    ),
]
Paths = tuple[FieldPath, ...]
Codes = Annotated[tuple[CodeText, ...], Field(min_length=1)]


class Fields(Section):
    """Where a value stands beside the observations: the first field that holds one counts."""

    accession_number: Annotated[Paths, Field(min_length=1)]
    placer_order: Paths
    filler_order: Paths
    service: Paths
    patient_id: Annotated[Paths, Field(min_length=1)]
    reader: Annotated[Paths, Field(min_length=1)]
    read_at: Paths
    programme: Paths
    round: Paths
    treated: Paths
    implant: Paths
    declines_ai: Paths


class Observations(Section):
    """Codes of OBX-3: the first is what we write, all of them are read."""

    outcome: Codes
    finding: Codes
    side: Codes
    view: Codes
    suspicion: Codes
    technical_reason: Codes
    comment: Codes
    study: Codes
    programme: Codes
    round: Codes
    treated: Codes
    implant: Codes
    declines_ai: Codes
    conclusion: Codes
    report: Codes
    notice: Codes
    models: Codes
    object: Codes
    ai_finding: Codes
    tracking_id: Codes
    tracking_uid: Codes
    site: Codes
    compared: Codes
    growth: Codes
    risk: Codes
    advice: Codes
    advice_from: Codes
    advice_to: Codes


class Outcomes(Section):
    normal: Codes
    recall: Codes
    technical: Codes


class Findings(Section):
    mass: Codes
    calcifications: Codes
    distortion: Codes
    asymmetry: Codes
    lymph_node: Codes
    skin: Codes
    other: Codes


class Sides(Section):
    right: Codes
    left: Codes


class Views(Section):
    cc: Codes
    mlo: Codes


class TechnicalReasons(Section):
    positioning: Codes
    blurred: Codes
    exposure: Codes
    artefact: Codes
    compression: Codes
    view_missing: Codes
    wrong_side: Codes
    other: Codes


class Programmes(Section):
    screening: Codes
    clinical: Codes
    high_risk: Codes
    unknown: Codes


class Rounds(Section):
    first: Codes
    later: Codes


class Answers(Section):
    affirmed: Codes
    denied: Codes


class Compared(Section):
    """What became of a finding since the earlier study."""

    matched: Codes
    new: Codes
    resolved: Codes
    not_covered: Codes
    uncertain: Codes


class Priorities(Section):
    high: Codes
    stat: Codes


class Values(Section):
    """Codes of values, likewise."""

    outcome: Outcomes
    finding: Findings
    side: Sides
    view: Views
    technical_reason: TechnicalReasons
    programme: Programmes
    round: Rounds
    answer: Answers
    compared: Compared
    priority: Priorities


class Hl7Mapping(Section):
    """Fields, observations and values of a site's HL7 messages."""

    fields: Fields
    observations: Observations
    values: Values
    document: CodeText
    """OBR-4 where neither the order's own code nor one of ``documents`` is known."""
    documents: dict[str, CodeText]
    """The same by application."""
    codes: dict[str, CodeText]
    """What the site has in place of codes of findings, by ``value^scheme``."""


@cache
def _default() -> dict[str, Any]:
    path = Path(__file__).parent / "hl7_mapping.yaml"
    loaded: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"), path.name)
    return loaded


@cache
def default_mapping() -> Hl7Mapping:
    """The mapping of ``hl7_mapping.yaml``."""
    return Hl7Mapping.model_validate(_default())


def merged(given: Mapping[str, Any]) -> dict[str, Any]:
    """A site's table over the default: what it names replaces, the rest stays."""
    return _over(_default(), given)


def _over(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in given.items():
        below = both.get(key)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        both[key] = _over(below, value) if nested and below is not None else value
    return both
