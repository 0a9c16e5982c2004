"""Outcomes as they come in: calibration and operating point, by unit, model and quarter.

A cancer is known when it is found, that there is none only when follow-up is over: of exams whose
time of follow-up still runs, those that are known are the ones with cancer. So what is counted
among cancers, or held against them, is counted of exams whose time is over. A quarter may alarm
once it is over, so that it is tested once and not anew with every exam.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from gransk.core.keys import digest
from gransk.core.statistics.figure import Figure as Interval
from gransk.core.statistics.logistic import bins
from gransk.core.statistics.shares import proportion, rate
from gransk.oversight.alarm_tables import AlarmKind
from gransk.oversight.drift.counted import is_told
from gransk.oversight.drift.watching import Raised
from gransk.reading.past import PastExam
from gransk.reading.past_keeping import Closed
from gransk.site.config_monitoring import DriftSection

QUARTERS = 4
MONTH = datetime.timedelta(days=365.25 / 12)
LEAST_KNOWN = 0.9
"""Share of a quarter's exams whose outcome must be known where cancers are held against scores."""
BANDS = 10


@dataclass(frozen=True)
class Compared:
    """A figure of a quarter against what it is held to.

    Parameters
    ----------
    fact : str
        ``cancers``, ``flagged``, ``sensitivity`` or ``recalled``.
    quarter : date
        Its first day.
    hits, cases : int
    figure : Figure
        A share; of ``cancers`` those that came over those that scores said.
    reference : float, optional
        The share before; of ``cancers`` 1. None for the first quarter.
    whole : bool
        Are the quarter and the follow-up that counts over?
    p : float
        Of so great a difference by chance.
    expected : float, optional
        Cancers that scores said.
    studies : tuple of str
        Keys of exams that tell most.
    """

    fact: str
    quarter: datetime.date
    hits: int
    cases: int
    figure: Interval
    reference: float | None
    whole: bool
    p: float
    expected: float | None = None
    studies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcomes:
    """What came of the exams of one unit and model."""

    unit: str
    model: str
    rows: tuple[Compared, ...]
    bands: tuple[dict[str, Any], ...]

    @property
    def about(self) -> str:
        """Its name."""
        return f"outcomes/{self.unit}/{digest(self.model)[:16]}"


def told_exams(closed: Iterable[Closed], at: datetime.datetime) -> list[PastExam]:
    """Exams of which nothing is held from anybody."""
    return [one.past for one in closed if one.guarded is None or is_told(one.guarded, at)]


def outcomes(
    exams: Sequence[PastExam],
    said: Mapping[str, float],
    section: DriftSection,
    today: datetime.date,
) -> list[Outcomes]:
    """Figures of each unit and model that gave opinions.

    Parameters
    ----------
    exams : sequence of PastExam
        By date.
    said : mapping of str to float
        Calibrated probabilities, by study key; exams without one are in no calibration.
    section : DriftSection
    today : date
    """
    groups: dict[tuple[str, str], list[PastExam]] = defaultdict(list)
    for one in exams:
        if one.ai is not None and one.ai.model:
            groups[one.unit, one.ai.model].append(one)
    return [
        _outcomes(unit, model, found, said, section, today)
        for (unit, model), found in sorted(groups.items())
    ]


def _outcomes(
    unit: str,
    model: str,
    exams: Sequence[PastExam],
    probabilities: Mapping[str, float],
    section: DriftSection,
    today: datetime.date,
) -> Outcomes:
    over = today - section.follow_up_months * MONTH
    followed = [one for one in exams if one.date <= over and one.exam in probabilities]
    known = [one for one in followed if one.known(section.follow_up_months)]
    said = [(one, probabilities[one.exam]) for one in known]
    limited = [one for one in exams if one.ai is not None and one.ai.high is not None]
    cancers = [one for one in limited if one.cancer and one.date <= over]
    wanted = {quarter: len(those) * LEAST_KNOWN for quarter, those in _quarters(followed)}
    rows = [
        *(row for row in _calibration(said, over) if row.cases >= wanted[row.quarter]),
        *_shares("flagged", limited, _flagged, today),
        *_shares("sensitivity", cancers, _flagged, over),
        *_shares("recalled", exams, lambda one: one.recalled, today),
    ]
    return Outcomes(unit, model, tuple(rows), tuple(_bands(said)))


def _flagged(exam: PastExam) -> bool:
    return exam.ai is not None and bool(exam.ai.high)


def _quarters(exams: Sequence[PastExam]) -> list[tuple[datetime.date, list[PastExam]]]:
    found: dict[datetime.date, list[PastExam]] = defaultdict(list)
    for one in exams:
        found[one.date.replace(month=(one.date.month - 1) // 3 * 3 + 1, day=1)].append(one)
    return sorted(found.items())


def _is_over(quarter: datetime.date, day: datetime.date) -> bool:
    following = (quarter + datetime.timedelta(days=100)).replace(day=1)
    return following <= day


def _calibration(
    exams: Sequence[tuple[PastExam, float]], until: datetime.date
) -> Iterable[Compared]:
    """Cancers that came against the sum of probabilities, with Poisson's exact interval."""
    said = {one.exam: probability for one, probability in exams}
    for quarter, those in _quarters([one for one, _ in exams]):
        expected = sum(said[one.exam] for one in those)
        came = sorted((one for one in those if one.cancer), key=lambda one: said[one.exam])
        if expected <= 0:
            continue
        hits = len(came)
        tails = stats.poisson.cdf(hits, expected), stats.poisson.sf(hits - 1, expected)
        yield Compared(
            fact="cancers",
            quarter=quarter,
            hits=hits,
            cases=len(those),
            figure=rate(hits, expected, per=1),
            reference=1.0,
            whole=_is_over(quarter, until),
            p=min(1.0, 2 * float(min(tails))),
            expected=expected,
            studies=tuple(one.exam for one in came),
        )


def _shares(
    fact: str,
    exams: Sequence[PastExam],
    hit: Callable[[PastExam], bool],
    until: datetime.date,
) -> Iterable[Compared]:
    """A share of each quarter against all quarters before, by Fisher's exact test."""
    hits = cases = 0
    for quarter, those in _quarters(exams):
        here = [one for one in those if hit(one)]
        p = 1.0
        if cases:
            table = [[len(here), len(those) - len(here)], [hits, cases - hits]]
            p = float(stats.fisher_exact(table)[1])
        reference = hits / cases if cases else None
        more = reference is not None and len(here) / len(those) > reference
        tell = here if more else [one for one in those if not hit(one)]
        yield Compared(
            fact, quarter, len(here), len(those), proportion(len(here), len(those)), reference,
            _is_over(quarter, until), p, studies=tuple(one.exam for one in tell),
        )  # fmt: skip
        hits, cases = hits + len(here), cases + len(those)


def _bands(exams: Sequence[tuple[PastExam, float]]) -> Iterable[dict[str, Any]]:
    """Expected and observed shares of cancer by bands of the score."""
    if not exams:
        return
    said = np.array([probability for _, probability in exams])
    came = np.array([one.cancer for one, _ in exams])
    for band in bins(said, came, BANDS):
        yield {"exams": band.rows, "expected": band.said, "came": list(band.came)}


def raised(found: Sequence[Outcomes], section: DriftSection) -> list[Raised]:
    """Alarms of the last quarter of each figure that is over."""
    last = [
        (one, rows[-1])
        for one in found
        for fact in ("cancers", "flagged", "sensitivity", "recalled")
        if (rows := [row for row in one.rows if row.fact == fact and row.whole])
    ]
    level = min(section.false_alarms_per_year / max(len(last), 1) / QUARTERS, 0.5)
    return [_raised(one, row) for one, row in last if row.p < level]


def _raised(one: Outcomes, row: Compared) -> Raised:
    kind = AlarmKind.CALIBRATION if row.fact == "cancers" else AlarmKind.OPERATING_POINT
    return Raised(
        kind,
        f"{one.about}/{row.fact}",
        {
            "unit": one.unit,
            "fact": row.fact,
            "value": round(row.figure.value, 6),
            "low": round(row.figure.low, 6),
            "high": round(row.figure.high, 6) if np.isfinite(row.figure.high) else None,
            "reference": None if row.reference is None else round(row.reference, 6),
            "expected": None if row.expected is None else round(row.expected, 3),
            "observed": row.hits,
            "value_studies": row.cases,
            "quarter": row.quarter.isoformat(),
        },
        datetime.datetime.combine(row.quarter, datetime.time(), datetime.UTC),
        {"model": one.model},
        row.studies,
    )


def content_of(found: Outcomes) -> dict[str, Any]:
    """The figures as they are kept for the page."""
    return {
        "kind": "outcomes",
        "model": found.model,
        "bands": list(found.bands),
        "rows": [
            {
                "fact": row.fact,
                "quarter": row.quarter.isoformat(),
                "hits": row.hits,
                "cases": row.cases,
                "value": row.figure.value,
                "low": row.figure.low,
                "high": row.figure.high if np.isfinite(row.figure.high) else None,
                "reference": row.reference,
                "expected": row.expected,
                "p": row.p,
                "whole": row.whole,
            }
            for row in found.rows
        ],
    }
