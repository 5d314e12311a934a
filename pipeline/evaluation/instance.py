"""Instance retrieval: at which rank does a query find an item of its own pair, exact with ties.

The queries of one view search the other view of the same pairs, as in the protocols of Flickr30k
and COCO: an image looks for any of its captions, a caption for its image. Items at equal distance
stand in random order. If the nearest partner of a query shares its distance with n items, r of them
partners, and N0 items are nearer, its rank is N0 + X, X being the least of r ranks drawn from n:

    P(X > m) = product over i < r of (n - m - i) / (n - i),    E[X] = (n + 1) / (r + 1)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.real_valued import scores

RECALLS = (1, 5, 10)
_CELLS = 1 << 22  # (query, item) distances held at a time
_FAR = 4.2  # deviations, in sqrt(queries), that have a probability below 1e-15 (Hoeffding)


@dataclass(frozen=True)
class Nearest:
    """Of each query (q,): items nearer than its nearest partner, items as near, partners of these.

    int64; every query has a partner.
    """

    before: np.ndarray
    tied: np.ndarray
    partners: np.ndarray

    def within(self, k: int) -> np.ndarray:
        """Probability that a partner is among the first ``k``, (q,)."""
        m = np.clip(k - self.before, 0, self.tied)
        miss = np.ones(len(m))
        for i in range(int(self.partners.max())):
            left = np.maximum(self.tied - m - i, 0) / np.maximum(self.tied - i, 1)
            miss = np.where(i < self.partners, miss * left, miss)
        return 1.0 - miss

    def rank(self) -> np.ndarray:
        """Expected rank of the first partner, (q,)."""
        return self.before + (self.tied + 1) / (self.partners + 1)


def evaluate_instances(
    image: np.ndarray, text: np.ndarray, groups: np.ndarray | None
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics of the tasks i2t and t2i, by the names they have in a metrics file.

    image, text  the codes bool (n, bits), or vectors (n, d), of the pairs that ask and answer
    groups       int (n,): pairs of one number are of one image, which is one item; None: all differ

    own@1, own@5, own@10  probability that a partner is that near, (queries,)
    own_rank              expected rank of the first partner, (queries,)
    own_median            expected median of the ranks over the queries
    """
    groups = np.arange(len(image)) if groups is None else np.asarray(groups)
    _, once = np.unique(groups, return_index=True)
    once.sort()
    sides = {"i2t": (image[once], text, groups[once], groups)}
    sides["t2i"] = (text, image[once], groups, groups[once])
    return {task: _metrics(nearest_partner(*side)) for task, side in sides.items()}


def nearest_partner(
    query: np.ndarray, database: np.ndarray, query_groups: np.ndarray, groups: np.ndarray
) -> Nearest:
    """Counts around the nearest item of the same group, for codes by Hamming distance."""
    if query.dtype == bool:  # of signs, |a - b|^2 is 4 times the Hamming distance
        query, database = (2.0 * side - 1 for side in (query, database))
    step = max(1, _CELLS // len(database))
    parts = []
    for first in range(0, len(query), step):
        rows = slice(first, first + step)
        distance = scores(query[rows], database, cosine=False)
        own = query_groups[rows, None] == groups
        best = np.where(own, distance, np.inf).min(axis=1, keepdims=True)
        as_near = distance == best
        parts.append([(distance < best).sum(1), as_near.sum(1), (as_near & own).sum(1)])
    return Nearest(*(np.concatenate(counts) for counts in zip(*parts, strict=True)))


def _metrics(nearest: Nearest) -> dict[str, Any]:
    return {
        **{f"own@{k}": nearest.within(k) for k in RECALLS},
        "own_rank": nearest.rank(),
        "own_median": np.float64(expected_median(nearest)),
    }


def expected_median(nearest: Nearest) -> float:
    """Expectation of the median rank, ties being broken at random for each query by itself.

    E[j-th smallest rank] = sum over x >= 0 of P(fewer than j queries have a rank <= x); how many
    have one is a sum of independent yes and no (Poisson binomial). For an even number of queries
    the median is the mean of the two in the middle.
    """
    queries = len(nearest.before)
    middle = sorted({(queries + 1) // 2, queries // 2 + 1})
    start, stop = _undecided(nearest, middle)
    total = float(start)  # below, fewer than j for certain; above, for certain not
    for x in range(start, stop):
        likely = nearest.within(x)
        certain = int((likely == 1).sum())
        counts = _count_distribution(likely[(likely > 0) & (likely < 1)])
        total += np.mean([counts[: max(j - certain, 0)].sum() for j in middle])
    return total


def _undecided(nearest: Nearest, middle: list[int]) -> tuple[int, int]:
    """The ranks x from which, and up to which, it is open how many queries have a rank <= x."""
    queries = len(nearest.before)
    far = _FAR * np.sqrt(queries)
    last = int((nearest.before + nearest.tied).max())

    def may_reach(x: int) -> bool:
        likely = nearest.within(x)
        return (likely > 0).sum() >= middle[0] and likely.sum() > middle[0] - far

    def must_reach(x: int) -> bool:
        likely = nearest.within(x)
        return (likely == 1).sum() >= middle[-1] or likely.sum() > middle[-1] + far

    return _first(may_reach, last), _first(must_reach, last)


def _first(holds: Callable[[int], bool], last: int) -> int:
    """The least x from 0 to ``last`` that holds, where all above hold as well."""
    low, high = 0, last
    while low < high:
        x = (low + high) // 2
        low, high = (low, x) if holds(x) else (x + 1, high)
    return low


def _count_distribution(likely: np.ndarray) -> np.ndarray:
    """Probability of each number of successes among independent ones, (len(likely) + 1,).

    The product of the polynomials (1 - p) + p z, two by two, by FFT.
    """
    polynomials = np.stack([1 - likely, likely], axis=1)
    while len(polynomials) > 1:
        if len(polynomials) % 2:
            one = np.eye(1, polynomials.shape[1])
            polynomials = np.concatenate([polynomials, one])
        size = 2 * polynomials.shape[1] - 1
        left, right = (np.fft.rfft(polynomials[i::2], size, axis=1) for i in (0, 1))
        polynomials = np.fft.irfft(left * right, size, axis=1)
    return polynomials[0] if len(polynomials) else np.ones(1)
