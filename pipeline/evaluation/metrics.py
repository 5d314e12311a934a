"""The retrieval metrics, as formulas over two counts per query and tie group.

All of them follow from how many items, and how many relevant ones, a query has in each group of
equally distant items, the groups being ordered by distance. In the names below a group has

    n    items                          r    relevant items
    n0   items in nearer groups  (N0)   r0   relevant items in nearer groups  (R0)
    m    of its ranks within the cut k, m = min(n, k - N0), at least 0
    h    H(N0 + m) - H(N0), H(m) = 1 + 1/2 + ... + 1/m

and R is the number of relevant items in the whole database. A term with denominator zero is 0.
The order inside a group is random, all orders being equally likely, unless a function says
otherwise. Tie-aware average precision: McSherry & Najork, ECIR 2008, for the divisor R; the
divisor "hits" (relevant items within the cut) needs the hypergeometric sum in addition.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import digamma

from pipeline.evaluation.compiled import compiled


@dataclass(frozen=True)
class Groups:
    """Counts by tie group, nearest first; a group may be empty.

    items, relevant: int64 (queries, groups), every row of ``items`` having the same sum N.
    """

    items: np.ndarray
    relevant: np.ndarray

    @cached_property
    def ends(self) -> np.ndarray:
        """N0 + n: the last rank of each group."""
        return np.cumsum(self.items, axis=1)

    @cached_property
    def found(self) -> np.ndarray:
        """R0 + r: relevant items up to and with each group."""
        return np.cumsum(self.relevant, axis=1)

    @property
    def total(self) -> np.ndarray:
        """R, (queries,)."""
        return self.found[:, -1]


def expected_ap(groups: Groups, k: int | None) -> dict[str, np.ndarray]:
    """Expected AP@k of each query with the divisors hits, min(k, R) and R, each (queries,)."""
    cut = _Cut(groups, k)
    sums = precision_sum(cut.n0, cut.r0, cut.n, cut.r, cut.m, cut.h)
    at_cut = cut.at(sums)
    whole = np.where(cut.is_nearer, sums, 0).sum(axis=1)
    return {
        "hits": _hits_divisor(
            whole, *map(cut.at, (cut.n0, cut.r0, cut.n, cut.r, cut.m)), cut.at(cut.h)
        ),
        "min": ratio(whole + at_cut, np.minimum(cut.k, groups.total)),
        "total": ratio(whole + at_cut, groups.total),
    }


def optimistic_ap(groups: Groups, k: int | None) -> np.ndarray:
    """AP@k (divisor hits) with the relevant items first in each group, (queries,).

    Where a group is cut, fewer hits also mean a smaller divisor, so this is the AP of one extreme
    order, which is nearly always, but not provably, the largest.
    """
    cut = _Cut(groups, k)
    return _run_ap(cut, cut.n0, np.minimum(cut.r, cut.m))


def pessimistic_ap(groups: Groups, k: int | None) -> np.ndarray:
    """AP@k (divisor hits) with the relevant items last in each group, (queries,)."""
    cut = _Cut(groups, k)
    irrelevant = cut.n - cut.r
    return _run_ap(cut, cut.n0 + irrelevant, np.maximum(cut.m - irrelevant, 0))


def found_within(groups: Groups, ranks: np.ndarray) -> np.ndarray:
    """K E[P@K] = R0 + m r / n, the expected number of relevant items within each rank K.

    ranks (j,), ascending, none above N; float64 (queries, j).
    """
    return _found_within(groups.ends, groups.found, np.asarray(ranks, np.int64))


def hit_probability(groups: Groups, k: int) -> np.ndarray:
    """Probability of at least one relevant item within the first k ranks, (queries,).

    Missing needs no relevant item in nearer groups and m draws without replacement from the cut
    group that all fail: the product of (n - r - i) / (n - i) over i < m.
    """
    cut = _Cut(groups, k)
    r0, n, r, m = (cut.at(values)[:, None] for values in (cut.r0, cut.n, cut.r, cut.m))
    draw = np.arange(min(k, int(m.max())))
    failures = ratio(np.maximum(n - r - draw, 0), np.maximum(n - draw, 1))
    miss = np.where(draw < m, failures, 1.0).prod(axis=1)
    return np.where(r0[:, 0] > 0, 1.0, 1.0 - miss)


def precision_recall(
    retrieved: np.ndarray, found: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall, float64, of ``found`` among ``retrieved`` items and ``total`` ones."""
    return ratio(found, retrieved), ratio(found, total)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, and 0 where the denominator is 0; float64."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    out = np.zeros(numerator.shape)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def harmonic(m: np.ndarray) -> np.ndarray:
    """H(m), float64, to about 1e-15 of its value however large m is."""
    return digamma(m + 1.0) + np.euler_gamma


def precision_sum(
    n0: np.ndarray, r0: np.ndarray, n: np.ndarray, r: np.ndarray, m: np.ndarray, h: np.ndarray
) -> np.ndarray:
    """Expected sum of the precisions at the relevant ranks among the first m ranks of a group.

    (r/n) [ (R0+1) h + (r-1)/(n-1) (m - (N0+1) h) ]: the item at a rank is relevant with probability
    r/n, and then each earlier one of the group with probability (r-1)/(n-1).
    """
    return ratio(r, n) * ((r0 + 1) * h + ratio(r - 1, n - 1) * (m - (n0 + 1) * h))


class _Cut:
    """The symbols of the module's head for a cut at k (None: all), arrays (queries, groups)."""

    def __init__(self, groups: Groups, k: int | None) -> None:
        size = int(groups.ends[0, -1])
        self.k = size if k is None else min(k, size)
        self.n, self.r = groups.items, groups.relevant
        self.n0, self.r0 = groups.ends - self.n, groups.found - self.r
        last = np.minimum(groups.ends, self.k)
        self.m = np.maximum(last - self.n0, 0)
        self._group = (groups.ends >= self.k).argmax(axis=1)[:, None]
        self.is_nearer = np.arange(self.n.shape[1]) < self._group
        self._last = last

    @cached_property
    def h(self) -> np.ndarray:
        # ranks are cut at k on both sides, so that groups beyond the cut give exactly 0
        return harmonic(self._last) - harmonic(np.minimum(self.n0, self.k))

    def at(self, values: np.ndarray) -> np.ndarray:
        """``values`` of the group in which the cut lies, (queries,)."""
        return np.take_along_axis(values, self._group, axis=1)[:, 0]


def _run_ap(cut: _Cut, before: np.ndarray, run: np.ndarray) -> np.ndarray:
    """AP (divisor hits) when each group has a run of ``run`` relevant ranks after rank ``before``.

    The i-th of them has precision (R0 + i) / (before + i); summed over the run this is
    run + (R0 - before) (H(before + run) - H(before)).
    """
    before = np.where(run > 0, before, 0)
    steps = harmonic(before + run) - harmonic(before)
    sums = np.where(run > 0, run + (cut.r0 - before) * steps, 0.0)
    return ratio(sums.sum(axis=1), run.sum(axis=1))


@compiled
def _found_within(ends: np.ndarray, found: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    out = np.empty((ends.shape[0], ranks.shape[0]))
    for q in range(ends.shape[0]):
        group = n0 = r0 = 0
        for j in range(ranks.shape[0]):
            while ends[q, group] < ranks[j]:
                n0, r0 = ends[q, group], found[q, group]
                group += 1
            r, n = found[q, group] - r0, ends[q, group] - n0
            out[q, j] = r0 + (ranks[j] - n0) * r / n
    return out


@compiled
def _hits_divisor(
    whole: np.ndarray,
    n0: np.ndarray,
    r0: np.ndarray,
    n: np.ndarray,
    r: np.ndarray,
    m: np.ndarray,
    h: np.ndarray,
) -> np.ndarray:
    """E[AP@k] with divisor hits, from the cut group of each query: all arguments (queries,).

    Sum over x of P(X = x) (A + S(x)) / (R0 + x), with A = ``whole`` and X, the hits among the m
    ranks used, hypergeometric (n, r, m). The weights are built from the mode outwards by the ratio
    P(x+1)/P(x) and normalised by their own sum: no factorials that cancel, exact to rounding for
    groups of any size, and only some tens of standard deviations of x are visited.
    """
    out = np.empty(whole.shape[0])
    for q in range(out.shape[0]):
        least, most = max(0, m[q] - n[q] + r[q]), min(r[q], m[q])
        mode = int((m[q] + 1.0) * (r[q] + 1.0) / (n[q] + 2.0))
        mode = min(max(mode, least), most)
        weights = mean = 0.0
        for step in (1, -1):
            x, weight = mode, 1.0
            if step == -1:  # the mode itself belongs to the upward walk
                weight *= _odds(x, step, n[q], r[q], m[q])
                x -= 1
            while least <= x <= most and weight > 1e-20:
                weights += weight
                mean += weight * _ap_given(x, whole[q], n0[q], r0[q], m[q], h[q])
                weight *= _odds(x, step, n[q], r[q], m[q])
                x += step
        out[q] = mean / weights
    return out


@compiled
def _odds(x: int, step: int, n: int, r: int, m: int) -> float:
    """P(X = x + step) / P(X = x) of the hypergeometric distribution (n, r, m)."""
    if step == 1:
        return float(r - x) * float(m - x) / (float(x + 1) * float(n - r - m + x + 1))
    return float(x) * float(n - r - m + x) / (float(r - x + 1) * float(m - x + 1))


@compiled
def _ap_given(x: int, whole: float, n0: int, r0: int, m: int, h: float) -> float:
    """(A + S(x)) / (R0 + x), S(x) = (x/m) [ (R0+1) h + (x-1)/(m-1) (m - (N0+1) h) ]."""
    if r0 + x == 0:
        return 0.0
    pairs = (x - 1.0) / (m - 1.0) if m > 1 else 0.0
    cut = x / m * ((r0 + 1.0) * h + pairs * (m - (n0 + 1.0) * h))
    return (whole + cut) / (r0 + x)
