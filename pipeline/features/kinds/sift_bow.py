"""The SIFT words published with NUS-WIDE."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets._sift import WORDS, sift_bow
from pipeline.errors import InputError
from pipeline.storage.store import Pairs, Provenance, feature_writer


def write(pairs: Pairs, *, path: Path | str, provenance: Provenance) -> dict[str, Any]:
    """The 500-d bags of SIFT words of the pairs of NUS-WIDE, as counts."""
    rows = _official_rows(pairs)
    with feature_writer(path, (len(rows), WORDS), provenance) as writer:
        first = 0
        for block in sift_bow(Path(pairs.image_root), rows):
            writer.write(slice(first, first + len(block)), block)
            first += len(block)
    return {}


def _official_rows(pairs: Pairs) -> np.ndarray:
    try:
        return np.array([int(name) for name in pairs.ids])
    except ValueError:
        raise InputError(
            f"SIFT words are published for NUS-WIDE only; {pairs.ids[0]!r} is no row of its lists"
        ) from None
