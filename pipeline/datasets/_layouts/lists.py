"""The lists of DeepHash and its kin: text files of `path 0 1 0 ...`, one a part of the data set.

A file is the training, query or database part by its name. Training rows that are also in the
database list are the same image; without a database list the training rows are the database.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.datasets._arrays import Array, Lazy, in_memory
from pipeline.errors import InputError
from pipeline.storage.recognise import check_text

NEEDED = "lists of `path 0 1 0 ...` (train.txt, test.txt, database.txt)"
SUFFIX = ".txt"
_ROLES = {
    "train": ("train",),
    "query": ("test", "query"),
    "database": ("database", "db", "retrieval", "gallery"),
}
_MARK = "list:"  # no name of an array in any other file


def open_list(path: Path) -> Mapping[str, Array]:
    """The paths and labels of one list, by names that say which part it is."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    roles = [r for r, words in _ROLES.items() if any(w in path.stem.lower() for w in words)]
    if len(roles) != 1:
        raise InputError(
            f"{path}: its name is to say which part it lists: train, test (or query) or database"
        )
    names, labels = read_list(path)
    return {
        f"{_MARK}{roles[0]} paths": in_memory(np.array(names, object)),
        f"{_MARK}{roles[0]} labels": in_memory(labels),
    }


def read_list(path: Path) -> tuple[list[str], np.ndarray]:
    """The paths and the 0/1 labels (n, c) of a list; a path may hold spaces."""
    names: list[str] = []
    rows: list[list[bool]] = []
    check_text(path, "a list of `path 0 1 0 ...`")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text, which is needed") from None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        bits = len(words)
        while bits and words[bits - 1] in ("0", "1"):
            bits -= 1
        if not bits or bits == len(words) or (rows and len(words) - bits != len(rows[0])):
            wanted = f"{len(rows[0])} labels" if rows else "its labels"
            raise InputError(f"{path}, line {number}: a path and {wanted} of 0 or 1 are needed")
        names.append(" ".join(words[:bits]))
        rows.append([word == "1" for word in words[bits:]])
    if not names:
        raise InputError(f"{path}: lists no image")
    return names, np.array(rows, np.uint8)


def read(found: Mapping[str, Array]) -> Mapping[str, Array] | None:
    """The arrays by the names that all layouts share, every image once."""
    parts = [part for part in _ROLES if f"{_MARK}{part} paths" in found]
    if not parts:
        return None
    row: dict[str, int] = {}
    labels: list[np.ndarray] = []
    lists = {}
    for part in sorted(parts):  # the database first
        names = found[f"{_MARK}{part} paths"].rows().tolist()
        bits = found[f"{_MARK}{part} labels"].rows()
        if labels and bits.shape[1] != len(labels[0]):
            raise InputError(f"the lists have {len(labels[0])} and {bits.shape[1]} labels a line")
        for name, label in zip(names, bits, strict=True):
            if name not in row:
                row[name] = len(row)
                labels.append(label)
            elif (labels[row[name]] != label).any():
                raise InputError(f"{name!r} has other labels in the list of {part} rows")
        lists[part] = np.zeros(len(row), bool)
        lists[part][[row[name] for name in names]] = True
    if "database" not in lists:
        lists["database"] = lists["train"]
    n = len(row)
    arrays = {
        "names": in_memory(np.array(list(row), object)),
        "labels": in_memory(np.array(labels)),
        **{part: in_memory(np.pad(mask, (0, n - len(mask)))) for part, mask in lists.items()},
    }
    rest = [name for name in found if not name.startswith(_MARK)]
    if rest:
        raise InputError(f"{', '.join(rest)} beside lists of images: whose rows are they?")
    return Lazy(list(arrays), arrays.__getitem__)
