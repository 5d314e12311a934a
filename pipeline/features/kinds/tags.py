"""Tags as binary vectors."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.storage.store import Pairs, Provenance, feature_writer

_BLOCK = 8192


def write(
    pairs: Pairs, *, path: Path | str, provenance: Provenance, top: int | None = None
) -> dict[str, Any]:
    """Write the tag vectors, 0/1 as float32 (n, d); of the ``top`` most frequent tags if given."""
    if pairs.tags is None:
        raise InputError("tag features need tags, and this data set's pairs have none")
    tags, names = pairs.tags, list(pairs.tag_names)
    if top is not None:
        chosen = most_frequent(tags, top)
        tags, names = tags[:, chosen], [names[column] for column in chosen]
    with feature_writer(path, tags.shape, provenance) as writer:
        for first in range(0, len(tags), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(tags)))
            writer.write(rows, tags[rows].astype(np.float32))
    return {"tags": names}


def reopen(
    facts: Mapping[str, Any], *, device: str = "auto", top: int | None = None
) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from texts to tag vectors (n, d): a tag is set whose words follow one another.

    Words are compared in lower case; what lies between words does not matter.
    """
    phrases = {tuple(_words(name)): column for column, name in enumerate(facts["tags"])}
    longest = max(map(len, phrases), default=0)

    def encode(texts: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(texts), len(facts["tags"])), np.float32)
        for row, text in zip(found, texts, strict=True):
            words = _words(text)
            for first in range(len(words)):
                for length in range(1, longest + 1):
                    column = phrases.get(tuple(words[first : first + length]))
                    if column is not None:
                        row[column] = 1
        return found

    return encode


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def most_frequent(tags: np.ndarray, top: int) -> np.ndarray:
    """The columns of the ``top`` tags most pairs have, ascending; of equals the earlier one."""
    if not 0 < top <= tags.shape[1]:
        raise InputError(
            f"the {top} most frequent tags were asked for, of {tags.shape[1]} there are"
        )
    counts = np.count_nonzero(tags, axis=0)
    return np.sort(np.argsort(-counts, kind="stable")[:top])
