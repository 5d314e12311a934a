"""Pictures that carry a vector: weighted sums of fixed coloured patterns, and something random.

What an image is about sets the weights of some patterns; others, its place, its light and its grain
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
_OWN = 96  # patterns unrelated to the subjects
#: deviation of an image's brightness and tint, largest shift in pixels, and its grain
_LIGHT, _TINT, _SHIFT, _GRAIN = 0.03, 0.02, 3, 0.08


class Painter:
    """Paints square pictures from vectors of what they are about.

    seed      of the patterns and of all that is random
    subjects  length of the vectors
    size      pixels of a side
    nuisance  power of the patterns unrelated to the subjects, that of the others being 1
    """

    def __init__(self, seed: int, subjects: int, *, size: int = 96, nuisance: float = 0.2) -> None:
        self.seed, self.size = seed, size
        rng = np.random.default_rng(seeds.derive(seed, "patterns"))
        self._about = _patterns(rng, subjects, size)
        self._own = _patterns(rng, _OWN, size)
        self._fall = np.arange(1, _OWN + 1, dtype=np.float32) ** -0.5
        self._fall *= np.sqrt(nuisance / (self._fall**2).sum())

    def paint(self, vectors: np.ndarray, number: int) -> np.ndarray:
        """Pictures uint8 (n, size, size, 3) of vectors (n, subjects), whose lengths do not count.

        number  of the chunk, which has a random stream of its own
        """
        rng = np.random.default_rng(seeds.derive(self.seed, "pictures", number))
        n = len(vectors)
        own = rng.standard_normal((n, _OWN), dtype=np.float32) * self._fall
        about = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-6)
        pixels = about.astype(np.float32) @ self._about + own @ self._own
        pixels /= pixels.std(axis=1, keepdims=True).clip(1e-6)  # one contrast for all
        pixels = pixels.reshape(n, self.size, self.size, 3)
        shift = rng.integers(-_SHIFT, _SHIFT + 1, (n, 2))
        light = 1 + _LIGHT * rng.standard_normal((n, 1, 1, 1), dtype=np.float32)
        tint = _TINT * rng.standard_normal((n, 1, 1, 3), dtype=np.float32)
        for picture, (down, right) in zip(pixels, shift, strict=True):
            picture[:] = np.roll(picture, (down, right), axis=(0, 1))
        pixels = light * pixels + tint
        pixels += _GRAIN * rng.standard_normal(pixels.shape, dtype=np.float32)
        return (255 / (1 + np.exp(-1.2 * pixels))).astype(np.uint8)


def _patterns(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Patches of coloured gratings, float32 (count, size * size * 3), of mean 0, mean square 1."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    patterns = np.empty((count, size, size, 3), np.float32)
    for pattern in patterns:
        waves, flat = rng.uniform(0, 4), rng.uniform(0, 1)
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        grating = np.cos(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        middle, width = rng.uniform(0.2, 0.8, 2), rng.uniform(0.15, 0.4)
        patch = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * width**2))
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
