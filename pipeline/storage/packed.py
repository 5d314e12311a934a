"""Rows of zeros and ones that are kept eight to a byte and come out as bool."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedRows:
    """A bool array (n, width), as far as taking rows from it goes, in an eighth of the memory.

    data: uint8 (n, ceil(width / 8)), as ``numpy.packbits`` makes it
    """

    data: np.ndarray
    width: int
    dtype = np.dtype(bool)

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray], width: int) -> "PackedRows":
        """From 0/1 rows (k, width) that come block by block."""
        packed = [np.packbits(block, axis=1) for block in blocks]
        nothing = np.zeros((0, -(-width // 8)), np.uint8)
        return cls(np.concatenate([nothing, *packed]), width)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.data), self.width

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """bool (k, width)."""
        return np.unpackbits(self.data[rows], axis=1, count=self.width).view(bool)
