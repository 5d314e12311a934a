"""What the shallow methods ask of a view is the same from its rows as from its columns."""

import numpy as np
import pytest
from scipy.linalg import eigh

from pipeline.methods._cca import cca
from pipeline.methods._views import compact, spectrum


def centred(n, d, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d)) * np.geomspace(1, 9, d)
    return x - x.mean(axis=0)


@pytest.mark.parametrize(("n", "d", "rank"), [(50, 12, 12), (12, 50, 11)])
def test_the_spectrum_is_that_of_the_scatter(n, d, rank):
    x = centred(n, d)
    values, vectors = spectrum(x)
    np.testing.assert_allclose(values, eigh(x.T @ x, eigvals_only=True)[-rank:])
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(rank), atol=1e-10)
    np.testing.assert_allclose(x.T @ x @ vectors, vectors * values, atol=1e-9 * values.max())


def test_a_wide_view_is_brought_to_its_rank_and_can_be_had_back():
    x = centred(12, 50)
    z, axes = compact(x)
    assert z.shape == (12, 11) and axes.shape == (50, 11)
    np.testing.assert_allclose(z @ axes.T, x, atol=1e-10)


def test_a_view_of_more_rows_than_columns_stays():
    x = centred(50, 12)
    z, axes = compact(x)
    assert z is x
    np.testing.assert_array_equal(axes, np.eye(12))


def test_canonical_pairs_of_a_wide_view_solve_the_ridged_eigenproblem():
    x, y = centred(30, 70), centred(30, 8, seed=1)
    y += x[:, :8]
    pairs = cca(x, y, ridge=0.3)
    cxx = x.T @ x + 0.3 * np.sum(x**2) / 70 * np.eye(70)
    cyy = y.T @ y + 0.3 * np.sum(y**2) / 8 * np.eye(8)
    w, v = pairs.image_weights, pairs.text_weights
    np.testing.assert_allclose(w.T @ cxx @ w, np.eye(8), atol=1e-8)
    np.testing.assert_allclose(v.T @ cyy @ v, np.eye(8), atol=1e-8)
    left = x.T @ y @ v
    np.testing.assert_allclose(left, cxx @ w * pairs.correlations, atol=1e-8 * np.abs(left).max())
