"""Risk models as data: logistic models read from ``nodule/risk/models``."""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gransk.core.errors import ConfigurationError
from nodule.risk.profile import Patient, ProfileNodule, inputs
from nodule.risk.reasons import Refusal, Warned
from nodule.rule_file import read_rules

FOLDER = Path(__file__).with_name("models")

YES, NO = "yes", "no"


class Part(BaseModel):
    """Frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Term(Part):
    """One term of the sum: a number's or a choice's.

    Parameters
    ----------
    input : str
        Key of the profile.
    coefficient : float, optional
        Of a number x; the term is ``coefficient * ((x / scale) ** power - centre)``.
    coefficients : mapping, optional
        Of a choice, by its value.
    model : str, optional
        The model that calculates the input where it was not typed.
    needed : bool
        Whether an unknown choice refuses the calculation instead of widening it.
        An unknown number always refuses.
    """

    input: str
    coefficient: float | None = None
    scale: float = Field(default=1.0, gt=0)
    power: float = 1.0
    centre: float = 0.0
    coefficients: dict[str, float] | None = None
    model: str | None = None
    needed: bool = False

    @model_validator(mode="after")
    def _check(self) -> Term:
        if (self.coefficient is None) == (self.coefficients is None):
            raise ValueError(f"{self.input}: give coefficient or coefficients")
        known = options(self.input)
        if (known is None) != (self.coefficients is None):
            raise ValueError(f"{self.input}: coefficients are for choices, coefficient for numbers")
        return self

    def of(self, value: float | str) -> float:
        """What a value adds to the log-odds."""
        if self.coefficients is not None:
            return self.coefficients[str(value)]
        shaped = float((float(value) / self.scale) ** self.power)
        return (self.coefficient or 0.0) * (shaped - self.centre)

    def reach(self) -> tuple[float, float]:
        """Least and most that an unknown choice may add."""
        values = (self.coefficients or {}).values()
        return min(values), max(values)


class Applies(Part):
    """One rule of a model's scope.

    Parameters
    ----------
    input : str
        Key of the profile.
    is_ : tuple of str
        The answers that the rule is about.
    refuse : Refusal, optional
        The model gives nothing then, for this reason.
    warn : Warned, optional
        The model says so then.
    """

    input: str
    is_: tuple[str, ...] = Field(alias="is", min_length=1)
    refuse: Refusal | None = None
    warn: Warned | None = None

    @model_validator(mode="after")
    def _check(self) -> Applies:
        known = options(self.input)
        if known is None or not set(self.is_) <= set(known):
            raise ValueError(f"{self.input}: {self.is_} are not among its answers")
        if (self.refuse is None) == (self.warn is None):
            raise ValueError(f"{self.input}: give refuse or warn")
        return self


class RiskModel(Part):
    """A logistic model.

    Parameters
    ----------
    id, version, source : str
        What it is and where its numbers come from.
    state : str
        ``primary`` where the source was read in the original, else ``secondary``.
    scope : mapping of language to str
        Whom it was made on; shown with every result.
    constant : float
        Log-odds where every term is 0.
    terms : tuple of Term
        What is added to it.
    applies : tuple of Applies
        Whom it is refused or warned for.
    without_spiculation : str, optional
        The model that takes over where spiculation is unknown.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    version: str = Field(min_length=1)
    source: str = Field(min_length=1)
    state: Literal["primary", "secondary"]
    scope: dict[str, str]
    constant: float
    terms: tuple[Term, ...] = Field(min_length=1)
    applies: tuple[Applies, ...] = ()
    without_spiculation: str | None = None

    @model_validator(mode="after")
    def _check(self) -> RiskModel:
        names = [term.input for term in self.terms]
        if len(set(names)) < len(names):
            raise ValueError("two terms of one input")
        if set(self.scope) != {"en", "da"}:
            raise ValueError("scope: in en and da")
        for term in self.terms:
            if term.coefficients is None:
                continue
            refused = {
                answer
                for rule in self.applies
                if rule.input == term.input and rule.refuse
                for answer in rule.is_
            }
            if set(term.coefficients) != set(options(term.input) or ()) - refused:
                raise ValueError(f"{term.input}: one coefficient for every answer that applies")
        return self


def options(name: str) -> tuple[str, ...] | None:
    """The answers that an input may have; None for a number.

    Raises
    ------
    ValueError
        Where no answer is called so.
    """
    if name not in inputs():
        raise ValueError(f"{name}: no such key of the profile")
    fields = {**Patient.model_fields, **ProfileNodule.model_fields}
    answer = next(kind for kind in get_args(fields[name].annotation) if kind is not type(None))
    kinds = get_args(answer.model_fields["value"].annotation)
    kind: Any = next(kind for kind in kinds if kind is not type(None))
    if kind is bool:
        return YES, NO
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(one.value) for one in kind)
    return None


def load_model(path: Path) -> RiskModel:
    """A model from its YAML.

    Raises
    ------
    ConfigurationError
        Where the file cannot be read or is no model; the message says which key.
    """
    return read_rules(RiskModel, path)


@cache
def models() -> dict[str, RiskModel]:
    """The shipped models by id, in the order of their names.

    Raises
    ------
    ConfigurationError
        Where a file is no model, is called otherwise than its model, or names a model
        that is not there.
    """
    found = {path.stem: load_model(path) for path in sorted(FOLDER.glob("*.yaml"))}
    for name, model in found.items():
        if model.id != name:
            raise ConfigurationError(f"{name}.yaml: its id is {model.id!r}")
        named = [term.model for term in model.terms if term.model]
        for other in (*named, *filter(None, [model.without_spiculation])):
            if other not in found:
                raise ConfigurationError(f"{name}.yaml: there is no model {other!r}")
    return found
