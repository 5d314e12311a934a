"""The test that knows of seeds and queries, its rates by simulation, and Holm's correction."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel
from simulated import DESIGNS, rates

from pipeline.results.significance import holm, of_seeds, paired_difference, quantile

SAME = np.tile(np.arange(200), (5, 1))


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("queries", [300, 2000])
@pytest.mark.parametrize("design", DESIGNS)
def test_equally_good_methods_are_told_apart_no_more_often_than_said(design, queries, seeds):
    """At a nominal .05, for deviations over seeds of 0, .005, .01 and .02 of either method."""
    found = rates(design, queries, seeds, repetitions=3000)
    assert (found.ours <= 0.06).all(), found.ours
    assert (found.ours >= 0.025).all(), found.ours  # nor is it blind
    least = {5: (0.98, 0.9, 0.75, 0.35), 10: (0.99, 0.98, 0.95, 0.7)}[seeds]
    assert (found.power >= least).all(), found.power  # to see a difference of .03


def test_the_tests_that_know_one_source_of_chance_alone_speak_too_often():
    found = rates("same", 2000, 5, repetitions=300)
    assert found.over_queries[2] > 0.3  # seeds of deviation .01
    assert found.over_seeds[0] > 0.2  # queries that all seeds share


def test_seeds_with_queries_of_their_own_are_tested_by_their_means():
    difference = np.random.default_rng(0).standard_normal((6, 50)) + 0.1
    rows = np.arange(300).reshape(6, 50)
    expected = ttest_1samp(difference.mean(axis=1), 0)
    for known in (rows, None):
        found = paired_difference(difference, known)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_without_chance_in_the_trainings_it_is_the_paired_test_over_queries():
    """A method that draws nothing gives the same values with every seed."""
    a, b = np.random.default_rng(1).random((2, 200))
    found = paired_difference(np.tile(a - b, (5, 1)), SAME)
    assert found.p_value == pytest.approx(ttest_rel(a, b).pvalue)


def test_the_variance_is_that_of_the_two_way_table():
    """MS(seeds), MS(queries) and MS(rest) of the analysis of variance give the same two parts."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((5, 1)) / 5 + rng.standard_normal(200) + rng.standard_normal((5, 200))
    rest = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    of_rest = (rest**2).sum() / (4 * 199)
    of_seed, of_query = 200 * x.mean(axis=1).var(ddof=1), 5 * x.mean(axis=0).var(ddof=1)
    found = paired_difference(x, SAME)
    assert found.parts == pytest.approx((of_seed / 1000, (of_query - of_rest) / 1000))
    assert found.freedom == (4, 199)


def test_queries_are_known_by_their_rows_and_not_by_their_place():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(200) + rng.standard_normal((5, 200))
    order = np.array([rng.permutation(200) for _ in range(5)])
    shuffled = paired_difference(np.take_along_axis(x, order, 1), order)
    assert shuffled.p_value == pytest.approx(paired_difference(x, SAME).p_value)


@pytest.mark.parametrize("size", [0.01, 0.1, 0.3])
def test_the_interval_reaches_0_where_the_p_value_says_so(size):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = size * rng.standard_normal() + 0.05 * rng.standard_normal((5, 1))
        x = x + rng.standard_normal(200) + rng.standard_normal((5, 200))
        found = paired_difference(x, SAME)
        low, high = found.interval
        assert low < found.mean < high and (low > 0 or high < 0) == (found.p_value < 0.05)


def test_the_quantile_lies_between_those_of_both_parts_and_follows_the_larger():
    seeds, queries = quantile((1, 0), (4, 199), 0.05), quantile((0, 1), (4, 199), 0.05)
    assert seeds == pytest.approx(2.776, abs=1e-3) and queries == pytest.approx(1.972, abs=1e-3)
    assert quantile((1, 3), (4, 199), 0.05) == pytest.approx((seeds + 3 * queries) / 4)


def test_one_seed_says_nothing_of_another_training():
    found = paired_difference(np.random.default_rng(4).random((1, 50)), np.arange(50)[None])
    assert 0 < found.mean < 1 and np.isnan(found.p_value) and np.isnan(found.interval).all()


def test_where_nothing_varies_the_difference_is_what_it_is():
    assert paired_difference(np.zeros((5, 200)), SAME).p_value == 1
    assert paired_difference(np.ones((5, 200)), SAME).p_value == 0
    assert paired_difference(np.ones((5, 200)), SAME).interval == (1, 1)


def test_a_difference_beyond_all_doubt_has_a_p_value():
    found = of_seeds(np.array([0.9, 0.9, 0.9001]), 1e-9, 2000)
    assert 0 < found.p_value < 1e-6


def test_holm_on_an_example_worked_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, made non-decreasing
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_never_passes_one_and_never_lowers_a_p_value():
    p = np.random.default_rng(0).random(50)
    adjusted = holm(p)
    assert (adjusted >= p).all() and adjusted.max() <= 1
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_holm_leaves_out_what_was_not_tested():
    np.testing.assert_allclose(holm([np.nan, 0.01, 0.04]), [np.nan, 0.02, 0.04])
    assert holm([]).shape == (0,)
