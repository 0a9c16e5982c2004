"""Risk models on one finding, as reports tell them."""

from __future__ import annotations

from collections.abc import Sequence

from gransk.core.findings import Note
from gransk.core.followup import Contribution, Risk
from nodule.risk.estimate import Estimate, RiskRefusedError, estimate
from nodule.risk.labels import names
from nodule.risk.model import models
from nodule.risk.profile import Profile
from nodule.risk.reasons import Refusal, Warned

# Asked only where a person entered the uptake.
AFTER_PET = ("herder",)
LANGUAGES = ("en", "da")
Percents = tuple[float, float]


def risks_of(tracking_uid: str, profile: Profile, wanted: Sequence[str]) -> tuple[Risk, ...]:
    """Every wanted model; one that refuses says why."""
    return tuple(
        _risk(tracking_uid, name, profile)
        for name in wanted
        if name not in AFTER_PET or profile.value("pet_uptake") is not None
    )


def percents(risks: Sequence[Risk], family: str) -> Percents | None:
    """Least and most probability, %, of the first model of a family that answered."""
    for risk in risks:
        if risk.model.startswith(family) and risk.probability is not None:
            return 100 * risk.probability[0], 100 * risk.probability[1]
    return None


def _risk(tracking_uid: str, name: str, profile: Profile) -> Risk:
    model = models()[name]
    try:
        found = estimate(name, profile)
    except RiskRefusedError as error:
        note = _note(error.reason, error.inputs)
        return Risk(tracking_uid=tracking_uid, model=name, version=model.version, refused=note)
    return Risk(
        tracking_uid=tracking_uid,
        model=name,
        version=model.version,
        probability=found.probability,
        contributions=_contributions(found),
        warnings=tuple(_note(one.code, one.about) for one in found.warnings),
        calculated_by=found.model.id if found.model.id != name else "",
    )


def _contributions(found: Estimate) -> tuple[Contribution, ...]:
    return tuple(
        Contribution(input=one.input, value=one.value, log_odds=one.log_odds)
        for one in found.contributions
    )


def _note(code: Refusal | Warned, about: tuple[str, ...]) -> Note:
    """A code with what it is about, as each language calls it."""
    told = {f"detail_{language}": names(about, language) for language in LANGUAGES}
    return Note(code=code.value, values=dict(told))
