"""The evaluation of real-valued representations: the same metrics, ranked by a float distance."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.inputs import K, check_labels, check_vectors, cut_off, cut_offs
from pipeline.evaluation.metrics import Groups
from pipeline.evaluation.ranked import stable_sums
from pipeline.evaluation.result import Counts, Result, ascending, ranks_of, summarise

POINTS = 101  # points of the precision-recall curve
_SCORES = 1 << 23  # scores held at a time
_CELLS = 1 << 19  # ranks whose metrics are computed at a time
_ROWS = 4096  # database rows multiplied at a time


def evaluate_real(
    query_vectors: np.ndarray,
    database_vectors: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    *,
    k: K | Sequence[K] = 1000,
    stable_k: Sequence[K] | None = None,
    metric: str = "euclidean",
) -> Result:
    """As ``evaluate``, for vectors (Q, d), (N, d) ranked by 'euclidean' or 'cosine' distance.

    Distances are computed in float64 and compared in float32, the precision that features have:
    what is equal there is a tie, so that rounding in a matrix product cannot part two equal rows.
    A zero vector has cosine 0 with everything. The precision-recall curve is taken at (about 100)
    ranks from 1 to N, evenly spaced in the logarithm; ``pr_grid`` holds them.
    """
    arrays = query_vectors, database_vectors, query_labels, database_labels
    query, database, query_labels, database_labels = map(np.asarray, arrays)
    check_vectors(query, database)
    check_labels(query_labels, database_labels, len(query), len(database))
    if metric not in ("euclidean", "cosine"):
        raise InputError(f"metric is {metric!r}; 'euclidean' or 'cosine' is needed")
    ks = cut_offs(k)
    cuts = ascending(ks if stable_k is None else map(cut_off, stable_k))
    grid = np.unique(np.geomspace(1, len(database), POINTS).round().astype(np.int64))
    cosine = metric == "cosine"
    parts = _parts(query, database, query_labels, database_labels, cuts, cosine)
    return summarise(parts, ks, grid)


def _parts(
    query: np.ndarray,
    database: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    cuts: tuple[int | None, ...],
    cosine: bool,
) -> Iterator[Counts]:
    size = len(database)
    ranks = ranks_of(cuts, size)
    step, small = max(1, _SCORES // size), max(1, _CELLS // size)
    shared = database_labels.astype(np.float32).T
    for first in range(0, len(query), step):
        found = scores(query[first : first + step], database, cosine)
        for i in range(0, len(found), small):
            labels = query_labels[first + i : first + step][:small].astype(np.float32)
            yield _counts(found[i : i + small], labels @ shared > 0, cuts, ranks)


def scores(query: np.ndarray, database: np.ndarray, cosine: bool) -> np.ndarray:
    """What orders the database as its distances do, float32 (q, N).

    |d|^2 - 2 q.d for the Euclidean distance: the squared distance less |q|^2, which is the same for
    all; - cos(q, d) for the cosine distance.
    """
    query = np.asarray(query, np.float64)
    query = _unit(query) if cosine else 2 * query
    scores = np.empty((len(query), len(database)), np.float32)
    for start in range(0, len(database), _ROWS):
        rows = np.asarray(database[start : start + _ROWS], np.float64)
        products = query @ (_unit(rows) if cosine else rows).T
        scores[:, start : start + _ROWS] = (0 if cosine else (rows**2).sum(axis=1)) - products
    return scores


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _counts(
    scores: np.ndarray, relevant: np.ndarray, cuts: tuple[int | None, ...], ranks: np.ndarray
) -> Counts:
    order = np.argsort(scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, order, axis=1)
    relevant = np.take_along_axis(relevant, order, axis=1)
    sums, hits = stable_sums(relevant[:, : ranks.max(initial=0)], ranks)
    return Counts(_groups(scores, relevant), cuts, sums, hits)


def _groups(scores: np.ndarray, relevant: np.ndarray) -> Groups:
    """Runs of equal scores of each row as groups; rows with ties end in empty groups."""
    queries, size = scores.shape
    group = np.zeros((queries, size), np.int64)
    np.cumsum(scores[:, 1:] != scores[:, :-1], axis=1, out=group[:, 1:])
    flat = (group + size * np.arange(queries)[:, None]).ravel()
    items = np.bincount(flat, minlength=queries * size)
    found = np.bincount(flat, weights=relevant.ravel(), minlength=queries * size)
    return Groups(items.reshape(queries, size), found.astype(np.int64).reshape(queries, size))
