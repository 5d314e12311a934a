"""MGAH: its graph, hinge, policy and reward against plain NumPy, and that it learns."""

import numpy as np
import torch
from scipy.special import expit, log_softmax
from torch import nn
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.mgah import correlation_graph, pick, reinforce_loss, relaxed, triplet_hinge


def identity_players():
    return nn.Identity(), nn.Identity()


def some_views(n=6, d=3):
    rng = np.random.default_rng(0)
    return tuple(torch.from_numpy(rng.normal(size=(n, d))) for _ in range(2))


def test_graph_joins_the_neighbours_by_either_view():
    image = torch.tensor([[0.0], [1.0], [10.0], [11.5]])
    text = torch.tensor([[0.0], [10.0], [1.0], [11.5]])
    graph = correlation_graph(image, text, 2)
    np.testing.assert_array_equal(graph, [[0, 1, 0, 2], [1, 0, 1, 3], [2, 3, 2, 0], [3, 2, 3, 1]])


def test_hinge_is_on_sigmoid_codes_across_the_views():
    views = some_views()
    rows, positives = torch.tensor([0, 3]), torch.tensor([1, 4])
    negatives = torch.tensor([[2, 5], [5, 0]])
    got = triplet_hinge(identity_players(), views, 1, rows, positives, negatives, margin=0.5)
    image, text = (expit(v.numpy()) for v in views)
    for i in range(2):
        for j in range(2):
            near = ((text[rows[i]] - image[positives[i]]) ** 2).sum()
            far = ((text[rows[i]] - image[negatives[i, j]]) ** 2).sum()
            np.testing.assert_allclose(got[i, j], max(0, 0.5 + near - far))


def test_policy_prefers_the_near_and_reports_its_own_probabilities():
    views = some_views()
    rows, pool = torch.tensor([2]), torch.tensor([1, 4, 5])
    generator = torch.Generator().manual_seed(0)
    items, log_policy = pick(identity_players(), views, 0, rows, pool, 4000, generator)
    image, text = (expit(v.numpy()) for v in views)
    expected = log_softmax(-((image[2] - text[pool]) ** 2).sum(axis=1))
    for item, log_p in zip(pool, expected, strict=True):
        np.testing.assert_allclose(log_policy[items == item], log_p)
        assert abs((items == item).double().mean() - np.exp(log_p)) < 0.03


def test_reinforce_makes_what_deceives_the_critic_more_likely():
    logits = torch.zeros(1, 3, requires_grad=True)
    log_policy = torch.log_softmax(logits, dim=1)
    reinforce_loss(log_policy, torch.tensor([[5.0, 0.0, 0.0]])).backward()
    change = -logits.grad[0]  # descent
    assert change[0] > 0 > change[1] == change[2]


def test_loss_of_the_policy_is_the_mean_of_log_p_times_reward():
    log_policy, hinge = torch.tensor([[-1.0, -2.0]]), torch.tensor([[0.0, 3.0]])
    expected = (0.5 + 2 * expit(3)) / 2
    np.testing.assert_allclose(reinforce_loss(log_policy, hinge), expected, rtol=1e-6)


def test_adversarial_rounds_change_the_codes_and_report_their_phases():
    image, text, _ = two_views(60)
    codes = {}
    for rounds in (0, 2):
        model = create("mgah", bits=8, seed=0, epochs=1, rounds=rounds, hidden=16)
        records = []
        model.on_epoch = records.append
        codes[rounds] = torch.from_numpy(model.fit(image, text).encode_image(image))
    assert [r["phase"] for r in records] == ["pretrain"] + ["critic", "actor", "actor"] * 2
    assert not torch.equal(codes[0], codes[2])


def test_relaxed_codes_take_any_shape_of_rows():
    assert relaxed(identity_players(), some_views(), 0, torch.tensor([[0, 1], [2, 3]])).shape == (
        2,
        2,
        3,
    )


def test_codes_of_images_find_their_kind_among_texts():
    image, text, labels = two_views()
    model = create("mgah", bits=16, seed=0, epochs=10, rounds=2, hidden=64).fit(image, text)
    codes = model.encode_image(image), model.encode_text(text)
    assert precision(*codes, labels) > 0.7  # chance is .25
    assert precision(*codes[::-1], labels) > 0.7
