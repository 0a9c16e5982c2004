"""The report of a local validation: everything in it is counted from exams with known outcome.

What it cannot tell: cancers that neither the readers nor the time until the next screening
brought to light are unknown, and women whom readers recalled were looked at more closely than
others. Readers and AI stand side by side in it, and are not compared by it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Frozen
from gransk.core.programme import Programme
from gransk.core.screening import Verdict
from gransk.core.statistics.areas import auc
from gransk.core.statistics.curve import Point, curve, point
from gransk.core.statistics.figure import BoolArray, Figure, FloatArray
from gransk.core.statistics.logistic import agreement, bins
from gransk.core.statistics.shares import proportion
from gransk.reading.groups import Dimension, by_round, grouped, shown
from gransk.reading.past import PastExam
from gransk.reading.policy import Minimum

SCORES = range(1, 11)
LEAST_KNOWN = 0.95
"""Share of exams whose outcome must be known: those that are followed up differ from the rest."""
LEAST_WITH_OPINION = 0.90
"""Share of exams with a score; with fewer, what it says is of a choice of exams. Of Danish exams
5.3 % lacked adequate image data (14,337 of 272,008)."""
FIGURE_EXAMS, FIGURE_CANCERS = 100, 10
"""Subgroups with fewer exams, or fewer cancers, have no figure of their own."""
POINTS_DRAWN = 400
SUBGROUPS = (Dimension.AGE, Dimension.DENSITY, Dimension.EQUIPMENT)


class Missing(StrEnum):
    """Why a validation does not suffice: a closed list."""

    TOO_FEW_EXAMS = "too_few_exams"
    TOO_FEW_CANCERS = "too_few_cancers"
    OUTCOMES_UNKNOWN = "outcomes_unknown"
    WITHOUT_OPINION = "without_opinion"
    NO_INTERVAL_CANCERS = "no_interval_cancers"
    """Only cancers that readers found: sensitivity would be that of agreeing with them."""


class Lack(Frozen):
    """One thing that is missing: how much there is, and how much there must be."""

    what: Missing
    got: float
    least: float


class Counts(Frozen):
    """What the report is counted from.

    Parameters
    ----------
    exams : int
        Screening exams of the unit that this model version was to read.
    without_opinion, unknown : int
        Without a score; with a score and without known outcome.
    counted : int
        With both.
    cancers, interval : int
        Among those counted, interval cancers within the cancers.
    """

    exams: int
    without_opinion: int
    unknown: int
    counted: int
    cancers: int
    interval: int


class Called(Frozen):
    """What a limit, or a reader, called positive, with intervals."""

    name: str
    positive: Figure
    sensitivity: Figure
    specificity: Figure


class ScoreRow(Frozen):
    """Exams of one score and the share of cancers among them."""

    score: int
    exams: int
    cancers: int
    share: Figure | None


class BinRow(Frozen):
    """Exams of neighbouring probabilities: what was said, what came."""

    exams: int
    said: float
    came: Figure


class Calibration(Frozen):
    """How the probabilities agree with outcomes (docs/calibration.md)."""

    in_the_large: Figure
    slope: Figure
    brier: float
    brier_of_prevalence: float
    bins: tuple[BinRow, ...]


class Subgroup(Frozen):
    """One line of a subgroup's table.

    Parameters
    ----------
    by, name : str
    exams, cancers : int, optional
        None where the count is too small to be shown.
    area, sensitivity, specificity : Figure, optional
        None where there are too few exams or cancers.
    """

    by: str
    name: str
    exams: int | None
    cancers: int | None
    area: Figure | None = None
    sensitivity: Figure | None = None
    specificity: Figure | None = None


class Report(Frozen):
    """How a model version did on a unit's exams.

    Parameters
    ----------
    unit, model : str
    first_exam, last_exam : date, optional
    minimum : Minimum
    counts : Counts
    missing : tuple of Lack
        Empty where the report suffices for the model to count.
    area : Figure, optional
    curve : tuple of (score or probability, sensitivity, share of false positives)
    limits : tuple of Called
        High from each score on.
    people : tuple of Called
        First readers, second readers, and decisions, on the same exams.
    scores : tuple of ScoreRow
    calibration : Calibration, optional
        Of the probabilities, where there are any.
    subgroups : tuple of Subgroup
        At the limit ``recall_from``.
    recall_from : int
    """

    unit: str
    model: str
    first_exam: datetime.date | None
    last_exam: datetime.date | None
    minimum: Minimum
    counts: Counts
    missing: tuple[Lack, ...]
    area: Figure | None = None
    curve: tuple[tuple[float, float, float], ...] = ()
    limits: tuple[Called, ...] = ()
    people: tuple[Called, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    calibration: Calibration | None = None
    subgroups: tuple[Subgroup, ...] = ()
    recall_from: int

    @property
    def suffices(self) -> bool:
        """Does it hold what the site asks for?"""
        return not self.missing


def validate(
    past: Sequence[PastExam], unit: str, model: str, minimum: Minimum, recall_from: int
) -> Report:
    """Report of one model version on one unit's screening exams.

    Parameters
    ----------
    past : sequence of PastExam
        Whatever there is; other units, programmes and model versions are left out. Exams that no
        model gave a score are the unit's.
    unit, model : str
    minimum : Minimum
    recall_from : int
        Score from which on subgroups are called positive.
    """
    if recall_from not in SCORES:
        raise InvalidValueError("recall_from", recall_from, "a score from 1 to 10")
    ours = [exam for exam in past if _is_ours(exam, unit, model)]
    scored = [exam for exam in ours if _score(exam) is not None]
    counted = [exam for exam in scored if exam.known(minimum.follow_up_months)]
    counts = Counts(
        exams=len(ours),
        without_opinion=len(ours) - len(scored),
        unknown=len(scored) - len(counted),
        counted=len(counted),
        cancers=sum(exam.cancer for exam in counted),
        interval=sum(exam.interval_cancer for exam in counted),
    )
    days = sorted(exam.date for exam in counted)
    empty = Report(
        unit=unit,
        model=model,
        first_exam=days[0] if days else None,
        last_exam=days[-1] if days else None,
        minimum=minimum,
        counts=counts,
        missing=_missing(counts, minimum),
        recall_from=recall_from,
    )
    if counts.cancers < 2 or counts.counted - counts.cancers < 2:
        return empty
    return empty.model_copy(update=_figures(counted, recall_from))


def _is_ours(exam: PastExam, unit: str, model: str) -> bool:
    if exam.unit != unit or exam.programme is not Programme.SCREENING:
        return False
    return exam.ai is None or exam.ai.model == model


def _score(exam: PastExam) -> float | None:
    return exam.ai.score if exam.ai is not None else None


def _missing(counts: Counts, minimum: Minimum) -> tuple[Lack, ...]:
    scored = counts.exams - counts.without_opinion
    shares = (
        (Missing.WITHOUT_OPINION, scored, counts.exams, LEAST_WITH_OPINION),
        (Missing.OUTCOMES_UNKNOWN, counts.counted, scored, LEAST_KNOWN),
    )
    found = [
        Lack(what=Missing.TOO_FEW_EXAMS, got=counts.counted, least=minimum.exams),
        Lack(what=Missing.TOO_FEW_CANCERS, got=counts.cancers, least=minimum.cancers),
        Lack(what=Missing.NO_INTERVAL_CANCERS, got=counts.interval, least=1),
        *(Lack(what=w, got=n / of if of else 0.0, least=least) for w, n, of, least in shares),
    ]
    return tuple(lack for lack in found if lack.got < lack.least)


def _figures(counted: Sequence[PastExam], recall_from: int) -> dict[str, object]:
    score, cancer, who = _arrays(counted)
    return {
        "area": _area(score, cancer, who),
        "curve": _curve(counted, score, cancer),
        "limits": tuple(
            _called(str(limit), point(score >= limit, cancer)) for limit in SCORES if limit > 1
        ),
        "people": _people(counted),
        "scores": _scores(score, cancer),
        "calibration": _calibration(counted),
        "subgroups": _subgroups(counted, recall_from),
    }


def _arrays(exams: Sequence[PastExam]) -> tuple[FloatArray, BoolArray, list[str]]:
    score = np.array([_score(exam) for exam in exams], float)
    return score, np.array([exam.cancer for exam in exams]), [exam.woman for exam in exams]


def _area(score: FloatArray, cancer: BoolArray, who: Sequence[str]) -> Figure | None:
    try:
        return auc(score, cancer, who if len(set(who)) < len(who) else None)
    except InvalidValueError:
        return None


def _curve(
    counted: Sequence[PastExam], score: FloatArray, cancer: BoolArray
) -> tuple[tuple[float, float, float], ...]:
    """By probability where every exam has one, else by score; thinned where it is long."""
    values = [exam.ai.probability for exam in counted if exam.ai is not None]
    fine = np.array(values, float) if None not in values else score
    drawn = curve(fine, cancer)
    rows = list(zip(drawn.limits, drawn.sensitivity, drawn.false_positive, strict=True))[1:]
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), POINTS_DRAWN)).astype(int))
    return tuple((float(a), float(b), float(c)) for a, b, c in (rows[n] for n in kept))


def _called(name: str, found: Point) -> Called:
    return Called(
        name=name,
        positive=found.positive,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
    )


def _people(counted: Sequence[PastExam]) -> tuple[Called, ...]:
    """Sensitivity and specificity of readers and decisions; technical verdicts are left out."""
    verdicts: dict[str, Callable[[PastExam], Verdict | None]] = {
        "first_reader": lambda exam: exam.reads[0].verdict if exam.reads else None,
        "second_reader": lambda exam: exam.reads[1].verdict if len(exam.reads) > 1 else None,
        "decision": lambda exam: exam.decision,
    }
    found = []
    for name, verdict in verdicts.items():
        said = [(verdict(exam), exam.cancer) for exam in counted]
        clear = [one for one in said if one[0] in (Verdict.NORMAL, Verdict.RECALL)]
        recalled = np.array([one[0] is Verdict.RECALL for one in clear], bool)
        cancer = np.array([one[1] for one in clear], bool)
        if len(clear) and cancer.any() and not cancer.all():
            found.append(_called(name, point(recalled, cancer)))
    return tuple(found)


def _scores(score: FloatArray, cancer: BoolArray) -> tuple[ScoreRow, ...]:
    whole = np.floor(score).astype(int)
    rows = []
    for one in SCORES:
        here = whole == one
        exams, cancers = int(here.sum()), int(cancer[here].sum())
        share = proportion(cancers, exams) if exams else None
        rows.append(ScoreRow(score=one, exams=exams, cancers=cancers, share=share))
    return tuple(rows)


def _calibration(counted: Sequence[PastExam]) -> Calibration | None:
    said = [
        (exam.ai.probability, exam.cancer)
        for exam in counted
        if exam.ai is not None and exam.ai.probability is not None
    ]
    probability = np.array([one[0] for one in said], float)
    cancer = np.array([one[1] for one in said], bool)
    try:
        found = agreement(probability, cancer)
    except InvalidValueError:
        return None
    rows = bins(probability, cancer)
    return Calibration(
        in_the_large=found.in_the_large,
        slope=found.slope,
        brier=found.brier,
        brier_of_prevalence=found.brier_of_prevalence,
        bins=tuple(BinRow(exams=row.rows, said=row.said, came=row.came) for row in rows),
    )


def _subgroups(counted: Sequence[PastExam], recall_from: int) -> tuple[Subgroup, ...]:
    found = list(_table("round", by_round(counted), recall_from))
    for dimension in SUBGROUPS:
        found += _table(dimension, grouped(counted, dimension), recall_from)
    return tuple(found)


def _table(by: str, groups: dict[str, list[PastExam]], recall_from: int) -> tuple[Subgroup, ...]:
    """Lines of one table; small counts are kept back, so that totals give none away."""
    cancers = [sum(exam.cancer for exam in exams) for exams in groups.values()]
    shown_exams = shown([len(exams) for exams in groups.values()])
    rows = []
    for n, (name, exams) in enumerate(groups.items()):
        row = Subgroup(by=by, name=name, exams=shown_exams[n], cancers=shown(cancers)[n])
        if len(exams) >= FIGURE_EXAMS and cancers[n] >= FIGURE_CANCERS:
            score, cancer, who = _arrays(exams)
            if not cancer.all():
                called = point(score >= recall_from, cancer)
                row = row.model_copy(
                    update={
                        "area": _area(score, cancer, who),
                        "sensitivity": called.sensitivity,
                        "specificity": called.specificity,
                    }
                )
        rows.append(row)
    return tuple(rows)
