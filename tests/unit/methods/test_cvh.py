"""CVH is regularised CCA and signs."""

import logging

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from pipeline.errors import InputError
from pipeline.methods import create


def two_views(n=400, d_v=7, d_t=5, seed=0):
    """Rows that share three latent variables, with noise and a mean that is not zero."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 3))
    image = latent @ rng.standard_normal((3, d_v)) + rng.standard_normal((n, d_v)) + 3
    text = latent @ rng.standard_normal((3, d_t)) + rng.standard_normal((n, d_t)) - 2
    return image, text


def test_canonical_correlations_are_those_of_scikit_learn():
    image, text = two_views()
    ours = create("cvh", bits=5, seed=0, ridge=0.0).fit(image, text)
    theirs = CCA(n_components=5, max_iter=5000, tol=1e-12).fit(image, text)
    u, v = theirs.transform(image, text)
    expected = [np.corrcoef(u[:, t], v[:, t])[0, 1] for t in range(5)]
    np.testing.assert_allclose(ours.correlations_, expected, atol=1e-6)


def test_bits_are_the_signs_of_scikit_learns_variates_up_to_one_sign_a_bit():
    image, text = two_views()
    ours = create("cvh", bits=3, seed=0, ridge=0.0).fit(image, text)
    u, v = CCA(n_components=3, max_iter=5000, tol=1e-12).fit(image, text).transform(image, text)
    for codes, variates in ((ours.encode_image(image), u), (ours.encode_text(text), v)):
        agreement = (codes == (variates > 0)).mean(axis=0)
        assert np.all(np.maximum(agreement, 1 - agreement) > 0.999)
    same_flip = (ours.encode_image(image) == (u > 0)).mean(axis=0).round()
    np.testing.assert_array_equal(
        same_flip, (ours.encode_text(text) == (v > 0)).mean(axis=0).round()
    )


def test_weights_solve_the_ridged_eigenproblem():
    image, text = two_views()
    ridge = 0.3
    fitted = create("cvh", bits=4, seed=0, ridge=ridge).fit(image, text)
    x, y = image - image.mean(0), text - text.mean(0)
    cxx = x.T @ x + ridge * np.trace(x.T @ x) / 7 * np.eye(7)
    cyy = y.T @ y + ridge * np.trace(y.T @ y) / 5 * np.eye(5)
    left = x.T @ y @ np.linalg.solve(cyy, y.T @ x) @ fitted.image_weights_
    right = cxx @ fitted.image_weights_ * fitted.correlations_**2
    np.testing.assert_allclose(left, right, atol=1e-8 * np.abs(right).max())


def test_bits_above_the_rank_are_filled_and_said(caplog):
    image, text = two_views()
    with caplog.at_level(logging.WARNING):
        fitted = create("cvh", bits=16, seed=0).fit(image, text)
    assert "rank 5" in caplog.text and "11 bits" in caplog.text
    np.testing.assert_array_equal(
        fitted.encode_text(text)[:, :5],
        create("cvh", bits=5, seed=1).fit(image, text).encode_text(text),
    )
    assert fitted.encode_image(image).mean(axis=0).min() > 0.05


def test_a_view_without_variation_is_refused_by_name():
    image, _ = two_views()
    with pytest.raises(InputError, match="text"):
        create("cvh", bits=2, seed=0).fit(image, np.ones((400, 5)))
