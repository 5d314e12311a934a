"""Tags as binary vectors."""

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.store import Pairs, Provenance, feature_writer

_BLOCK = 8192


def write_tag_features(
    pairs: Pairs, path: Path | str, provenance: Provenance, *, top: int | None = None
) -> None:
    """Write the tag vectors, 0/1 as float32 (n, d); of the ``top`` most frequent tags if given."""
    if pairs.tags is None:
        raise InputError("tag features need tags, and this data set's pairs have none")
    tags = pairs.tags if top is None else pairs.tags[:, most_frequent(pairs.tags, top)]
    with feature_writer(path, tags.shape, provenance) as writer:
        for first in range(0, len(tags), _BLOCK):
            rows = slice(first, min(first + _BLOCK, len(tags)))
            writer.write(rows, tags[rows].astype(np.float32))


def most_frequent(tags: np.ndarray, top: int) -> np.ndarray:
    """The columns of the ``top`` tags most pairs have, ascending; of equals the earlier one."""
    if not 0 < top <= tags.shape[1]:
        raise InputError(
            f"the {top} most frequent tags were asked for, of {tags.shape[1]} there are"
        )
    counts = np.count_nonzero(tags, axis=0)
    return np.sort(np.argsort(-counts, kind="stable")[:top])
