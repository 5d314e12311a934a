"""Pictures that carry a vector: weighted sums of fixed coloured patterns, and as much that is random.

What an image is about sets the weights of some patterns; the rest, its place, its light and its grain
are its own. So an encoder sees what the labels say through everything that they do not say, as in a
photograph, and how well it can see it is one number, ``nuisance``.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline import seeds

_CHUNK = 250  # images painted at a time
import os

LIGHT, TINT, SHIFT, GRAIN, WAVES = eval(os.environ.get("PAINT", "(.1,.1,4,.1,4)"))
_OWN = 96  # patterns that say nothing


class Painter:
    """Paints square pictures from vectors of what they are about.

    seed      of the patterns and of all that is random
    subjects  length of the vectors
    size      pixels of a side
    nuisance  power of the patterns that say nothing, that of the others being 1 on average
    """

    def __init__(
        self,
        seed: int,
        subjects: int,
        *,
        size: int = 96,
        nuisance: float = float(os.environ.get("NUIS", "1")),
    ) -> None:
        self.seed, self.size, self.nuisance = seed, size, nuisance
        rng = np.random.default_rng(seeds.derive(seed, "patterns"))
        self._about = _patterns(rng, subjects, size)
        self._own = _patterns(rng, _OWN, size)
        self._fall = np.arange(1, _OWN + 1, dtype=np.float32) ** -0.5
        self._fall *= np.sqrt(nuisance / (self._fall**2).sum())

    def paint(self, vectors: np.ndarray, number: int) -> np.ndarray:
        """Pictures uint8 (n, size, size, 3) of vectors (n, subjects) of mean square length 1.

        number  of the chunk, which has a random stream of its own
        """
        rng = np.random.default_rng(seeds.derive(self.seed, "pictures", number))
        n = len(vectors)
        own = rng.standard_normal((n, _OWN), dtype=np.float32) * self._fall
        pixels = _unit(vectors.astype(np.float32)) @ self._about + own @ self._own
        pixels /= pixels.std(axis=1, keepdims=True)
        pixels = pixels.reshape(n, self.size, self.size, 3)
        shift = rng.integers(-SHIFT, SHIFT + 1, (n, 2))
        light = 1 + LIGHT * rng.standard_normal((n, 1, 1, 1), dtype=np.float32)
        tint = TINT * rng.standard_normal((n, 1, 1, 3), dtype=np.float32)
        for picture, (down, right) in zip(pixels, shift, strict=True):
            picture[:] = np.roll(picture, (down, right), axis=(0, 1))
        pixels = light * pixels + tint
        pixels += GRAIN * rng.standard_normal(pixels.shape, dtype=np.float32)
        return (255 / (1 + np.exp(-1.2 * pixels))).astype(np.uint8)


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-6)


def _patterns(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Coloured patterns of unit mean square, float32 (count, size * size * 3): patches of gratings."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    patterns = np.empty((count, size, size, 3), np.float32)
    for pattern in patterns:
        waves = rng.uniform(0, WAVES)
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        grating = np.cos(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        middle, width = rng.uniform(0.2, 0.8, 2), rng.uniform(0.15, 0.4)
        patch = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * width**2))
        flat = rng.uniform(0, 1)
        pattern[:] = (patch * (flat + (1 - flat) * grating))[..., None] * rng.standard_normal(3)
        pattern -= pattern.mean(axis=(0, 1))
        pattern /= np.sqrt((pattern**2).mean())
    return patterns.reshape(count, -1)


def write_jpegs(
    archive: zipfile.ZipFile, names: Sequence[str], vectors: np.ndarray, painter: Painter
) -> None:
    """Add a picture of every vector to the archive, stored and with a fixed date."""
    starts = range(0, len(names), _CHUNK)
    with tqdm(total=len(names), desc="draw", unit="image", mininterval=1) as progress:
        for number, start in enumerate(starts):
            chunk = slice(start, start + _CHUNK)
            for name, picture in zip(
                names[chunk], painter.paint(vectors[chunk], number), strict=True
            ):
                file = io.BytesIO()
                Image.fromarray(picture).save(file, "JPEG", quality=88)
                archive.writestr(zipfile.ZipInfo(name), file.getvalue())
                progress.update()


def write_texts(archive: zipfile.ZipFile, texts: Iterable[tuple[str, str]]) -> None:
    """Add files of text, (name, content), with a fixed date."""
    for name, text in texts:
        archive.writestr(zipfile.ZipInfo(name), text.encode(), zipfile.ZIP_DEFLATED)


def subject(*parts: tuple[np.ndarray, float]) -> np.ndarray:
    """What pictures are about: parts (n, d) by weight, each centred, the whole of mean square 1."""
    scaled = []
    for part, weight in parts:
        x = part.astype(np.float32) - part.mean(axis=0, dtype=np.float32)
        scaled.append(weight * x / np.sqrt((x**2).sum(axis=1).mean()))
    whole = np.concatenate(scaled, axis=1)
    return whole / np.sqrt((whole**2).sum(axis=1).mean())
