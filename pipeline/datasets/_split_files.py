"""Splits in files of their own: a table of ids, lists of ids, of rows or of image names.

A published split can be read whatever its authors wrote down: the table that this project writes,
JSON with a list a part, arrays with a list a part, or one text file a part, a name a line, as the
lists of DeepHash are.
"""

import csv
import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from pipeline.datasets import _parts
from pipeline.datasets._arrays import open_file
from pipeline.datasets._layouts.whole import parts_in
from pipeline.datasets._pictures import KEYS
from pipeline.errors import InputError
from pipeline.storage.files import write_text
from pipeline.storage.recognise import aside, check_text
from pipeline.storage.store import Pairs, Split

_TABLES = {".csv": ",", ".tsv": "\t"}
_log = logging.getLogger(__name__)


def read_split(
    file: str | Mapping[str, str],
    pairs: Pairs,
    seed: int,
    *,
    by: str | None = None,
    first: int | None = None,
    parts: Mapping[str, str] | None = None,
    rest: str | None = None,
    train_rows: str | None = None,
) -> list[str]:
    """The part of every pair, as in ``Pairs.partition``.

    file   a table (.csv, .tsv) with a column ``id`` and one of parts, or one for each seed; .json,
           .npz, .mat or .h5 with a list a part; or part -> file of one name, id or number a line
    by     'id' (or name of an image) or 'row', where numbers could be either
    first, parts, rest, train_rows  as of kind ``features``
    """
    if by not in (None, "id", "row"):
        raise InputError(f"split: by is {by!r}; id or row is needed")
    if isinstance(file, str) and Path(file).suffix.lower() in _TABLES:
        return _from_table(Path(file), pairs, seed, parts)
    where = file if isinstance(file, str) else ", ".join(file.values())
    lists = _lists(file)
    rows = _rows(where, lists, pairs, by, first)
    return _parts.of_lists(where, rows, len(pairs), rest=rest, train_rows=train_rows).tolist()


def write_table(path: Path | str, ids: Sequence[str], splits: Mapping[int, Split]) -> None:
    """Write the parts of every pair as a table that people can read and ``read_split`` does.

    Columns: id, and for each seed query, database, train, validation (both in the database),
    apart (trained on, not in the database) or unused.
    """
    columns = []
    for split in splits.values():
        words = np.full(len(ids), "unused", dtype=object)
        words[split.train] = "apart"
        words[split.database] = "database"
        words[np.intersect1d(split.train, split.database)] = "train"
        words[split.validation], words[split.query] = "validation", "query"
        columns.append(words)
    lines = [",".join(["id", *map(str, splits)])]
    lines += [",".join([_quoted(id_), *row]) for id_, *row in zip(ids, *columns, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


# --- tables ---------------------------------------------------------------------------------------


def _from_table(path: Path, pairs: Pairs, seed: int, parts: Mapping[str, str] | None) -> list[str]:
    delimiter = _TABLES[path.suffix.lower()]
    with _opened(path) as file, _readable(path):
        reader = csv.reader(file, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        column = next((c for c in (str(seed), "split", "part") if c in header), None)
        if "id" not in header or column is None:
            raise InputError(
                f"{path}: its header is {', '.join(header) or 'empty'}; columns id and split, or "
                f"one named by the seed {seed}, are needed"
            )
        cells = [row for row in reader if row]
    if short := [i for i, row in enumerate(cells, 2) if len(row) != len(header)]:
        raise InputError(f"{path}, line {short[0]}: {len(header)} fields are needed")
    names = [row[header.index("id")].strip() for row in cells]
    words = [row[header.index(column)].strip() for row in cells]
    said = _parts.of_words(f"{path}: {column}", words, parts)
    out = np.full(len(pairs), "unused", dtype=object)
    for rows, part in zip(_found(str(path), names, pairs), said, strict=True):
        out[rows] = part
    return out.tolist()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table or list in UTF-8 ({error})") from None


def _opened(path: Path) -> TextIO:
    if not path.is_file():
        raise InputError(f"{path}: no such file of a split")
    check_text(path, "a table or a list of names")
    return path.open(encoding="utf-8-sig", newline="")


# --- lists ----------------------------------------------------------------------------------------


def _lists(file: str | Mapping[str, str]) -> dict[str, np.ndarray]:
    """Part -> what it lists: numbers, or names as objects."""
    if not isinstance(file, str):
        if unknown := [name for name in file if not _parts.MEANING.get(name)]:
            raise InputError(f"split: file has a part {unknown[0]!r}; query, database and train")
        return {_parts.MEANING[name]: _from_lines(Path(path)) for name, path in file.items()}
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{path}: no such file of a split")
    if path.suffix.lower() == ".json":
        return _from_json(path)
    if path.suffix.lower() == ".txt":
        raise InputError(
            f"{path}: which part does it list? Give `file: {{query: {path.name}, train: ...}}`"
        )
    with open_file(path) as found:
        parts = parts_in(found)
        if not parts:
            raise InputError(
                f"{path}: holds {', '.join(found)}; lists named query, database or train are needed"
            )
        return {part: _plain(found[name].rows().ravel()) for part, name in parts.items()}


def _from_json(path: Path) -> dict[str, np.ndarray]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not readable as JSON{aside(path)}") from None
    known = isinstance(content, dict) and all(
        _parts.MEANING.get(name) and isinstance(values, list) for name, values in content.items()
    )
    if not known or not content:
        raise InputError(f'{path}: an object like {{"query": [...], "train": [...]}} is needed')
    return {
        _parts.MEANING[name]: _plain(np.array(values, object)) for name, values in content.items()
    }


def _from_lines(path: Path) -> np.ndarray:
    """One entry a line; the 0/1 labels that follow a path in lists of DeepHash are ignored."""
    entries = []
    with _opened(path) as file, _readable(path):
        for line in file:
            words = line.split()
            while len(words) > 1 and words[-1] in ("0", "1"):
                words.pop()
            if words:
                entries.append(" ".join(words))
    return _plain(np.array(entries, object))


def _plain(values: np.ndarray) -> np.ndarray:
    """Whole numbers as int64 and masks as they are, everything else as text."""
    if values.dtype.kind in "biuf":
        return values
    texts = [_text(value) for value in values]
    if texts and all(re.fullmatch(r"0|[1-9][0-9]{0,17}", text) for text in texts):
        return np.array([int(text) for text in texts], np.int64)
    return np.array(texts, object)


def _text(value: object) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _rows(
    where: str, lists: Mapping[str, np.ndarray], pairs: Pairs, by: str | None, first: int | None
) -> dict[str, np.ndarray]:
    """Part -> rows, by the reading that ``by`` names or that alone is possible."""
    count = len(pairs)
    numeric = all(values.dtype.kind in "biuf" for values in lists.values())
    masks = numeric and all(len(v) == count and np.isin(v, (0, 1)).all() for v in lists.values())
    if by is None and not masks and numeric:
        by = _reading(where, lists, pairs)
    if by == "row" or masks:
        if not numeric:
            raise InputError(f"{where}: rows are asked for, but the lists hold names")
        return _parts.rows_of(where, lists, count, first)
    return {
        part: np.array(
            sorted({row for rows in _found(where, map(_name, values), pairs) for row in rows}),
            np.int64,
        )
        for part, values in lists.items()
    }


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) else str(value)


def _reading(where: str, lists: Mapping[str, np.ndarray], pairs: Pairs) -> str:
    """Whether numbers are rows or ids."""
    if list(pairs.ids) == [str(row) for row in range(len(pairs))]:
        return "row"
    entries = np.concatenate(list(lists.values()))
    are_rows = len(entries) == 0 or entries.max() <= len(pairs)
    index = _Index(pairs)
    share = np.mean([bool(len(index.rows(_name(entry)))) for entry in entries])
    if share == 1 and are_rows:
        raise InputError(
            f"{where}: its numbers could be ids or names (`by: id`) or rows (`by: row`) of the "
            f"{len(pairs):,} pairs"
        )
    return "row" if are_rows else "id"


# --- names ----------------------------------------------------------------------------------------


class _Index:
    """The rows of pairs by their ids and by all that their images may be known by."""

    def __init__(self, pairs: Pairs) -> None:
        self._ids = {name: row for row, name in enumerate(pairs.ids)}
        self._images = list(pairs.images)
        self._maps = []
        for key in KEYS:
            places: dict[str | int | None, list[int]] = defaultdict(list)
            for row, name in enumerate(pairs.images or pairs.ids):
                if (value := key(name)) is not None:
                    places[value].append(row)
            self._maps.append((key, places))

    def rows(self, name: str) -> list[int]:
        """The row of an id or the rows of an image; none for a name that is not, or not clearly."""
        if name in self._ids:
            return [self._ids[name]]
        for key, places in self._maps:
            found = places.get(key(name), [])
            if len(found) == 1 or (found and len({self._images[row] for row in found}) == 1):
                return found
        return []


def _found(where: str, names: Iterable[str], pairs: Pairs) -> list[list[int]]:
    """The rows of each name; names that no pair has are counted and named."""
    index, names = _Index(pairs), list(names)
    rows = [index.rows(name) for name in names]
    missing = [name for name, found in zip(names, rows, strict=True) if not found]
    if missing and len(missing) == len(names):
        raise InputError(
            f"{where}: none of its {len(names):,} names, such as {missing[0]!r}, is that of a "
            f"pair; the pairs are named like {pairs.ids[0]!r}"
            + (f" and {pairs.images[0]!r}" if len(pairs.images) else "")
        )
    if missing:
        _log.warning(
            "%s: %s of %s names are of no pair: %s%s",
            *(where, f"{len(missing):,}", f"{len(names):,}", ", ".join(missing[:5])),
            " and so on" if len(missing) > 5 else "",
        )
    return rows
