"""What turns the network's probability into a site's score, category and probability.

A calibration is data with a version: made by ``gransk calibrate`` from a site's own consecutive
screening exams (`mammo.scores.calibrating`), named in its configuration, and part of the analysis
key.
"""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from scipy import special

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Note
from gransk.core.statistics.logistic import logit

SCORES = 10
LEAST_EXAMS = 2401
"""Every limit of a decile then lies within two percentage points of its share of exams, at 95 %:
the binomial error of a share is largest at one half, and 1.96^2 * 0.25 / 0.02^2 = 2401."""

Share = Annotated[float, Field(ge=0, le=1)]


class Category(StrEnum):
    """On which side of the site's limit a score lies; not the risk of the woman."""

    LOW = "low"
    HIGH = "high"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Part):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Decile(_Part):
    """The exams of one score: all, those whose outcome is known, and cancers among these."""

    exams: int = Field(ge=1)
    known: int = Field(ge=0)
    cancers: int = Field(ge=0)
    observed: Figure | None = None
    """Share of cancers; None where the outcome is known of too few exams to say."""


class Limit(_Part):
    """From which probability on the category is high, and how that was chosen."""

    probability: Share
    chosen: Literal["score", "sensitivity", "specificity"]
    target: float
    high: Figure
    """Share of all exams that are high."""
    sensitivity: Figure | None = None
    specificity: Figure | None = None


class Recalibration(_Part):
    """Log-odds of cancer = intercept + slope * log-odds of the network's probability."""

    intercept: float
    slope: float = Field(gt=0)
    slope_error: float = Field(gt=0)


class Agreement(_Part):
    """How probabilities agree with outcomes (Van Calster 2016, J Clin Epidemiol 74:167).

    ``in_the_large`` is the intercept with the log-odds as offset, 0 where the mean agrees;
    ``slope`` is 1 where the spread does.
    """

    in_the_large: Figure
    slope: Figure
    brier: float


class Figures(_Part):
    """Figures on the exams whose outcome is known.

    ``recalibrated`` is cross-validated over ten folds: each exam by a calibration of the others.
    """

    auc: Figure
    network: Agreement
    recalibrated: Agreement | None = None
    brier_of_prevalence: float


@dataclass(frozen=True)
class Calibrated:
    """What a calibration makes of one exam's probability.

    Parameters
    ----------
    exam_score : int
        1 to 10: the tenth of the site's screening exams that it belongs to.
    category : Category, optional
        None where the site chose no limit.
    probability : float, optional
        Of cancer among the site's screening exams; None where there were too few cancers.
    """

    exam_score: int
    category: Category | None
    probability: float | None


class Calibration(_Part):
    """A site's calibration, for one application version and its weights.

    Parameters
    ----------
    application, application_version, models
        What it is for; ``models`` are SHA-256 by id.
    made_on, made_by
        When and how.
    first_exam, last_exam : date
        The period of the consecutive exams.
    exams, not_analysed : int
        Exams it rests on, and those of the period that have no score.
    known, cancers : int
        Exams whose outcome is known, and cancers among them.
    follow_up_months : float
        From which an exam without cancer counts as known.
    prevalence : Figure, optional
        None where the outcome is known of too few exams to say.
    limits : tuple of float
        Nine, rising: a probability at or above limit n has at least score n + 1.
    deciles : tuple of Decile
        Ten, by score.
    """

    format: Literal[1]
    application: str = Field(min_length=1)
    application_version: str = Field(min_length=1)
    models: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(min_length=1)
    made_on: datetime.date
    made_by: str
    first_exam: datetime.date
    last_exam: datetime.date
    exams: int = Field(ge=LEAST_EXAMS)
    not_analysed: int = Field(ge=0)
    known: int = Field(ge=0)
    cancers: int = Field(ge=0)
    follow_up_months: float = Field(gt=0)
    prevalence: Figure | None = None
    limits: tuple[Share, ...] = Field(min_length=SCORES - 1, max_length=SCORES - 1)
    deciles: tuple[Decile, ...] = Field(min_length=SCORES, max_length=SCORES)
    limit: Limit | None = None
    recalibration: Recalibration | None = None
    figures: Figures | None = None

    @model_validator(mode="after")
    def _whole(self) -> Calibration:
        if any(high <= low for low, high in itertools.pairwise(self.limits)):
            raise PydanticCustomError("calibration", "limits that rise")
        if self.first_exam > self.last_exam:
            raise PydanticCustomError("calibration", "first_exam before last_exam")
        sums = [sum(getattr(one, name) for one in self.deciles)
                for name in ("exams", "known", "cancers")]  # fmt: skip
        if sums != [self.exams, self.known, self.cancers]:
            raise PydanticCustomError("calibration", "deciles that add up to exams and cancers")
        return self

    def apply(self, probability: float) -> Calibrated:
        """Score, category and probability of one exam.

        Raises
        ------
        InvalidValueError
            Where the network's probability is none.
        """
        if not 0 <= probability <= 1:
            raise InvalidValueError("probability", probability, "0 to 1")
        category = None
        if self.limit is not None:
            high = probability >= self.limit.probability
            category = Category.HIGH if high else Category.LOW
        return Calibrated(
            exam_score=1 + int(np.searchsorted(self.limits, probability, side="right")),
            category=category,
            probability=self.recalibrated(probability),
        )

    def recalibrated(self, probability: float) -> float | None:
        """Probability of cancer among the site's screening exams; None without enough cancers."""
        if self.recalibration is None:
            return None
        odds = self.recalibration.intercept + self.recalibration.slope * float(logit(probability))
        return float(special.expit(odds))


def in_force(
    calibration: Calibration | None, application_version: str, models: Mapping[str, str]
) -> tuple[Calibration | None, Note | None]:
    """The calibration, or None with the reason where it does not fit what is in use.

    Parameters
    ----------
    calibration : Calibration, optional
        Of the settings.
    application_version : str
    models : mapping of str to str
        SHA-256, by id, of the models that make the score.

    Returns
    -------
    tuple of Calibration or None, and Note or None
        Codes: ``not_calibrated``, ``calibration_other_version`` {made_for},
        ``calibration_other_models``.
    """
    if calibration is None:
        return None, Note(code="not_calibrated")
    if calibration.models != dict(models):
        return None, Note(code="calibration_other_models")
    if calibration.application_version != application_version:
        made_for = calibration.application_version
        return None, Note(code="calibration_other_version", values={"made_for": made_for})
    return calibration, None


NOTE_TEXTS: dict[str, dict[str, str]] = {
    "not_calibrated": {
        "en": "Not calibrated on this site's own exams: score and category are kept back, "
        "probabilities are shown as research.",
        "da": "Ikke kalibreret på afdelingens egne undersøgelser: score og kategori holdes "
        "tilbage, sandsynligheder vises som forskning.",
    },
    "calibration_other_models": {
        "en": "The site's calibration was made for other weights and does not count: score and "
        "category are kept back. Calibrate again.",
        "da": "Afdelingens kalibrering er lavet til andre vægte og gælder ikke: score og kategori "
        "holdes tilbage. Kalibrér igen.",
    },
    "calibration_other_version": {
        "en": "The site's calibration was made for version {made_for} and does not count: score "
        "and category are kept back. Calibrate again.",
        "da": "Afdelingens kalibrering er lavet til version {made_for} og gælder ikke: score og "
        "kategori holdes tilbage. Kalibrér igen.",
    },
}
"""Texts of the notes of `in_force`, for the application's presentation."""


def _load(value: Any) -> Any:
    """A calibration as settings hold it: nothing, or what its file says."""
    if value is None or isinstance(value, Calibration):
        return value
    try:
        # As JSON: settings are checked strictly, and dates and tuples have no form of their own.
        return Calibration.model_validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        raise PydanticCustomError(
            "calibration", "a calibration as gransk calibrate writes it ({wrong})",
            {"wrong": _wrong(error)},
        ) from error  # fmt: skip


def _wrong(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


CalibrationSetting = Annotated[Calibration | None, BeforeValidator(_load)]
"""A field for an application's settings: null, or a calibration, which the configuration takes
from a file of its own by ``calibration: {file: NAME}``."""
