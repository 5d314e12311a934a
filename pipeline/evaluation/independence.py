"""How independent the bits of a code are: correlation and total correlation."""

import numpy as np
from scipy.special import xlogy

from pipeline.errors import InputError
from pipeline.evaluation.compiled import compiled

MAX_EXACT_BITS = 12  # the mixture is summed over all 2^bits codes
_BLOCK = 65_536


def correlation_mse(codes: np.ndarray) -> float:
    """Mean squared entry of corr(B) - I for codes bool (n, bits), or for numbers (n, d).

    Pearson's correlation over the rows, all bits x bits entries counted (the diagonal is 0). A
    constant bit has no correlation; its off-diagonal entries count as 0, since a constant is
    independent of everything: look at the bits' balance too, which tells when codes collapsed.
    Raises InputError for fewer than two rows or entries that are not finite.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or len(codes) < 2:
        raise InputError(
            f"codes have shape {codes.shape}; (n, bits) with n of at least 2 is needed"
        )
    covariance = _covariance(codes)
    if not np.isfinite(covariance).all():
        raise InputError("the codes have NaN or infinite entries; every entry must be finite")
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(correlation, 0)
    return float(np.mean(correlation**2))


def _covariance(values: np.ndarray) -> np.ndarray:
    """Covariance over the rows, float64, block by block; a constant column gives exact zeros."""
    first = values[0].astype(np.float64)
    total, product = np.zeros(len(first)), np.zeros((len(first), len(first)))
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK] - first
        total += block.sum(axis=0)
        product += block.T @ block
    return product / len(values) - np.outer(total, total) / len(values) ** 2


def total_correlation(codes: np.ndarray) -> float:
    """Plug-in total correlation in nats, sum of H(b_i) - H(b), of codes bool (n, bits).

    The entropies are those of the observed frequencies, so the value is exact for the distribution
    that draws a row at random; as an estimate of what the rows were drawn from it is biased upwards
    by about (number of distinct codes) / 2n.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.dtype != bool or not len(codes):
        raise InputError(f"codes are {codes.dtype} {codes.shape}; bool (n, bits) is needed")
    counts = np.unique(np.packbits(codes, axis=1), axis=0, return_counts=True)[1]
    return float(_bit_entropies(codes.mean(axis=0)).sum() - _entropy(counts / len(codes)))


def total_correlation_exact(means: np.ndarray) -> float:
    """Total correlation in nats of codes drawn by picking a row of ``means``, then its bits.

    means: floats in [0, 1], (n, bits), at most 12 bits; row i gives bit j the value 1 with
    probability means[i, j], independently. The joint distribution, a mixture of n products of
    Bernoullis, is summed out over all 2^bits codes: no estimate.
    """
    means = np.asarray(means, np.float64)
    if means.ndim != 2 or not means.size or not ((means >= 0) & (means <= 1)).all():
        raise InputError(f"means of shape {means.shape}: numbers in [0, 1], (n, bits), are needed")
    if means.shape[1] > MAX_EXACT_BITS:
        raise InputError(
            f"{means.shape[1]} bits: the exact sum is over 2^bits codes, at most "
            f"{MAX_EXACT_BITS} bits are possible"
        )
    return float(_bit_entropies(means.mean(axis=0)).sum() - _entropy(_mixture(means)))


@compiled
def _mixture(means: np.ndarray) -> np.ndarray:
    """Probability of each of the 2^bits codes, averaged over the rows of ``means``."""
    joint = np.zeros(2 ** means.shape[1])
    row = np.empty_like(joint)
    for i in range(means.shape[0]):
        row[0] = 1.0
        for j in range(means.shape[1]):
            for code in range(2**j):
                row[code + 2**j] = row[code] * means[i, j]
                row[code] *= 1 - means[i, j]
        joint += row
    return joint / means.shape[0]


def _bit_entropies(p: np.ndarray) -> np.ndarray:
    return -xlogy(p, p) - xlogy(1 - p, 1 - p)


def _entropy(p: np.ndarray) -> float:
    return float(-xlogy(p, p).sum())
