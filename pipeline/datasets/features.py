"""Your own features: one file (.npz, .h5, .mat) with the arrays of both views and the labels.

Two layouts are known by the names of their arrays:

image (n, d_v), text (n, d_t), labels (n, c), split (n,) of 'query' or 'database', and optionally
train (n,) bool: the database rows to train on

I_tr, T_tr, L_tr, I_te, T_te, L_te: images, texts and labels of training rows, which are the
database, and of test rows, which are the queries; as ``wiki.mat`` and others are passed around
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.datasets._arrays import Array, Lazy, open_file, stack
from pipeline.errors import InputError
from pipeline.store import Pairs

FILES = ()
"""Nothing to download."""

_PLAIN = ("image", "text", "labels", "split")
_HALVES = {"image": ("I_tr", "I_te"), "text": ("T_tr", "T_te"), "labels": ("L_tr", "L_te")}


def pairs(raw: Path, *, file: str) -> Pairs:
    """The pairs of a file of features; the arrays themselves stay in it.

    file  its path, relative to ``raw``

    Raises InputError for arrays that are missing, of a wrong shape, or do not fit each other.
    """
    path = Path(raw) / file
    with open_arrays(path) as arrays:
        rows = {view: _row_count(path, view, arrays[view]) for view in ("image", "text")}
        labels = _labels(path, arrays["labels"])
        partition = _partition(path, arrays)
    rows |= {"labels": len(labels), "split": len(partition)}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} {n:,}" for name, n in rows.items())
        raise InputError(f"{path}: the arrays differ in their rows: {counts}")
    return Pairs(
        ids=[str(row) for row in range(len(labels))],
        labels=labels,
        label_names=[f"label {j}" for j in range(labels.shape[1])],
        partition=partition,
        source=str(path),
    )


@contextmanager
def open_arrays(path: Path) -> Iterator[Mapping[str, Array]]:
    """The arrays ``image``, ``text``, ``labels``, ``split`` and, if given, ``train`` of a file."""
    with open_file(path) as found:
        halves = [name for pair in _HALVES.values() for name in pair]
        if set(halves) <= set(found):
            yield _from_halves(found)
        elif set(_PLAIN) <= set(found):
            names = [name for name in (*_PLAIN, "train") if name in found]
            yield Lazy(names, lambda name: _flat(found[name], name))
        else:
            raise InputError(
                f"{path}: holds {', '.join(found) or 'nothing'}; needed are "
                f"{', '.join(_PLAIN)} (and train), or {', '.join(halves)}"
            )


def _from_halves(found: Mapping[str, Array]) -> Lazy:
    def load(name: str) -> Array:
        if name != "split":
            return stack(*(found[half] for half in _HALVES[name]))
        words = np.repeat(["database", "query"], [len(found[half]) for half in _HALVES["labels"]])
        return Array(words.shape, lambda rows: words[rows])

    return Lazy(_PLAIN, load)


def _flat(array: Array, name: str) -> Array:
    """MATLAB has no vectors: a split of (1, n) or (n, 1) is meant as (n,)."""
    if name not in ("split", "train") or len(array.shape) != 2 or 1 not in array.shape:
        return array
    values = array.rows(slice(None)).ravel()
    return Array(values.shape, lambda rows: values[rows])


def _row_count(path: Path, name: str, array: Array) -> int:
    if len(array.shape) != 2 or 0 in array.shape:
        raise InputError(f"{path}: {name} has shape {array.shape}; (rows, columns) is needed")
    kind = array.rows(slice(0, 1)).dtype
    if kind.kind not in "fiub":
        raise InputError(f"{path}: {name} holds {kind}; numbers are needed")
    return len(array)


def _labels(path: Path, array: Array) -> np.ndarray:
    _row_count(path, "labels", array)
    labels = array.rows(slice(None))
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"{path}: labels holds other values than 0 and 1; one column a label")
    return labels.astype(np.uint8)


def _partition(path: Path, arrays: Mapping[str, Array]) -> list[str]:
    split = arrays["split"]
    if len(split.shape) != 1:
        raise InputError(f"{path}: split has shape {split.shape}; one word a row is needed")
    words = np.array([_word(value) for value in split.rows(slice(None))])
    if len(bad := np.flatnonzero(~np.isin(words, ("query", "database")))):
        raise InputError(
            f"{path}: split is {str(words[bad[0]])!r} in row {bad[0]}; "
            "'query' or 'database' is needed"
        )
    if "train" in arrays:
        words[_train(path, arrays["train"], words)] = "train"
    return words.tolist()


def _train(path: Path, array: Array, words: np.ndarray) -> np.ndarray:
    if array.shape != words.shape:
        raise InputError(f"{path}: train has shape {array.shape}; {words.shape} is needed")
    train = array.rows(slice(None))
    if not np.isin(train, (0, 1)).all():
        raise InputError(f"{path}: train holds other values than true and false")
    train = train.astype(bool)
    if len(bad := np.flatnonzero(train & (words == "query"))):
        raise InputError(f"{path}: row {bad[0]} is to be trained on and is a query")
    return train


def _word(value: object) -> str:
    """A word, out of the array that MATLAB puts round each cell, or of bytes."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
