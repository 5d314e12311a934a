"""How independent the bits of a code are, by their correlations."""

import numpy as np

from pipeline.errors import InputError

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
