"""Make a calibration from a site's own consecutive screening exams, or say what is missing.

Least numbers, and where they come from:

- `mammo.scores.calibration.LEAST_EXAMS` exams, for the limits of the deciles.
- `LEAST_CANCERS` cancers for probabilities and for a limit by sensitivity: external validation
  asks for at least 100 events (Collins 2016, Stat Med 35:214, PMC4738418).
- Counts alone can leave the slope imprecise (Snell 2021, J Clin Epidemiol 135:79, PMC8352630):
  its standard error must be at most `LARGEST_SLOPE_ERROR` of it, so that its 95 % interval
  reaches no further than 30 % to either side.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special

from gransk.core.calibration import OwnExam, Wanted
from gransk.core.errors import GranskError, InvalidValueError
from gransk.core.findings import Note
from gransk.core.statistics.areas import auc
from gransk.core.statistics.figure import BoolArray, FloatArray
from gransk.core.statistics.logistic import Logistic, agreement, brier, logistic, logit
from gransk.core.statistics.shares import proportion
from mammo.scores.calibration import (
    LEAST_EXAMS,
    SCORES,
    Agreement,
    Calibration,
    Decile,
    Figure,
    Figures,
    Limit,
    Recalibration,
)

LEAST_CANCERS = 100
LARGEST_SLOPE_ERROR = 0.15
LEAST_ANALYSED = 0.95
"""Share of a period's exams that must have a score."""
LEAST_KNOWN = 0.95
"""Share of exams whose outcome must be known: those that are followed up differ from the rest."""
LONGEST_GAP_DAYS = 31
HIGHEST_PREVALENCE = 0.02
"""A lower end of the interval above this is no consecutive screening: Danish screening finds about
1 % in first rounds and 0.6 % in later ones (Mikkelsen 2016, PMC5094619)."""
SHARES = (0.08, 0.12)
"""Share of the exams that each score must hold; equal probabilities may make it uneven."""
FOLDS = 10


class NotCalibratedError(GranskError):
    """The exams do not suffice; ``missing`` tells everything that does not."""

    def __init__(self, missing: Sequence[Note]) -> None:
        super().__init__(", ".join(f"{note.code} {note.values}" for note in missing))
        self.missing = tuple(missing)


@dataclass(frozen=True)
class Made:
    """A calibration, and what it does not hold for want of cancers or outcomes."""

    calibration: Calibration
    missing: tuple[Note, ...]


@dataclass(frozen=True)
class _Scored:
    """Exams with a probability by the weights in use, as arrays; ``cancer`` is within ``known``."""

    probability: FloatArray = field(repr=False)
    known: BoolArray = field(repr=False)
    cancer: BoolArray = field(repr=False)


def make(
    exams: Sequence[OwnExam],
    application: str,
    application_version: str,
    models: Mapping[str, str],
    wanted: Wanted,
) -> Made:
    """A calibration of consecutive screening exams, for one version and its weights.

    Exams that another version or other weights analysed count as not analysed.

    Raises
    ------
    NotCalibratedError
        Tells everything that is missing.
    """
    ours = [exam for exam in exams if _is_ours(exam, application_version, models)]
    scored = _scored(ours, wanted.follow_up_months)
    count = len(ours)
    missing, dates = _consecutive(exams, count, wanted)
    if count < LEAST_EXAMS:
        missing.append(_note("too_few_exams", count=count, least=LEAST_EXAMS))
    others = sum(exam.score is not None for exam in exams) - count
    if missing and others:
        missing.append(_note("other_weights", count=others))
    cancers = int(scored.cancer.sum())
    if count and proportion(cancers, count)[1] > HIGHEST_PREVALENCE:
        missing.append(_note("prevalence_too_high", percent=round(100 * cancers / count, 1)))
    if missing:
        raise NotCalibratedError(missing)
    limits = _limits(scored.probability)
    lacking = _outcomes(scored)
    chosen = _limit(scored, limits, wanted, lacking) if wanted.limit is not None else None
    fit = None if lacking else _fit(scored)
    imprecise = [] if lacking else _imprecise(fit)
    recalibration = None
    if fit is not None and not imprecise:
        recalibration = Recalibration(
            intercept=float(fit.coefficients[0]),
            slope=float(fit.coefficients[1]),
            slope_error=float(fit.errors[1]),
        )
    calibration = Calibration(
        format=1,
        application=application,
        application_version=application_version,
        models=dict(models),
        made_on=wanted.made_on,
        made_by=wanted.made_by,
        first_exam=min(dates),
        last_exam=max(dates),
        exams=count,
        not_analysed=len(exams) - count,
        known=int(scored.known.sum()),
        cancers=cancers,
        follow_up_months=wanted.follow_up_months,
        prevalence=_prevalence(scored),
        limits=limits,
        deciles=_deciles(scored, limits),
        limit=chosen,
        recalibration=recalibration,
        figures=None if fit is None else _figures(scored, recalibration is not None),
    )
    return Made(calibration, (*lacking, *imprecise))


def _is_ours(exam: OwnExam, version: str, models: Mapping[str, str]) -> bool:
    return (
        exam.score is not None
        and exam.version == version
        and all(exam.models.get(name) == sha256 for name, sha256 in models.items())
    )


def _note(code: str, **values: float | str) -> Note:
    return Note(code=code, values=dict(values))


def _consecutive(
    exams: Sequence[OwnExam], analysed: int, wanted: Wanted
) -> tuple[list[Note], list[datetime.date]]:
    """What speaks against these being all exams of a period, and their dates."""
    missing = [] if wanted.consecutive else [_note("not_said_consecutive")]
    dates = sorted(exam.date for exam in exams if exam.date is not None)
    if len(dates) < len(exams):
        missing.append(_note("undated", count=len(exams) - len(dates)))
    gap = max(((b - a).days for a, b in itertools.pairwise(dates)), default=0)
    if gap > LONGEST_GAP_DAYS:
        missing.append(_note("gap", days=gap, most=LONGEST_GAP_DAYS))
    if analysed < LEAST_ANALYSED * len(exams):
        missing.append(_note("not_analysed", count=len(exams) - analysed, exams=len(exams)))
    return missing, dates


def _scored(exams: Sequence[OwnExam], follow_up_months: float) -> _Scored:
    outcomes = [exam.outcome for exam in exams]
    cancer = [one is not None and one.disease for one in outcomes]
    followed = [one is not None and (one.followed_months or 0) >= follow_up_months
                for one in outcomes]  # fmt: skip
    return _Scored(
        probability=np.array([exam.score for exam in exams], float),
        known=np.array(cancer, bool) | np.array(followed, bool),
        cancer=np.array(cancer, bool),
    )


def _known_enough(scored: _Scored) -> bool:
    """Is the outcome known of nearly all? Else the known ones are those that fell ill."""
    return bool(scored.known.sum() >= LEAST_KNOWN * len(scored.known))


def _prevalence(scored: _Scored) -> Figure | None:
    if not _known_enough(scored):
        return None
    return _figure(proportion(int(scored.cancer.sum()), int(scored.known.sum())))


def _limits(probability: FloatArray) -> tuple[float, ...]:
    """Nine limits that part the exams into tenths.

    Raises
    ------
    NotCalibratedError
        Where too many probabilities are equal.
    """
    ordered = np.sort(probability)
    n = len(ordered)
    limits = tuple(float(ordered[-(-k * n // SCORES)]) for k in range(1, SCORES))
    counts = np.bincount(_scores(probability, limits), minlength=SCORES + 1)[1:]
    distinct = len(np.unique(probability))
    if len(set(limits)) < len(limits) or not all(
        SHARES[0] * n <= count <= SHARES[1] * n for count in counts
    ):
        raise NotCalibratedError([_note("too_few_values", distinct=distinct)])
    return limits


def _scores(probability: FloatArray, limits: Sequence[float]) -> npt.NDArray[np.int64]:
    return 1 + np.searchsorted(np.array(limits), probability, side="right")


def _outcomes(scored: _Scored) -> list[Note]:
    """What is missing for figures that need outcomes."""
    lacking = []
    if not _known_enough(scored):
        percent = round(100 * float(scored.known.mean()), 1)
        lacking.append(_note("outcomes_unknown", percent=percent))
    cancers = int(scored.cancer.sum())
    if cancers < LEAST_CANCERS:
        lacking.append(_note("too_few_cancers", cancers=cancers, least=LEAST_CANCERS))
    return lacking


def _limit(
    scored: _Scored, limits: Sequence[float], wanted: Wanted, lacking: Sequence[Note]
) -> Limit:
    """The site's limit; each candidate is the probability of an exam, high from it on.

    Raises
    ------
    NotCalibratedError
        Where it needs outcomes that are not known.
    """
    if lacking and wanted.limit != "score":
        raise NotCalibratedError([_note("limit_needs_outcomes"), *lacking])
    target = float(wanted.target or 0)
    yes = np.sort(scored.probability[scored.cancer])
    no = np.sort(scored.probability[scored.known & ~scored.cancer])
    if wanted.limit == "score":
        at = limits[int(target) - 2]
    elif wanted.limit == "sensitivity":
        # The highest limit that leaves at least this share of the cancers at or above it.
        at = float(yes[len(yes) - _least(target, len(yes))])
    else:
        # The lowest limit that leaves at least this share of the others below it.
        below = no[_least(target, len(no)) - 1]
        higher = scored.probability[scored.probability > below]
        at = float(higher.min()) if len(higher) else 1.0
    high = int((scored.probability >= at).sum())
    shown = not lacking
    return Limit(
        probability=at,
        chosen=wanted.limit or "score",
        target=target,
        high=_figure(proportion(high, len(scored.probability))),
        sensitivity=_figure(proportion(int((yes >= at).sum()), len(yes))) if shown else None,
        specificity=_figure(proportion(int((no < at).sum()), len(no))) if shown else None,
    )


def _least(share: float, count: int) -> int:
    """The fewest of ``count`` that are at least this share of it; at least one."""
    return max(1, int(np.ceil(share * count - 1e-9)))


def _deciles(scored: _Scored, limits: Sequence[float]) -> tuple[Decile, ...]:
    scores = _scores(scored.probability, limits)
    found = []
    for score in range(1, SCORES + 1):
        here = scores == score
        known, cancers = int(scored.known[here].sum()), int(scored.cancer[here].sum())
        shown = known and _known_enough(scored)
        observed = _figure(proportion(cancers, known)) if shown else None
        found.append(Decile(exams=int(here.sum()), known=known, cancers=cancers, observed=observed))
    return tuple(found)


def _fit(scored: _Scored) -> Logistic | None:
    known = scored.known
    return logistic(scored.cancer[known], logit(scored.probability[known]))


def _imprecise(fit: Logistic | None) -> list[Note]:
    if fit is None or fit.coefficients[1] <= 0:
        return [_note("no_slope")]
    error = float(fit.errors[1] / fit.coefficients[1])
    if error <= LARGEST_SLOPE_ERROR:
        return []
    return [
        _note("slope_imprecise", percent=round(100 * error), most=round(100 * LARGEST_SLOPE_ERROR))
    ]


def _figures(scored: _Scored, recalibrated: bool) -> Figures:
    known = scored.known
    probability, cancer = scored.probability[known], scored.cancer[known]
    network = _agreement(probability, cancer)
    again = _agreement(_cross_validated(probability, cancer), cancer) if recalibrated else None
    return Figures(
        auc=_figure(auc(probability, cancer)),
        network=network,
        recalibrated=again,
        brier_of_prevalence=brier(np.full(len(cancer), cancer.mean()), cancer),
    )


def _agreement(probability: FloatArray, cancer: BoolArray) -> Agreement:
    try:
        found = agreement(probability, cancer)
    except InvalidValueError as error:
        raise NotCalibratedError([_note("no_slope")]) from error
    return Agreement(
        in_the_large=_figure(found.in_the_large), slope=_figure(found.slope), brier=found.brier
    )


def _cross_validated(probability: FloatArray, cancer: BoolArray) -> FloatArray:
    """Each exam's probability by a recalibration of the other folds, drawn with a fixed seed."""
    fold = np.random.default_rng(0).permutation(len(cancer)) % FOLDS
    odds = logit(probability)
    found = np.empty(len(cancer))
    for n in range(FOLDS):
        fit = logistic(cancer[fold != n], odds[fold != n])
        if fit is None:
            raise NotCalibratedError([_note("no_slope")])
        intercept, slope = fit.coefficients
        found[fold == n] = special.expit(intercept + slope * odds[fold == n])
    return found


def _figure(ends: tuple[float, float, float]) -> Figure:
    value, low, high = ends
    return Figure(value=value, low=low, high=high)
