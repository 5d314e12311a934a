"""CIRH: its similarities and mixing against plain NumPy, its joint network, and that it learns."""

import numpy as np
import pytest
import torch
from toy import precision, two_views

from pipeline.methods import create
from pipeline.methods.cirh import Joint, hash_function, mixed, similarities


def cosine(a, b):
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


@pytest.mark.parametrize("cut", [0.0, 0.6])
def test_similarities_keep_the_largest_of_each_row_and_add_their_saturated_form(cut):
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(10, 4)), rng.normal(size=(10, 3))
    s1 = 0.7 * cosine(x1, x1) + 0.3 * cosine(x2, x2)
    for row in s1:
        row[np.argsort(row)[: int(cut * 10)]] = 0
    s2 = 2 / (1 + np.exp(-s1)) - 1 + np.eye(10)
    expected = 0.6 * s1 + 0.4 * (s2 + s2.T) / 2
    got = similarities(torch.from_numpy(x1), torch.from_numpy(x2), 0.7, 0.6, cut)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_row_is_mixed_with_its_second_and_third_nearest():
    near = torch.tensor(
        [[1.0, 0.9, 0.5, 0.1], [0.9, 1, 0.2, 0.3], [0.5, 0.2, 1, 0.4], [0.1, 0.3, 0.4, 1]]
    )
    x = torch.eye(4)
    got = mixed(x, near)
    np.testing.assert_allclose(got[0], [0.7, 0, 0.2, 0.1], atol=1e-6)
    np.testing.assert_allclose(got[1], [0, 0.7, 0.1, 0.2], atol=1e-6)


def test_mixing_takes_batches_of_one_or_two():
    for n in (1, 2):
        assert mixed(torch.eye(n), torch.eye(n)).shape == (n, n)


def test_the_joint_network_restores_both_views_and_hears_the_graph():
    torch.manual_seed(0)
    joint = Joint((7, 5), 16, 8).eval()
    x = [torch.randn(12, 7), torch.randn(12, 5)]
    views, both, restored = joint(x, torch.eye(12))
    assert [v.shape for v in (*views, both)] == [(12, 8)] * 3
    assert [r.shape for r in restored] == [(12, 7), (12, 5)]
    assert both.abs().max() <= 1
    assert not torch.allclose(joint(x, torch.ones(12, 12))[1], both)


def test_hash_functions_do_not_see_the_length_of_a_row():
    net = hash_function(6, 16, 4).eval()
    x = torch.randn(5, 6)
    torch.testing.assert_close(net(x), net(3 * x))


def test_codes_find_the_other_view():
    image, text, cluster = two_views()
    hasher = create("cirh", bits=16, seed=0, hidden=64, width=32, batch_size=50, lr_hash=1e-3)
    hasher.fit(image, text)
    a, b = hasher.encode_image(image), hasher.encode_text(text)
    assert precision(a, b, cluster) > 0.6 and precision(b, a, cluster) > 0.6
