"""One array a view and part: `I_tr T_tr L_tr I_te T_te L_te`, with or without `I_db T_db L_db`.

Training rows are the database, unless the file has one beside them; test rows are the queries.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.datasets._arrays import Array, Lazy, in_memory, stack
from pipeline.datasets._layouts.whole import form
from pipeline.datasets._pixels import images_first
from pipeline.errors import InputError

NEEDED = "I_tr, T_tr, L_tr, I_te, T_te, L_te (and I_db, T_db, L_db)"
COPY = "train beside the database"
"""What ``split`` says of training rows that stand beside a database: mostly copies of its rows."""

_LETTERS = {"I": "image", "T": "text", "L": "labels"}
_CALLED = {
    ("I", "pixels"): "pixels",
    ("I", "words"): "names",
    ("T", "words"): "captions",
}


def read(found: Mapping[str, Array]) -> Mapping[str, Array] | None:
    """The arrays by the names that all layouts share, the database first, then the queries."""
    if not {"I_tr", "T_tr", "I_te", "T_te"} <= set(found):
        return None
    parts = ("db", "te", "tr") if {"I_db", "T_db"} & set(found) else ("tr", "te")
    words = {"db": "database", "te": "query", "tr": COPY if "db" in parts else "database"}
    named = {}
    for letter, called in _LETTERS.items():
        there = [f"{letter}_{part}" in found for part in parts]
        if letter == "L" and not any(there):
            continue
        if not all(there):
            lacking = ", ".join(
                f"{letter}_{p}" for p, is_there in zip(parts, there, strict=True) if not is_there
            )
            raise InputError(f"{lacking} is missing beside {', '.join(found)}")
        named[_CALLED.get((letter, form(found[f"{letter}_tr"])), called)] = letter

    def load(name: str) -> Array:
        if name != "split":
            return stack(*(_rows_first(found, named[name], part) for part in parts))
        counts = [len(_rows_first(found, "T", part)) for part in parts]
        return in_memory(np.repeat([words[part] for part in parts], counts))

    return Lazy([*named, "split"], load)


def _rows_first(found: Mapping[str, Array], letter: str, part: str) -> Array:
    """The array of one part; pixels as (H, W, C, n) are turned, n being the rows of the texts."""
    array = found[f"{letter}_{part}"]
    return images_first(array, len(found[f"T_{part}"])) if len(array.shape) == 4 else array
