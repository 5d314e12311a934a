"""IMH's embedding minimises its quadratic form, and its thresholds are medians of training rows."""

import numpy as np
import pytest

from pipeline.methods import create
from pipeline.methods.imh import neighbour_laplacian


def paired_views(n=120, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 3))
    views = [latent @ rng.standard_normal((3, d)) + rng.standard_normal((n, d)) for d in (8, 6)]
    return views[0] + 2, views[1]


def quadratic_form(views, beta, embedding):
    """Ridge regression losses at their minimum plus squared differences along graph edges."""
    total = 0.0
    for x in views:
        x = x - x.mean(0)
        w = np.linalg.solve(x.T @ x + beta * np.eye(x.shape[1]), x.T @ embedding)
        total += np.sum((embedding - x @ w) ** 2) + beta * np.sum(w**2)
        distance = np.linalg.norm(x[:, None] - x[None], axis=2)
        np.fill_diagonal(distance, np.inf)
        edges = {tuple(sorted((i, int(j)))) for i, j in enumerate(distance.argmin(axis=1))}
        total += sum(np.sum((embedding[i] - embedding[j]) ** 2) for i, j in edges)
    return total


def test_embedding_is_orthonormal_and_no_other_has_a_smaller_quadratic_form():
    views = paired_views()
    embedding = create("imh", bits=4, seed=0).fit(*views).embedding_
    np.testing.assert_allclose(embedding.T @ embedding, np.eye(4), atol=1e-10)
    least = quadratic_form(views, 1.0, embedding)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1, 10.0):
        other, _ = np.linalg.qr(embedding + size * rng.standard_normal(embedding.shape))
        assert quadratic_form(views, 1.0, other) > least


def test_laplacian_joins_rows_when_either_is_the_others_nearest():
    x = np.array([[0.0], [1.0], [1.5], [9.0]])
    expected = [[1, -1, 0, 0], [-1, 2, -1, 0], [0, -1, 2, -1], [0, 0, -1, 1]]
    np.testing.assert_array_equal(neighbour_laplacian(x, 1), expected)


def test_every_bit_halves_the_training_rows_and_ignores_the_rest_of_the_batch():
    image, text = paired_views()
    fitted = create("imh", bits=4, seed=0).fit(image, text)
    assert fitted.encode_image(image).mean(axis=0) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(fitted.encode_text(text)[:7], fitted.encode_text(text[:7]))
