"""Evaluate one setting: all seeds, all four tasks, and the codes themselves."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation import Result, hamming
from pipeline.evaluation.binary import evaluate_packed
from pipeline.evaluation.hamming import Rows
from pipeline.evaluation.independence import correlation_mse
from pipeline.evaluation.instance import evaluate_instances
from pipeline.evaluation.real_valued import evaluate_real
from pipeline.storage import store
from pipeline.storage.files import write_text
from pipeline.storage.store import TASKS, VIEWS, Codes, Provenance, Split

_CURVES = ("precision_at", "pr_")
_BLOCK = 65_536  # rows looked at in one go
log = logging.getLogger(__name__)


def evaluate_files(
    codes: Path | str,
    splits: Path | str,
    pairs: Path | str,
    path: Path | str,
    *,
    phase: str,
    map_at: Sequence[int | str],
    threads: int | None = None,
    models: Path | None = None,
) -> None:
    """Write the metrics of ``evaluate_tasks``, of a file of codes, as ``path``.

    models  the folder of the codes' models: each gets its mAP as ``<phase>.json``
    """
    drawn, labels = store.read_splits(splits), store.read_packed_labels(pairs)
    metrics = evaluate_tasks(
        *(store.read_codes(codes, packed=True), drawn, labels, store.read_groups(pairs)),
        phase=phase, map_at=map_at, threads=threads,
    )  # fmt: skip
    inputs = {"codes": codes, "splits": splits, "pairs": pairs}
    made = Provenance("evaluate", {"phase": phase, "map_at": map_at}, inputs)
    store.write_metrics(path, metrics, list(drawn), made)
    if models:
        for number, seed in enumerate(drawn):
            told = {task: _means(metrics[task], number) for task in TASKS}
            write_text(models / str(seed) / f"{phase}.json", json.dumps(told, indent=1) + "\n")


def _means(of_task: Mapping[str, np.ndarray], number: int) -> dict[str, float]:
    """The mAP of one seed by cut-off: the exact expectation over the order of ties."""
    return {
        f"mAP@{name.partition('@')[2]}": round(float(array[number].mean()), 6)
        for name, array in of_task.items()
        if name.startswith("ap_expected_hits@")
    }


def evaluate_tasks(
    codes: Codes,
    splits: Mapping[int, Split],
    labels: Rows,
    pair_groups: np.ndarray | None = None,
    *,
    phase: str,
    map_at: Sequence[int | str],
    threads: int | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics by group and name, the first axis of every array the seed.

    Those by category, of ``evaluate``, need labels; those by instance, of ``evaluate_instances``,
    are of the queries of both views among themselves and need none. The groups are the tasks,
    'codes', and 'queries', whose ``rows`` (S, Q) are the queries' pairs, so that values of two
    seeds or two methods can be known to be of the same query.

    pair_groups  as ``Pairs.groups``
    phase  'test': the queries search the database; 'validation': the rows set aside for it do, and
           the queries are not touched
    """
    groups: dict[str, list[dict[str, Any]]] = {group: [] for group in (*TASKS, "codes", "queries")}
    for i, split in enumerate(splits.values()):
        queries, database = _rows(split, phase)
        views = {view: getattr(codes, view)[i] for view in VIEWS.values()}
        _check_rows(queries, database, len(views["image"]), len(labels))
        own = None if pair_groups is None else pair_groups[queries]
        instances = evaluate_instances(views["image"][queries], views["text"][queries], own)
        alone = _without_relevant(labels[queries], labels, database)
        measure = _of_task(views, labels, queries, database, map_at, threads)
        for task in TASKS:
            if not labels.shape[1]:
                groups[task].append(instances.get(task, {}))
                continue
            result = measure(VIEWS[task[0]], VIEWS[task[2]])
            found = result.arrays() | {"without_relevant": np.float64(alone)}
            groups[task].append(found | instances.get(task, {}))
        known = {
            name: np.asarray(codes.diagnostics[name][i])
            for name in ("collapsed", "sees_both_views")
            if name in codes.diagnostics
        }
        groups["codes"].append(_of_codes(views, database) | known)
        groups["queries"].append({"rows": queries})
    return {group: _stack(seeds) for group, seeds in groups.items()}


def _without_relevant(queries: np.ndarray, labels: Rows, database: np.ndarray) -> float:
    """The share of queries (Q, c) that no row of the database has a label in common with."""
    if not queries.shape[1]:
        return 0.0
    alone = np.asarray(~(queries.astype(bool) & _any_of(labels, database)).any(axis=1))
    if alone.all():
        raise InputError(
            f"none of the {len(queries):,} queries shares a label with any of the "
            f"{len(database):,} items of the database, so that every metric would be 0; labels or "
            "split are at fault (without labels, leave them out: instance metrics need none)"
        )
    if alone.any():
        log.warning(
            "%d of %d queries have no relevant item: they count as 0", alone.sum(), len(alone)
        )
    return float(alone.mean())


def _check_rows(queries: np.ndarray, database: np.ndarray, codes: int, labels: int) -> None:
    """Codes, labels and split have to be of one data set, and the split to have both parts."""
    if not len(queries) or not len(database):
        raise InputError(
            f"there are {len(queries)} queries and {len(database)} database items; "
            "at least one of each is needed"
        )
    rows = np.concatenate([queries, database])
    last = int(rows.max(initial=-1))
    if codes != labels or last >= labels:
        raise InputError(
            f"there are {codes} codes, {labels} rows of labels and a split that names row {last}; "
            "these files belong to different data sets"
        )


def _rows(split: Split, phase: str) -> tuple[np.ndarray, np.ndarray]:
    if phase == "test":
        return split.query, split.database
    if not len(split.validation):
        raise InputError(
            "the validation queries are asked for, but the split sets none aside; "
            "give its protocol `validation: N`"
        )
    return split.validation, split.database


def _of_task(
    views: Mapping[str, Rows],
    labels: Rows,
    queries: np.ndarray,
    database: np.ndarray,
    map_at: Sequence[int | str],
    threads: int | None,
) -> Callable[[str, str], Result]:
    """What measures the ranking of one view of the database by queries of another."""
    options: dict[str, Any] = {
        "k": map_at,
        "stable_k": [k for k in map_at if k != "all"],  # all in order costs most, says least
    }
    if views["image"].dtype != bool:
        relevance = labels[queries], labels[database]
        return lambda query, searched: evaluate_real(
            views[query][queries], views[searched][database], *relevance, **options
        )
    packed = {
        view: [hamming.pack(codes, labels, rows) for rows in (queries, database)]
        for view, codes in views.items()
    }
    return lambda query, searched: evaluate_packed(
        packed[query][0], packed[searched][1], threads=threads, **options
    )


def _any_of(labels: Rows, rows: np.ndarray) -> np.ndarray:
    """Which labels these rows have among them, bool (c,)."""
    found = np.zeros(labels.shape[1], bool)
    for start in range(0, len(rows), _BLOCK):
        found |= labels[rows[start : start + _BLOCK]].any(axis=0)
    return found


def _of_codes(views: Mapping[str, Rows], database: np.ndarray) -> dict[str, Any]:
    if views["image"].dtype != bool:
        return {}
    return {
        f"corr_mse_{view}": np.float64(correlation_mse(codes, database))
        for view, codes in views.items()
    }


def _stack(seeds: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: _even(name, [arrays[name] for arrays in seeds]) for name in seeds[0]}


def _even(name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """Images with unlike numbers of captions make seeds of unlike length: NaN or -1 is none."""
    lengths = {len(array) for array in arrays if np.ndim(array)}
    if len(lengths) > 1 and name.startswith(_CURVES):
        arrays = [array[: min(lengths)] for array in arrays]
    elif len(lengths) > 1:
        ends = [max(lengths) - len(array) for array in arrays]
        nothing = np.nan if np.issubdtype(arrays[0].dtype, np.floating) else -1
        arrays = [
            np.pad(array, (0, end), constant_values=nothing)
            for array, end in zip(arrays, ends, strict=True)
        ]
    return np.stack(arrays)
