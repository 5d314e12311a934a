"""Sums along an explicit ranking, for the paths that have one."""

import numpy as np


def stable_sums(relevance: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of precisions at, and number of, relevant ranks up to each cut.

    relevance: bool (queries, K) down the ranking; cuts: int64 (j,), none above K. Returns float64
    (queries, j) and int64 (queries, j).
    """
    found = np.cumsum(relevance, axis=1)
    ranks = np.arange(1, relevance.shape[1] + 1)
    sums = np.cumsum(np.where(relevance, found / ranks, 0.0), axis=1)
    return sums[:, cuts - 1], found[:, cuts - 1]
