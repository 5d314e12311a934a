"""Do two methods differ by more than chance explains, the chance of trainings and that of queries?

Two methods are compared on S seeds, each one split, one initialisation and one order of
mini-batches, and on Q queries in each. Seeds, splits and queries are the same for both, so what is
tested is the difference of their values (S, Q), one per seed and query. Its mean varies for two
reasons: other trainings would have given another difference, and so would other queries. Seeds
that ask the same query are not independent of each other. So

    variance of the mean = (variance between the means of seeds) / S + (what shared queries add),

the second part being the covariance of two seeds' means, estimated from the queries they share.
This is the analysis of variance of Obuchowski and Rockette (Communications in Statistics 24, 1995;
Hillis, Statistics in Medicine 26, 2007), where several readers judge the same cases by two methods
and both are random: a seed is a reader, a query a case. Where every seed asks queries of its own it
is the paired t-test on the means of seeds, with S - 1 degrees of freedom.

The two parts have different degrees of freedom. The quantile used is the mean of their two t
quantiles, weighted by the parts (Cochran, Biometrics 20, 1964): for few seeds it keeps the level
where Satterthwaite's approximation does not (docs/statistics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

LEVEL = 0.05
LEAST = 1e-100  # p-values below are not told apart


@dataclass(frozen=True)
class Difference:
    """A mean difference and what its variance is made of.

    mean     over seeds and queries
    parts    the parts of its variance, at least one: what varies between seeds, what their shared
             queries add
    freedom  the degrees of freedom of each part; 0 where a part cannot be told
    """

    mean: float
    parts: tuple[float, ...]
    freedom: tuple[int, ...]

    @property
    def error(self) -> float:
        """The standard error of the mean; NaN where it cannot be told, as with one seed."""
        return float(np.sqrt(sum(self.parts))) if all(self.freedom) else np.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean."""
        if not self.error > 0:  # nothing varies, or nothing is known
            return self.mean + self.error, self.mean + self.error
        reach = float(quantile(self.parts, self.freedom, LEVEL)) * self.error
        return self.mean - reach, self.mean + reach

    @property
    def p_value(self) -> float:
        """Two-sided: the level at which the interval just reaches 0."""
        if not self.error > 0:
            return float(self.mean == 0) if self.error == 0 else np.nan
        t = abs(self.mean) / self.error
        ends = [max(2 * stdtr(f, -t), LEAST) for f in self.freedom]  # it lies between these
        low, high = min(ends), max(ends)

        def excess(level: float) -> float:
            return float(quantile(self.parts, self.freedom, level)) - t

        if excess(low) <= 0:  # an end is reached where one part is all of the variance
            return low
        if excess(high) >= 0:
            return high
        return float(brentq(excess, low, high, xtol=LEAST, rtol=1e-10))


def quantile(parts: ArrayLike, freedom: ArrayLike, level: float) -> np.ndarray:
    """Cochran's two-sided quantile: those of t, weighted by the parts of the variance (last axis).

    parts, freedom: (..., k); the result has their leading axes.
    """
    quantiles = -stdtrit(freedom, level / 2)
    return np.sum(np.multiply(parts, quantiles), axis=-1) / np.sum(parts, axis=-1)


def paired_difference(difference: np.ndarray, rows: np.ndarray | None) -> Difference:
    """What is known of the mean of differences (S, Q) over seeds and queries.

    rows  int (S, Q): which query each value is of; None where no value belongs to a query
    """
    difference = np.asarray(difference, float)
    shared = (0.0, 0) if rows is None else shared_variance(difference, rows)
    return of_seeds(difference.mean(axis=1), *shared)


def of_seeds(means: np.ndarray, shared: float, queries: int) -> Difference:
    """The same from the seeds' means (S,) and the result of ``shared_variance``."""
    seeds = len(means)
    between = float(np.var(means, ddof=1)) / seeds if seeds > 1 else 0.0
    known = ((between, seeds - 1), (shared, queries - 1)) if shared else ((between, seeds - 1),)
    return Difference(float(np.mean(means)), *zip(*known, strict=True))


def shared_variance(difference: np.ndarray, rows: np.ndarray) -> tuple[float, int]:
    """(mean covariance of two seeds' means, how many queries several seeds ask).

    difference, rows: (S, Q). Two seeds that both ask m queries have the covariance c m / Q^2, where
    c is the covariance of their values on one of these.
    """
    seeds, queries = difference.shape
    flat, around = rows.ravel(), (difference - difference.mean(axis=1, keepdims=True)).ravel()
    asked = np.bincount(flat)
    pairs = float((asked * (asked - 1)).sum())  # ordered pairs of seeds, over all queries
    if not pairs or queries < 2:
        return 0.0, 0
    products = (np.bincount(flat, around) ** 2).sum() - (around**2).sum()
    covariance = max(products / pairs, 0.0) * queries / (queries - 1)
    share = pairs / (seeds * (seeds - 1) * queries)  # m / Q, mean over pairs of seeds
    return covariance * share / queries, int((asked > 1).sum())


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: adjusted p-values, in the order given (Holm 1979).

    The smallest of m is multiplied by m, the next by m - 1, ...; none falls below one before it.
    NaN, where nothing was tested, does not count and stays.
    """
    raw = np.asarray(p, float)
    order = np.argsort(raw, kind="stable")[: np.isfinite(raw).sum()]  # NaN comes last
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full_like(raw, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * factors), 1.0)
    return adjusted
