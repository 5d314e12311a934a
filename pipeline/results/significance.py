"""Is the best method of a comparison better than the others, or could the queries explain it?"""

from collections.abc import Sequence

import numpy as np

LEVEL = 0.05


def paired_p(a: np.ndarray, b: np.ndarray) -> float:
    """p-value of the two-sided paired t-test on per-query values a, b (q,); 1 where they are equal.

    The t-test on the per-query differences is what information retrieval uses for mean average
    precision (Urbano, Lima and Hanjalic, SIGIR 2019): with hundreds of queries the mean of bounded
    differences is close to normal.
    """
    from scipy.stats import ttest_rel

    difference = np.asarray(a) - np.asarray(b)
    if np.ptp(difference) == 0:  # no variance to test against
        return 1.0 if difference[0] == 0 else 0.0
    return float(ttest_rel(a, b).pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: adjusted p-values, in the order given (Holm 1979).

    The smallest of m is multiplied by m, the next by m - 1, ...; none falls below one before it.
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def against_best(per_query: Sequence[np.ndarray | None], best: int) -> np.ndarray:
    """Holm-corrected p-values of every competitor against number ``best``.

    per_query  arrays (seeds, q) whose seeds and queries are the same for all competitors. They are
               averaged over the seeds, so that repeated queries do not count as new evidence; where
               every seed draws its own queries, a mean is that of the i-th query of each. None, or
               a shape that differs from the best's, cannot be paired and gives NaN, as does the
               best itself.
    """
    reference = per_query[best]
    pairable = [
        i
        for i, values in enumerate(per_query)
        if i != best
        and values is not None
        and reference is not None
        and values.shape == reference.shape
    ]
    raw = [paired_p(*(np.nanmean(x, axis=0) for x in (reference, per_query[i]))) for i in pairable]
    found = np.full(len(per_query), np.nan)
    found[np.array(pairable, int)] = holm(raw)
    return found
