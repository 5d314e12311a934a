"""UCCH: its two losses and its memory against plain NumPy, and that it learns."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.ucch import contrastive_loss, ranking_loss, remember


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_contrast_is_infonce_against_the_signs_of_the_memory():
    rng = np.random.default_rng(0)
    v, positive, others = (rng.normal(size=shape) for shape in [(3, 4), (3, 4), (6, 4)])
    expected = []
    for i in range(3):
        logits = np.array([v[i] @ np.sign(positive[i]), *(np.sign(others) @ v[i])]) / 1.8
        expected.append(logsumexp(logits) - logits[0])
    got = contrastive_loss(*map(torch.from_numpy, (v, positive, others)), 1.8)
    assert got.item() == pytest.approx(np.mean(expected))


def test_a_rows_own_entry_among_the_others_is_no_negative_of_it():
    rng = np.random.default_rng(0)
    v, memory = torch.from_numpy(rng.normal(size=(3, 4))), torch.from_numpy(rng.normal(size=(3, 4)))
    got = contrastive_loss(v, memory, memory, 1.8, torch.eye(3, dtype=torch.bool))
    without = [
        contrastive_loss(v[[i]], memory[[i]], memory[[j for j in range(3) if j != i]], 1.8)
        for i in range(3)
    ]
    torch.testing.assert_close(got, torch.stack(without).mean())


def test_ranking_shifts_only_rivals_outside_the_margin():
    s = np.array([[0.5, 0.4], [-0.9, 0.1]])
    # rows, rivals within .2 of the pair: .4 of .5 in full, -.9 of .1 lowered by .1
    rows = [logsumexp([0.5, 0.4]) - 0.5, logsumexp([-1.0, 0.1]) - 0.1]
    # columns: -.9 of .5 lowered; .4 of .1 in full
    columns = [logsumexp([0.5, -1.0]) - 0.5, logsumexp([0.4, 0.1]) - 0.1]
    expected = np.mean(rows) + np.mean(columns) + 2 * 0.2
    assert ranking_loss(torch.from_numpy(s), 0.2, 0.1).item() == pytest.approx(expected)


def test_memory_moves_by_momentum_and_only_where_seen():
    rng = np.random.default_rng(1)
    old, v1, v2 = unit(rng.normal(size=(5, 4))), *(unit(rng.normal(size=(2, 4))) for _ in range(2))
    memory = torch.from_numpy(old.copy())
    remember(memory, torch.tensor([3, 0]), torch.from_numpy(v1), torch.from_numpy(v2), 0.4)
    expected = old.copy()
    expected[[3, 0]] = unit(0.4 * old[[3, 0]] + 0.6 * unit((v1 + v2) / 2))
    np.testing.assert_allclose(memory, expected)


def test_gradient_reaches_both_views_but_not_the_memory():
    v, memory = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    contrastive_loss(v, memory, memory, 1.0).backward()
    assert v.grad.abs().sum() > 0
    assert memory.grad.abs().sum() == 0


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("ucch", bits=16, seed=0, epochs=20, hidden=64, lr=1e-3, batch_size=64)
    model.fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.75  # chance is .25
    assert precision(*codes[::-1], labels) > 0.75
