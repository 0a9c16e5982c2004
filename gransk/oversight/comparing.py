"""Two analyses of the same studies compared: what both say, and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Finding, Findings
from gransk.core.statistics.agreement import kappa, mcnemar
from gransk.core.statistics.bootstrap import interval
from gransk.core.statistics.curve import Point, point
from gransk.core.statistics.figure import Figure
from gransk.core.statistics.shares import proportion
from gransk.pipeline.following import pairs_within, same_places
from gransk.reading.ai import PROBABILITY, category_of
from gransk.reading.groups import LEAST_SHOWN, shown

BINS = 10
"""Of the distribution of scores, each a tenth wide."""
MOST_DIFFERING = 50


@dataclass(frozen=True)
class Study:
    """What two analyses say of one study.

    Parameters
    ----------
    active, own : int
        Findings of the analysis in use and of the one beside it.
    matched : int
        Of them, pairs at one place.
    active_score, own_score : float
        0 to 1: the exam's probability where both tell one, else that of its most probable
        finding, 0 without any.
    active_positive, own_positive : bool
        Above the site's limit where both tell it, else whether there is a finding.
    """

    active: int
    own: int
    matched: int
    active_score: float
    own_score: float
    active_positive: bool
    own_positive: bool

    @property
    def shift(self) -> float:
        """By how much the score beside is the higher."""
        return self.own_score - self.active_score

    @property
    def agrees(self) -> bool:
        return self.active_positive == self.own_positive


@dataclass(frozen=True)
class Case:
    """A study with what is known of it.

    Parameters
    ----------
    key : str
        Of the study.
    person : str
        Pseudonym of the patient, who may have several.
    study : Study
    groups : tuple of (str, str)
        Kind and name of each group that it is counted in.
    disease : bool, optional
        What became of the patient; None where it is not known.
    """

    key: str
    person: str
    study: Study
    groups: tuple[tuple[str, str], ...] = ()
    disease: bool | None = None


@dataclass(frozen=True)
class Agreement:
    """How often both call, neither, or one alone; and beyond chance (Cohen's kappa)."""

    both: int
    neither: int
    active_alone: int
    own_alone: int
    share: Figure
    kappa: Figure | None


@dataclass(frozen=True)
class Places:
    """Findings of all studies: at one place in both, or in one alone."""

    matched: int
    active_alone: int
    own_alone: int


@dataclass(frozen=True)
class Shift:
    """The score beside less the one in use.

    Parameters
    ----------
    mean, median : Figure
        With bootstrap intervals, patients drawn.
    active, own : tuple of int
        Studies by score, in tenths from 0.
    """

    mean: Figure
    median: Figure
    active: tuple[int, ...]
    own: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """A part of the studies; nothing but its name where it is too small to be shown."""

    kind: str
    name: str
    cases: int | None
    share: Figure | None = None
    mean: Figure | None = None


@dataclass(frozen=True)
class Truth:
    """Both against what became of the patients, on the same exams.

    Parameters
    ----------
    diseased, healthy : int
    active, own : Point
    sensitivity_p, specificity_p : float
        McNemar's exact test.
    """

    diseased: int
    healthy: int
    active: Point
    own: Point
    sensitivity_p: float
    specificity_p: float


@dataclass(frozen=True)
class Comparison:
    """Everything that is told of a comparison; figures are None where there is no study."""

    cases: int
    agreement: Agreement | None
    places: Places
    shift: Shift | None
    groups: tuple[Group, ...]
    truth: Truth | None
    differing: tuple[Case, ...]
    """The most first; none on which they say the same."""


def compare_study(active: Findings, own: Findings) -> Study:
    """Compare two analyses of one study's same images."""
    pair = (active, own)
    told = [one.measured(PROBABILITY) for one in pair]
    if None in told:
        told = [max((f.probability for f in one.findings), default=0.0) for one in pair]
    categories = [category_of(one) for one in pair]
    positive = [bool(one.findings) for one in pair]
    if None not in categories:
        positive = [one == "high" for one in categories]
    return Study(
        active=len(active.findings),
        own=len(own.findings),
        matched=len(matched(own.findings, active.findings)),
        active_score=told[0] or 0.0,
        own_score=told[1] or 0.0,
        active_positive=positive[0],
        own_positive=positive[1],
    )


def matched(findings: Sequence[Finding], others: Sequence[Finding]) -> list[tuple[str, str]]:
    """Pairs of findings at one place: in the patient, or of one image where they say none.

    Of one image, one's middle lies within the other's greatest extent around it; one to one.
    """
    flat = [
        [f for f in side if f.centre_lps_mm is None and f.regions] for side in (findings, others)
    ]
    pairs = same_places(findings, others)
    if not flat[0] or not flat[1]:
        return pairs
    distances = np.array([[_apart(one, other) for other in flat[1]] for one in flat[0]])
    return pairs + [
        (flat[0][i].tracking_uid, flat[1][j].tracking_uid)
        for i, j in pairs_within(distances, distances <= 1)
    ]


@lru_cache(maxsize=32)
def compare(cases: tuple[Case, ...], least: int = LEAST_SHOWN) -> Comparison:
    """Compare all studies of a comparison; the last ones are kept, as bootstraps take seconds."""
    studies = [case.study for case in cases]
    together = sum(one.matched for one in studies)
    differing = [case for case in cases if _differs(case.study)]
    differing.sort(key=lambda case: (case.study.agrees, -abs(case.study.shift), case.key))
    return Comparison(
        cases=len(cases),
        agreement=_agreement(studies) if cases else None,
        places=Places(
            together,
            sum(one.active for one in studies) - together,
            sum(one.own for one in studies) - together,
        ),
        shift=_shift(cases) if cases else None,
        groups=_groups(cases, least),
        truth=_truth(cases, least),
        differing=tuple(differing[:MOST_DIFFERING]),
    )


def _differs(one: Study) -> bool:
    other_findings = one.matched < max(one.active, one.own)
    return not one.agrees or other_findings or abs(one.shift) > 1e-6


def _agreement(studies: Sequence[Study]) -> Agreement:
    table = np.zeros((2, 2), int)
    for one in studies:
        table[int(one.active_positive), int(one.own_positive)] += 1
    try:
        beyond = kappa(table)
    except InvalidValueError:
        beyond = None
    return Agreement(
        both=int(table[1, 1]),
        neither=int(table[0, 0]),
        active_alone=int(table[1, 0]),
        own_alone=int(table[0, 1]),
        share=proportion(int(np.trace(table)), len(studies)),
        kappa=beyond,
    )


def _shift(cases: Sequence[Case]) -> Shift:
    who = [case.person for case in cases]
    moved = np.array([case.study.shift for case in cases])
    edges = np.linspace(0, 1, BINS + 1)
    counts = [
        tuple(int(n) for n in np.histogram(scores, edges)[0])
        for scores in (
            [case.study.active_score for case in cases],
            [case.study.own_score for case in cases],
        )
    ]
    return Shift(
        mean=Figure(float(moved.mean()), *interval(who, lambda rows: float(moved[rows].mean()))),
        median=Figure(
            float(np.median(moved)), *interval(who, lambda rows: float(np.median(moved[rows])))
        ),
        active=counts[0],
        own=counts[1],
    )


def _groups(cases: Sequence[Case], least: int) -> tuple[Group, ...]:
    found: list[Group] = []
    for kind in sorted({kind for case in cases for kind, _ in case.groups}):
        members: dict[str, list[Case]] = {}
        for case in cases:
            for name in (name for one, name in case.groups if one == kind):
                members.setdefault(name, []).append(case)
        names = sorted(members)
        counts = shown([len(members[name]) for name in names], least)
        found += [
            _group(kind, name, members[name]) if count is not None else Group(kind, name, None)
            for name, count in zip(names, counts, strict=True)
        ]
    return tuple(found)


def _group(kind: str, name: str, cases: Sequence[Case]) -> Group:
    agree = sum(case.study.agrees for case in cases)
    return Group(kind, name, len(cases), proportion(agree, len(cases)), _shift(cases).mean)


def _truth(cases: Sequence[Case], least: int) -> Truth | None:
    """None where so few are known that a figure could point at single people."""
    known = [case for case in cases if case.disease is not None]
    disease = np.array([bool(case.disease) for case in known])
    diseased, healthy = int(disease.sum()), int((~disease).sum()) if known else 0
    if min(diseased, healthy) < least:
        return None
    active = np.array([case.study.active_positive for case in known])
    own = np.array([case.study.own_positive for case in known])

    def p(rows: np.ndarray) -> float:
        return mcnemar(int((active & ~own & rows).sum()), int((~active & own & rows).sum()))

    return Truth(
        diseased, healthy, point(active, disease), point(own, disease), p(disease), p(~disease)
    )


def _apart(one: Finding, other: Finding) -> float:
    """Distance of their middles in one image, by the greater extent; infinite in two images."""
    mine, theirs = one.regions[0], other.regions[0]
    if (mine.sop_instance_uid, mine.frame) != (theirs.sop_instance_uid, theirs.frame):
        return math.inf
    (column, row), reach = _middle(one)
    (other_column, other_row), other_reach = _middle(other)
    apart = math.hypot(column - other_column, row - other_row)
    return apart / max(reach, other_reach, 1.0)


def _middle(finding: Finding) -> tuple[tuple[float, float], float]:
    """Middle of the first region, and half its greatest extent, in pixels."""
    columns, rows = zip(*finding.regions[0].points, strict=True)
    width, height = max(columns) - min(columns), max(rows) - min(rows)
    middle = (min(columns) + width / 2, min(rows) + height / 2)
    return middle, math.hypot(width, height) / 2
