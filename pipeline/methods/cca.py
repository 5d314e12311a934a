"""CCA without codes: canonical variates as they are, the ceiling that binarising costs from."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.methods._cca import cca
from pipeline.methods._views import unit_rows, warn_if_short
from pipeline.methods.base import Hasher


@dataclass(eq=False, kw_only=True)
class CCA(Hasher):
    """Regularised canonical correlation analysis, compared by cosine.

    A row is its first ``bits`` canonical variates, each times its correlation to ``power``, made a
    unit vector, so that Euclidean order is cosine order. What the methods that start from CCA (CVH,
    PDH, ACQ, CCA-ITQ) could reach at the same length if their bits were numbers. Deterministic;
    beyond the rank of the narrower view vectors are filled up with zeros, and a warning says so.

    power  of the correlations; 4 is the choice of Gong, Ke, Isard and Lazebnik (IJCV 2014)
    ridge  in units of the mean eigenvalue of the view's scatter

    Theirs: the power of 4.

    Ours: the ridge; its use as a ceiling.

    Not known: nothing that matters.
    """

    learned = ("image_mean_", "image_weights_", "text_mean_", "text_weights_")

    real_valued: ClassVar[bool] = True

    power: float = 4.0
    ridge: float = 1e-4

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        pairs = cca(image, text, self.ridge)
        warn_if_short("CCA", self.bits, len(pairs.correlations), "zeros")
        self.image_mean_, self.text_mean_ = pairs.image_mean, pairs.text_mean
        self.image_weights_, self.text_weights_ = pairs.scaled(self.bits, self.power)

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors, float32 (n, bits)."""
        return self._filled((x - self.image_mean_) @ self.image_weights_)

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors, float32 (n, bits)."""
        return self._filled((x - self.text_mean_) @ self.text_weights_)

    def _filled(self, scores: np.ndarray) -> np.ndarray:
        missing = self.bits - scores.shape[1]
        return np.pad(unit_rows(scores), ((0, 0), (0, missing))).astype(np.float32)
