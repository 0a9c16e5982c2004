"""How soon a shift is found, and how often charts alarm falsely: ``python -m bench.drift``.

A programme is simulated: studies of working days, scores of a skewed distribution (beta(0.6, 6),
as a detector's on screening exams are: no real unit's), charted as `gransk.oversight.drift` does
with the defaults of the configuration. Every run draws a reference of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from gransk.core.statistics.shares import proportion, rate
from gransk.oversight.drift.charts import (
    Design,
    Statistic,
    chart_categories,
    chart_numbers,
)
from gransk.site.config_monitoring import DriftSection

FloatArray = npt.NDArray[np.float64]
WORKING_DAYS = 250
CHARTS = 14
"""Of a unit that reads mammography: seven facts that are numbers have two charts each."""
DEVIATES = np.linspace(-5, 6, 4001)
QUANTILES = stats.beta(0.6, 6).ppf(special.ndtr(DEVIATES))
KERNELS = {"a": 0.6, "b": 0.3, "c": 0.1}


def scores(rng: np.random.Generator, count: int, shift: float) -> FloatArray:
    """Scores whose normal deviates are shifted by so many standard deviations."""
    found: FloatArray = np.interp(rng.normal(size=count) + shift, DEVIATES, QUANTILES)
    return found


def main() -> None:
    """Print delays and false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--a-day", type=int, default=80, help="studies of a working day")
    parser.add_argument("--charts", type=int, default=CHARTS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    section = DriftSection()
    design = Design(
        shift=section.shift,
        false_alarms=section.false_alarms_per_year / asked.charts,
        a_year=float(WORKING_DAYS * asked.a_day),
        batch=section.batch_studies,
    )
    print(f"{asked.a_day} studies a working day, reference of {section.reference_studies}, "
          f"{asked.charts} charts, {section.false_alarms_per_year:g} false alarms a year wanted, "
          f"{asked.runs} runs, seed {asked.seed}")  # fmt: skip
    rng = np.random.default_rng(asked.seed)
    for shift in (0.2, 0.5):
        for statistic in (Statistic.CUSUM, Statistic.EWMA):
            delays = [
                _delay(rng, section, design, asked.a_day, shift, statistic)
                for _ in range(asked.runs)
            ]
            _print_delays(f"score shifted by {shift} SD, {statistic}", delays, asked.a_day)
    delays = [_moved(rng, section, design, asked.a_day) for _ in range(asked.runs)]
    _print_delays("10 % of studies by a kernel that was not there", delays, asked.a_day)
    _print_false(rng, section, design, asked)


def _days(count: int, a_day: int) -> list[int]:
    """Day numbers: five working days of a week."""
    return [n // a_day // 5 * 7 + n // a_day % 5 for n in range(count)]


def _weeks(count: int, a_day: int) -> list[int]:
    return [n // (5 * a_day) for n in range(count)]


def _chart(
    rng: np.random.Generator,
    section: DriftSection,
    design: Design,
    a_day: int,
    values: FloatArray,
    statistic: Statistic,
) -> tuple[int, ...]:
    """Where the charts of one run alarm."""
    count = section.reference_studies
    chart = chart_numbers(
        list(scores(rng, count, 0.0)), list(values), _days(count, a_day),
        _days(len(values), a_day), statistic, design,
    )  # fmt: skip
    return tuple(episode.signal for episode in chart.episodes)


def _delay(
    rng: np.random.Generator,
    section: DriftSection,
    design: Design,
    a_day: int,
    shift: float,
    statistic: Statistic,
) -> float:
    """Studies from a shift, after 20 days in control, to the alarm; infinite within 250 days."""
    before = 20 * a_day
    values = np.concatenate([scores(rng, before, 0.0), scores(rng, WORKING_DAYS * a_day, shift)])
    signals = _chart(rng, section, design, a_day, values, statistic)
    return next((n - before + 1.0 for n in signals if n >= before), np.inf)


def _moved(rng: np.random.Generator, section: DriftSection, design: Design, a_day: int) -> float:
    after = {name: 0.9 * share for name, share in KERNELS.items()} | {"new": 0.1}
    before = 20 * a_day
    values = [*_kernels(rng, KERNELS, before), *_kernels(rng, after, 60 * a_day)]
    chart = chart_categories(
        _kernels(rng, KERNELS, section.reference_studies), values,
        _weeks(section.reference_studies, a_day), _weeks(len(values), a_day), design,
    )  # fmt: skip
    return next((e.signal - before + 1.0 for e in chart.episodes if e.signal >= before), np.inf)


def _kernels(rng: np.random.Generator, shares: dict[str, float], count: int) -> list[str]:
    return [str(one) for one in rng.choice(list(shares), p=list(shares.values()), size=count)]


def _print_delays(what: str, delays: list[float], a_day: int) -> None:
    found = np.array(delays)
    median, ninetieth = np.quantile(found, [0.5, 0.9], method="higher")
    print(f"{what}: median {median:.0f} studies ({median / a_day:.1f} working days), "
          f"90th {ninetieth:.0f} ({ninetieth / a_day:.1f}); "
          f"not found within the run {np.mean(np.isinf(found)):.1%}")  # fmt: skip


def _print_false(
    rng: np.random.Generator, section: DriftSection, design: Design, asked: argparse.Namespace
) -> None:
    count = WORKING_DAYS * asked.a_day

    def numbers(statistic: Statistic) -> Callable[[], int]:
        return lambda: len(
            _chart(rng, section, design, asked.a_day, scores(rng, count, 0.0), statistic)
        )

    def kernels() -> int:
        chart = chart_categories(
            _kernels(rng, KERNELS, section.reference_studies), _kernels(rng, KERNELS, count),
            _weeks(section.reference_studies, asked.a_day), _weeks(count, asked.a_day), design,
        )  # fmt: skip
        return len(chart.episodes)

    every, years = 0, 0
    makes = {"cusum": numbers(Statistic.CUSUM), "ewma": numbers(Statistic.EWMA), "batch": kernels}
    for name, make in makes.items():
        alarms = [make() for _ in range(asked.runs)]
        years_with = proportion(sum(one > 0 for one in alarms), asked.runs)
        found = rate(sum(alarms), asked.runs, per=asked.charts)
        print(f"no shift, {name}: {sum(alarms)} false alarms in {asked.runs} years of one chart "
              f"({years_with.value:.1%} of years, {years_with.low:.1%} to {years_with.high:.1%}); "
              f"{asked.charts} such charts: {found.value:.2f} a year "
              f"({found.low:.2f} to {found.high:.2f})")  # fmt: skip
        every, years = every + sum(alarms), years + asked.runs
    found = rate(every, years, per=asked.charts)
    print(f"together, {asked.charts} charts: {found.value:.2f} false alarms a year "
          f"({found.low:.2f} to {found.high:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
