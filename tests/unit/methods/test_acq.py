"""ACQ's rotations are orthogonal and its quantisation error never rises."""

import numpy as np
import pytest

from pipeline.methods import create
from pipeline.methods.acq import nearest_rotation


def two_views(n=300, d_v=9, d_t=7, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 4))
    image = latent @ rng.standard_normal((4, d_v)) + rng.standard_normal((n, d_v)) + 3
    text = latent @ rng.standard_normal((4, d_t)) + rng.standard_normal((n, d_t)) - 2
    return image, text


def fit_watched(bits, **params):
    seen = []
    hasher = create("acq", bits=bits, seed=3, **params)
    hasher.on_epoch = seen.append
    return hasher.fit(*two_views()), [record["error"] for record in seen]


@pytest.mark.parametrize("bits", [5, 7, 12])
def test_rotations_have_orthonormal_rows(bits):
    fitted, _ = fit_watched(bits)
    for rotation in (fitted.image_rotation_, fitted.text_rotation_):
        assert rotation.shape == (min(bits, 7), bits)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=1e-10)


@pytest.mark.parametrize("bits", [5, 12])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_quantisation_error_never_rises(bits, eta):
    _, errors = fit_watched(bits, eta=eta)
    assert np.all(np.diff(errors) <= 1e-9 * errors[0])
    assert errors[-1] < errors[0]


def test_no_rotation_is_closer_than_the_procrustes_solution():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((50, 4)), rng.standard_normal((50, 6))
    best = nearest_rotation(a.T @ b)
    least = np.linalg.norm(b - a @ best)
    for _ in range(50):
        other = nearest_rotation(best + 0.3 * rng.standard_normal(best.shape))
        assert np.linalg.norm(b - a @ other) > least


def test_the_variates_are_weighted_by_their_correlations():
    fitted, _ = fit_watched(4)
    image, _ = two_views()
    variates = (image - image.mean(0)) @ fitted.image_weights_ @ fitted.image_rotation_.T
    correlations = create("cvh", bits=4, seed=0).fit(*two_views()).correlations_
    np.testing.assert_allclose(variates.std(axis=0), correlations, rtol=1e-3)
