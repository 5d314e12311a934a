"""The nearest codes by Hamming distance, equals ranked by the query's real values.

With short codes most neighbours are as near as one another: of a million codes of 16 bits, some
15 share each. The query is no code but b real values, whose signs its code keeps; of two codes
equally far from it, the one that agrees in the bits of the larger values is the nearer one
(asymmetric distance: Gordo, Perronnin, Gong and Lazebnik, IEEE TPAMI 36(1), 2014).
"""

from typing import Any

import numpy as np

from pipeline.errors import InputError

_TRAIN = 100_000  # codes that an IVF index learns its lists from


class Codes:
    """Packed codes of one view, uint8 (n, bytes), in an index of faiss.

    kind  'flat' is exact; 'hnsw' and 'ivf' are approximate and faster on many millions
    """

    def __init__(self, packed: np.ndarray, bits: int, kind: str = "flat") -> None:
        try:
            import faiss
        except ModuleNotFoundError:
            raise InputError("searching needs faiss; the extra `search` installs it") from None
        self.packed, self.bits = np.ascontiguousarray(packed), bits
        width = 8 * packed.shape[1]
        kinds = {
            "flat": "BFlat",
            "hnsw": "BHNSW32",
            "ivf": f"BIVF{max(1, min(4096, len(packed) // 40))}",
        }
        if kind not in kinds:
            raise InputError(f"no kind of index is named {kind!r}; there are {', '.join(kinds)}")
        self._exact = kind == "flat"
        self._faiss: Any = faiss.index_binary_factory(width, kinds[kind])
        if len(packed):
            if not self._faiss.is_trained:
                step = -(-len(packed) // _TRAIN)
                self._faiss.train(np.ascontiguousarray(self.packed[::step]))
            self._faiss.add(self.packed)
        if kind == "ivf":
            self._faiss.nprobe = 16  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self.packed)

    def nearest(
        self, code: np.ndarray, values: np.ndarray | None, k: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places of the k nearest codes (nearest first), their distances, and their scores.

        code    the query's, bool (bits,)
        values  its real values, float (bits,); None: equals stay in the order of their places

        Scores are inner products of the values with the codes as -1 and +1, 0 without values.
        """
        k = min(k, len(self.packed))
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        query = np.packbits(code)[None]
        places, distances = self._candidates(query, k)
        scores = np.zeros(len(places)) if values is None else self._agreement(places, values)
        order = np.lexsort((places, -scores, distances))[:k]
        return places[order], distances[order], scores[order]

    def _candidates(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """At least the k nearest and all that are as near as the last of them."""
        wide = min(len(self.packed), 2 * k + 32)
        distances, places = (found[0] for found in self._faiss.search(query, wide))
        known = places >= 0  # an approximate index may find fewer
        distances, places = distances[known].astype(np.int64), places[known]
        if not self._exact or wide == len(self.packed) or distances[-1] > distances[k - 1]:
            return places, distances
        _, distances, places = self._faiss.range_search(query, int(distances[k - 1]) + 1)
        return places, distances.astype(np.int64)

    def _agreement(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(self.packed[places], axis=1, count=self.bits)
        return (2.0 * bits - 1.0) @ values.astype(np.float64)
