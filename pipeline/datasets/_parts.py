"""The parts of a data set as others write them: words, numbers, masks, lists of rows or of ids."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.errors import InputError

_WORDS = {
    "query": ("query", "test", "te"),
    "database": ("database", "retrieval", "db", "gallery"),
    "train": ("train", "training", "tr"),
    "validation": ("validation", "val"),
    "apart": ("apart",),
    "unused": ("unused",),
    "": ("", "undivided"),
}
MEANING = {word: part for part, words in _WORDS.items() for word in words}
"""What a word says: a part of ``Pairs.partition``."""

_SAID = {
    "query": "is a query",
    "database": "is in the database",
    "train": "is to be trained on",
    "validation": "is set aside for validation",
}


def of_words(where: str, words: Sequence[str], parts: Mapping[str, str] | None) -> np.ndarray:
    """The part of every row, from a word or number each; ``parts`` says what others mean."""
    own = {str(word): part for word, part in (parts or {}).items()}
    if bad := [part for part in own.values() if part not in MEANING]:
        raise InputError(f"parts: {bad[0]!r} is none of {', '.join(filter(None, _WORDS))}")
    known = MEANING | {word: MEANING[part] for word, part in own.items()}
    found = list(dict.fromkeys(words))
    unknown = [word for word in found if (word if own else word.lower()) not in known]
    if unknown and all(_is_number(word) for word in found) and not own:
        raise InputError(_two_readings_of_numbers(where, sorted(found, key=int)))
    if unknown:
        row = list(words).index(unknown[0])
        raise InputError(
            f"{where} is {unknown[0]!r} in row {row}; 'query' or 'database' is needed, or train, "
            "test, retrieval, validation, or `parts:` that says what it means"
        )
    return np.array([known.get(word, known.get(word.lower())) for word in words], dtype=object)


def _two_readings_of_numbers(where: str, found: Sequence[str]) -> str:
    likely = ["train", "query", "database", *["unused"] * len(found)]
    other = ["query", "database", "train", *["unused"] * len(found)]
    one, two = (
        "{" + ", ".join(f"{n}: {p}" for n, p in zip(found, parts, strict=False)) + "}"
        for parts in (likely, other)
    )
    return (
        f"{where} holds the numbers {', '.join(found)}, which could be {one} or {two}: say which "
        "with `parts:`"
    )


def of_lists(
    where: str,
    lists: Mapping[str, np.ndarray],
    count: int,
    *,
    rest: str | None = None,
    train_rows: str | None = None,
) -> np.ndarray:
    """The part of each of ``count`` rows, from the rows (ascending or not, from 0) of every part.

    rest        what rows are that no list names: 'database' or 'unused'
    train_rows  what training rows are that the database list lacks: 'database' or 'apart'
    """
    for name, given, known in (
        ("rest", rest, ("database", "unused")),
        ("train_rows", train_rows, ("database", "apart")),
    ):
        if given not in (None, *known):
            raise InputError(f"{name} is {given!r}; {' or '.join(known)} is needed")
    marks = {part: _mark(where, part, rows, count) for part, rows in lists.items()}
    none = np.zeros(count, bool)
    query, train, held = (marks.get(part, none) for part in ("query", "train", "validation"))
    _apart(where, "query", marks, ("train", "validation", "database"))
    _apart(where, "validation", marks, ("train",))
    named = np.any(list(marks.values()), axis=0)
    out = np.full(count, "unused", dtype=object)
    out[named] = "database"
    if "database" in marks:
        outside = train & ~marks["database"]
        if outside.any() and train_rows is None:
            raise InputError(
                f"{where}: {outside.sum():,} of {train.sum():,} training rows are not in the "
                "database; they could be searched with it (`train_rows: database`) or be only "
                "trained on (`train_rows: apart`)"
            )
        out[train] = "train"
        out[outside] = "train" if train_rows == "database" else "apart"
    else:
        out[train] = "train"
    out[held], out[query] = "validation", "query"
    left = ~named
    if "database" not in marks and left.any():
        if rest is None and train.any():
            raise InputError(
                f"{where}: {left.sum():,} of {count:,} rows are in no list; they could be the rest "
                "of the database (`rest: database`) or unused (`rest: unused`)"
            )
        out[left] = rest or "database"
    elif left.any():
        out[left] = rest or "unused"
    return out


def rows_of(
    where: str, lists: Mapping[str, np.ndarray], count: int, first: int | None
) -> dict[str, np.ndarray]:
    """Rows from 0, of lists of whole numbers that count from 0 or from 1, or of bool (count,).

    first  the number of the first row: 0 or 1; needed where the lists leave it open
    """
    if first not in (None, 0, 1):
        raise InputError(f"first is {first!r}; the number of the first row, 0 or 1, is needed")
    masks = {part: values for part, values in lists.items() if _is_mask(values, count)}
    numbers = {part: _whole(where, part, v) for part, v in lists.items() if part not in masks}
    found = np.concatenate([*numbers.values(), np.zeros(0, np.int64)])
    if first is None:
        first = _base(where, found, count) if len(found) else 0
    base: int = first
    for part, values in numbers.items():
        bad = values[(values < base) | (values >= count + base)]
        if len(bad):
            raise InputError(
                f"{where}: the {part} list names row {bad[0]}; with {count:,} rows counted from "
                f"{base} the last is {count - 1 + base}"
            )
    rows = {part: np.flatnonzero(values) for part, values in masks.items()}
    return rows | {part: values - base for part, values in numbers.items()}


def _base(where: str, found: np.ndarray, count: int) -> int:
    has_zero, has_last = bool((found == 0).any()), bool((found >= count).any())
    if has_zero == has_last:
        why = "both 0 and" if has_zero else "neither 0 nor"
        raise InputError(
            f"{where}: the lists name {why} {count}, so they could count rows from 0 (`first: 0`) "
            "or from 1 (`first: 1`)"
        )
    return int(has_last)


def _is_mask(values: np.ndarray, count: int) -> bool:
    return len(values) == count and bool(np.isin(values, (0, 1)).all())


def _whole(where: str, part: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiu" or not (values == np.floor(values)).all():
        raise InputError(f"{where}: the {part} list holds other values than whole numbers")
    return values.astype(np.int64)


def _mark(where: str, part: str, rows: np.ndarray, count: int) -> np.ndarray:
    marked = np.zeros(count, bool)
    marked[rows] = True
    if marked.sum() != len(rows):
        twice = np.flatnonzero(np.bincount(rows) > 1)[0]
        raise InputError(f"{where}: the {part} list names row {twice} twice")
    return marked


def _apart(where: str, part: str, marks: Mapping[str, np.ndarray], others: Sequence[str]) -> None:
    for other in (other for other in others if {part, other} <= set(marks)):
        if len(both := np.flatnonzero(marks[part] & marks[other])):
            raise InputError(f"{where}: row {both[0]} {_SAID[other]} and {_SAID[part]}")


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", word) is not None
