"""CRE's alternating discrete updates never raise their objective."""

import itertools

import numpy as np

from pipeline.methods import create
from pipeline.methods.cre import balanced_and_uncorrelated, improve_bits


def two_views(n=150, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 5))
    image = latent @ rng.standard_normal((5, 12)) + 0.3 * rng.standard_normal((n, 12))
    text = (latent @ rng.standard_normal((5, 9)) > 0.3).astype(float)
    return image, text


def test_objective_never_rises():
    for params in ({}, {"fidelity": 0.1}, {"independence": 0.1}):
        seen = []
        hasher = create("cre", bits=8, seed=0, anchors=40, iterations=12, **params)
        hasher.on_epoch = lambda record, seen=seen: seen.append(record["objective"])
        hasher.fit(*two_views())
        assert np.all(np.diff(seen) <= 1e-9 * seen[0])
        assert seen[-1] < seen[0]


def test_a_bit_update_is_the_best_of_all_settings_of_that_bit():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((1, 5))
    gram, drive = root.T @ root, rng.standard_normal((4, 1))
    codes = np.ones((4, 1))

    def cost(bits):
        return np.trace(bits @ gram[:1, :1] @ bits.T) - 2 * np.sum(bits * drive)

    best = min(itertools.product((-1.0, 1.0), repeat=4), key=lambda b: cost(np.array(b)[:, None]))
    np.testing.assert_array_equal(improve_bits(codes, gram[:1, :1], drive)[:, 0], best)


def test_a_pass_over_the_bits_lowers_the_quadratic_cost():
    rng = np.random.default_rng(1)
    root = rng.standard_normal((6, 6))
    gram, drive = root @ root.T, rng.standard_normal((50, 6))
    codes = np.where(rng.standard_normal((50, 6)) > 0, 1.0, -1.0)

    def cost(bits):
        return np.trace(bits @ gram @ bits.T) - 2 * np.sum(bits * drive)

    assert cost(improve_bits(codes, gram, drive)) < cost(codes)


def test_the_relaxed_code_is_balanced_and_uncorrelated():
    codes = np.where(np.random.default_rng(2).standard_normal((60, 5)) > 0.4, 1.0, -1.0)
    relaxed = balanced_and_uncorrelated(codes)
    np.testing.assert_allclose(relaxed.sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(relaxed.T @ relaxed, 60 * np.eye(5), atol=1e-9)
