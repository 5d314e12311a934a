"""Random codes: the level that every other method must clear."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.methods.base import Hasher


@dataclass(eq=False, kw_only=True)
class RandomCodes(Hasher):
    """Each row's bits are a hash of its numbers, of its view and of the seed.

    Nothing is learned: a row has the same code whenever it is encoded, and codes of different rows,
    or of the two views of a pair, have nothing to do with each other. What mAP this gives is the
    mean share of relevant items.

    Theirs: nothing; it is a floor.

    Ours: all of it.

    Not known: nothing.
    """

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        pass

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return self._hashed(x, "image")

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return self._hashed(x, "text")

    def _hashed(self, x: np.ndarray, view: str) -> np.ndarray:
        salt = f"{view} {self.seed} ".encode()
        rows = np.ascontiguousarray(x, dtype=np.float32) + np.float32(0)  # -0 is 0
        size = -(-self.bits // 8)
        digests = b"".join(hashlib.shake_128(salt + row.tobytes()).digest(size) for row in rows)
        packed = np.frombuffer(digests, np.uint8).reshape(len(rows), size)
        return np.where(np.unpackbits(packed, axis=1, count=self.bits), 1.0, -1.0)
