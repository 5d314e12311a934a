"""Regularised canonical correlation analysis, which CVH, PDH and ACQ start from."""

from typing import NamedTuple

import numpy as np

from pipeline.methods._views import center, spectrum, upright


class CanonicalPairs(NamedTuple):
    """The canonical directions of two views, best correlated first; r is the smaller rank.

    image_mean (d_v,), text_mean (d_t,)   of the training rows
    image_weights (d_v, r), text_weights (d_t, r)   (x - mean) @ weights are canonical variates
    correlations (r,)   in [0, 1], not increasing
    """

    image_mean: np.ndarray
    text_mean: np.ndarray
    image_weights: np.ndarray
    text_weights: np.ndarray
    correlations: np.ndarray

    def scaled(self, bits: int, power: float, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Weights (d_v, b), (d_t, b) of the b = min(bits, r) first variates, each of them times its
        correlation to ``power`` and times ``size``."""
        scale = size * self.correlations[:bits] ** power
        return self.image_weights[:, :bits] * scale, self.text_weights[:, :bits] * scale


def inverse_root(x: np.ndarray, ridge: float) -> np.ndarray:
    """F (d, r) with F F' = the ridged inverse of the scatter X'X on the r directions it spans.

    x      centred rows (n, d)
    ridge  added to the eigenvalues of X'X, in units of their mean
    """
    values, vectors = spectrum(x)
    return vectors / np.sqrt(values + ridge * values.sum() / x.shape[1])


def cca(image: np.ndarray, text: np.ndarray, ridge: float) -> CanonicalPairs:
    """All canonical pairs of the rows of ``image`` (n, d_v) and ``text`` (n, d_t).

    Whitening either view turns Cxy Cyy^-1 Cyx w = rho^2 Cxx w into the singular value
    decomposition of the whitened cross-scatter, whose singular values are the correlations.
    """
    (image, image_mean), (text, text_mean) = center(image), center(text)
    white_image = inverse_root(image, ridge)
    white_text = inverse_root(text, ridge)
    cross = np.linalg.multi_dot([white_image.T, image.T, text, white_text])
    left, correlations, right = np.linalg.svd(cross, full_matrices=False)
    image_weights, text_weights = white_image @ left, white_text @ right.T
    sign = upright(image_weights)  # of a pair, so the variates stay positively correlated
    return CanonicalPairs(
        image_mean,
        text_mean,
        image_weights * sign,
        text_weights * sign,
        np.minimum(correlations, 1.0),
    )


def directions(pairs: CanonicalPairs, bits: int, rng: np.random.Generator) -> np.ndarray:
    """(r, bits): what each bit reads from the r canonical variates.

    One variate a bit while they last. Any surplus bit reads a random direction of the canonical
    space, each variate weighted by its correlation: it adds no information to the variates,
    but ranks better than a copy or a constant would.
    """
    rank = len(pairs.correlations)
    random = pairs.correlations[:, None] * rng.standard_normal((rank, max(bits - rank, 0)))
    return np.hstack([np.eye(rank, min(bits, rank)), random])
