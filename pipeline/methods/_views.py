"""What methods ask of a view: centred rows, unit rows, signs, its rank and spectrum."""

import logging

import numpy as np
from scipy.linalg import eigh, eigvalsh

log = logging.getLogger(__name__)

#: an eigenvalue of a scatter matrix below this share of the largest one counts as zero
RANK_TOLERANCE = 1e-10


def center(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``x`` (n, d) in float64 minus its mean, and the mean (d,)."""
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    return x - mean, mean


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows of Euclidean norm one in float64; a row of zeros stays zero."""
    x = x.astype(np.float64)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1.0)


def signs(x: np.ndarray) -> np.ndarray:
    """+1.0 where positive, else -1.0: a bit is set where the projection is above zero."""
    return np.where(x > 0, 1.0, -1.0)


def upright(axes: np.ndarray) -> np.ndarray:
    """The sign (k,) that makes the first of the largest entries of each column (d, k) positive.

    LAPACK leaves the sign of an eigenvector open, and machines differ in it. Entries that are
    equally large but for rounding, as in an eigenvector of two nodes of a graph, count as equal.
    """
    size = np.abs(axes)
    first = (size > 0.99 * size.max(axis=0)).argmax(axis=0)
    return signs(np.take_along_axis(axes, first[None], axis=0)[0])


def spanned(eigenvalues: np.ndarray) -> np.ndarray:
    """Which eigenvalues (d,) of a scatter matrix are not zero but for rounding."""
    floor = max(RANK_TOLERANCE * eigenvalues.max(), np.finfo(float).tiny)
    return eigenvalues > floor


def spectrum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues (r,) of X'X that are not zero, ascending, and their eigenvectors (d, r).

    For ``x`` (n, d) of more columns than rows they are found from XX', which is the smaller.
    """
    if len(x) >= x.shape[1]:
        values, vectors = eigh(x.T @ x)
        kept = spanned(values)
        return values[kept], vectors[:, kept]
    values, vectors = eigh(x @ x.T)
    kept = spanned(values)
    return values[kept], x.T @ vectors[:, kept] / np.sqrt(values[kept])


def explainable(x: np.ndarray, bits: int) -> float:
    """The most of the variance of ``x`` (n, d), of mean 0, that so many bits can explain.

    The leading principal components are the best linear map to so many values, and the sign of a
    Gaussian value explains 2 / pi of its variance.
    """
    x = x.astype(np.float64)
    spectrum = eigvalsh(x @ x.T if len(x) < x.shape[1] else x.T @ x)
    return float(2 / np.pi * spectrum[-bits:].sum() / spectrum.sum())


def compact(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, r) of the rows of ``x`` (n, d) and orthonormal axes (d, r) that span them.

    A view of more columns than rows is brought to its rank, in which distances, inner products and
    ridge regressions are what they were; any other view stays, and its axes are the columns.
    """
    if len(x) >= x.shape[1]:
        return x, np.eye(x.shape[1])
    _, axes = spectrum(x)
    return x @ axes, axes


def warn_if_narrow(method: str, bits: int, *views: np.ndarray) -> None:
    """Say through the log that a centred view (n, d) has a smaller rank than there are bits."""
    smaller = (x.T @ x if len(x) >= x.shape[1] else x @ x.T for x in views)
    rank = min(int(spanned(eigvalsh(scatter)).sum()) for scatter in smaller)
    warn_if_short(method, bits, rank, "further hyperplanes through the same few dimensions")


def warn_if_short(method: str, bits: int, rank: int, surplus: str) -> None:
    """Say through the log that only ``rank`` of ``bits`` bits can be linearly independent."""
    if bits > rank:
        log.warning(
            "%s: %d bits are asked for, but a view has rank %d; the other %d bits are %s",
            method,
            bits,
            rank,
            bits - rank,
            surplus,
        )
