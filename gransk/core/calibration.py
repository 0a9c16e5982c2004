"""Calibration on a site's own exams: what an application that can be calibrated gives."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings, Note

EXAM_SCORE = "exam_score"
"""Name of the measurement that is an exam's calibrated score, 1 to 10, whatever application."""


@dataclass(frozen=True)
class Outcome:
    """What became of a person after an exam.

    Parameters
    ----------
    disease : bool
        Found at the exam or until the next one.
    followed_months : float, optional
        How long it is known that there was none; None where nobody noted it.
    """

    disease: bool
    followed_months: float | None = None


@dataclass(frozen=True)
class OwnExam:
    """One of a site's own exams, analysed or not.

    Parameters
    ----------
    date : date, optional
    score : float, optional
        What the application's `Calibrates.raw_score` gave; None where there is none.
    version : str
        Of the application that analysed it.
    models : mapping of str to str
        SHA-256 of the models that analysed it, by id.
    outcome : Outcome, optional
        None where nobody knows it.
    """

    date: datetime.date | None
    score: float | None = None
    version: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Wanted:
    """What a calibration is made for.

    Parameters
    ----------
    made_on : date
    made_by : str
        How it was made.
    consecutive : bool
        The site says that these are all its exams of the kind in the period.
    follow_up_months : float
        From when on an exam without disease counts as known.
    limit : str, optional
        What parts low from high: a ``score``, or the highest limit that reaches a
        ``sensitivity``, or the lowest that reaches a ``specificity``.
    target : float, optional
        Of ``limit``.

    Raises
    ------
    InvalidValueError
        Where limit and target do not belong together, or the follow-up is none.
    """

    made_on: datetime.date
    made_by: str
    consecutive: bool
    follow_up_months: float
    limit: Literal["score", "sensitivity", "specificity"] | None = None
    target: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.follow_up_months <= 120:
            raise InvalidValueError("follow_up_months", self.follow_up_months, "0 to 120")
        if (self.limit is None) != (self.target is None):
            raise InvalidValueError("limit", self.target, "a kind of limit and its target")
        if self.limit == "score" and self.target not in range(2, 11):
            raise InvalidValueError("score", self.target, "a whole number from 2 to 10")
        if self.limit not in (None, "score") and not 0 < (self.target or 0) < 1:
            raise InvalidValueError(str(self.limit), self.target, "a share between 0 and 1")


@dataclass(frozen=True)
class Result:
    """What came of a calibration.

    Parameters
    ----------
    content : mapping, optional
        JSON values to be kept, which the application's settings name; None where it was refused.
    report : tuple of str
        Counts and figures, as a person reads them.
    missing : tuple of str
        Why it was refused, or what it does not hold, and what would be needed.
    """

    content: Mapping[str, Any] | None
    report: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@runtime_checkable
class Calibrates(Protocol):
    """What an application gives whose scores are calibrated on a site's own exams."""

    def not_calibrated(self, settings: BaseModel, models: Mapping[str, str]) -> Note | None:
        """None where the settings hold a calibration of the scores of today; else why not.

        A version of the application that changes no score leaves a calibration in force.
        The note's text is in the application's presentation. ``models`` are SHA-256 by id.
        """

    def raw_score(self, findings: Findings) -> float | None:
        """The number that is calibrated, as the analysis gave it; None where it gave none."""

    def calibrate(
        self,
        exams: Sequence[OwnExam],
        settings: BaseModel,
        models: Mapping[str, str],
        wanted: Wanted,
        language: str,
    ) -> Result:
        """Calibrate for the scores of today, or say what is missing.

        Parameters
        ----------
        exams : sequence of OwnExam
            Those that were not analysed too, since they belong to the period.
        settings : BaseModel
            Those in use.
        models : mapping of str to str
            SHA-256 of the models in use, by id.
        wanted : Wanted
        language : str
            Of the texts.
        """
