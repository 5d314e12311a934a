"""CVH: cross-view hashing by the signs of canonical correlation analysis."""

from dataclasses import dataclass

import numpy as np

from pipeline.methods._cca import cca, directions
from pipeline.methods._views import warn_if_short
from pipeline.methods.base import Hasher
from pipeline.seeds import derive


@dataclass(eq=False, kw_only=True)
class CVH(Hasher):
    """Cross-view hashing (Kumar and Udupa, "Learning hash functions for cross-view similarity
    search", IJCAI 2011).

    The similarity-weighted Hamming distance between the codes, relaxed to real numbers. With
    one-to-one pairs and no affinities within a view, which is how the method is used everywhere,
    the relaxed problem is regularised CCA,

        Cxy Cyy^-1 Cyx w = rho^2 Cxx w,   Cxx = X'X + l I,   Cyy = Y'Y + l I,   Cxy = X'Y,

    and bit t is the sign of the t-th canonical variate. Deterministic up to the rank of the
    narrower view. Bits beyond that rank are random directions of the canonical space, and a warning
    says so.

    ridge  l, in units of the mean eigenvalue of the view's scatter. Public implementations add 1e-4
           to the unscaled scatter, which leaves a sparse bag of words as singular as it was.

    Theirs: the eigenproblem; bits are signs of its solutions.

    Ours: the ridge's unit; bits beyond the rank of the narrower view.

    Not known: whether the authors centre the views; here both are.
    """

    learned = ("image_mean_", "image_weights_", "text_mean_", "text_weights_")

    ridge: float = 1e-4

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        found = cca(image, text, self.ridge)
        rank = len(found.correlations)
        warn_if_short("CVH", self.bits, rank, "random directions of the canonical space")
        chosen = directions(found, self.bits, np.random.default_rng(derive(self.seed, "cvh")))
        self.correlations_ = found.correlations[: self.bits]
        self.image_mean_, self.text_mean_ = found.image_mean, found.text_mean
        self.image_weights_ = found.image_weights @ chosen
        self.text_weights_ = found.text_weights @ chosen

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) @ self.image_weights_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) @ self.text_weights_
