"""The probability of a risk model for a profile, with what every term adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gransk.core.errors import GranskError, InvalidValueError
from nodule.risk import reasons
from nodule.risk.labels import INPUTS, names
from nodule.risk.model import NO, YES, RiskModel, Term, models
from nodule.risk.profile import Profile
from nodule.risk.reasons import Refusal, Warned

Range = tuple[float, float]


class RiskRefusedError(GranskError):
    """A model gives no probability.

    Parameters
    ----------
    reason : Refusal
        The code that is stored and shown.
    inputs : tuple of str
        The keys of the profile that it is about.
    """

    def __init__(self, reason: Refusal, inputs: tuple[str, ...] = ()) -> None:
        super().__init__(reasons.text(reason, "en", names(inputs, "en")))
        self.reason = reason
        self.inputs = inputs


@dataclass(frozen=True)
class Caveat:
    """What a reader must know of an estimate.

    Parameters
    ----------
    code : Warned
        The code that is stored and shown.
    about : tuple of str
        Keys of the profile, or the id of a model.
    """

    code: Warned
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contribution:
    """What one term adds to the log-odds.

    Parameters
    ----------
    input : str
        Key of the profile; ``constant`` for the constant.
    value : float or str or (float, float) or None
        The answer; None where it is unknown.
    log_odds : (float, float)
        Least and most that it adds; equal where the answer is known.
    """

    input: str
    value: float | str | Range | None
    log_odds: Range

    def __post_init__(self) -> None:
        if not self.log_odds[0] <= self.log_odds[1]:
            raise InvalidValueError("Contribution.log_odds", self.log_odds, "least, then most")


@dataclass(frozen=True)
class Estimate:
    """A model's result.

    Parameters
    ----------
    asked : RiskModel
        The model that was asked for.
    model : RiskModel
        The model that answered; another one where spiculation is unknown.
    contributions : tuple of Contribution
        The constant first, then every term of the model.
    warnings : tuple of Caveat
        What a reader must know.
    """

    asked: RiskModel
    model: RiskModel
    contributions: tuple[Contribution, ...]
    warnings: tuple[Caveat, ...] = ()

    @property
    def probability(self) -> Range:
        """Least and most probability of cancer, 0 to 1; equal where nothing is unknown."""
        low = sum(one.log_odds[0] for one in self.contributions)
        high = sum(one.log_odds[1] for one in self.contributions)
        return _logistic(low), _logistic(high)


def estimate(model_id: str, profile: Profile) -> Estimate:
    """Calculate one model.

    An unknown choice widens the result to a range over its answers, an unknown number
    refuses. Where spiculation is unknown, Brock's model without it answers.

    Raises
    ------
    RiskRefusedError
        Where the model does not apply or lacks an answer.
    KeyError
        Where there is no such model.
    """
    asked = model = models()[model_id]
    warnings = _scope(model, profile)
    if model.state == "secondary":
        warnings.append(Caveat(Warned.SECONDARY))
    if model.without_spiculation and profile.value("spiculated") is None:
        model = models()[model.without_spiculation]
        warnings.append(Caveat(Warned.ANOTHER_MODEL, (model.id,)))
    _refuse_missing(model, profile)
    parts = [Contribution("constant", None, (model.constant, model.constant))]
    for term in model.terms:
        parts.append(_contribution(term, profile, warnings))
    open_terms = [p.input for p in parts if p.value is None and p.log_odds[0] < p.log_odds[1]]
    if open_terms:
        warnings.append(Caveat(Warned.RANGE, tuple(open_terms)))
    return Estimate(asked, model, tuple(parts), tuple(warnings))


def estimate_json(found: Estimate, language: str = "en") -> dict[str, Any]:
    """As the command line prints it: a probability, or [low, high] where it is a range."""
    return {
        "model": found.asked.id,
        "version": found.asked.version,
        "source": found.asked.source,
        "scope": found.asked.scope[language],
        "calculated_by": found.model.id,
        "probability": _one_or_two(found.probability),
        "contributions": [
            {
                "input": part.input,
                "text": INPUTS[part.input][language],
                "value": list(part.value) if isinstance(part.value, tuple) else part.value,
                "log_odds": _one_or_two(part.log_odds),
            }
            for part in found.contributions
        ],
        "warnings": [
            {
                "code": warning.code.value,
                "about": list(warning.about),
                "text": reasons.text(warning.code, language, names(warning.about, language)),
            }
            for warning in found.warnings
        ],
    }


def _scope(model: RiskModel, profile: Profile) -> list[Caveat]:
    """Warnings of a model's scope; refuses where it does not apply."""
    warnings: list[Caveat] = []
    unknown: list[str] = []
    for rule in model.applies:
        value = profile.value(rule.input)
        if value is None:
            unknown.append(rule.input)
        elif _answer(value) in rule.is_:
            if rule.refuse is not None:
                raise RiskRefusedError(rule.refuse)
            warnings += [Caveat(rule.warn)] if rule.warn else []
    if unknown:
        warnings.append(Caveat(Warned.SCOPE_UNKNOWN, tuple(dict.fromkeys(unknown))))
    return warnings


def _refuse_missing(model: RiskModel, profile: Profile) -> None:
    missing = [
        term.input
        for term in model.terms
        if profile.value(term.input) is None
        and term.model is None
        and (term.coefficients is None or term.needed)
    ]
    if missing:
        raise RiskRefusedError(Refusal.INPUT_MISSING, tuple(missing))


def _contribution(term: Term, profile: Profile, warnings: list[Caveat]) -> Contribution:
    value = profile.value(term.input)
    if term.model is not None:
        if value is None:
            other = estimate(term.model, profile)
            known = {warning.code for warning in warnings}
            warnings += [w for w in other.warnings if w.code not in known]
            low, high = other.probability
            ends = sorted((term.of(low), term.of(high)))
            shown = low if low == high else (low, high)
            return Contribution(term.input, shown, (ends[0], ends[1]))
        warnings.append(Caveat(Warned.TYPED_MAYO))
    if value is None:
        return Contribution(term.input, None, term.reach())
    answer = _answer(value)
    added = term.of(answer)
    return Contribution(term.input, answer, (added, added))


def _answer(value: Any) -> float | str:
    """A profile's value as the models' tables write it."""
    if isinstance(value, bool):
        return YES if value else NO
    return str(value) if isinstance(value, str) else float(value)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _one_or_two(ends: Range) -> float | list[float]:
    return ends[0] if ends[0] == ends[1] else list(ends)
