"""The partner rank: by its definition, at chance, and what counts as a collapse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.methods import _partners


def codes(seed, n=60, bits=16):
    return np.random.default_rng(seed).random((n, bits)) < 0.5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 6))
def test_the_rank_is_the_share_of_others_that_are_farther_than_the_partner(seed, n, bits):
    image, text = codes(seed, n, bits), codes(seed + 1, n, bits)
    distance = (image[:, None] != text[None]).sum(axis=2)
    shares = []
    for d in (distance, distance.T):
        for i in range(n):
            others = np.delete(d[i], i)
            shares.append(((others > d[i, i]).sum() + (others == d[i, i]).sum() / 2) / (n - 1))
    assert _partners.rank(image, text)[0] == pytest.approx(np.mean(shares))


def test_equal_codes_find_every_partner_and_constant_ones_none():
    distinct = np.eye(10, dtype=bool)
    assert _partners.rank(distinct, distinct)[0] == 1
    constant = np.zeros((10, 4), bool)
    assert _partners.rank(constant, constant) == (0.5, 0.0)


def test_the_standard_error_is_that_of_random_pairings():
    image, text = codes(0), codes(1)
    rng = np.random.default_rng(2)
    found = [_partners.rank(image, text[rng.permutation(60)])[0] for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.003)
    assert np.std(found) == pytest.approx(_partners.rank(image, text)[1], rel=0.08)


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ([(0.6, 0.02), (0.8, 0.02), (0.79, 0.02)], ""),
        ([(0.5, 0.02), (0.51, 0.02)], "by chance"),
        ([(0.5, 0.0)], "by chance"),
        ([(0.8, 0.02), (0.62, 0.02)], "less than half as well"),
        ([(0.8, 0.1), (0.62, 0.05)], ""),  # within what chance explains
    ],
)
def test_partners_are_lost_at_chance_or_at_less_than_half_of_what_was_found_before(ranks, said):
    found = _partners.lost_partners(ranks)
    assert said in found and bool(said) == bool(found)


@pytest.mark.parametrize(
    ("n", "spared"), [(20, 0), (1599, 0), (1600, 64), (5000, 200), (20_000, 256)]
)
def test_pairs_are_spared_to_watch_where_there_are_enough(n, spared):
    kept, watching = _partners.held_out(n, torch.Generator().manual_seed(0))
    assert len(kept) == n - spared
    if spared:
        assert sorted([*kept.tolist(), *watching.tolist()]) == list(range(n))
    else:
        assert set(watching.tolist()) <= set(range(n)) and len(watching) == min(n, 256)
