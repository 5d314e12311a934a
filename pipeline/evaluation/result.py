"""What an evaluation gives: every metric of one task, and how it is put together from counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Groups

CURVE = 1000  # P@K is given for K = 1..CURVE
HITS = (1, 10)  # cut-offs of the hit rate, R@K


@dataclass(frozen=True)
class Result:
    """The metrics of Q queries against one database.

    per_query                 name -> float64 (Q,): ``ap_expected_hits@K``, ``ap_expected_min@K``,
                              ``ap_expected_total@K``, ``ap_stable@K``, ``ap_optimistic@K``,
                              ``ap_pessimistic@K`` for every cut-off K (a number or ``all``);
                              ``hit@1``, ``hit@10``: probability of a relevant item up to rank K
    precision_at              (min(1000, N),): expected P@K averaged over queries, K = 1, 2, ...
    pr_precision_micro, ...   precision and recall along ``pr_grid``; micro from pooled counts,
                              macro as a mean over queries; nothing retrieved is precision 0
    pr_grid                   the Hamming radii 0..bits, or the ranks of a real-valued ranking
    cut_offs                  the cut-offs, in the order asked for; None is all
    """

    per_query: Mapping[str, np.ndarray]
    precision_at: np.ndarray
    pr_precision_micro: np.ndarray
    pr_recall_micro: np.ndarray
    pr_precision_macro: np.ndarray
    pr_recall_macro: np.ndarray
    pr_grid: np.ndarray
    cut_offs: tuple[int | None, ...]

    def ap(self, k: int | str | None = None, kind: str = "expected_hits") -> np.ndarray:
        """AP of each query at ``k`` ('all', or a number; by default the first that was asked)."""
        return self.per_query[f"ap_{kind}@{k_name(self.cut_offs[0]) if k is None else k}"]

    @property
    def map(self) -> float:
        """Mean over queries of the expected AP (divisor hits) at the first cut-off."""
        return float(self.ap().mean())

    def mean(self, name: str) -> float:
        """Mean over queries of the per-query metric ``name``."""
        return float(self.per_query[name].mean())

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array by the name it has in a metrics file."""
        curves = ("precision_micro", "recall_micro", "precision_macro", "recall_macro")
        return {
            **self.per_query,
            "precision_at": self.precision_at,
            **{f"pr_{curve}": getattr(self, f"pr_{curve}") for curve in curves},
        }


@dataclass(frozen=True)
class Counts:
    """A few queries, counted: all that the metrics need to know of them.

    groups      items and relevant items by distance
    cuts        ascending cut-offs of the stable order (j of them); None is all
    sums, hits  (queries, j): sum of precisions at, and number of, relevant ranks up to each cut
    """

    groups: Groups
    cuts: tuple[int | None, ...]
    sums: np.ndarray
    hits: np.ndarray


def k_name(k: int | None) -> str:
    """A cut-off as it stands in a metric's name."""
    return "all" if k is None else str(k)


def ascending(cut_offs: Iterable[int | None]) -> tuple[int | None, ...]:
    """Cut-offs from small to large."""
    return tuple(sorted(set(cut_offs), key=lambda k: float("inf") if k is None else k))


def ranks_of(cuts: Sequence[int | None], size: int) -> np.ndarray:
    """Cut-offs as ranks of a database of ``size`` items, int64."""
    return np.array([size if k is None else min(k, size) for k in cuts], np.int64)


def summarise(
    parts: Iterable[Counts], cut_offs: tuple[int | None, ...], pr_ranks: np.ndarray | None = None
) -> Result:
    """Put a Result together from the counts of successive queries.

    pr_ranks: the ranks of the PR curve's points; None takes the end of every group, which for
    Hamming distances is every radius.
    """
    done = [_part(counts, cut_offs, pr_ranks) for counts in parts]
    per_query = {name: np.concatenate([p[0][name] for p in done]) for name in done[0][0]}
    sums = {name: reduce(np.add, (p[1][name] for p in done)) for name in done[0][1]}
    queries = len(next(iter(per_query.values())))
    precision, recall = metrics.precision_recall(sums["retrieved"], sums["found"], sums["total"])
    return Result(
        per_query,
        sums["found_at"] / np.arange(1, len(sums["found_at"]) + 1) / queries,
        precision,
        recall,
        sums["precision"] / queries,
        sums["recall"] / queries,
        np.arange(len(precision)) if pr_ranks is None else pr_ranks,
        cut_offs,
    )


def _part(
    counts: Counts, cut_offs: Sequence[int | None], pr_ranks: np.ndarray | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Per-query metrics of some queries, and their sums for the curves."""
    groups = counts.groups
    ranks = np.arange(1, min(CURVE, int(groups.ends[0, -1])) + 1)
    if pr_ranks is None:
        retrieved, found = groups.ends, groups.found
    else:
        found = metrics.found_within(groups, pr_ranks)
        retrieved = np.broadcast_to(pr_ranks, found.shape)
    precision, recall = metrics.precision_recall(retrieved, found, groups.total[:, None])
    sums = {
        "found_at": metrics.found_within(groups, ranks),
        "retrieved": retrieved,
        "found": found,
        "total": groups.total,
        "precision": precision,
        "recall": recall,
    }
    return _per_query(counts, cut_offs), {name: a.sum(axis=0) for name, a in sums.items()}


def _per_query(counts: Counts, cut_offs: Sequence[int | None]) -> dict[str, np.ndarray]:
    groups, out = counts.groups, {}
    for k in cut_offs:
        for divisor, values in metrics.expected_ap(groups, k).items():
            out[f"ap_expected_{divisor}@{k_name(k)}"] = values
        out[f"ap_optimistic@{k_name(k)}"] = metrics.optimistic_ap(groups, k)
        out[f"ap_pessimistic@{k_name(k)}"] = metrics.pessimistic_ap(groups, k)
    for j, k in enumerate(counts.cuts):
        out[f"ap_stable@{k_name(k)}"] = metrics.ratio(counts.sums[:, j], counts.hits[:, j])
    for k in HITS:
        out[f"hit@{k}"] = metrics.hit_probability(groups, k)
    return out
