"""The paired test and Holm's correction."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from pipeline.results.significance import against_best, holm, paired_p


def test_holm_on_an_example_worked_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, made non-decreasing
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_never_passes_one_and_never_lowers_a_p_value():
    p = np.random.default_rng(0).random(50)
    adjusted = holm(p)
    assert (adjusted >= p).all() and adjusted.max() <= 1
    assert (np.argsort(p) == np.argsort(adjusted, kind="stable")).sum() >= 1


def test_holm_of_nothing_is_nothing():
    assert holm([]).shape == (0,)


def test_paired_p_is_scipys():
    a, b = np.random.default_rng(1).random((2, 40))
    assert paired_p(a, b) == ttest_rel(a, b).pvalue


def test_equal_values_are_not_different_and_a_constant_gap_is():
    a = np.random.default_rng(2).integers(0, 2, 30).astype(float)
    assert paired_p(a, a) == 1.0
    assert paired_p(a + 1, a) == 0.0


def test_queries_are_averaged_over_seeds_and_corrected_over_competitors():
    rng = np.random.default_rng(3)
    best = rng.random((3, 200))
    near, far = best - 0.01 * rng.standard_normal((3, 200)), best - 0.3 * rng.random((3, 200))
    p = against_best([near, best, far], 1)
    raw = ttest_rel(best.mean(axis=0), near.mean(axis=0)).pvalue
    assert np.isnan(p[1]) and p[0] == pytest.approx(raw) and p[2] < 1e-10


def test_what_cannot_be_paired_has_no_p_value():
    best = np.random.default_rng(4).random((2, 30))
    assert np.isnan(against_best([best, None, best[:, :20]], 0)).all()
    assert np.isnan(against_best([None, best], 0)).all()


def test_under_the_null_the_level_is_kept():
    rng = np.random.default_rng(5)
    rejected = [paired_p(*rng.random((2, 60))) < 0.05 for _ in range(1000)]
    assert 0.03 < np.mean(rejected) < 0.07
