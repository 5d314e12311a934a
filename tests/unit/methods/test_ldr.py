"""LDR: its ranking, its bound on information and its reversed gradient; that it learns."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.ldr import js_information, ranking_loss, reversed_


def test_ranking_sums_the_hinges_of_wrong_partners_both_ways():
    s = np.array([[0.5, 0.4], [-0.9, 0.1]])
    # rows: .2 + .4 - .5 and 0;  columns: 0 and .2 + .4 - .1; mean over two pairs
    assert ranking_loss(torch.from_numpy(s), 0.2).item() == pytest.approx((0.1 + 0.5) / 2)


def test_bound_is_that_of_a_critic_on_true_and_shifted_couples():
    a, b = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [-1.0], [0.5]])
    critic = nn.Linear(2, 1, bias=False)
    critic.weight.data[:] = torch.tensor([[1.0, 2.0]])
    true, shifted = np.array([3.0, 0.0, 4.0]), np.array([1 + 1.0, 2 + 2.0, 3 - 2.0])
    expected = np.log(expit(true)).mean() + np.log(expit(-shifted)).mean()
    assert js_information(critic, a, b).item() == pytest.approx(expected)


def test_bound_of_a_critic_that_cannot_tell_is_minus_two_log_two():
    blind = nn.Linear(2, 1)
    nn.init.zeros_(blind.weight)
    nn.init.zeros_(blind.bias)
    x = torch.randn(5, 1)
    assert js_information(blind, x, x).item() == pytest.approx(-2 * np.log(2))


def test_reversed_gradient_trains_the_critic_and_unlearns_the_encoder():
    x = torch.tensor([2.0, -1.0], requires_grad=True)
    torch.testing.assert_close(reversed_(x), x)
    (3 * reversed_(x)).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-3.0, -3.0]))


def test_second_stage_needs_the_first_and_both_are_reported():
    image, text, _ = two_views(60)
    model = create("ldr", bits=8, seed=0, epochs=2, hidden=16, critic_hidden=8, exclusive=4)
    records = []
    model.on_epoch = records.append
    model.fit(image, text)
    assert [r["stage"] for r in records] == ["first", "first", "second", "second"]


def test_representations_are_unit_vectors_that_find_their_kind():
    image, text, labels = two_views()
    model = create("ldr", bits=40, seed=0, epochs=15, hidden=64, critic_hidden=32, batch_size=64)
    model.fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert model.real_valued
    assert codes[0].dtype == np.float32
    assert codes[0].shape == (len(image), 40)
    np.testing.assert_allclose(np.linalg.norm(codes[1], axis=1), 1, rtol=1e-5)
    assert precision(*codes, labels) > 0.75  # chance is .25
    assert precision(*codes[::-1], labels) > 0.75
