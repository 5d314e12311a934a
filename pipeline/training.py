"""Train one setting, all its seeds, and encode every pair of the data set."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline import seeds
from pipeline.methods import create
from pipeline.methods.base import Hasher
from pipeline.store import Codes, Features, Split, open_features

_BLOCK = 16_384  # rows encoded at a time: bounds memory, whatever the size of the data set

Watcher = Callable[[dict[str, Any]], None]


def train(
    method: str,
    *,
    bits: int,
    params: Mapping[str, Any],
    stream: str,
    splits: Mapping[int, Split],
    image: Path | str,
    text: Path | str,
    watch: Watcher | None = None,
) -> Codes:
    """Fit ``method`` once per seed of ``splits`` and encode all pairs.

    stream  the name of the setting: the random streams of different settings are independent
    image, text  feature files; ``watch`` gets the method's records, the seed added
    """
    hashers = [
        create(method, bits=bits, seed=seeds.derive(seed, "method", stream), **params)
        for seed in splits
    ]
    for seed, hasher in zip(splits, hashers, strict=True):
        hasher.on_epoch = _with_seed(watch, seed)
    with open_features(image) as images, open_features(text) as texts:
        _fit(hashers, images, texts, list(splits.values()))
        views = [_encode(hashers, images, "image"), _encode(hashers, texts, "text")]
        diagnostics = _diagnose(hashers, images, texts, list(splits.values()))
    return Codes(list(splits), *views, diagnostics)


def _fit(hashers: list[Hasher], images: Features, texts: Features, splits: list[Split]) -> None:
    """All seeds at once where the method can train many models together, else one by one."""

    def rows(view: Features) -> list[np.ndarray]:
        return [view.rows(split.train, seed=i) for i, split in enumerate(splits)]

    if hasattr(type(hashers[0]), "fit_many"):
        type(hashers[0]).fit_many(hashers, rows(images), rows(texts))
        return
    for i, (hasher, split) in enumerate(zip(tqdm(hashers, desc="seeds"), splits, strict=True)):
        hasher.fit(images.rows(split.train, seed=i), texts.rows(split.train, seed=i))


def _encode(hashers: list[Hasher], features: Features, view: str) -> np.ndarray:
    """Codes of all pairs, (seeds, n, bits); pairs without features keep zeros."""
    real = hashers[0].real_valued
    shape = (len(hashers), len(features), hashers[0].bits)
    codes = np.zeros(shape, np.float32 if real else bool)
    for i, hasher in enumerate(hashers):
        for start in range(0, len(features), _BLOCK):
            block = slice(start, start + _BLOCK)
            valid = features.valid[block]
            if valid.any():
                rows = features.rows(block, seed=i)[valid]
                codes[i, block][valid] = getattr(hasher, f"encode_{view}")(rows)
    return codes


def _diagnose(
    hashers: list[Hasher], images: Features, texts: Features, splits: list[Split]
) -> dict[str, np.ndarray]:
    found = [
        hasher.diagnose(images.rows(split.database, seed=i), texts.rows(split.database, seed=i))
        for i, (hasher, split) in enumerate(zip(hashers, splits, strict=True))
        if type(hasher).diagnose is not Hasher.diagnose
    ]
    return {name: np.stack([d[name] for d in found]) for name in found[0]} if found else {}


def _with_seed(watch: Watcher | None, seed: int) -> Watcher | None:
    return None if watch is None else lambda record: watch({"seed": seed, **record})
