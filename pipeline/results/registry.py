"""What can be asked for by the name of a metric, and how it is read from what was measured.

Tables, curves and the report take everything about a metric from here, so a new metric is a new
entry of ``_FAMILIES`` and nothing else.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.storage import store

MODALITIES = ("image", "text")
CROSS = ("i2t", "t2i")
CODES, REAL_VALUES, BOTH_VIEWS = "codes", "real values", "both views"
_RANK: dict[str, Any] = {
    "limits": (1.0, None),
    "higher_is_better": False,
    "only": CROSS,
    "scale": 1.0,
    "decimals": 1,
}

#: suffix of a mAP -> (array that holds its AP per query, what it says)
_AP_VARIANTS = {
    "": ("ap_expected_hits", "expected over ties, divided by the hits in the cut"),
    "min": ("ap_expected_min", "expected over ties, divided by min(K, relevant)"),
    "total": ("ap_expected_total", "expected over ties, divided by all relevant"),
    "stable": ("ap_stable", "ties in database order"),
    "optimistic": ("ap_optimistic", "relevant items first in every tie"),
    "pessimistic": ("ap_pessimistic", "relevant items last in every tie"),
}


class Measured:
    """What was measured on one setting: its metrics file and, when asked for, its codes file."""

    def __init__(self, cell: Mapping[str, Any]) -> None:
        metrics = store.read_metrics(cell["metrics_file"])
        self.seeds, self.groups = list(metrics.seeds), metrics.groups
        self.path = Path(cell["metrics_file"])
        self._codes_file = cell.get("codes_file")

    def array(self, group: str, name: str) -> np.ndarray:
        """An array of the metrics file; its first axis is the seed."""
        try:
            return self.groups[group][name]
        except KeyError:
            if name.startswith(("ap_", "hit@", "precision_at", "pr_")) and not any(
                "precision_at" in arrays for arrays in self.groups.values()
            ):
                raise InputError(
                    f"{self.path}: the data set has no labels, so it has no {name}; ask for "
                    "R@1:instance, R@5:instance, R@10:instance, MedR or MeanR"
                ) from None
            raise InputError(
                f"{self.path}: {group} has no {name}; evaluate again with what it needs"
            ) from None

    @property
    def form(self) -> str:
        """What was compared: codes, real values, or codes made from both views of a query."""
        of_codes = self.groups.get("codes", {})
        if np.any(of_codes.get("sees_both_views", False)):
            return BOTH_VIEWS
        return CODES if "corr_mse_image" in of_codes else REAL_VALUES

    @property
    def query_rows(self) -> np.ndarray:
        """Which pair each query is, int (S, Q)."""
        return self.array("queries", "rows")

    def diagnostic(self, name: str) -> np.ndarray | None:
        """What the method stored about itself (seeds, ...); None where it stored no such thing."""
        return store.read_diagnostics(self._codes_file).get(name) if self._codes_file else None


Reader = Callable[[Measured, str], np.ndarray | None]


@dataclass(frozen=True)
class Metric:
    """One metric.

    read       (measured, task) -> its value per seed, float (S,), or None where the method has none
    per_query  the same per query, (S, Q), where the metric is a mean over queries
    stable     as ``read``, with ties in database order, as others print it; None where there is no
               such value
    limits     lowest and highest possible value; the highest is None where there is none
    measured_on  what stands in place of tasks for what is no retrieval, such as the modalities
    only         the tasks that have the metric, where not all do
    scale      what a value is multiplied with to be shown, with ``decimals`` places
    """

    name: str
    description: str
    read: Reader
    per_query: Callable[[Measured, str], np.ndarray] | None = None
    stable: Reader | None = None
    limits: tuple[float, float | None] = (0.0, 1.0)
    higher_is_better: bool = True
    measured_on: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    scale: float = 100.0
    decimals: int = 2

    def tasks(self, asked: list[str]) -> list[str]:
        """The retrieval tasks asked for, or what stands in their place."""
        return list(self.measured_on) or [t for t in asked if not self.only or t in self.only]


def metric(name: str) -> Metric:
    """The metric of a name such as mAP@1000, mAP@all:stable, P@100, R@1, TC or corr_mse."""
    for pattern, make in _FAMILIES.items():
        if match := re.fullmatch(pattern, name):
            return make(name, **match.groupdict())
    raise InputError(
        f"unknown metric {name!r}; known are mAP@K and mAP@all (with "
        f"{', '.join(':' + v for v in _AP_VARIANTS if v)}), P@K, "
        "P@rR (within Hamming radius R), R@K, R@1:instance (5, 10), MedR, MeanR, "
        "TC, corr_mse and partners"
    )


def _mean_ap(name: str, cut: str, variant: str | None) -> Metric:
    array, meaning = _AP_VARIANTS[variant or ""]
    description = f"mean average precision, cut {cut}, {meaning}"
    made = _mean_over_queries(name, description, f"{array}@{cut}")
    if variant or cut == "all":  # all in order is not evaluated: it costs most and says least
        return made
    return replace(made, stable=_mean_over_queries(name, "", f"ap_stable@{cut}").read)


def _hit_rate(name: str, cut: str, variant: str | None) -> Metric:
    if variant:
        description = f"share of queries with an item of their own pair among the first {cut}"
        return replace(_mean_over_queries(name, description, f"own@{cut}"), only=CROSS)
    description = f"hit rate: share of queries with a relevant item among the first {cut}"
    return _mean_over_queries(name, description, f"hit@{cut}")


def _mean_over_queries(name: str, description: str, array: str) -> Metric:
    def per_query(measured: Measured, task: str) -> np.ndarray:
        return measured.array(task, array)

    def read(measured: Measured, task: str) -> np.ndarray:
        return np.nanmean(per_query(measured, task), axis=1)

    return Metric(name, description, read, per_query)


def _mean_rank(name: str) -> Metric:
    """In an expectation over ties, as all that is said of instances."""
    mean = _mean_over_queries(name, "mean rank of the first item of a query's own pair", "own_rank")
    return replace(mean, **_RANK)


def _median_rank(name: str) -> Metric:
    def read(measured: Measured, task: str) -> np.ndarray:
        return measured.array(task, "own_median")

    description = "median over queries of the rank of the first item of their own pair"
    return replace(Metric(name, description, read), **_RANK)


def _precision(name: str, cut: str) -> Metric:
    def read(measured: Measured, task: str) -> np.ndarray:
        curve = measured.array(task, "precision_at")
        if not 1 <= int(cut) <= curve.shape[1]:
            raise InputError(f"{measured.path}: {name} is asked for, P@K ends at {curve.shape[1]}")
        return curve[:, int(cut) - 1]

    return Metric(name, f"precision of the first {cut}", read)


def _precision_within(name: str, radius: str) -> Metric:
    def read(measured: Measured, task: str) -> np.ndarray | None:
        if measured.form == REAL_VALUES:
            return None
        curve = measured.array(task, "pr_precision_macro")
        if int(radius) >= curve.shape[1]:
            bits = curve.shape[1] - 1
            raise InputError(f"{measured.path}: {name} is asked for, the codes have {bits} bits")
        return curve[:, int(radius)]

    told = f"precision of what lies within Hamming radius {radius}, 0 where nothing does"
    return Metric(name, told, read)


def _total_correlation(name: str) -> Metric:
    return Metric(
        name,
        "total correlation of the bits, in nats, as the method estimates it; lower is better",
        lambda measured, modality: measured.diagnostic(f"tc_{modality}"),
        limits=(0.0, None),
        higher_is_better=False,
        measured_on=MODALITIES,
        scale=1.0,
        decimals=3,
    )


def _correlation_mse(name: str) -> Metric:
    return Metric(
        name,
        "mean square of corr(B) - I over the database; lower is better",
        lambda measured, modality: measured.groups.get("codes", {}).get(f"corr_mse_{modality}"),
        higher_is_better=False,
        measured_on=MODALITIES,
        scale=1.0,
        decimals=3,
    )


def _partners(name: str) -> Metric:
    return Metric(
        name,
        "how well codes of pairs held out of the training find their partners; 50 by chance",
        lambda measured, _: measured.diagnostic("partners"),
        measured_on=("pairs",),
    )


_FAMILIES: dict[str, Callable[..., Metric]] = {
    rf"mAP@(?P<cut>\d+|all)(:(?P<variant>{'|'.join(v for v in _AP_VARIANTS if v)}))?": _mean_ap,
    r"P@(?P<cut>\d+)": _precision,
    r"P@r(?P<radius>\d+)": _precision_within,
    r"R@(?P<cut>\d+)(:(?P<variant>instance))?": _hit_rate,
    "MedR": _median_rank,
    "MeanR": _mean_rank,
    "TC": _total_correlation,
    "corr_mse": _correlation_mse,
    "partners": _partners,
}
