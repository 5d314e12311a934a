"""PDH: predictable dual-view hashing: the bits of one view label the SVMs of the other."""

from dataclasses import dataclass

import numpy as np

from pipeline.methods._cca import cca, directions
from pipeline.methods._parameters import Positive
from pipeline.methods._views import center, signs, spectrum, warn_if_short
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

    Theirs: the objective and the exchange of bits between the views.

    Ours: centred views and no intercept (with one, bits of unequal halves grow more unequal each
    round until, on a narrow view, every code is the same); the squared hinge; as decorrelation the
    signs of the nearest column-orthogonal matrix to the centred bits; C, iterations, tolerance.

    Not known: the authors' code and constants; no code is public.

    Deterministic up to the rank of the narrower view; bits beyond it start at random directions of
    the canonical space, and a warning says so.
    """

    learned = (
        *("image_mean_", "image_scale_", "image_weights_"),
        *("text_mean_", "text_scale_", "text_weights_"),
    )

    C: Positive = 1e-3
    iterations: int = 5
    tolerance: float = 1e-3
    ridge: float = 1e-4

    def _fit(self, image: np.ndarray, text: np.ndarray) -> None:
        text_bits = self._canonical_text_bits(image, text)
        (image, self.image_mean_), (text, self.text_mean_) = center(image), center(text)
        self.image_scale_, self.text_scale_ = (np.sqrt(np.mean(x**2)) for x in (image, text))
        images = SVMs(image / self.image_scale_, self.C)
        texts = SVMs(text / self.text_scale_, self.C)
        for iteration in range(self.iterations):
            before = text_bits
            image_bits = signs(images.fit(decorrelate(text_bits)))
            text_bits = signs(texts.fit(decorrelate(image_bits)))
            changed = float(np.mean(text_bits != before))
            self.report(iteration=iteration, changed=changed)
            if changed < self.tolerance:
                break
        self.image_weights_, self.text_weights_ = images.weights, texts.weights

    def _canonical_text_bits(self, image: np.ndarray, text: np.ndarray) -> np.ndarray:
        """The start: signs (n, bits) of the text's canonical variates."""
        pairs = cca(image, text, self.ridge)
        rank = len(pairs.correlations)
        warn_if_short("PDH", self.bits, rank, "started at random in the canonical space")
        chosen = directions(pairs, self.bits, np.random.default_rng(derive(self.seed, "pdh")))
        return signs((text - pairs.text_mean) @ pairs.text_weights @ chosen)

    def _project_image(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) / self.image_scale_ @ self.image_weights_

    def _project_text(self, x: np.ndarray) -> np.ndarray:
        return (x - self.text_mean_) / self.text_scale_ @ self.text_weights_


class SVMs:
    """A linear SVM a bit on the same rows: squared hinge, no intercept, all bits at once.

    Newton's method on ||w||^2 / 2 + C * sum over i of max(0, 1 - y_i x_i w)^2, with conjugate
    gradients for its steps. In the principal axes of the rows X'X is diagonal, and a good
    preconditioner when weighted by the share of rows that a bit has inside its margin; a product
    with the rows serves all bits; and a fit begins at the weights of the one before.

    rows (n, d)   centred
    """

    #: what may be left of the gradient, in units of that at zero weights; a looser rule shows in
    #: the bits, since each round builds on those of the one before
    TOLERANCE = 1e-6
    #: at most: Newton steps of a fit, of which about six are enough, and products of such a step
    STEPS, PRODUCTS = 50, 200

    def __init__(self, rows: np.ndarray, C: float) -> None:
        self.C = C
        self.scatter, self.axes = spectrum(rows)
        self.rows = rows @ self.axes
        # conjugate gradients need no more, and take half the time
        self.single = self.rows.astype(np.float32)
        self.axis_weights: np.ndarray | None = None

    @property
    def weights(self) -> np.ndarray:
        """(d, bits)."""
        return self.axes @ self.axis_weights

    def fit(self, bits: np.ndarray) -> np.ndarray:
        """Learn ``bits`` (n, bits) of +1 and -1; the answer is rows @ weights, (n, bits)."""
        # nothing separates a bit that is constant: labels of zero give weights of zero
        labels = np.where((bits == bits[0]).all(axis=0), 0.0, bits)
        if self.axis_weights is None:
            self.axis_weights = np.zeros((self.rows.shape[1], bits.shape[1]))
        weights, scores = self.axis_weights, self.rows @ self.axis_weights
        small = self.TOLERANCE * 2 * self.C * np.linalg.norm(self.rows.T @ labels, axis=0)
        for _ in range(self.STEPS):
            slack = np.maximum(0.0, 1.0 - labels * scores)
            gradient = weights - 2 * self.C * (self.rows.T @ (labels * slack))
            if np.all(np.linalg.norm(gradient, axis=0) <= small):
                break
            step = self._newton_step(gradient, slack > 0)
            along = self.rows @ step
            slope = np.sum(gradient * step, axis=0)
            length = self._lengths(weights, scores, labels, step, along, slope)
            weights, scores = weights + length * step, scores + length * along
        self.axis_weights = weights
        return scores

    def _newton_step(self, gradient: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """-H^-1 gradient (r, bits) to a tenth, with H = I + 2 C X'X over the rows ``inside``."""
        tiny = np.finfo(np.float32).tiny
        size = np.linalg.norm(gradient, axis=0)
        residual = (-gradient / np.where(size > 0, size, 1.0)).astype(np.float32)
        share = inside.mean(axis=0)
        inverse = (1 / (1 + 2 * self.C * self.scatter[:, None] * share)).astype(np.float32)
        step = np.zeros_like(residual)
        direction = scaled = inverse * residual
        product = np.sum(residual * scaled, axis=0)
        for _ in range(self.PRODUCTS):
            if np.all(np.sum(residual**2, axis=0) <= 0.01):
                break
            bent = self.single.T @ (inside * (self.single @ direction))
            bent = 2 * self.C * bent + direction
            length = product / np.maximum(np.sum(direction * bent, axis=0), tiny)
            step += length * direction
            residual -= length * bent
            scaled = inverse * residual
            before, product = product, np.sum(residual * scaled, axis=0)
            direction = scaled + product / np.maximum(before, tiny) * direction
        return step * size

    def _lengths(
        self,
        weights: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        step: np.ndarray,
        along: np.ndarray,
        slope: np.ndarray,
    ) -> np.ndarray:
        """For each bit the first of 1, 1/2, 1/4, ... that lowers its loss as a descent should.

        along (n, bits)   rows @ step;   slope (bits,)   of the loss along the step
        """

        def loss(length: np.ndarray) -> np.ndarray:
            slack = np.maximum(0.0, 1.0 - labels * (scores + length * along))
            w = weights + length * step
            return 0.5 * np.sum(w**2, axis=0) + self.C * np.sum(slack**2, axis=0)

        length = np.ones(step.shape[1])
        now = loss(0 * length)
        for _ in range(20):
            enough = loss(length) <= now + 1e-4 * length * slope + 1e-12 * now
            if enough.all():
                break
            length = np.where(enough, length, length / 2)
        return length


def decorrelate(bits: np.ndarray) -> np.ndarray:
    """Signs (n, bits) of the column-orthogonal matrix nearest to the centred ``bits``.

    A step of ||B'B / n - I||^2: bits that repeat each other are pulled apart.
    """
    left, _, right = np.linalg.svd(bits - bits.mean(axis=0), full_matrices=False)
    return signs(left @ right)
