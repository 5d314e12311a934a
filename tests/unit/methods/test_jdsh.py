"""JDSH: its similarity, re-weighting and loss against plain NumPy, and that it learns."""

import numpy as np
import pytest
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.jdsh import (
    joint_similarity,
    off_diagonal,
    reconstruction_loss,
    reweighted,
)


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def test_joint_similarity_of_two_pairs_by_hand():
    x1 = torch.tensor([[1.0, 0.0], [0.0, 2.0]])  # S_1 = [[1, -1], [-1, 1]]
    x2 = torch.tensor([[3.0, 0.0], [1.0, 0.0]])  # S_2 = all ones, at right angles to S_1's rows
    got = joint_similarity(x1, x2, alpha=0.5, beta=0.1)
    np.testing.assert_allclose(got, [[0.6, -0.4], [-0.4, 0.6]], atol=1e-6)


def test_second_order_term_is_symmetric_and_compares_neighbourhoods():
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    s1, s2 = 2 * cosine(x1, x1) - 1, 2 * cosine(x2, x2) - 1
    high = cosine(s1, s2)
    expected = 0.2 * s1 + 0.3 * s2 + 0.5 * (high + high.T) / 2
    got = joint_similarity(torch.from_numpy(x1), torch.from_numpy(x2), 0.2, 0.3)
    np.testing.assert_allclose(got, expected)


def test_reweighting_makes_only_the_ends_more_extreme():
    s = torch.tensor([-0.9, -0.5, 0.0, 0.5, 0.8])
    got = reweighted(s, torch.tensor([-1.0, -0.6, 0.6, 1.0]), push=0.1, pull=0.2)
    low, high = (1 + 0.1 * np.exp(-0.1)) * -0.9, (1 + 0.2 * np.exp(-0.2)) * 0.8
    np.testing.assert_allclose(got, [low, -0.5, 0.0, 0.5, high], rtol=1e-6)


def test_off_diagonal_leaves_out_the_diagonal():
    np.testing.assert_array_equal(off_diagonal(torch.arange(9).reshape(3, 3)), [1, 2, 3, 5, 6, 7])


def test_loss_rewards_pairs_that_agree():
    rng = np.random.default_rng(0)
    a, b, s = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 5))
    cross = cosine(a, b)
    expected = np.mean((cross - s) ** 2) + np.mean((cross.T - s) ** 2) - np.trace(cross) / 5
    expected += 0.3 * (np.mean((cosine(a, a) - s) ** 2) + np.mean((cosine(b, b) - s) ** 2))
    got = reconstruction_loss(*map(torch.from_numpy, (a, b, s)), 0.3)
    assert got.item() == pytest.approx(expected)


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("jdsh", bits=16, seed=0, epochs=8, hidden=64).fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.75  # chance is .25
    assert precision(*codes[::-1], labels) > 0.75
