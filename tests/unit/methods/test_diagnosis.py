"""The total correlation that a classifier estimates, beside what it is."""

from itertools import product

import numpy as np
import pytest
import torch

from pipeline.methods._diagnosis import total_correlation


def classes(bits, likely, count=6):
    """Means (count, bits) of equally frequent classes: in each, a bit has a likely value."""
    sides = np.random.default_rng(bits).random((count, bits)) < 0.5
    return np.where(sides, likely, 1 - likely)


def drawn(means, n, rng):
    return rng.random((n, means.shape[1])) < means[rng.integers(len(means), size=n)]


def estimates(means, draws=3, n=4000):
    """Of ``draws`` samples of n codes each."""
    found = []
    for seed in range(draws):
        codes = torch.tensor(drawn(means, n, np.random.default_rng(seed)), dtype=torch.float32)
        found.append(total_correlation(codes, 64, torch.Generator().manual_seed(seed)))
    return np.array(found)


def exact(means):
    """Nats of codes drawn by picking a row of ``means``, then its bits: a sum over all codes."""
    codes = np.array(list(product([False, True], repeat=means.shape[1])))
    joint = np.mean([np.where(codes, m, 1 - m).prod(axis=1) for m in means], axis=0)
    alone = np.where(codes, means.mean(axis=0), 1 - means.mean(axis=0)).prod(axis=1)
    return float(np.sum(joint * np.log(joint / alone)))


def by_sampling(means, n=200_000):
    """An estimate without a classifier, for any number of bits: mean log ratio under the known law.

    log p(b) - sum of log p(b_l) is averaged over codes b drawn from p; unbiased, error below .01.
    """
    codes = drawn(means, n, np.random.default_rng(0))
    joint = np.mean([np.where(codes, m, 1 - m).prod(axis=1) for m in means], axis=0)
    alone = np.where(codes, means.mean(axis=0), 1 - means.mean(axis=0)).prod(axis=1)
    return float(np.mean(np.log(joint / alone)))


@pytest.mark.parametrize("bits", [8, 12])
def test_the_second_estimator_agrees_with_the_exact_sum(bits):
    means = classes(bits, 0.9)
    assert by_sampling(means) == pytest.approx(exact(means), abs=0.015)


@pytest.mark.parametrize("likely", [0.75, 0.9])
def test_at_8_bits_the_bias_is_small_beside_the_exact_value(likely):
    means = classes(8, likely)
    assert estimates(means).mean() == pytest.approx(exact(means), rel=0.25)


@pytest.mark.parametrize("likely", [0.75, 0.9])
def test_at_16_bits_it_is_too_low_but_of_the_right_size(likely):
    """A classifier that has seen 2,000 codes of 65,536 does not find all that depends."""
    means = classes(16, likely)
    second, found = by_sampling(means), estimates(means)
    assert 0.5 * second < found.mean() < 1.05 * second


def test_independent_bits_have_none_and_held_out_rows_do_not_pretend_it():
    """On the rows it learns from, a classifier would find some in any sample."""
    found = estimates(np.full((1, 16), 0.5), draws=2)
    assert (found < 0.02).all() and (found > -0.2).all()
