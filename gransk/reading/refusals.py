"""Why an entry is refused: a closed list, with its words."""

from __future__ import annotations

from enum import StrEnum

from gransk.core.errors import GranskError


class Refusal(StrEnum):
    """Why an entry cannot be made. A value never changes meaning."""

    NO_EXAM = "no_exam"
    WRONG_STATE = "wrong_state"
    NOT_YOURS = "not_yours"
    NOT_QUALIFIED = "not_qualified"
    NOT_EXPERIENCED = "not_experienced"
    READ_BEFORE = "read_before"
    SEEN_BEFORE = "seen_before"
    OTHER_IMAGES = "other_images"
    OTHER_OPINION = "other_opinion"
    NOT_COMPLETE = "not_complete"
    NO_PLAN = "no_plan"
    NO_AI_OPINION = "no_ai_opinion"
    TOO_EARLY = "too_early"
    TWO_ALREADY = "two_already"
    NO_REASON = "no_reason"
    WRONG_ACTOR = "wrong_actor"
    WRONG_CONTENT = "wrong_content"
    CONSENSUS_WANTED = "consensus_wanted"
    WHO_MET = "who_met"
    CHANGED = "changed"
    BLINDED = "blinded"


TEXTS: dict[Refusal, dict[str, str]] = {
    Refusal.NO_EXAM: {
        "en": "There is no such exam in the reading room.",
        "da": "Der er ingen sådan undersøgelse i granskningen.",
    },
    Refusal.WRONG_STATE: {
        "en": "That cannot be done to the exam now.",
        "da": "Det kan ikke gøres ved undersøgelsen nu.",
    },
    Refusal.NOT_YOURS: {
        "en": "The exam is not on your list.",
        "da": "Undersøgelsen står ikke på din liste.",
    },
    Refusal.NOT_QUALIFIED: {
        "en": "The person is not on the unit's list for this.",
        "da": "Personen står ikke på enhedens liste til dette.",
    },
    Refusal.NOT_EXPERIENCED: {
        "en": "An experienced reader must read this exam.",
        "da": "Undersøgelsen skal granskes af en erfaren gransker.",
    },
    Refusal.READ_BEFORE: {
        "en": "The person has read the exam before.",
        "da": "Personen har gransket undersøgelsen før.",
    },
    Refusal.SEEN_BEFORE: {
        "en": "The person has seen what others said of the exam.",
        "da": "Personen har set, hvad andre har sagt om undersøgelsen.",
    },
    Refusal.OTHER_IMAGES: {
        "en": "The images have changed since the exam was opened. Open it again.",
        "da": "Billederne er ændret, siden undersøgelsen blev åbnet. Åbn den igen.",
    },
    Refusal.OTHER_OPINION: {
        "en": "The sealed opinion is another.",
        "da": "Den forseglede vurdering er en anden.",
    },
    Refusal.NOT_COMPLETE: {
        "en": "Opinions that the exam needs are missing.",
        "da": "Der mangler vurderinger, som undersøgelsen kræver.",
    },
    Refusal.NO_PLAN: {
        "en": "Nobody has decided how the exam is read.",
        "da": "Det er ikke bestemt, hvordan undersøgelsen skal granskes.",
    },
    Refusal.NO_AI_OPINION: {
        "en": "There is no sealed opinion of the AI that could count.",
        "da": "Der er ingen forseglet AI-vurdering, som kan tælle med.",
    },
    Refusal.TOO_EARLY: {
        "en": "The exam does not open yet.",
        "da": "Undersøgelsen åbner ikke endnu.",
    },
    Refusal.TWO_ALREADY: {
        "en": "Two people read the exam already.",
        "da": "Undersøgelsen granskes allerede af to personer.",
    },
    Refusal.NO_REASON: {
        "en": "Say why.",
        "da": "Angiv en begrundelse.",
    },
    Refusal.WRONG_ACTOR: {
        "en": "That entry is made by somebody else.",
        "da": "Den registrering foretages af en anden.",
    },
    Refusal.WRONG_CONTENT: {
        "en": "The entry holds what does not belong in it.",
        "da": "Registreringen indeholder noget, der ikke hører til i den.",
    },
    Refusal.CONSENSUS_WANTED: {
        "en": "A consensus meeting decides this exam.",
        "da": "Undersøgelsen afgøres på en konsensuskonference.",
    },
    Refusal.WHO_MET: {
        "en": "A meeting is of at least two people, and who leads it is one of them.",
        "da": "En konference har mindst to deltagere, og lederen er en af dem.",
    },
    Refusal.CHANGED: {
        "en": "Something happened to the exam meanwhile. Look again.",
        "da": "Der er sket noget med undersøgelsen imens. Se igen.",
    },
    Refusal.BLINDED: {
        "en": "You may still be given this exam to read, so somebody else must do that.",
        "da": "Du kan stadig få undersøgelsen til granskning, så det må en anden gøre.",
    },
}


class LedgerError(GranskError):
    """An entry that cannot be made.

    Parameters
    ----------
    code : Refusal
    detail : str
        For logs: no patient data.
    """

    def __init__(self, code: Refusal, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else TEXTS[code]["en"])
        self.code = code
        self.detail = detail
