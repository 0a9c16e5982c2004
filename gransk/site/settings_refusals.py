"""Why a change of the settings is refused: a closed list, with what a person reads."""

from __future__ import annotations

from enum import StrEnum

from gransk.core.errors import GranskError


class SettingsRefusal(StrEnum):
    """Why a draft, an approval, an undoing or a file is not taken."""

    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown_key"
    MACHINE_KEY = "machine_key"
    INVALID = "invalid"
    NO_CHANGE = "no_change"
    CONFLICT = "conflict"
    """A key was changed since, by somebody else, and to something else."""
    MODEL_NOT_ACTIVE = "model_not_active"
    FILE_ELSEWHERE = "file_elsewhere"
    """A page or REST names a file that is not where secrets lie."""
    NO_DRAFT = "no_draft"
    NO_VERSION = "no_version"
    NOTHING_BEFORE = "nothing_before"
    CLOSED = "closed"
    """The draft is in force, was turned down, or was overtaken."""
    APPROVED = "approved"
    OWN_DRAFT = "own_draft"
    NOT_RESPONSIBLE = "not_responsible"
    REASON = "reason"


TEXTS: dict[SettingsRefusal, dict[str, str]] = {
    SettingsRefusal.UNREADABLE: {
        "en": "The file cannot be read as YAML; correct it. The settings in force stay.",
        "da": "Filen kan ikke læses som YAML; ret den. De gældende indstillinger fortsætter.",
    },
    SettingsRefusal.UNKNOWN_KEY: {
        "en": "There is no such key; correct its name or take it out.",
        "da": "Den nøgle findes ikke; ret navnet, eller fjern nøglen.",
    },
    SettingsRefusal.MACHINE_KEY: {
        "en": "This key is each machine's own: change it in that machine's file and start again.",
        "da": "Denne nøgle hører til den enkelte maskine: ret den i maskinens egen fil, og start "
        "igen.",
    },
    SettingsRefusal.INVALID: {
        "en": "A value is not what its key wants; correct it.",
        "da": "En værdi passer ikke til sin nøgle; ret den.",
    },
    SettingsRefusal.NO_CHANGE: {
        "en": "Nothing differs from the settings in force.",
        "da": "Der er ingen forskel fra de gældende indstillinger.",
    },
    SettingsRefusal.CONFLICT: {
        "en": "Somebody else has changed this key since: start from the settings in force "
        "(gransk config export) and make the change again.",
        "da": "En anden har ændret denne nøgle imens: tag udgangspunkt i de gældende "
        "indstillinger (gransk config export), og lav ændringen igen.",
    },
    SettingsRefusal.MODEL_NOT_ACTIVE: {
        "en": "The settings name a model that is not active; make it active first.",
        "da": "Indstillingerne nævner en model, der ikke er aktiv; gør den aktiv først.",
    },
    SettingsRefusal.FILE_ELSEWHERE: {
        "en": "From here only files may be named that lie beside the machine's configuration, in "
        "its data folder's secrets, or in /run/secrets. Put the file there, or change the key "
        "in the machine's own file.",
        "da": "Herfra kan kun nævnes filer, der ligger ved siden af maskinens konfiguration, i "
        "datamappens secrets eller i /run/secrets. Læg filen dér, eller ret nøglen i maskinens "
        "egen fil.",
    },
    SettingsRefusal.NO_DRAFT: {
        "en": "There is no such draft.",
        "da": "Det udkast findes ikke.",
    },
    SettingsRefusal.NO_VERSION: {
        "en": "There is no such version.",
        "da": "Den version findes ikke.",
    },
    SettingsRefusal.NOTHING_BEFORE: {
        "en": "It is the first version: there is nothing to go back to.",
        "da": "Det er den første version: der er intet at gå tilbage til.",
    },
    SettingsRefusal.CLOSED: {
        "en": "The draft is in force, was turned down or was overtaken already.",
        "da": "Udkastet er allerede trådt i kraft, afvist eller indhentet.",
    },
    SettingsRefusal.APPROVED: {
        "en": "The unit has approved this draft already.",
        "da": "Enheden har allerede godkendt dette udkast.",
    },
    SettingsRefusal.OWN_DRAFT: {
        "en": "Who made a draft does not approve it; another responsible radiologist must.",
        "da": "Den, der har lavet udkastet, må ikke selv godkende det; det skal en anden "
        "ansvarlig radiolog.",
    },
    SettingsRefusal.NOT_RESPONSIBLE: {
        "en": "Only a responsible radiologist of the units that it touches may do this.",
        "da": "Kun en ansvarlig radiolog for de enheder, det berører, må gøre dette.",
    },
    SettingsRefusal.REASON: {
        "en": "Say why, in 3 to 1000 characters.",
        "da": "Angiv en begrundelse på 3 til 1000 tegn.",
    },
}


class SettingsError(GranskError):
    """A change of the settings is refused.

    Parameters
    ----------
    refusal : SettingsRefusal
    detail : str
        Which key, unit, draft or version; never a patient's data.
    """

    def __init__(self, refusal: SettingsRefusal, detail: str = "") -> None:
        said = text(refusal, "en")
        super().__init__(f"{detail}: {said}" if detail else said)
        self.refusal = refusal
        self.detail = detail

    def text(self, language: str) -> str:
        """What a person reads, in ``da`` or ``en``."""
        return text(self.refusal, language)


def text(refusal: SettingsRefusal, language: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return TEXTS[refusal][language]
