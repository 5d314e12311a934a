"""Evaluate one setting: all seeds, all four tasks, and the codes themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline import store
from pipeline.errors import InputError
from pipeline.evaluation import Result, evaluate
from pipeline.evaluation.independence import correlation_mse
from pipeline.evaluation.real_valued import evaluate_real
from pipeline.store import TASKS, Codes, Provenance, Split

_VIEWS = {"i": "image", "t": "text"}


def evaluate_files(
    codes: Path | str,
    splits: Path | str,
    pairs: Path | str,
    path: Path | str,
    *,
    phase: str,
    map_at: Sequence[int | str],
    threads: int | None = None,
) -> None:
    """Write the metrics of ``evaluate_tasks``, of a file of codes, as ``path``."""
    drawn, labels = store.read_splits(splits), store.read_labels(pairs)
    metrics = evaluate_tasks(
        store.read_codes(codes), drawn, labels, phase=phase, map_at=map_at, threads=threads
    )
    inputs = {"codes": codes, "splits": splits, "pairs": pairs}
    made = Provenance("evaluate", {"phase": phase, "map_at": map_at}, inputs)
    store.write_metrics(path, metrics, list(drawn), made)


def evaluate_tasks(
    codes: Codes,
    splits: Mapping[int, Split],
    labels: np.ndarray,
    *,
    phase: str,
    map_at: Sequence[int | str],
    threads: int | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics by group and name, the first axis of every array the seed.

    The groups are the tasks, 'codes', and 'queries', whose ``rows`` (S, Q) are the queries' pairs,
    so that values of two seeds or two methods can be known to be of the same query.

    phase  'test': the queries search the database; 'validation': the rows set aside for it do, and
           the queries are not touched
    """
    groups: dict[str, list[dict[str, np.ndarray]]] = {
        group: [] for group in (*TASKS, "codes", "queries")
    }
    for i, split in enumerate(splits.values()):
        queries, database = _rows(split, phase)
        _check_rows(np.concatenate([queries, database]), codes.image.shape[1], len(labels))
        views = {view: getattr(codes, view)[i] for view in _VIEWS.values()}
        for task in TASKS:
            asking, answering = views[_VIEWS[task[0]]], views[_VIEWS[task[2]]]
            result = _evaluate(
                asking[queries],
                answering[database],
                labels[queries],
                labels[database],
                k=map_at,
                stable_k=[k for k in map_at if k != "all"],  # all in order costs most, says least
                **({"threads": threads} if asking.dtype == bool else {}),
            )
            groups[task].append(result.arrays())
        told = codes.diagnostics.get("collapsed")
        known = {} if told is None else {"collapsed": np.asarray(told[i])}
        groups["codes"].append(_of_codes(views, database) | known)
        groups["queries"].append({"rows": queries})
    return {group: _stack(seeds) for group, seeds in groups.items()}


def _check_rows(rows: np.ndarray, codes: int, labels: int) -> None:
    """Codes, labels and split have to be of one data set."""
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


def _evaluate(asking: np.ndarray, *rest: np.ndarray, **options: object) -> Result:
    return (evaluate if asking.dtype == bool else evaluate_real)(asking, *rest, **options)


def _of_codes(views: Mapping[str, np.ndarray], database: np.ndarray) -> dict[str, np.ndarray]:
    if views["image"].dtype != bool:
        return {}
    return {
        f"corr_mse_{view}": np.float64(correlation_mse(codes[database]))
        for view, codes in views.items()
    }


def _stack(seeds: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([arrays[name] for arrays in seeds]) for name in seeds[0]}
