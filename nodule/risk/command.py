"""What ``gransk risk`` asks of this application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nodule.risk import reasons
from nodule.risk.estimate import RiskRefusedError, estimate, estimate_json
from nodule.risk.labels import ANSWERS, names
from nodule.risk.model import RiskModel, models
from nodule.risk.profile import ProfileError, read_profile
from nodule.risk.reasons import Refusal


@dataclass(frozen=True)
class Answered:
    """What is printed, and whether the profile could be read.

    Parameters
    ----------
    answer : dict
        The JSON object; it has ``refused`` where there is no probability.
    readable : bool
        False where the profile is at fault.
    """

    answer: dict[str, Any]
    readable: bool = True


class RiskCommand:
    """Risk models by id, on the JSON of a profile."""

    def models(self) -> tuple[str, ...]:
        """Ids of the models."""
        return tuple(models())

    def answer(self, model_id: str, profile: bytes, language: str) -> Answered:
        """Calculate one model.

        Raises
        ------
        KeyError
            Where there is no such model.
        """
        model = models()[model_id]
        try:
            return Answered(estimate_json(estimate(model_id, read_profile(profile)), language))
        except ProfileError as error:
            text = reasons.text(Refusal.PROFILE_INVALID, language, error.told(language))
            refused = {"reason": Refusal.PROFILE_INVALID.value, "text": text, "about": []}
            return Answered(_refused(model, language, refused), readable=False)
        except RiskRefusedError as error:
            text = reasons.text(error.reason, language, names(error.inputs, language))
            about = list(error.inputs)
            refused = {"reason": error.reason.value, "text": text, "about": about}
            return Answered(_refused(model, language, refused))

    def shown(self, value: str, language: str) -> str:
        """An answer of the profile as people call it."""
        return ANSWERS[value][language]


def _refused(model: RiskModel, language: str, refused: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": model.id,
        "version": model.version,
        "source": model.source,
        "scope": model.scope[language],
        "calculated_by": None,
        "probability": None,
        "contributions": [],
        "warnings": [],
        "refused": refused,
    }


RISK = RiskCommand()
