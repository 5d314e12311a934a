"""Query, database, training and validation rows of a data set, drawn by protocol and seed."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from pipeline.datasets._split_files import read_split, write_table
from pipeline.errors import InputError
from pipeline.seeds import derive
from pipeline.storage import store
from pipeline.storage.store import Pairs, Provenance, Split

log = logging.getLogger(__name__)


def write_splits(
    pairs: Path | str,
    image: Path | str,
    text: Path | str,
    path: Path | str,
    table: Path | str,
    *,
    seeds: Sequence[int],
    dataset: str,
    **protocol: Any,
) -> None:
    """Write one split per seed of the pairs that have both features.

    pairs, image, text  files of the pairs and of both views' features
    table               the same splits as a table of ids (.csv), for others to use
    protocol            as of ``draw``; or ``file``, and what else ``read_split`` takes
    """
    with store.open_features(image) as images, store.open_features(text) as texts:
        valid = images.valid & texts.valid
    known = store.read_pairs(pairs)
    make = _read if "file" in protocol else _draw
    drawn = {seed: make(valid, known, seed=seed, dataset=dataset, **protocol) for seed in seeds}
    params = {"dataset": dataset, "seeds": seeds, **protocol}
    file = protocol.get("file", {})
    lists = {"file": file} if isinstance(file, str) else {f"{k} file": v for k, v in file.items()}
    made = Provenance("split", params, {"pairs": pairs, "image": image, "text": text, **lists})
    write_table(table, known.ids, drawn)
    store.write_splits(path, drawn, made)
    first = drawn[seeds[0]]
    log.info(
        "%s: %d of %d pairs usable; %d queries, %d in the database, %d to train, %d to validate",
        *(dataset, valid.sum(), len(valid)),
        *(len(part) for part in (first.query, first.database, first.train, first.validation)),
    )


def _draw(valid: np.ndarray, pairs: Pairs, **protocol: Any) -> Split:
    return draw(valid, pairs.partition, pairs.groups, **protocol)


def _read(
    valid: np.ndarray,
    pairs: Pairs,
    *,
    seed: int,
    dataset: str,
    train: int | str | None = None,
    **where: Any,
) -> Split:
    """The split of a file; ``train`` rows are drawn from its database where they are given."""
    partition = read_split(pairs=pairs, seed=seed, **where)
    own = "given" if {"train", "apart"} & set(partition) else "database"
    parts = {"query": "given", "validation": "given", "train": own if train is None else train}
    return draw(valid, partition, pairs.groups, seed=seed, dataset=dataset, **parts)


def draw(
    valid: np.ndarray,
    partition: Sequence[str] | None,
    groups: np.ndarray | None = None,
    *,
    seed: int,
    dataset: str,
    query: int | float | str,
    train: int | str,
    validation: int | str = 0,
) -> Split:
    """One split of the valid rows.

    valid       bool (n,): pairs that have both features
    partition   the data set's own division, as in ``Pairs``, or None
    groups      as in ``Pairs``; numbers drawn are then numbers of images, with all their captions
    query       how many queries are drawn, or their share if below 1, or 'given': the partition's
    train       how many database rows are drawn for training, or 'database': all of them, or
                'given': the partition's, among them rows apart from the database
    validation  how many further rows are set aside to choose hyper-parameters on, or 'given': the
                partition's; they are neither searched in a test nor trained on

    Every other valid row is in the database. The order of the draws depends on the valid rows and
    the seed alone, so protocols that differ only in the training size share their queries and
    nest their training sets. ``dataset`` is for messages.
    """
    rows = np.flatnonzero(valid)
    apart = np.zeros(0, np.int64)
    if partition is not None:
        own = np.asarray(partition)[rows]
        rows, apart = rows[~np.isin(own, ("unused", "apart"))], rows[own == "apart"]
    take = partial(_take, groups=groups)
    queries = _queries(rows, partition, query, partial(take, rng=_rng(seed, "query")))
    others = np.setdiff1d(rows, queries, assume_unique=True)
    held_out = (
        _given(others, partition, {"validation"})
        if validation == "given"
        else take(others, cast(float, validation), "validation", rng=_rng(seed, "validation"))
    )
    database = np.setdiff1d(others, held_out, assume_unique=True)
    protocol = f"{len(rows)} usable pairs, query={query}, train={train}, validation={validation}"
    _not_empty(dataset, protocol, query=queries, database=database)
    trained = _train(database, partition, train, partial(take, rng=_rng(seed, "train")))
    if train == "given":
        trained = np.concatenate([trained, apart])
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
    take: Callable[..., np.ndarray],
) -> np.ndarray:
    if query == "given":
        return _given(rows, partition, {"query"})
    if isinstance(query, str):
        raise InputError(f"split: query is {query!r}; a number, a share or 'given' is needed")
    return take(rows, query if query < 1 else int(query), "query")


def _train(
    candidates: np.ndarray,
    partition: Sequence[str] | None,
    train: int | str,
    take: Callable[..., np.ndarray],
) -> np.ndarray:
    if train == "database":
        return candidates
    if train == "given":
        return _given(candidates, partition, {"train"})
    if isinstance(train, str):
        raise InputError(f"split: train is {train!r}; a number, 'database' or 'given' is needed")
    return take(candidates, train, "train")


def _given(rows: np.ndarray, partition: Sequence[str] | None, parts: set[str]) -> np.ndarray:
    if partition is None:
        raise InputError(
            f"split: the rows of {'/'.join(parts)} are to be given by the data set, "
            "but it does not divide its pairs"
        )
    return rows[np.isin(np.asarray(partition)[rows], list(parts))]


def _take(
    rows: np.ndarray,
    count: int | float,
    part: str,
    *,
    rng: np.random.Generator,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Some of the rows, or all rows of some images; ``count`` below 1 is a share of them."""
    units = rows if groups is None else np.unique(groups[rows])
    count = round(count * len(units)) if count < 1 else count
    if count > len(units):
        raise InputError(
            f"split: {count} {part} rows are asked for, but only {len(units)} "
            f"{'pairs' if groups is None else 'images'} are there"
        )
    chosen = rng.permutation(units)[:count]
    return chosen if groups is None else rows[np.isin(groups[rows], chosen)]


def _rng(seed: int, part: str) -> np.random.Generator:
    return np.random.default_rng(derive(seed, "split", part))
