"""Statistical tests of classifiers on the same images, by statsmodels.

The device needs none of them. The intervals that it needs are in
`alledge.runtime.metrics.intervals`, in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Return the p-value of McNemar's exact test that two classifiers err equally often.

    Parameters
    ----------
    correct_a, correct_b : (N,) array_like of bool
        Whether each classifier gave the true label of each image.

    Returns
    -------
    float
        Two-sided, in (0, 1]; 1 if the two are correct on the same images.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), 153-157.

    Examples
    --------
    >>> mcnemar([True] * 6, [False] * 6)
    0.03125
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact_test

    first, second = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    table = [
        [int((first & second).sum()), int((first & ~second).sum())],
        [int((~first & second).sum()), int((~first & ~second).sum())],
    ]
    return float(exact_test(table, exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for multiple tests by Holm's step-down procedure.

    Parameters
    ----------
    p_values : sequence of float
        In [0, 1].

    Returns
    -------
    list of float
        In [0, 1], in the order of `p_values`.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979),
    65-70.

    Examples
    --------
    >>> holm([0.01, 0.2])
    [0.02, 0.2]
    """
    from statsmodels.stats.multitest import multipletests

    if not len(p_values):
        return []
    return [float(p) for p in multipletests(p_values, method="holm")[1]]
