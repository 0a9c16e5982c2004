"""From counted studies to charts and alarms, by application, unit, device and fact."""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.oversight.alarm_tables import AlarmKind
from gransk.oversight.alarms import STUDIES, Figure
from gransk.oversight.drift.charts import (
    YEAR_DAYS,
    Chart,
    Design,
    Episode,
    Statistic,
    chart_categories,
    chart_numbers,
    is_number,
)
from gransk.results.observed import PROBABILITY, Observation
from gransk.site.config_monitoring import DriftSection

OF_IMAGES = (
    "manufacturer", "equipment", "kernel", "thickness", "dose", "entrance_dose", "age",
)  # fmt: skip
"""Facts that no model changes: one reference holds whatever analyses."""
BY_DEVICE = ("score",)
NOT_WATCHED = ("exam_score", PROBABILITY)
"""Calibrated numbers follow the score; outcomes are held against them."""
LEAST_DEVICE = 2
"""Devices from which on they are watched apart."""
POINTS = 120
"""Points of a chart that are shown."""
_FACT = re.compile(r"[a-z0-9_]{1,40}")


class Counted(NamedTuple):
    """A counted study."""

    study_key: str
    application: str
    unit: str
    regime: str
    facts: Mapping[str, str | float]
    at: datetime.datetime
    day: int


@dataclass(frozen=True)
class Watched:
    """One fact of one group of studies.

    Parameters
    ----------
    application, unit, fact : str
    device : str
        Empty where every device counts.
    regime : str
        Empty where every version of models and settings counts.
    reference, after : sequence of Counted
    wanted : int
        Studies that make a reference; 0 where days are configured.
    """

    application: str
    unit: str
    fact: str
    device: str
    regime: str
    reference: Sequence[Counted] = field(repr=False)
    after: Sequence[Counted] = field(repr=False)
    wanted: int

    @property
    def ready(self) -> bool:
        """Is the reference whole?"""
        return len(self.reference) >= max(self.wanted, 2) and bool(self.after)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The charts that are made of it."""
        numbers = is_number([one.facts[self.fact] for one in self.reference])
        return (Statistic.CUSUM, Statistic.EWMA) if numbers else (Statistic.BATCH,)

    def about(self, statistic: Statistic) -> str:
        """Its name, in names of the configuration and digests."""
        device = f"device-{digest(self.device)[:8]}" if self.device else ""
        parts = (self.application, self.unit or "all", self.fact, device, self.regime, statistic)
        return "/".join(part for part in parts if part)


@dataclass(frozen=True)
class Found:
    """A chart with what is told of its alarm.

    Parameters
    ----------
    watched : Watched
    chart : Chart, optional
        None where the reference is not whole yet.
    about : str
    alarm : Raised, optional
    """

    watched: Watched
    chart: Chart | None
    about: str
    alarm: Raised | None


@dataclass(frozen=True)
class Raised:
    """What is told of an alarm."""

    kind: AlarmKind
    about: str
    figures: Mapping[str, Figure]
    since: datetime.datetime
    shown: Mapping[str, str] = field(default_factory=dict)
    studies: Sequence[str] = ()


def counted(session: Session, zone: datetime.tzinfo | None) -> list[Counted]:
    """Every counted study, in the order in which it was counted."""
    row = Observation
    query = (
        select(row.study_key, row.application, row.unit, row.regime, row.facts, row.at)
        .where(row.counted_at.is_not(None))
        .order_by(row.counted_at, row.at, row.study_key)
    )
    return [
        Counted(*one, day=one.at.astimezone(zone).date().toordinal())
        for one in session.execute(query)
    ]


def watch(every: Sequence[Counted], section: DriftSection) -> list[Found]:
    """Charts of every group and fact; limits are shared among those that are drawn."""
    watched = list(_watched(every, section))
    count = sum(len(one.statistics) for one in watched if one.ready)
    return [found for one in watched for found in _charted(one, section, max(count, 1))]


def _watched(every: Sequence[Counted], section: DriftSection) -> Iterable[Watched]:
    groups: dict[tuple[str, str], list[Counted]] = defaultdict(list)
    for one in every:
        groups[one.application, one.unit].append(one)
    for (application, unit), studies in sorted(groups.items()):
        facts = {fact for one in studies for fact in one.facts if _FACT.fullmatch(fact)}
        for fact in _ordered(facts - set(NOT_WATCHED)):
            for device, regime, chosen in _parts(studies, fact, section):
                having = [one for one in chosen if fact in one.facts]
                if having:
                    yield _split(having, application, unit, fact, device, regime, section)


def _ordered(facts: Iterable[str]) -> list[str]:
    """The score first, then what else analysis gave, then the images' facts."""
    return sorted(facts, key=lambda fact: (fact != "score", fact in OF_IMAGES, fact))


def _parts(
    studies: Sequence[Counted], fact: str, section: DriftSection
) -> Iterable[tuple[str, str, Sequence[Counted]]]:
    """(device, regime, studies) that are watched apart."""
    if fact in OF_IMAGES:
        yield "", "", studies
        return
    for regime in regimes_in_use(studies, section.batch_studies):
        under = [one for one in studies if one.regime == regime]
        yield "", regime, under
        if fact in BY_DEVICE:
            devices = Counter(str(one.facts.get("equipment", "")) for one in under)
            del devices[""]
            many = [d for d, n in sorted(devices.items()) if n > section.reference_studies]
            for device in many if len(devices) >= LEAST_DEVICE else ():
                yield device, regime, [one for one in under if one.facts.get("equipment") == device]


def regimes_in_use(studies: Sequence[Counted], last: int) -> list[str]:
    """Versions of models and settings among the last studies, the newest first.

    A rule may choose a model by the scanner, so that several are in use side by side.
    """
    return list(dict.fromkeys(one.regime for one in reversed(studies[-last:])))


def _split(
    having: Sequence[Counted],
    application: str,
    unit: str,
    fact: str,
    device: str,
    regime: str,
    section: DriftSection,
) -> Watched:
    period = section.period(application, unit)
    if period is None:
        wanted = section.reference_studies
        reference, after = having[:wanted], having[wanted:]
    else:
        first, last, wanted = period.first.toordinal(), period.last.toordinal(), 0
        reference = [one for one in having if first <= one.day <= last]
        after = [one for one in having if one.day > last]
    return Watched(application, unit, fact, device, regime, reference, after, wanted)


def _charted(watched: Watched, section: DriftSection, count: int) -> Iterable[Found]:
    if not watched.ready:
        yield Found(watched, None, watched.about(Statistic.CUSUM).rpartition("/")[0], None)
        return
    design = Design(
        shift=section.shift,
        false_alarms=section.false_alarms_per_year / count,
        a_year=_a_year(watched),
        batch=section.batch_studies,
    )
    for statistic in watched.statistics:
        chart = _chart(watched, statistic, design)
        about = watched.about(statistic)
        alarm = None if chart.alarm is None else _raised(watched, chart, chart.alarm, about)
        yield Found(watched, chart, about, alarm)


def _a_year(watched: Watched) -> float:
    """Studies in a year, as they came until now."""
    days = [one.day for one in (*watched.reference, *watched.after)]
    return len(days) * YEAR_DAYS / max(max(days) - min(days) + 1, 7)


def _chart(watched: Watched, statistic: Statistic, design: Design) -> Chart:
    days = [[one.day for one in part] for part in (watched.reference, watched.after)]
    if statistic is Statistic.BATCH:
        texts = [
            [_text(one.facts[watched.fact]) for one in part]
            for part in (watched.reference, watched.after)
        ]
        # Ordinal 1 is a Monday.
        weeks = [[(day - 1) // 7 for day in part] for part in days]
        return chart_categories(texts[0], texts[1], weeks[0], weeks[1], design)
    numbers = [
        [float(one.facts[watched.fact]) for one in part]
        for part in (watched.reference, watched.after)
    ]
    return chart_numbers(numbers[0], numbers[1], days[0], days[1], statistic, design)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _raised(watched: Watched, chart: Chart, episode: Episode, about: str) -> Raised:
    batch = chart.statistic is Statistic.BATCH
    studies = watched.after[episode.since :]
    pulls = chart.weights[episode.since :] * (1 if episode.up or batch else -1)
    order = sorted(range(len(studies)), key=lambda n: (-pulls[n], n))
    most = [studies[n].study_key for n in order if pulls[n] > 0][:STUDIES]
    last = chart.points[-1]
    if batch:
        value = last.value
    else:
        numbers = [float(one.facts[watched.fact]) for one in studies]
        value = sum(numbers) / len(numbers)
    figures: dict[str, Figure] = {
        "application": watched.application,
        "unit": watched.unit,
        "fact": watched.fact,
        "statistic": chart.statistic.value,
        "direction": "up" if episode.up else "down",
        "reference": round(chart.reference, 6),
        "value": round(value, 6),
        "reference_studies": len(watched.reference),
        "value_studies": len(studies),
        "of_limit": round(abs(last.of_limit), 3),
        "psi": None if last.psi is None else round(last.psi, 4),
        "model": watched.regime or None,
    }
    shown = {"named": last.named, "device": watched.device}
    return Raised(
        AlarmKind.DRIFT,
        about,
        figures,
        watched.after[episode.since].at,
        {name: text for name, text in shown.items() if text},
        most,
    )


def content_of(found: Found) -> dict[str, Any]:
    """A chart as it is kept for the page."""
    watched, chart = found.watched, found.chart
    told: dict[str, Any] = {
        "kind": "chart",
        "fact": watched.fact,
        "device": watched.device,
        "regime": watched.regime,
        "reference_studies": len(watched.reference),
        "wanted": watched.wanted,
        "from": _day(watched.reference[:1]),
        "to": _day(watched.reference[-1:]),
        "after": len(watched.after),
        "statistic": None,
        "points": [],
    }
    if chart is None:
        return told
    points = chart.points[-POINTS:]
    return told | {
        "statistic": chart.statistic.value,
        "reference": chart.reference,
        "limit": chart.limit,
        "out": chart.alarm is not None,
        "points": [
            {
                "day": _day([watched.after[point.last]]),
                "studies": point.studies,
                "value": point.value,
                "of_limit": round(point.of_limit, 4),
                "named": point.named,
                "psi": point.psi,
            }
            for point in points
        ],
    }


def _day(studies: Sequence[Counted]) -> str | None:
    return datetime.date.fromordinal(studies[0].day).isoformat() if studies else None
