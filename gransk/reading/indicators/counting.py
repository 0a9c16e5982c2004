"""What each indicator counts, and of which exams.

The first eleven are those of the Danish Quality Database for Mammography Screening by name
(Mikkelsen 2016, Clin Epidemiol 8:661, PMC5094619). Its numerical standards are not public in a
form that could be read: levels are data (`gransk.reading.indicators.levels`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from pydantic import Field
from scipy import stats

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Frozen
from gransk.core.screening import Verdict
from gransk.core.statistics.agreement import kappa
from gransk.core.statistics.figure import LEVEL, Figure
from gransk.core.statistics.shares import proportion, ratio
from gransk.reading.outcomes import Outcome, Stage, Surgery
from gransk.reading.past import PastExam

LEAST_KNOWN = 0.95
"""Share of exams whose outcome must be known for a figure that needs it."""
SMALL_MM, MIDDLE_MM = 10, 20
DAYS_A_MONTH = 30.4375
OPERATIONS = (Surgery.CONSERVING, Surgery.MASTECTOMY)


class Indicator(StrEnum):
    """What is counted. A value never changes meaning."""

    RADIATION_DOSE = "radiation_dose"
    PARTICIPATION = "participation"
    TIME_TO_RESULT = "time_to_result"
    SCREENING_INTERVAL = "screening_interval"
    RECALL = "recall"
    INTERVAL_CANCERS = "interval_cancers"
    INVASIVE_SHARE = "invasive_share"
    NODE_NEGATIVE = "node_negative"
    SMALL_INVASIVE = "small_invasive"
    BENIGN_TO_MALIGNANT = "benign_to_malignant"
    BREAST_CONSERVING = "breast_conserving"
    DETECTION = "detection"
    PPV = "ppv"
    FALSE_POSITIVES = "false_positives"
    TECHNICAL_RECALL = "technical_recall"
    AGREEMENT = "agreement"
    AI_AGREEMENT = "ai_agreement"
    ARBITRATION = "arbitration"
    AI_RIGHT = "ai_right"
    AI_RIGHT_IN_CANCER = "ai_right_in_cancer"
    READINGS = "readings"
    READINGS_SAVED = "readings_saved"
    CANCERS_BY_SIZE = "cancers_by_size"
    CANCERS_BY_STAGE = "cancers_by_stage"
    READER_RECALL = "reader_recall"
    READER_DETECTION = "reader_detection"
    READER_PPV = "reader_ppv"
    READER_MISSED = "reader_missed"
    READER_UPHELD = "reader_upheld"


DANISH = tuple(Indicator)[:11]
"""The eleven of the Danish quality database, in its order."""
OF_READERS = (
    Indicator.READER_RECALL, Indicator.READER_DETECTION, Indicator.READER_PPV,
    Indicator.READER_MISSED, Indicator.READER_UPHELD,
)  # fmt: skip
"""Of one person's own first opinions."""


class Kind(StrEnum):
    """How a figure is read."""

    SHARE = "share"
    PER_1000 = "per_1000"
    RATIO = "ratio"
    KAPPA = "kappa"
    MEAN = "mean"


KINDS = {
    Indicator.RADIATION_DOSE: Kind.MEAN,
    Indicator.INTERVAL_CANCERS: Kind.PER_1000,
    Indicator.BENIGN_TO_MALIGNANT: Kind.RATIO,
    Indicator.DETECTION: Kind.PER_1000,
    Indicator.FALSE_POSITIVES: Kind.PER_1000,
    Indicator.AGREEMENT: Kind.KAPPA,
    Indicator.AI_AGREEMENT: Kind.KAPPA,
    Indicator.READINGS: Kind.MEAN,
    Indicator.READER_DETECTION: Kind.PER_1000,
}
"""Shares are left out."""


class Needs(StrEnum):
    """Which data an indicator lacks: a closed list."""

    EXAMS = "exams"
    """None of those that it counts among."""
    DOSE = "dose"
    INVITED = "invited"
    RESULT_DATES = "result_dates"
    EARLIER_SCREENING = "earlier_screening"
    OUTCOMES = "outcomes"
    """Outcomes of those recalled."""
    FOLLOW_UP = "follow_up"
    """Outcomes of nearly everybody, until the next screening."""
    PATHOLOGY = "pathology"
    SURGERY = "surgery"
    AI = "ai"
    TWO_READERS = "two_readers"


class Terms(Frozen):
    """What a site takes for its indicators.

    Parameters
    ----------
    result_days : int
        Working days within which a woman should have her result.
    interval_months : (float, float)
        From one screening to the next, as it should be.
    follow_up_months : float
        After which an exam without cancer is known.
    """

    result_days: int = Field(default=10, ge=1)
    interval_months: tuple[float, float] = (21, 27)
    follow_up_months: float = Field(default=24, gt=0)


class Outside(Frozen):
    """What exams do not tell, for one round.

    Parameters
    ----------
    invited : int, optional
        Women invited in the period.
    """

    invited: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class Count:
    """An indicator of some exams.

    Parameters
    ----------
    indicator : Indicator
    category : str
        Part of a distribution; else empty.
    hits : float, optional
        What was counted; a sum for means; None for kappa.
    cases : int
        Among how many.
    figure : Figure, optional
        None where ``needs`` says what is lacking.
    needs : Needs, optional
    """

    indicator: Indicator
    category: str = ""
    hits: float | None = None
    cases: int = 0
    figure: Figure | None = None
    needs: Needs | None = None

    @property
    def kind(self) -> Kind:
        """How the figure is read."""
        return KINDS.get(self.indicator, Kind.SHARE)


@dataclass(frozen=True)
class Group:
    """Exams that are counted together, and the choices that many indicators ask for."""

    exams: Sequence[PastExam]
    terms: Terms = field(default_factory=Terms)
    outside: Outside = field(default_factory=Outside)

    @cached_property
    def decided(self) -> list[PastExam]:
        return [exam for exam in self.exams if exam.decision is not None]

    @cached_property
    def recalled(self) -> list[PastExam]:
        return [exam for exam in self.exams if exam.recalled]

    @cached_property
    def detected(self) -> list[Outcome]:
        return [exam.outcome for exam in self.exams if exam.detected and exam.outcome]

    @cached_property
    def invasive(self) -> list[Outcome]:
        return [outcome for outcome in self.detected if outcome.invasive]

    @cached_property
    def outcomes_known(self) -> bool:
        """Is the outcome known of nearly all who were recalled?"""
        known = sum(exam.outcome is not None for exam in self.recalled)
        return known >= LEAST_KNOWN * len(self.recalled)

    @cached_property
    def followed(self) -> list[PastExam]:
        return [exam for exam in self.decided if exam.known(self.terms.follow_up_months)]

    @cached_property
    def with_ai(self) -> list[tuple[Verdict, Verdict, PastExam]]:
        """First reader's and AI's opinions, counted or not, where both have one."""
        return [
            (exam.reads[0].verdict, exam.ai.said, exam)
            for exam in self.exams
            if exam.reads and exam.ai is not None and exam.ai.said is not None
        ]

    @cached_property
    def differing(self) -> list[tuple[Verdict, PastExam]]:
        """The AI's opinion where it differs from the first reader's and the outcome is known."""
        return [
            (said, exam)
            for read, said, exam in self.with_ai
            if read is not said
            and read is not Verdict.TECHNICAL
            and exam.known(self.terms.follow_up_months)
        ]


def share(
    indicator: Indicator, hits: int, cases: int, needs: Needs = Needs.EXAMS, category: str = ""
) -> Count:
    """A share, or a rate per 1,000 where the indicator is one; None among no cases."""
    if not cases:
        return Count(indicator, category, needs=needs)
    per = 1000 if KINDS.get(indicator) is Kind.PER_1000 else 1
    return Count(indicator, category, hits, cases, proportion(hits, cases).times(per))


def mean(indicator: Indicator, values: Sequence[float], needs: Needs) -> Count:
    """A mean with Student's interval."""
    if not values:
        return Count(indicator, needs=needs)
    found = np.array(values, float)
    middle, reach = float(found.mean()), 0.0
    if len(found) > 1:
        error = float(found.std(ddof=1) / np.sqrt(len(found)))
        reach = float(stats.t.ppf((1 + LEVEL) / 2, len(found) - 1)) * error
    figure = Figure(middle, middle - reach, middle + reach)
    return Count(indicator, "", float(found.sum()), len(found), figure)


def _dose(group: Group) -> Count:
    doses = [exam.dose_mgy for exam in group.exams if exam.dose_mgy is not None]
    return mean(Indicator.RADIATION_DOSE, doses, Needs.DOSE)


def _participation(group: Group) -> Count:
    invited, women = group.outside.invited, len({exam.woman for exam in group.exams})
    if invited is None or women > invited:
        return Count(Indicator.PARTICIPATION, needs=Needs.INVITED)
    return share(Indicator.PARTICIPATION, women, invited)


def _time(group: Group) -> Count:
    days = [exam.working_days for exam in group.decided if exam.working_days is not None]
    within = sum(day <= group.terms.result_days for day in days)
    return share(Indicator.TIME_TO_RESULT, within, len(days), Needs.RESULT_DATES)


def _interval(group: Group) -> Count:
    low, high = group.terms.interval_months
    months = [
        (exam.date - exam.previous_on).days / DAYS_A_MONTH
        for exam in group.exams
        if exam.previous_on is not None
    ]
    within = sum(low <= one <= high for one in months)
    return share(Indicator.SCREENING_INTERVAL, within, len(months), Needs.EARLIER_SCREENING)


def _recall(group: Group) -> Count:
    return share(Indicator.RECALL, len(group.recalled), len(group.decided))


def _interval_cancers(group: Group) -> Count:
    followed = group.followed
    if len(followed) < LEAST_KNOWN * len(group.decided):
        return Count(Indicator.INTERVAL_CANCERS, needs=Needs.FOLLOW_UP)
    missed = sum(exam.interval_cancer for exam in followed)
    return share(Indicator.INTERVAL_CANCERS, missed, len(followed), Needs.FOLLOW_UP)


def _invasive(group: Group) -> Count:
    told = [one.invasive for one in group.detected if one.invasive is not None]
    return share(Indicator.INVASIVE_SHARE, sum(told), len(told), Needs.PATHOLOGY)


def _nodes(group: Group) -> Count:
    told = [one.node_positive for one in group.invasive if one.node_positive is not None]
    return share(Indicator.NODE_NEGATIVE, len(told) - sum(told), len(told), Needs.PATHOLOGY)


def _small(group: Group) -> Count:
    sizes = [one.size_mm for one in group.invasive if one.size_mm is not None]
    small = sum(size <= SMALL_MM for size in sizes)
    return share(Indicator.SMALL_INVASIVE, small, len(sizes), Needs.PATHOLOGY)


def _surgery(group: Group) -> Count:
    done = [exam.outcome.surgery for exam in group.recalled if exam.outcome is not None]
    benign = sum(one is Surgery.BENIGN for one in done)
    malignant = sum(one in OPERATIONS for one in done)
    if not malignant:
        return Count(Indicator.BENIGN_TO_MALIGNANT, needs=Needs.SURGERY)
    figure = ratio(benign, malignant)
    return Count(Indicator.BENIGN_TO_MALIGNANT, "", benign, malignant, figure)


def _conserving(group: Group) -> Count:
    done = [one.surgery for one in group.invasive if one.surgery in OPERATIONS]
    kept = sum(one is Surgery.CONSERVING for one in done)
    return share(Indicator.BREAST_CONSERVING, kept, len(done), Needs.SURGERY)


def _detection(group: Group) -> Count:
    if not group.outcomes_known:
        return Count(Indicator.DETECTION, needs=Needs.OUTCOMES)
    return share(Indicator.DETECTION, len(group.detected), len(group.decided))


def _ppv(group: Group) -> Count:
    if not group.outcomes_known:
        return Count(Indicator.PPV, needs=Needs.OUTCOMES)
    told = [exam for exam in group.recalled if exam.outcome is not None]
    return share(Indicator.PPV, sum(exam.detected for exam in told), len(told))


def _false_positives(group: Group) -> Count:
    if not group.outcomes_known:
        return Count(Indicator.FALSE_POSITIVES, needs=Needs.OUTCOMES)
    false = sum(exam.outcome is not None and not exam.detected for exam in group.recalled)
    return share(Indicator.FALSE_POSITIVES, false, len(group.decided))


def _technical(group: Group) -> Count:
    technical = sum(exam.decision is Verdict.TECHNICAL for exam in group.decided)
    return share(Indicator.TECHNICAL_RECALL, technical, len(group.decided))


def _pairs(indicator: Indicator, pairs: Sequence[tuple[Verdict, Verdict]], needs: Needs) -> Count:
    """Kappa of pairs of opinions; technical ones are left out."""
    order = (Verdict.NORMAL, Verdict.RECALL)
    found = Counter(pairs)
    table = [[found[one, other] for other in order] for one in order]
    clear = sum(map(sum, table))
    try:
        figure = kappa(table)
    except InvalidValueError:
        return Count(indicator, cases=clear, needs=needs)
    return Count(indicator, "", None, clear, figure)


def _agreement(group: Group) -> Count:
    pairs = [(exam.reads[0].verdict, exam.reads[1].verdict)
             for exam in group.exams if len(exam.reads) > 1]  # fmt: skip
    return _pairs(Indicator.AGREEMENT, pairs, Needs.TWO_READERS)


def _ai_agreement(group: Group) -> Count:
    pairs = [(one, other) for one, other, _ in group.with_ai]
    return _pairs(Indicator.AI_AGREEMENT, pairs, Needs.AI)


def _arbitration(group: Group) -> Count:
    settled = sum(exam.arbitration is not None for exam in group.decided)
    return share(Indicator.ARBITRATION, settled, len(group.decided))


def _ai_right(group: Group) -> Count:
    differing = group.differing
    right = sum((said is Verdict.RECALL) == exam.cancer for said, exam in differing)
    return share(Indicator.AI_RIGHT, right, len(differing), Needs.FOLLOW_UP)


def _ai_right_in_cancer(group: Group) -> Count:
    said = [said for said, exam in group.differing if exam.cancer]
    right = sum(one is Verdict.RECALL for one in said)
    return share(Indicator.AI_RIGHT_IN_CANCER, right, len(said), Needs.FOLLOW_UP)


def _readings(group: Group) -> Count:
    readings = [float(exam.human_readings) for exam in group.decided]
    return mean(Indicator.READINGS, readings, Needs.EXAMS)


def _saved(group: Group) -> Count:
    """First readings that nobody had to make, of two an exam."""
    made = sum(len(exam.reads) for exam in group.decided)
    wanted = 2 * len(group.decided)
    return share(Indicator.READINGS_SAVED, wanted - made, wanted)


ONE: tuple[Callable[[Group], Count], ...] = (
    _dose, _participation, _time, _interval, _recall, _interval_cancers, _invasive, _nodes,
    _small, _surgery, _conserving, _detection, _ppv, _false_positives, _technical, _agreement,
    _ai_agreement, _arbitration, _ai_right, _ai_right_in_cancer, _readings, _saved,
)  # fmt: skip


def by_size(group: Group) -> list[Count]:
    """Invasive cancers that were detected, by size: a watch on overdiagnosis."""
    sizes = [one.size_mm for one in group.invasive if one.size_mm is not None]
    parts = {
        f"<={SMALL_MM} mm": sum(size <= SMALL_MM for size in sizes),
        f"{SMALL_MM}-{MIDDLE_MM} mm": sum(SMALL_MM < size <= MIDDLE_MM for size in sizes),
        f">{MIDDLE_MM} mm": sum(size > MIDDLE_MM for size in sizes),
    }
    return [
        share(Indicator.CANCERS_BY_SIZE, count, len(sizes), Needs.PATHOLOGY, name)
        for name, count in parts.items()
    ]


def by_stage(group: Group) -> list[Count]:
    """Cancers that were detected, by stage; 0 is in situ."""
    stages = [one.stage for one in group.detected if one.stage is not None]
    return [
        share(Indicator.CANCERS_BY_STAGE, stages.count(stage), len(stages), Needs.PATHOLOGY, stage)
        for stage in Stage
    ]


def counts(group: Group) -> list[Count]:
    """Every indicator of some exams, in the order of the list."""
    return [*(count(group) for count in ONE), *by_size(group), *by_stage(group)]


def reader_counts(group: Group, reader: str) -> list[Count]:
    """Indicators of one person's own first opinions."""
    own = [
        (read.verdict, exam)
        for exam in group.exams
        for read in exam.reads
        if read.reader == reader and read.verdict is not Verdict.TECHNICAL
    ]
    recalls = [exam for verdict, exam in own if verdict is Verdict.RECALL]
    looked_at = [exam for exam in recalls if exam.outcome is not None and exam.recalled]
    hits = sum(exam.detected for exam in looked_at)
    found = [verdict for verdict, exam in own if exam.cancer]
    settled = [(verdict, exam.decision) for verdict, exam in own if exam.arbitration is not None]
    return [
        share(Indicator.READER_RECALL, len(recalls), len(own)),
        share(Indicator.READER_DETECTION, hits, len(own))
        if group.outcomes_known
        else Count(Indicator.READER_DETECTION, needs=Needs.OUTCOMES),
        share(Indicator.READER_PPV, hits, len(looked_at), Needs.OUTCOMES),
        share(Indicator.READER_MISSED, found.count(Verdict.NORMAL), len(found), Needs.OUTCOMES),
        share(Indicator.READER_UPHELD, sum(a is b for a, b in settled), len(settled)),
    ]
