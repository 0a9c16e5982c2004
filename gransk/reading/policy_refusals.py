"""Why an act on policies is refused: a closed list, with what a person reads."""

from __future__ import annotations

from enum import StrEnum

from gransk.core.errors import GranskError


class PolicyRefusal(StrEnum):
    """Why a version of the room, an approval, a signature or a pause is refused."""

    UNKNOWN_UNIT = "unknown_unit"
    NO_CHANGE = "no_change"
    IN_THE_PAST = "in_the_past"
    NO_SIMULATION = "no_simulation"
    NOT_NEWEST = "not_newest"
    """A newer draft took its place."""
    STALE = "stale"
    """Another version was approved since it was drafted."""
    OWN_DRAFT = "own_draft"
    NOT_RESPONSIBLE = "not_responsible"
    APPROVED = "approved"
    """Approved by that unit already."""
    NOT_VALIDATED = "not_validated"
    NO_VERSION = "no_version"


TEXTS: dict[PolicyRefusal, dict[str, str]] = {
    PolicyRefusal.UNKNOWN_UNIT: {
        "en": "The configuration has no such unit (reading.units).",
        "da": "Konfigurationen har ikke den enhed (reading.units).",
    },
    PolicyRefusal.NO_CHANGE: {
        "en": "Nothing differs from the version in force.",
        "da": "Der er ingen forskel fra den gældende version.",
    },
    PolicyRefusal.IN_THE_PAST: {
        "en": "The first day is over; choose today or a later one.",
        "da": "Den første dag er passeret; vælg i dag eller en senere dag.",
    },
    PolicyRefusal.NO_SIMULATION: {
        "en": "A limit changes: attach the simulation of it on the unit's own past.",
        "da": "En grænse ændres: vedlæg simuleringen af den på enhedens egne undersøgelser.",
    },
    PolicyRefusal.NOT_NEWEST: {
        "en": "A newer draft has taken the place of this one.",
        "da": "Et nyere udkast har afløst dette.",
    },
    PolicyRefusal.STALE: {
        "en": "Another version was approved since this was drafted; draft it anew.",
        "da": "En anden version er godkendt, siden dette udkast blev lavet; lav udkastet igen.",
    },
    PolicyRefusal.OWN_DRAFT: {
        "en": "Who drafted a version does not approve it; another responsible radiologist must.",
        "da": "Den, der har lavet udkastet, må ikke selv godkende det; det skal en anden "
        "ansvarlig radiolog.",
    },
    PolicyRefusal.NOT_RESPONSIBLE: {
        "en": "Only the unit's responsible radiologist may do this (to pause, a coordinator too).",
        "da": "Kun enhedens ansvarlige radiolog må gøre dette (en koordinator må også sætte AI "
        "på pause).",
    },
    PolicyRefusal.APPROVED: {
        "en": "The unit has approved this version already.",
        "da": "Enheden har allerede godkendt denne version.",
    },
    PolicyRefusal.NOT_VALIDATED: {
        "en": "The AI would count at a unit without a signed local validation that holds the "
        "minimum.",
        "da": "AI ville tælle med på en enhed uden en underskrevet lokal validering, der opfylder "
        "minimumskravet.",
    },
    PolicyRefusal.NO_VERSION: {
        "en": "There is no such version.",
        "da": "Den version findes ikke.",
    },
}


class PolicyError(GranskError):
    """An act on policies is refused.

    Parameters
    ----------
    refusal : PolicyRefusal
    detail : str
        Which unit, version or limit.
    """

    def __init__(self, refusal: PolicyRefusal, detail: str = "") -> None:
        said = text(refusal, "en")
        super().__init__(f"{detail}: {said}" if detail else said)
        self.refusal = refusal
        self.detail = detail

    def text(self, language: str) -> str:
        """What a person reads, in ``da`` or ``en``."""
        return text(self.refusal, language)


def text(refusal: PolicyRefusal, language: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return TEXTS[refusal][language]
