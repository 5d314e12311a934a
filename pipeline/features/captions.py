"""Which of its captions stands for a pair."""

import numpy as np

from pipeline.errors import InputError
from pipeline.seeds import derive
from pipeline.store import Pairs


def draw_captions(pairs: Pairs, seed: int) -> list[str]:
    """One caption per pair, drawn uniformly from the pair's own by ``seed``."""
    if pairs.captions is None:
        raise InputError("caption features need captions, and this data set's pairs have none")
    counts = np.array([len(group) for group in pairs.captions])
    if len(empty := np.flatnonzero(counts == 0)):
        raise InputError(f"{len(empty)} pairs have no caption, first {pairs.ids[empty[0]]!r}")
    chosen = np.random.default_rng(derive(seed, "caption")).integers(counts)
    return [group[index] for group, index in zip(pairs.captions, chosen, strict=True)]
