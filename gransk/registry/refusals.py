"""Why an act on the registry is refused: a closed list; texts stand in ``wording/models.yaml``."""

from __future__ import annotations

from enum import StrEnum

from gransk.core.errors import GranskError


class ModelRefusal(StrEnum):
    """Why a step, a verdict, a piece of evidence or a choice of a model is refused."""

    UNKNOWN = "unknown"
    """Neither shipped nor admitted."""
    NO_SUCH_MOVE = "no_such_move"
    NEVER_ACTIVE = "never_active"
    """Retired without having been active: it goes by shadow."""
    AWAITS_VERDICT = "awaits_verdict"
    """A step that was proposed is not decided yet."""
    NOTHING_PROPOSED = "nothing_proposed"
    OWN_STEP = "own_step"
    """Who proposed a step does not approve it."""
    NOT_RESPONSIBLE = "not_responsible"
    IN_USE = "in_use"
    """The settings in force name it."""
    NOT_ACTIVE = "not_active"
    """Settings may name active models alone."""
    NOTHING_TO_UNDO = "nothing_to_undo"
    """No settings version chose it."""
    TOO_LARGE = "too_large"
    NO_REASON = "no_reason"
    NO_FIGURES = "no_figures"
    """Figures that are no JSON object."""


class RegistryError(GranskError):
    """An act on the registry is refused.

    Parameters
    ----------
    refusal : ModelRefusal
    detail : str
        Names what is meant.
    """

    def __init__(self, refusal: ModelRefusal, detail: str = "") -> None:
        super().__init__(f"{refusal.value}: {detail}" if detail else refusal.value)
        self.refusal = refusal
        self.detail = detail
