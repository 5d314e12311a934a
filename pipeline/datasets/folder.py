"""Your own images and texts: a folder with one table, CSV or JSON lines, that lists the pairs.

Columns (CSV, with a header line) or keys (JSON lines, one object a line; ``.jsonl``, ``.ndjson``):

Rows with the same image are captions of it, which instance retrieval and splits know.

id      a unique name; where it is missing, the image
image   path relative to the table, which may pass through a zip archive (``a.zip/1.jpg``); also
        called file, filename or path
text    a sentence; in JSON lines also a list of sentences, of which the text encoder draws one;
        also called title, caption or captions
labels  separated by ``;``; in JSON lines also a list. May be empty: relevant to no other pair; or
        missing, for instance retrieval alone
tags    like labels; instead of ``text`` or beside it
split   query, database, train (which is part of the database) or nothing; may be missing
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.storage.recognise import check_text
from pipeline.storage.store import Pairs, groups_of

FILES = ()
"""Nothing to download."""

SEPARATOR = ";"
_JSON_LINES = (".jsonl", ".ndjson")
#: how the names of tables end
TABLES = (".csv", *_JSON_LINES)
_COLUMNS = ("id", "image", "text", "labels", "tags", "split")
_NEEDED = ("image",)
#: other names that columns have in people's tables
_ALIASES = {
    "file": "image",
    "filename": "image",
    "path": "image",
    "title": "text",
    "caption": "text",
    "captions": "text",
}
_SPLITS = ("query", "database", "train", "")


@dataclass(frozen=True)
class _Row:
    where: str
    id: str
    image: str
    texts: list[str]
    labels: set[str]
    tags: set[str]
    split: str


def pairs(raw: Path, *, table: str = "pairs.csv") -> Pairs:
    """The pairs that a table lists.

    table  its path, relative to ``raw``

    Raises InputError, naming file and line, for missing columns, blank fields, an id given twice,
    an image path that leaves the table's folder, or a word in ``split`` that means nothing.
    """
    path = Path(raw) / table
    read = _json_lines if path.suffix.lower() in _JSON_LINES else _csv
    rows = [_row(where, record) for where, record in read(path)]
    if not rows:
        raise InputError(f"{path}: lists no pair")
    _check_unique(rows)
    label_names, labels = _matrix([row.labels for row in rows])
    tag_names, tags = _matrix([row.tags for row in rows])
    divided = any(row.split for row in rows)
    return Pairs(
        ids=[row.id for row in rows],
        labels=labels,
        label_names=label_names,
        images=[row.image for row in rows],
        image_root=str(path.parent),
        tags=tags if tag_names else None,
        tag_names=tag_names,
        captions=_captions(rows),
        groups=groups_of([row.image for row in rows]),
        partition=[row.split for row in rows] if divided else None,
    )


# --- the two forms --------------------------------------------------------------------------------


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(_lines(path), strict=True)
    try:
        header = [_ALIASES.get(name.strip(), name.strip()) for name in next(reader, [])]
        _check_columns(header, f"{path}, line 1")
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if len(cells) not in (0, len(header)):
                raise InputError(f"{where}: {len(cells)} fields, the header has {len(header)}")
            if cells:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not readable as CSV ({error})") from None


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_lines(path), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: not readable as JSON") from None
        if not isinstance(record, dict):
            raise InputError(f"{where}: a JSON object is needed")
        record = {_ALIASES.get(name, name): value for name, value in record.items()}
        _check_columns(list(record), where)
        yield where, record


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise InputError(f"{path}: no such table; the option `table` says where it is")
    check_text(path, "a table in CSV or JSON lines")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise InputError(
                    f"{path}, line {number}: not UTF-8; save the table in that encoding"
                ) from None


def _check_columns(names: Sequence[str], where: str) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing or not {"text", "tags"} & set(names):
        missing = missing or ["text"]
        raise InputError(
            f"{where}: has no {' and no '.join(missing)}; needed are {', '.join(_NEEDED)} and "
            "text or tags"
        )
    if unknown := [name for name in names if name not in _COLUMNS]:
        raise InputError(f"{where}: {unknown[0]!r} is none of {', '.join(_COLUMNS)}")
    if len(set(names)) < len(names):
        raise InputError(f"{where}: a column is named twice")


# --- one row --------------------------------------------------------------------------------------


def _row(where: str, record: dict[str, Any]) -> _Row:
    row = _Row(
        where=where,
        id=_word(where, record, "id" if "id" in record else "image"),
        image=_word(where, record, "image"),
        texts=_words(where, record, "text", separator=None),
        labels=set(_words(where, record, "labels", SEPARATOR)),
        tags=set(_words(where, record, "tags", SEPARATOR)),
        split=_word(where, record, "split") if record.get("split") else "",
    )
    for name in ("id", "image"):
        if not getattr(row, name):
            raise InputError(f"{where}: the {name} is blank")
    if "text" in record and not row.texts:
        raise InputError(f"{where}: the text is blank")
    parts = PurePosixPath(row.image).parts
    if PurePosixPath(row.image).is_absolute() or ".." in parts:
        raise InputError(
            f"{where}: the image {row.image!r} is not a path below the folder of the table"
        )
    if row.split not in _SPLITS:
        raise InputError(f"{where}: the split is {row.split!r}; query, database or train is needed")
    return row


def _word(where: str, record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or "\0" in value:
        raise InputError(f"{where}: {name} must be text")
    return value.strip()


def _words(where: str, record: dict[str, Any], name: str, separator: str | None) -> list[str]:
    value = record.get(name)
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(separator) if separator else [value]
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(f"{where}: {name} must be text or a list of texts")
    if any("\0" in word for word in value):
        raise InputError(f"{where}: {name} holds a NUL character")
    return [word.strip() for word in value if word.strip()]


# --- all rows -------------------------------------------------------------------------------------


def _check_unique(rows: list[_Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        if row.id in seen:
            raise InputError(f"{row.where}: the id {row.id!r} was given before, in {seen[row.id]}")
        seen[row.id] = row.where


def _captions(rows: list[_Row]) -> list[list[str]] | None:
    """The texts; None for a table of tags alone."""
    without = [row for row in rows if not row.texts]
    if len(without) == len(rows):
        return None
    if without:
        raise InputError(f"{without[0].where}: has no text, while other rows have one")
    return [row.texts for row in rows]


def _matrix(groups: list[set[str]]) -> tuple[list[str], np.ndarray]:
    """All words in alphabetical order, and who has them, uint8 (n, words)."""
    names = sorted(set().union(*groups))
    column = {name: j for j, name in enumerate(names)}
    matrix = np.zeros((len(groups), len(names)), np.uint8)
    for row, words in zip(matrix, groups, strict=True):
        row[[column[word] for word in words]] = 1
    return names, matrix
