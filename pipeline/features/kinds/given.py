"""Features that nobody has to compute: the arrays of a data set of kind ``features``."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.storage.machine import rows_at_once
from pipeline.storage.store import Pairs, Provenance, feature_writer

_BLOCK = 8192


def write(
    pairs: Pairs,
    *,
    view: str,
    path: Path | str,
    provenance: Provenance,
    normalize: bool = False,
) -> dict[str, Any]:
    """Copy the array of ``view`` ('image' or 'text') of a ``features`` data set, block by block.

    normalize  rows to length 1; those of zeros stay
    """
    from pipeline.datasets._layouts import open_arrays

    if not pairs.sources:
        raise InputError("given features need a data set of kind features; these pairs have none")
    where = ", ".join(pairs.sources)
    with open_arrays(pairs.sources) as arrays:
        if view not in arrays:
            raise InputError(
                f"{where}: holds no {view} features, but {', '.join(arrays)}; give the {view} view "
                "an encoder that takes those"
            )
        array = arrays[view]
        if len(array) != len(pairs):
            raise InputError(
                f"{where}: {view} has {len(array):,} rows, the pairs were {len(pairs):,}; "
                "make the pairs again"
            )
        with feature_writer(path, array.shape, provenance) as writer:
            step = rows_at_once(array.shape[1] * 8, _BLOCK)
            for first in range(0, len(array), step):
                rows = slice(first, min(first + step, len(array)))
                block = _finite(array.rows(rows), first, f"{where}: {view}")
                if normalize:
                    lengths = np.linalg.norm(block, axis=1, keepdims=True)
                    block /= np.where(lengths > 0, lengths, 1)
                writer.write(rows, block)
    return {}


def _finite(block: np.ndarray, first: int, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused
        block = block.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(bad):
        raise InputError(
            f"{where}: row {first + bad[0]} has NaN or infinite values; finite features are needed"
        )
    return block
