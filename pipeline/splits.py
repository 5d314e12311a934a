"""Query, database, training and validation rows of a data set, drawn by protocol and seed."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import store
from pipeline.errors import InputError
from pipeline.seeds import derive
from pipeline.store import Provenance, Split

log = logging.getLogger(__name__)


def write_splits(
    pairs: Path | str,
    image: Path | str,
    text: Path | str,
    path: Path | str,
    *,
    seeds: Sequence[int],
    dataset: str,
    **protocol: Any,
) -> None:
    """Write one split per seed of the pairs that have both features; ``protocol`` as of ``draw``.

    pairs, image, text  files of the pairs and of both views' features
    """
    with store.open_features(image) as images, store.open_features(text) as texts:
        valid = images.valid & texts.valid
    partition = store.read_pairs(pairs).partition
    drawn = {seed: draw(valid, partition, seed=seed, dataset=dataset, **protocol) for seed in seeds}
    params = {"dataset": dataset, "seeds": seeds, **protocol}
    made = Provenance("split", params, {"pairs": pairs, "image": image, "text": text})
    store.write_splits(path, drawn, made)
    first = drawn[seeds[0]]
    log.info(
        "%s: %d of %d pairs usable; %d queries, %d in the database, %d to train, %d to validate",
        *(dataset, valid.sum(), len(valid)),
        *(len(part) for part in (first.query, first.database, first.train, first.validation)),
    )


def draw(
    valid: np.ndarray,
    partition: Sequence[str] | None,
    *,
    seed: int,
    dataset: str,
    query: int | float | str,
    train: int | str,
    validation: int = 0,
) -> Split:
    """One split of the valid rows.

    valid       bool (n,): pairs that have both features
    partition   the data set's own division ('query', 'database', 'train' or ''), or None
    query       how many queries are drawn, or their share if below 1, or 'given': the partition's
    train       how many database rows are drawn for training, or 'database': all of them, or
                'given': the partition's
    validation  how many further rows are set aside to choose hyper-parameters on: neither searched
                nor trained on

    Every other valid row is in the database. The order of the draws depends on the valid rows and
    the seed alone, so protocols that differ only in the training size share their queries and
    nest their training sets. ``dataset`` is for messages.
    """
    rows = np.flatnonzero(valid)
    queries = _queries(rows, partition, query, _rng(seed, "query"))
    others = np.setdiff1d(rows, queries, assume_unique=True)
    held_out = _take(others, validation, _rng(seed, "validation"), "validation")
    database = np.setdiff1d(others, held_out, assume_unique=True)
    protocol = f"{len(rows)} usable pairs, query={query}, train={train}, validation={validation}"
    _not_empty(dataset, protocol, query=queries, database=database)
    trained = _train(database, partition, train, _rng(seed, "train"))
    _not_empty(dataset, protocol, train=trained)
    return Split(*(np.sort(part) for part in (queries, database, trained, held_out)))


def _not_empty(dataset: str, protocol: str, **parts: np.ndarray) -> None:
    for name, part in parts.items():
        if not len(part):
            raise InputError(f"{dataset}: the {name} part of the split is empty ({protocol})")


def _queries(
    rows: np.ndarray,
    partition: Sequence[str] | None,
    query: int | float | str,
    rng: np.random.Generator,
) -> np.ndarray:
    if query == "given":
        return _given(rows, partition, {"query"})
    if isinstance(query, str):
        raise InputError(f"split: query is {query!r}; a number, a share or 'given' is needed")
    return _take(rows, round(query * len(rows)) if query < 1 else int(query), rng, "query")


def _train(
    candidates: np.ndarray,
    partition: Sequence[str] | None,
    train: int | str,
    rng: np.random.Generator,
) -> np.ndarray:
    if train == "database":
        return candidates
    if train == "given":
        return _given(candidates, partition, {"train"})
    if isinstance(train, str):
        raise InputError(f"split: train is {train!r}; a number, 'database' or 'given' is needed")
    return _take(candidates, train, rng, "train")


def _given(rows: np.ndarray, partition: Sequence[str] | None, parts: set[str]) -> np.ndarray:
    if partition is None:
        raise InputError(
            f"split: the rows of {'/'.join(parts)} are to be given by the data set, "
            "but it does not divide its pairs"
        )
    return rows[np.isin(np.asarray(partition)[rows], list(parts))]


def _take(rows: np.ndarray, count: int, rng: np.random.Generator, part: str) -> np.ndarray:
    if count > len(rows):
        raise InputError(
            f"split: {count} {part} rows are asked for, but only {len(rows)} pairs are there"
        )
    return rng.permutation(rows)[:count]


def _rng(seed: int, part: str) -> np.random.Generator:
    return np.random.default_rng(derive(seed, "split", part))
