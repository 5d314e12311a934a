"""Your own arrays: one file or several (.npz, .npy, .mat, .h5, lists) with both views.

The layouts that are known by the names of their arrays are in ``_layouts``. A view may be features,
which are taken as they are (encoder kind ``given``), or what is to be encoded: pixels, the names of
image files, sentences.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.datasets import _labels, _parts, _pictures
from pipeline.datasets._arrays import Array
from pipeline.datasets._layouts import open_arrays
from pipeline.datasets._layouts.halves import COPY
from pipeline.datasets._pixels import images_first, write_images
from pipeline.datasets._texts import texts_of
from pipeline.errors import InputError
from pipeline.storage.machine import rows_at_once
from pipeline.storage.store import Pairs, groups_of

FILES = ()
"""Nothing to download."""

PIXELS = "pixels.zip"
_LISTS = ("query", "database", "train", "validation")
_BLOCK = 8192
_WIDEST = 2**22  # columns of a view; no method could be trained on more


def pairs(
    raw: Path,
    *,
    file: str | Sequence[str],
    images: str = ".",
    texts: str | None = None,
    first: int | None = None,
    parts: Mapping[str, str] | None = None,
    rest: str | None = None,
    train_rows: str | None = None,
    labels_are: str | None = None,
) -> Pairs:
    """The pairs of files of arrays; features themselves stay in them.

    file        their path, or paths, relative to ``raw``
    images      the folder or archive below ``raw`` of image files that the arrays name
    texts       a file of sentences by image name, for arrays that hold none
    first       0 or 1: the number that lists of rows give the first row
    parts       what words or numbers of a split mean: query, database, train, validation, unused
    rest        what rows are that no list names: database or unused
    train_rows  what training rows are that the database lacks: database, or apart from it
    labels_are  columns or classes, where labels of one number a row leave it open

    Raises InputError for arrays that are missing, of a wrong shape, or do not fit each other.
    """
    files = [str(Path(raw) / one) for one in ([file] if isinstance(file, str) else file)]
    where = ", ".join(files)
    with open_arrays(files) as arrays:
        count = _count(where, arrays)
        labels, label_names = _labels_of(where, arrays, count, labels_are)
        partition = _partition(where, arrays, count, first, parts, rest, train_rows)
        names = _words(arrays["names"]) if "names" in arrays else None
        captions = _captions(where, arrays) if "captions" in arrays else None
        references = (
            _pictures.find_pictures(Path(raw), images, names, where)
            if names is not None and _to_find(arrays)
            else ()
        )
        groups = _groups(where, arrays, count) if "group" in arrays else None
        has_text = bool({"text", "captions"} & set(arrays))
    if texts is not None:
        if names is None:
            raise InputError(f"{where}: names no image files, by which {texts} could be read")
        captions = texts_of(Path(raw) / texts, names)
    elif not has_text:
        raise InputError(f"{where}: holds no texts; `texts:` names a file with a sentence an image")
    return Pairs(
        ids=_ids(names, count),
        labels=labels,
        label_names=label_names,
        images=references,
        image_root=str(raw),
        captions=captions,
        partition=partition,
        groups=groups if groups is not None or names is None else groups_of(names),
        sources=files,
    )


def unpack(pairs: Pairs, folder: Path) -> None:
    """Write pixels, where the arrays hold any, as image files into ``folder``, for encoders."""
    with open_arrays(pairs.sources) as arrays:
        if "pixels" in arrays:
            pixels = images_first(arrays["pixels"], len(pairs))
            names = write_images(pixels, folder / PIXELS)
            pairs.images = [f"{PIXELS}/{name}" for name in names]
            pairs.image_root = str(folder)


# --- rows -----------------------------------------------------------------------------------------


def _count(where: str, arrays: Mapping[str, Array]) -> int:
    """The number of pairs, on which all arrays have to agree."""
    rows = {}
    for name in ("image", "text", "names", "captions", "labels"):
        if name in arrays:
            array = arrays[name]
            if name in ("image", "text"):
                _check_numbers(where, name, array)
            rows[name] = _vector_length(array) if name not in ("image", "text") else len(array)
    if "pixels" in arrays and rows:
        rows["pixels"] = len(images_first(arrays["pixels"], next(iter(rows.values()))))
    if "split" in arrays:
        shape = arrays["split"].shape
        if len(shape) != 1 and 1 not in shape:
            raise InputError(f"{where}: split has shape {shape}; one word a row is needed")
        rows["split"] = _vector_length(arrays["split"])
    if len(set(rows.values())) == 1:
        return next(iter(rows.values()))
    counts = ", ".join(f"{name} {n:,}" for name, n in rows.items())
    turned = {arrays[name].shape[-1] for name in rows}
    hint = "; they agree in their columns: transpose them" if len(turned) == 1 else ""
    raise InputError(f"{where}: the arrays differ in their rows: {counts}{hint}")


def _vector_length(array: Array) -> int:
    """MATLAB has no vectors: (1, n) is meant as (n,)."""
    return array.shape[1] if len(array.shape) == 2 and array.shape[0] == 1 else len(array)


def _vector(array: Array) -> np.ndarray:
    """All of an array; (1, n) and (n, 1) as (n,)."""
    values = array.rows()
    return values.ravel() if values.ndim == 2 and 1 in values.shape else values


def _check_numbers(where: str, name: str, array: Array) -> None:
    if len(array.shape) != 2 or 0 in array.shape:
        raise InputError(f"{where}: {name} has shape {array.shape}; (rows, columns) is needed")
    if array.shape[1] > _WIDEST:
        raise InputError(
            f"{where}: {name} has {array.shape[1]:,} columns; at most {_WIDEST:,} can be used"
        )
    kind = array.rows(slice(0, 1)).dtype
    if kind.kind not in "fiub":
        raise InputError(f"{where}: {name} holds {kind}; numbers are needed")


def _ids(names: Sequence[str] | None, count: int) -> list[str]:
    """The names of the image files without folder and ending, where these differ, else numbers."""
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names or ()]
    return stems if stems and len(set(stems)) == count else [str(row) for row in range(count)]


# --- what is to be encoded ------------------------------------------------------------------------


def _to_find(arrays: Mapping[str, Array]) -> bool:
    """Whether image files are named and needed: pixels and features make do without."""
    return "names" in arrays and not {"pixels", "image"} & set(arrays)


def _captions(where: str, arrays: Mapping[str, Array]) -> list[list[str]]:
    values = arrays["captions"].rows()
    rows = values.ravel() if 1 in values.shape else values
    captions = [_strings(row) for row in rows]
    if bad := [row for row, texts in enumerate(captions) if not texts]:
        raise InputError(f"{where}: row {bad[0]} has no text")
    return captions


def _words(array: Array) -> list[str]:
    return [_word(value) for value in _vector(array)]


def _word(value: Any) -> str:
    """A word, out of the array that MATLAB puts round each cell, or of bytes."""
    strings = _strings(value)
    return strings[0] if len(strings) == 1 else ""


def _strings(value: Any) -> list[str]:
    """All strings in a value that is one, or an array or list of such values, however deep."""
    if isinstance(value, np.ndarray | list | tuple):
        return [text for item in value for text in _strings(item)] if np.ndim(value) else []
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return [text.strip()] if text.strip() else []


# --- labels and parts -----------------------------------------------------------------------------


def _groups(where: str, arrays: Mapping[str, Array], count: int) -> np.ndarray:
    """Which pairs are of one image, int64 (n,), from a number or word each."""
    values = _vector(arrays["group"])
    if values.shape != (count,):
        raise InputError(f"{where}: group has shape {values.shape}; {(count,)} is needed")
    return np.unique(values.astype(str), return_inverse=True)[1].astype(np.int64)


def _labels_of(
    where: str, arrays: Mapping[str, Array], count: int, labels_are: str | None
) -> tuple[np.ndarray, list[str]]:
    if "labels" not in arrays:
        return np.zeros((count, 0), np.uint8), []
    array = arrays["labels"]
    if len(array.shape) not in (1, 2) or 0 in array.shape:
        raise InputError(f"{where}: labels has shape {array.shape}; (rows, columns) is needed")
    values = array.rows()
    values = values.T if values.ndim == 2 and len(values) == 1 < count else values
    if values.dtype == object:
        values = np.array([_word(value) for value in values])
    return _labels.read_labels(where, values, labels_are)


def _partition(
    where: str,
    arrays: Mapping[str, Array],
    count: int,
    first: int | None,
    parts: Mapping[str, str] | None,
    rest: str | None,
    train_rows: str | None,
) -> list[str] | None:
    """The part of every row; None where the arrays do not say."""
    lists = {part: _vector(arrays[part]) for part in _LISTS if part in arrays}
    for part, values in lists.items():
        if values.dtype == bool and values.shape != (count,):
            raise InputError(f"{where}: {part} has shape {values.shape}; {(count,)} is needed")
        if values.shape == (count,) and not np.isin(values, (0, 1)).all():
            raise InputError(f"{where}: {part} holds other values than true and false")
    rows = _parts.rows_of(where, lists, count, first)
    undivided = np.zeros(count, bool)
    if "split" in arrays:
        words = _words(arrays["split"])
        if COPY in words:
            said = _copies(where, arrays, np.array(words, object), train_rows)
        else:
            said = _parts.of_words(f"{where}: split", words, parts)
        if not rows:
            return said.tolist()
        if {"query", "database"} & set(rows):
            raise InputError(f"{where}: has a split and beside it lists of {', '.join(rows)}")
        undivided = said == ""
        named = {"query": said == "query", "database": np.isin(said, ("database", "train"))}
        rows = {part: np.flatnonzero(mask) for part, mask in named.items()} | rows
    elif not rows:
        return None
    found = _parts.of_lists(where, rows, count, rest=rest, train_rows=train_rows)
    found[undivided & (found == "unused")] = ""
    return found.tolist()


def _copies(
    where: str, arrays: Mapping[str, Array], said: np.ndarray, train_rows: str | None
) -> np.ndarray:
    """Training rows that are copies of database rows become these; the copies are not used."""
    views = [arrays[name] for name in arrays if name not in ("split", "labels")]
    count = len(said)
    digests = np.empty(count, object)
    step = rows_at_once(sum(math.prod(view.shape[1:]) * 8 for view in views), _BLOCK)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        blocks = [view.rows(rows) for view in views]
        for i, row in enumerate(zip(*blocks, strict=True), start):
            digests[i] = hashlib.blake2b(b"".join(_bytes(v) for v in row), digest_size=16).digest()
    originals: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(said == "database")[::-1]:
        originals.setdefault(digests[row], []).append(row)
    trained = [  # a row twice among the training rows is twice in the database
        originals[digests[row]].pop() if originals.get(digests[row]) else row
        for row in np.flatnonzero(said == COPY)
    ]
    lists = {
        "query": np.flatnonzero(said == "query"),
        "database": np.flatnonzero(said == "database"),
        "train": np.array(trained, np.int64),
    }
    return _parts.of_lists(where, lists, count, rest="unused", train_rows=train_rows)


def _bytes(value: Any) -> bytes:
    return value.tobytes() if isinstance(value, np.ndarray | np.generic) else str(value).encode()
