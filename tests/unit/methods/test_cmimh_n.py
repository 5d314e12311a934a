"""CMIMH-N: what it adds to CMIMH."""

import numpy as np
import pytest
import torch

from pipeline.methods import cmimh_n
from pipeline.methods.cmimh import CMIMH
from pipeline.methods.cmimh_n import CMIMHN, joint_weights, nearest


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_it_is_cmimh_with_more_parameters_and_no_other_defaults():
    ours, theirs = CMIMHN(8, 0), CMIMH(8, 0)
    assert isinstance(ours, CMIMH)
    common = vars(theirs).keys()
    assert {name: vars(ours)[name] for name in common} == vars(theirs)


def test_neighbours_are_the_pairs_most_alike_in_both_views_and_not_oneself():
    image, text = numbers(60, 7), numbers(60, 5, seed=1)
    likeness = torch.zeros(60, 60)
    for view in (image, text):
        cosines = torch.nn.functional.cosine_similarity(view[:, None], view[None], dim=2)
        likeness += cosines / cosines.std()
    likeness.fill_diagonal_(-torch.inf)
    expected = likeness.argsort(dim=1, descending=True)[:, :4]
    assert torch.equal(nearest([image, text], 4, block=16), expected)


def test_neighbours_among_very_many_pairs_are_sought_among_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(cmimh_n, "CANDIDATES", 20)
    found = nearest([numbers(60, 7), numbers(60, 5, seed=1)], 4)
    assert found.shape == (60, 4)
    assert not (found % 3).any()
    assert not (found == torch.arange(60)[:, None]).any()


def test_fewer_pairs_than_neighbours_are_all_neighbours():
    assert nearest([numbers(3, 7), numbers(3, 5, seed=1)], 10).shape == (3, 2)


def test_a_pair_shares_the_joint_distribution_with_the_nearest_of_its_mini_batch():
    views = [numbers(20, d, seed=d) for d in (7, 5)]
    expected = 0.4 * torch.eye(20) + torch.zeros(20, 20).scatter(1, nearest(views, 3), 0.2)
    torch.testing.assert_close(joint_weights(views, 0.6, 3), expected)


@pytest.mark.parametrize(("pairs", "share", "k"), [(20, 0.0, 3), (20, 0.8, 0), (1, 0.8, 3)])
def test_without_neighbours_true_pairs_alone_are_joint(pairs, share, k):
    assert joint_weights([numbers(pairs, 4)] * 2, share, k) is None


def test_a_share_of_the_features_is_hidden_and_the_mean_kept():
    seen = CMIMHN(8, 0, feature_dropout=0.25)._seen(
        [torch.ones(400, 500)], torch.Generator().manual_seed(0)
    )
    assert float((seen[0] == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(seen[0].mean()) == pytest.approx(1.0, abs=0.01)
