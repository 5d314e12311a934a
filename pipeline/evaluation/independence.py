"""How independent the bits of a code are, by their correlations."""

import numpy as np

from pipeline.errors import InputError
from pipeline.storage.packed import PackedRows

_BLOCK = 65_536


def correlation_mse(codes: np.ndarray | PackedRows, rows: np.ndarray | None = None) -> float:
    """Mean squared entry of corr(B) - I for codes bool (n, bits), or for numbers (n, d).

    rows  those that count, by default all

    Pearson's correlation over the rows, all bits x bits entries counted (the diagonal is 0). A
    constant bit has no correlation; its off-diagonal entries count as 0, since a constant is
    independent of everything: look at the bits' balance too, which tells when codes collapsed.
    Raises InputError for fewer than two rows or entries that are not finite.
    """
    codes = codes if isinstance(codes, PackedRows) else np.asarray(codes)
    count = len(codes) if rows is None else len(rows)
    if len(codes.shape) != 2 or count < 2:
        raise InputError(
            f"codes have shape {codes.shape}, rows in use: {count}; (n, bits) with "
            "n of at least 2 is needed"
        )
    covariance = _covariance(codes, np.arange(count) if rows is None else rows)
    if not np.isfinite(covariance).all():
        raise InputError("the codes have NaN or infinite entries; every entry must be finite")
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(correlation, 0)
    return float(np.mean(correlation**2))


def _covariance(values: np.ndarray | PackedRows, rows: np.ndarray) -> np.ndarray:
    """Covariance over the rows, float64, block by block; a constant column gives exact zeros."""
    first = values[rows[:1]][0].astype(np.float64)
    total, product = np.zeros(len(first)), np.zeros((len(first), len(first)))
    for start in range(0, len(rows), _BLOCK):
        block = values[rows[start : start + _BLOCK]] - first
        total += block.sum(axis=0)
        product += block.T @ block
    return product / len(rows) - np.outer(total, total) / len(rows) ** 2
