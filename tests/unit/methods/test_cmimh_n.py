"""CMIMH-N: what it adds to CMIMH."""

import numpy as np
import pytest
import torch

from pipeline.methods import cmimh_n
from pipeline.methods.cmimh import CMIMH
from pipeline.methods.cmimh_n import (
    CMIMHN,
    as_one,
    drop,
    joint_weights,
    likeness,
    mixtures,
    near_level,
    nearest,
    view_weights,
)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_it_is_cmimh_with_more_parameters_and_no_other_defaults():
    ours, theirs = CMIMHN(8, 0), CMIMH(8, 0)
    assert isinstance(ours, CMIMH)
    common = vars(theirs).keys()
    assert {name: vars(ours)[name] for name in common} == vars(theirs)


def test_neighbours_are_the_pairs_most_alike_in_both_views_and_not_oneself():
    image, text = numbers(60, 7), numbers(60, 5, seed=1)
    alike = torch.zeros(60, 60)
    for view, weight in ((image, 0.3), (text, 1.7)):
        alike += weight * torch.nn.functional.cosine_similarity(view[:, None], view[None], dim=2)
    alike.fill_diagonal_(-torch.inf)
    expected = alike.argsort(dim=1, descending=True)[:, :4]
    assert torch.equal(nearest(as_one([image, text], [0.3, 1.7]), 4, block=16), expected)


def test_neighbours_among_very_many_pairs_are_sought_among_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(cmimh_n, "CANDIDATES", 20)
    found = nearest(numbers(60, 7), 4)
    assert found.shape == (60, 4)
    assert not (found % 3).any()
    assert not (found == torch.arange(60)[:, None]).any()


def test_fewer_pairs_than_neighbours_are_all_neighbours():
    assert nearest(numbers(3, 7), 10).shape == (3, 2)


def clustered(noise: float, features: int, seed: int) -> torch.Tensor:
    """300 rows around twelve centres, the same rows around the same centre whatever the seed."""
    centres = numbers(12, features, seed=seed)
    return centres[torch.arange(300) % 12] + noise * numbers(300, features, seed=seed + 1)


@pytest.mark.parametrize(("noise", "better"), [((0.5, 4.0), "image"), ((4.0, 0.5), "text")])
def test_the_view_whose_neighbours_tell_more_has_the_larger_share(noise, better):
    views = [clustered(of, d, seed=d) for of, d in zip(noise, (40, 30), strict=True)]
    weights = view_weights(views, 10, torch.Generator().manual_seed(0))
    # In units of the cosines of near rows, which noise makes small, not the weights themselves.
    share = [w * near_level(likeness(v), 10) for w, v in zip(weights, views, strict=True)]
    assert sum(share) == pytest.approx(1.0)
    assert share[0] >= 0.7 if better == "image" else share[0] <= 0.3


def test_the_scale_of_a_view_has_no_say_in_the_weights():
    views = [clustered(1.0, d, seed=d) for d in (40, 30)]
    weights, scaled = (
        view_weights([factor * views[0], views[1]], 10, torch.Generator().manual_seed(0))
        for factor in (1.0, 1000.0)
    )
    assert scaled == pytest.approx(weights)


@pytest.mark.parametrize("shape", [(2, 1), (3, 2)])
def test_weights_exist_for_the_smallest_of_views_and_for_constant_ones(shape):
    for views in ([numbers(*shape)] * 2, [torch.zeros(shape)] * 2):
        weights = view_weights(views, 10, torch.Generator().manual_seed(0))
        assert all(np.isfinite(weights))
        assert min(weights) > 0


def test_a_mixture_is_of_a_pair_and_the_mean_of_its_neighbours_and_of_mean_square_1():
    view = numbers(30, 6)
    near = nearest(view, 4)
    expected = 0.3 * view + 0.7 * view[near].mean(dim=1)
    expected = expected / expected.square().mean().sqrt()
    torch.testing.assert_close(mixtures([view], near, 0.7)[0], expected)


def test_a_pair_shares_the_joint_distribution_with_the_nearest_of_its_mini_batch():
    both = numbers(20, 7)
    expected = 0.4 * torch.eye(20) + torch.zeros(20, 20).scatter(1, nearest(both, 3), 0.2)
    torch.testing.assert_close(joint_weights(both, 0.6, 3), expected)


@pytest.mark.parametrize(("pairs", "share", "k"), [(20, 0.0, 3), (20, 0.8, 0), (1, 0.8, 3)])
def test_without_neighbours_true_pairs_alone_are_joint(pairs, share, k):
    assert joint_weights(numbers(pairs, 4), share, k) is None


def test_a_share_of_the_features_is_hidden_and_the_mean_kept():
    seen = drop(torch.ones(400, 500), 0.25, torch.Generator().manual_seed(0))
    assert float((seen == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(seen.mean()) == pytest.approx(1.0, abs=0.01)


def test_networks_see_rows_of_mean_square_1():
    x = 5 + 3 * numbers(50, 8)
    seen = CMIMHN(8, 0)._prepare(x)(x)
    torch.testing.assert_close(seen.square().mean(dim=1), torch.ones(50))
