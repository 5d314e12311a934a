"""What the evaluation refuses, each in one sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError

K = int | str | None  # a cut-off: a rank, or 'all' or None for the whole database

MAX_BITS = 32_767  # 2 * distance + 1 must fit a 16-bit key
_ROWS = 65_536  # rows looked at in one go: labels of millions of items are checked in little memory


def check_codes(query: np.ndarray, database: np.ndarray) -> None:
    """Both bool (n, bits) with equal bits; InputError otherwise."""
    for name, codes in (("query_codes", query), ("database_codes", database)):
        if codes.ndim != 2 or codes.dtype != bool:
            raise InputError(
                f"{name} is {codes.dtype} of shape {codes.shape}; bool (n, bits) is needed"
            )
    _check_widths(query, database, "bits")
    if not 1 <= query.shape[1] <= MAX_BITS:
        raise InputError(f"the codes have {query.shape[1]} bits; 1 to {MAX_BITS} are needed")


def check_vectors(query: np.ndarray, database: np.ndarray) -> None:
    """Both finite numbers (n, d) with equal d; InputError otherwise."""
    for name, vectors in (("query_vectors", query), ("database_vectors", database)):
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
            raise InputError(
                f"{name} is {vectors.dtype} of shape {vectors.shape}; numbers (n, d) are needed"
            )
        if not all(np.isfinite(rows).all() for rows in _blocks(vectors)):
            raise InputError(f"{name} has NaN or infinite entries; every entry must be finite")
    _check_widths(query, database, "dimensions")


def check_labels(
    query: np.ndarray, database: np.ndarray, query_rows: int, database_rows: int
) -> None:
    """Both 0/1 (n, c) with equal c and as many rows as there are items; InputError otherwise."""
    for name, labels, rows in (
        ("query_labels", query, query_rows),
        ("database_labels", database, database_rows),
    ):
        if labels.ndim != 2 or len(labels) != rows:
            raise InputError(f"{name} has shape {labels.shape}; ({rows}, classes) is needed")
        if labels.dtype != bool and not all(((b == 0) | (b == 1)).all() for b in _blocks(labels)):
            raise InputError(f"{name} has entries other than 0 and 1; labels are 0 or 1")
    _check_widths(query, database, "classes")


def cut_offs(k: K | Sequence[K]) -> tuple[int | None, ...]:
    """``k`` (a number, 'all', None, or a sequence of these) as a tuple, None meaning all."""
    given: list[Any] = list(k) if isinstance(k, list | tuple | np.ndarray) else [k]
    if not given:
        raise InputError("k is empty; give at least one cut-off, such as 1000 or 'all'")
    return tuple(dict.fromkeys(cut_off(one) for one in given))


def cut_off(k: K) -> int | None:
    """One cut-off, None meaning all; InputError for what is none."""
    if k is None or k == "all":
        return None
    if isinstance(k, int | np.integer) and not isinstance(k, bool) and k >= 1:
        return int(k)
    raise InputError(f"k is {k!r}; a whole number of at least 1, or 'all', is needed")


def _check_widths(query: np.ndarray, database: np.ndarray, unit: str) -> None:
    if not len(query) or not len(database):
        raise InputError(
            f"there are {len(query)} queries and {len(database)} database items; "
            "at least one of each is needed"
        )
    if query.shape[1] != database.shape[1]:
        raise InputError(
            f"the queries have {query.shape[1]} {unit}, the database has {database.shape[1]}; "
            "they must be equal"
        )


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + _ROWS] for i in range(0, len(rows), _ROWS)]
