"""The evaluation of binary codes by Hamming distance."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.evaluation import hamming
from pipeline.evaluation.inputs import K, check_codes, check_labels, cut_off, cut_offs
from pipeline.evaluation.metrics import Groups
from pipeline.evaluation.result import Counts, Result, ascending, ranks_of, summarise
from pipeline.storage.machine import cores

_CELLS = 1 << 19  # (query, distance) cells whose metrics are computed at a time


def evaluate(
    query_codes: np.ndarray,
    database_codes: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    *,
    k: K | Sequence[K] = 1000,
    stable_k: Sequence[K] | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Result:
    """Rank the database for every query by Hamming distance and measure the ranking.

    query_codes, database_codes: bool (Q, bits), (N, bits). query_labels, database_labels: 0/1
    (Q, c), (N, c); an item is relevant to a query when they share a label. ``k``: a cut-off, 'all'
    or None (the whole database), or a sequence of these. ``stable_k``: cut-offs at which AP in
    database order is wanted too; by default those of ``k``, and cheap when far below N.
    ``device``: a torch device on which to count instead, such as 'cuda'; its counts are equal.
    ``threads``: by default all cores this process may use; the result does not depend on it.

    Everything but the stable AP follows from one pass over the database that counts items and
    relevant items by distance. A query without a relevant item counts as 0 and stays in every mean.
    Raises InputError for arrays that do not fit together.
    """
    arrays = query_codes, database_codes, query_labels, database_labels
    query_codes, database_codes, query_labels, database_labels = map(np.asarray, arrays)
    check_codes(query_codes, database_codes)
    check_labels(query_labels, database_labels, len(query_codes), len(database_codes))
    if device is None:
        query = hamming.pack(query_codes, query_labels)
        database = hamming.pack(database_codes, database_labels)
        return evaluate_packed(query, database, k=k, stable_k=stable_k, threads=threads)
    from pipeline.evaluation.on_device import count

    ks, stable = _cuts(k, stable_k)
    ranks = ranks_of(stable, len(database_codes))
    both = (query_codes, query_labels), (database_codes, database_labels)
    return summarise(_parts(stable, *count(*both, ranks, device)), ks)


def evaluate_packed(
    query: hamming.Packed,
    database: hamming.Packed,
    *,
    k: K | Sequence[K] = 1000,
    stable_k: Sequence[K] | None = None,
    threads: int | None = None,
) -> Result:
    """``evaluate`` for codes and labels that ``hamming.pack`` has packed: at least one of each."""
    ks, stable = _cuts(k, stable_k)
    counts = _count(query, database, ranks_of(stable, len(database)), threads or cores())
    return summarise(_parts(stable, *counts), ks)


def _cuts(
    k: K | Sequence[K], stable_k: Sequence[K] | None
) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """The cut-offs, and those at which ties in database order count too, ascending."""
    ks = cut_offs(k)
    return ks, ascending(ks if stable_k is None else map(cut_off, stable_k))


def _count(
    query: hamming.Packed, database: hamming.Packed, ranks: np.ndarray, threads: int
) -> tuple[np.ndarray, ...]:
    """Items and relevant items by distance, stable precision sums and hits at ``ranks``."""
    items, relevant = hamming.histograms(query, database, threads)
    if not len(ranks):
        return items, relevant, np.zeros((len(query), 0)), np.zeros((len(query), 0), np.int64)
    return items, relevant, *hamming.stable_sums(query, database, items, relevant, ranks, threads)


def _parts(
    cuts: tuple[int | None, ...],
    items: np.ndarray,
    relevant: np.ndarray,
    sums: np.ndarray,
    hits: np.ndarray,
) -> Iterator[Counts]:
    """A few queries at a time, so that the formulas' temporaries stay small."""
    step = max(1, _CELLS // items.shape[1])
    for i in range(0, len(items), step):
        rows = slice(i, i + step)
        yield Counts(Groups(items[rows], relevant[rows]), cuts, sums[rows], hits[rows])
