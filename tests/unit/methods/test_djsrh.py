"""DJSRH: its target matrix and loss against plain NumPy, and that it learns."""

import numpy as np
import pytest
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.djsrh import joint_semantics, reconstruction_loss


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def test_target_matrix_of_two_pairs_by_hand():
    x1 = torch.tensor([[1.0, 0.0], [0.0, 2.0]])  # cosine 0:  S_1 = [[1, -1], [-1, 1]]
    x2 = torch.tensor([[3.0, 0.0], [1.0, 0.0]])  # cosine 1:  S_2 = all ones
    # S~ = .75 S_1 + .25 S_2 = [[1, -.5], [-.5, 1]];  S~ S~' / 2 = [[.625, -.5], [-.5, .625]]
    target = joint_semantics(x1, x2, beta=0.75, eta=0.4, mu=2.0)
    # 2 (.6 * 1 + .4 * .625) = 1.7;  2 (.6 * -.5 + .4 * -.5) = -1
    np.testing.assert_allclose(target, [[1.7, -1.0], [-1.0, 1.7]], rtol=1e-6)


def test_loss_weighs_only_the_within_view_terms():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    s = rng.normal(size=(5, 5))
    expected = np.mean((cosine(a, b) - s) ** 2)
    expected += 0.3 * (np.mean((cosine(a, a) - s) ** 2) + np.mean((cosine(b, b) - s) ** 2))
    got = reconstruction_loss(*map(torch.from_numpy, (a, b, s)), 0.3)
    assert got.item() == pytest.approx(expected)


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("djsrh", bits=16, seed=0, epochs=8, hidden=64).fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.75  # chance is .25
    assert precision(*codes[::-1], labels) > 0.75


def test_center_is_what_makes_dense_features_usable():
    image, text, labels = two_views()
    found = {}
    for center in (True, False):
        model = create("djsrh", bits=16, seed=0, epochs=4, hidden=64, center=center)
        model.fit(image + 20, text)  # a large common offset: all cosines near 1
        found[center] = precision(model.encode_image(image + 20), model.encode_text(text), labels)
    assert found[True] > found[False] + 0.1
