"""UDCMH: its discrete step, graph, factors and view weights; that it learns."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.udcmh import (
    affinity,
    discrete_codes,
    latent_factors,
    view_loss,
    view_weights,
)


def problem(n=30, bits=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 8, generator=generator)
    codes = torch.randn(n, bits, generator=generator).sign()
    factors = torch.randn(bits, 8, generator=generator)
    return codes, z @ factors.T, factors @ factors.T, affinity(z, 4)


def objective(codes, pull, gram, graph):
    b, q, m, a = (x.numpy().astype(float) for x in (codes, pull, gram, graph.to_dense()))
    return -2 * np.trace(b.T @ q) + np.trace(b @ m @ b.T) - np.trace(b.T @ a @ b)


@pytest.mark.parametrize("seed", range(5))
def test_every_sweep_of_the_discrete_step_lowers_the_objective(seed):
    codes, *terms = problem(seed=seed)
    values = [objective(codes, *terms)]
    for _ in range(4):
        codes = discrete_codes(codes, *terms, sweeps=1)
        values.append(objective(codes, *terms))
    assert set(codes.unique().tolist()) <= {-1.0, 1.0}
    assert values[1] < values[0]
    assert (np.diff(values) <= 1e-6).all()


def test_strong_links_bring_linked_rows_together():
    codes, pull, gram, graph = problem(n=60)
    before = (codes * (graph @ codes)).sum()
    after = discrete_codes(codes, 0 * pull, 0 * gram, graph)
    best = torch.linalg.eigvalsh(graph.to_dense())[-1] * codes.numel()  # over real codes
    assert before < 0.2 * best
    assert (after * (graph @ after)).sum() > 0.6 * best


def test_graph_joins_nearest_with_plus_and_farthest_with_minus():
    z = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
    a = affinity(z, 2).to_dense().numpy()
    # nearest 0-1, 1-0, 2-3, 3-2;  farthest 0-3, 1-3, 2-0, 3-0: each added both ways
    raw = np.array([[0, 2, -1, -2], [2, 0, 0, -1], [-1, 0, 0, 2], [-2, -1, 2, 0]])
    degree = np.abs(raw).sum(axis=1)
    np.testing.assert_allclose(a, raw / np.sqrt(np.outer(degree, degree)), rtol=1e-6)
    assert np.abs(np.linalg.eigvalsh(a)).max() <= 1 + 1e-6


def test_factors_solve_the_least_squares():
    codes, z = problem()[0], torch.randn(30, 5, generator=torch.Generator().manual_seed(1))
    expected = np.linalg.lstsq(codes.numpy(), z.numpy(), rcond=None)[0]
    np.testing.assert_allclose(latent_factors(z, codes, ridge=0.0), expected, atol=1e-5)


def test_view_loss_is_not_negative_and_counts_both_terms():
    codes, _, _, graph = problem()
    z, u = torch.randn(30, 5), torch.zeros(6, 5)
    b, a = codes.numpy(), graph.to_dense().numpy()
    expected = (z.numpy() ** 2).sum() + 0.5 * np.trace(b.T @ (np.eye(30) - a) @ b)
    assert view_loss(codes, z, u, graph, 0.5).item() == pytest.approx(expected, rel=1e-5)


def test_view_weights_minimise_the_weighted_losses():
    losses, gamma = np.array([3.0, 1.0]), 2.0
    best = minimize_scalar(
        lambda w: w**gamma * losses[0] + (1 - w) ** gamma * losses[1], bounds=(0, 1)
    ).x
    got = view_weights(torch.tensor(losses), gamma)
    np.testing.assert_allclose(got, [best, 1 - best], atol=1e-4)


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("udcmh", bits=16, seed=0, epochs=3, rounds=3, hidden=64, batch_size=32)
    model.fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.7  # chance is .25
    assert precision(*codes[::-1], labels) > 0.7
