"""DGCPN: its graph, its target and its loss against plain NumPy, and that it learns."""

import numpy as np
import pytest
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.dgcpn import coherence_loss, random_walk, similarity


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def test_random_walk_keeps_the_nearest_and_sums_to_one():
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(7, 3)), rng.normal(size=(7, 4))
    fused = np.maximum(0, 0.8 * cosine(x1, x1) + 0.2 * cosine(x2, x2))
    expected = np.zeros((7, 7))
    for i in range(7):
        nearest = np.argsort(-fused[i])[:2]
        expected[i, nearest] = fused[i, nearest] / fused[i, nearest].sum()
    got = random_walk(torch.from_numpy(x1), torch.from_numpy(x2), 0.2, neighbors=2, block=3)
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_items_with_the_same_neighbours_are_similar_however_far_apart():
    x = torch.eye(3, dtype=torch.float64)  # nothing alike in the features
    walk = torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]).double()
    target = similarity(x, x, walk, a1=0.5, a2=0.3)
    # two neighbours each: scale 4;  P P' = .5 within the first two, 0 across
    np.testing.assert_allclose(target[0, 1], 2 * 0.3 * 4 * 0.5 - 1, atol=1e-6)
    np.testing.assert_allclose(target[0, 2], -1, atol=1e-6)
    np.testing.assert_allclose(target[0, 0], 2 * (0.7 + 0.3 * 4 * 0.5) - 1, atol=1e-6)


def test_loss_is_coexistence_plus_coherence_plus_consistency():
    rng = np.random.default_rng(0)
    a, b, s = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 5))
    ab, aa, bb = cosine(a, b), cosine(a, a), cosine(b, b)
    off = 1 - np.eye(5)
    expected = np.mean((np.diag(ab) - 1.5) ** 2)
    expected += sum(np.mean(((c - s) * off) ** 2) for c in (ab, aa, bb))
    expected += sum(np.mean((c - d) ** 2) for c, d in [(ab, aa), (ab, bb), (aa, bb), (ab, ab.T)])
    got = coherence_loss(*map(torch.from_numpy, (a, b, s)), 1.5)
    assert got.item() == pytest.approx(expected)


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("dgcpn", bits=16, seed=0, epochs=8, hidden=64).fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.75  # chance is .25
    assert precision(*codes[::-1], labels) > 0.75
