"""What the simulated programme takes from the NYU reader study, measured again.

    python -m bench.programme.reader_study --data ../shared/data

Opinions are compared by their normal scores, so that no scale of anybody matters; malignant
breasts and others apart. A reader's binormal curve is a line through the points of the ROC curve
on normal axes, between 0.5 and 50 % false positives.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from bench.reading.reader_study import FILE, Study, read
from gransk.core.statistics.figure import BoolArray, FloatArray

NETWORK = "AI_GMIC_top5"
LOWEST, HIGHEST = 0.005, 0.5
END = 0.02


class Measured(NamedTuple):
    """Correlations of normal scores, and readers' curves.

    Parameters
    ----------
    readers_cancer, readers_healthy : float
        Mean over pairs of readers.
    ai_cancer, ai_healthy : float
        Mean over readers, each with the network.
    slope : float
        Mean over readers.
    spread : float
        Standard deviation of the intercept over readers.
    """

    readers_cancer: float
    readers_healthy: float
    ai_cancer: float
    ai_healthy: float
    slope: float
    spread: float


def measured(study: Study) -> Measured:
    """What the study says."""
    curves = [binormal(one, study.malignant) for one in study.readers.values()]
    readers, ai = list(study.readers.values()), study.networks[NETWORK]
    sick, healthy = study.malignant, ~study.malignant
    return Measured(
        readers_cancer=_together(combinations(readers, 2), sick),
        readers_healthy=_together(combinations(readers, 2), healthy),
        ai_cancer=_together(((one, ai) for one in readers), sick),
        ai_healthy=_together(((one, ai) for one in readers), healthy),
        slope=float(np.mean([slope for _, slope in curves])),
        spread=float(np.std([intercept for intercept, _ in curves], ddof=1)),
    )


def binormal(score: FloatArray, malignant: BoolArray) -> tuple[float, float]:
    """Intercept and slope of a binormal curve."""
    limits = np.unique(score)
    false = np.array([(score[~malignant] >= limit).mean() for limit in limits])
    true = np.array([(score[malignant] >= limit).mean() for limit in limits])
    used = (false > LOWEST) & (false < HIGHEST) & (true > END) & (true < 1 - END)
    slope, intercept = np.polyfit(norm.ppf(false[used]), norm.ppf(true[used]), 1)
    return float(intercept), float(slope)


def _together(pairs: Iterable[tuple[FloatArray, FloatArray]], rows: BoolArray) -> float:
    found = [np.corrcoef(_normal(one[rows]), _normal(other[rows]))[0, 1] for one, other in pairs]
    return float(np.mean(found))


def _normal(values: FloatArray) -> FloatArray:
    scores: FloatArray = norm.ppf((rankdata(values) - 0.5) / len(values))
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    found = measured(read(parser.parse_args(arguments).data / FILE))
    for name, value in found._asdict().items():
        print(f"{name:<16} {value:.3f}")


if __name__ == "__main__":
    main()
