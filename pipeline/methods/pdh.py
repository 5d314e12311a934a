"""PDH: predictable dual-view hashing: the bits of one view label the SVMs of the other."""

from dataclasses import dataclass

import numpy as np
from sklearn.svm import LinearSVC

from pipeline.methods._cca import cca, directions
from pipeline.methods._views import centre, signs, warn_if_short
from pipeline.methods.base import Hasher
from pipeline.seeds import derive


@dataclass(eq=False, kw_only=True)
class PDH(Hasher):
    """Predictable dual-view hashing (Rastegari, Choi, Fakhraei, Hal and Davis, ICML 2013).

    Re-implementation: no code is public. With codes B_m = sign(X_m W_m) of view m and o the other
    view,

        min  sum over m, t of (||w_mt||^2 + C * sum over i of hinge(B_o[i, t] x_i w_mt))
             + sum over m of ||B_m' B_m / n - I||^2

    so a bit must be predictable from the other view with a margin, and the bits of a view must not
    repeat each other. Starting from CCA, each round decorrelates the text bits, trains one linear
    SVM a bit on the images to predict them, takes the images' bits from the SVMs, and does the same
    with the views exchanged, until fewer than ``tolerance`` of the bits change.

    C          of the SVMs, for rows divided by the root mean square entry of their centred view.
               Validation queries drawn from the training rows cannot tell .1, .01 and .001
               apart (.340, .342, .339) and fault .0001 (.305; benchmarks/selection.py), so the
               strongest regularisation of the three is the default.
    iterations  rounds at most; many rounds drift to bits that predict well and rank badly
    tolerance  the stopping rule, as a share of all bits
    ridge      of the CCA, in units of the mean eigenvalue of the view's scatter

    Assumed: centred views and no intercept (with one, bits of unequal halves grow more unequal each
    round until, on a narrow view, every code is the same); the squared hinge, solved in the primal;
    as decorrelation the signs of the nearest column-orthogonal matrix to the centred bits.
    Deterministic up to the rank of the narrower view; bits beyond it start at random directions of
    the canonical space, and a warning says so.
    """

    learned = (
        *("image_mean_", "image_scale_", "image_weights_"),
        *("text_mean_", "text_scale_", "text_weights_"),
    )

    C: float = 1e-3
    iterations: int = 5
    tolerance: float = 1e-3
    ridge: float = 1e-4

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        text_bits = self._canonical_text_bits(image, text)
        (image, self.image_mean_), (text, self.text_mean_) = centre(image), centre(text)
        self.image_scale_, self.text_scale_ = (np.sqrt(np.mean(x**2)) for x in (image, text))
        image, text = image / self.image_scale_, text / self.text_scale_
        for iteration in range(self.iterations):
            before = text_bits
            self.image_weights_ = self._predictors(image, decorrelate(text_bits))
            image_bits = signs(image @ self.image_weights_)
            self.text_weights_ = self._predictors(text, decorrelate(image_bits))
            text_bits = signs(text @ self.text_weights_)
            changed = float(np.mean(text_bits != before))
            self.report(iteration=iteration, changed=changed)
            if changed < self.tolerance:
                break

    def _canonical_text_bits(self, image: np.ndarray, text: np.ndarray) -> np.ndarray:
        """The start: signs (n, bits) of the text's canonical variates."""
        pairs = cca(image, text, self.ridge)
        rank = len(pairs.correlations)
        warn_if_short("PDH", self.bits, rank, "started at random in the canonical space")
        chosen = directions(pairs, self.bits, np.random.default_rng(derive(self.seed, "pdh")))
        return signs((text - pairs.text_mean) @ pairs.text_weights @ chosen)

    def _predictors(self, x: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """One SVM a column of ``bits`` (n, bits) on rows ``x`` (n, d): (d, bits)."""
        return np.column_stack([self._svm(x, bit) for bit in bits.T])

    def _svm(self, x: np.ndarray, bit: np.ndarray) -> np.ndarray:
        if np.all(bit == bit[0]):  # nothing to separate, and centred rows are on no side
            return np.zeros(x.shape[1])
        return LinearSVC(C=self.C, dual=False, fit_intercept=False).fit(x, bit).coef_[0]

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) / self.image_scale_ @ self.image_weights_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) / self.text_scale_ @ self.text_weights_


def decorrelate(bits: np.ndarray) -> np.ndarray:
    """Signs (n, bits) of the column-orthogonal matrix nearest to the centred ``bits``.

    A step of ||B'B / n - I||^2: bits that repeat each other are pulled apart.
    """
    left, _, right = np.linalg.svd(bits - bits.mean(axis=0), full_matrices=False)
    return signs(left @ right)
