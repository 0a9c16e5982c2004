"""Agreement of two readers beyond chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from gransk.core.errors import InvalidValueError
from gransk.core.statistics.figure import Z95, Figure


def kappa(table: npt.ArrayLike) -> Figure:
    """Cohen's kappa with its large-sample 95 % interval.

    Fleiss, Cohen and Everitt 1969 (Psychol Bull 72:323).

    Parameters
    ----------
    table : array_like of int, shape (k, k)
        How often one reader said the row and the other the column.

    Raises
    ------
    InvalidValueError
        Where the table is none, or both readers only ever said one and the same.
    """
    counts = np.asarray(table, float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise InvalidValueError("table", counts.shape, "a square table of counts")
    total = counts.sum()
    if not total:
        raise InvalidValueError("table", 0, "at least one pair of readings")
    share = counts / total
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    seen, chance = float(np.trace(share)), float(rows @ columns)
    if chance == 1:
        raise InvalidValueError("table", "one answer", "readers who said more than one thing")
    value = (seen - chance) / (1 - chance)
    # Marginals of the other reader stand crosswise off the diagonal.
    crossed = columns[:, None] + rows[None, :]
    diagonal = np.eye(len(share), dtype=bool)
    on = (share * (1 - (rows[:, None] + columns[None, :]) * (1 - value)) ** 2)[diagonal].sum()
    off = (1 - value) ** 2 * (share * crossed**2)[~diagonal].sum()
    rest = (value - chance * (1 - value)) ** 2
    variance = (on + off - rest) / ((1 - chance) ** 2 * total)
    reach = Z95 * float(np.sqrt(max(variance, 0.0)))
    return Figure(value, max(-1.0, value - reach), min(1.0, value + reach))


def mcnemar(first_alone: int, second_alone: int) -> float:
    """Two-sided p of McNemar's exact test: do two readers of the same rows call as often?

    Of the rows on which they differ, each is as likely to be the one who called (a binomial of
    one half).

    Parameters
    ----------
    first_alone, second_alone : int
        Rows that one of them alone called.
    """
    rows = first_alone + second_alone
    return float(stats.binomtest(first_alone, rows, 0.5).pvalue) if rows else 1.0
