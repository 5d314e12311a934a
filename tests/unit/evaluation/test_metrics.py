"""The formulas against brute force over all orders, and against other libraries."""

from fractions import Fraction
from itertools import chain, combinations, product
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.functional.retrieval import retrieval_average_precision

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Groups
from pipeline.evaluation.ranked import stable_sums


def orders(groups):
    """Every relevance sequence that breaking the ties at random can give, all equally likely."""
    placings = [
        [tuple(i in chosen for i in range(n)) for chosen in combinations(range(n), r)]
        for n, r in groups
    ]
    return [sum(parts, ()) for parts in product(*placings)]


def ap(relevance, k, divisor):
    hits, total = 0, Fraction(0)
    for rank, relevant in enumerate(relevance[:k], 1):
        if relevant:
            hits += 1
            total += Fraction(hits, rank)
    below = {"hits": hits, "min": min(k, sum(relevance)), "total": sum(relevance)}[divisor]
    return total / below if below else Fraction(0)


def mean(values):
    values = list(values)
    return float(sum(values) / len(values))


def as_groups(*queries):
    width = max(map(len, queries))
    padded = np.array([list(q) + [(0, 0)] * (width - len(q)) for q in queries], np.int64)
    return Groups(padded[..., 0], padded[..., 1])


group = st.integers(0, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
groups_of_one_query = st.lists(group, min_size=1, max_size=4).filter(
    lambda groups: 1 <= sum(n for n, _ in groups) <= 12
)
cases = given(groups_of_one_query, st.integers(1, 14))


@settings(max_examples=300, deadline=None)
@cases
def test_expected_ap_is_the_mean_over_all_orders_for_every_divisor(groups, k):
    sequences, got = orders(groups), metrics.expected_ap(as_groups(groups), k)
    for divisor in ("hits", "min", "total"):
        expected = mean(ap(s, k, divisor) for s in sequences)
        assert got[divisor][0] == pytest.approx(expected, abs=1e-13)


@settings(max_examples=100, deadline=None)
@cases
def test_expected_findings_and_hit_probability_are_means_over_all_orders(groups, k):
    sequences, counts = orders(groups), as_groups(groups)
    k = min(k, len(sequences[0]))
    found = mean(Fraction(sum(s[:k])) for s in sequences)
    assert metrics.found_within(counts, np.array([k]))[0, 0] == pytest.approx(found)
    hit = mean(Fraction(any(s[:k])) for s in sequences)
    assert metrics.hit_probability(counts, k)[0] == pytest.approx(hit, abs=1e-14)


@settings(max_examples=100, deadline=None)
@cases
def test_optimistic_and_pessimistic_ap_put_relevant_items_first_and_last(groups, k):
    first = list(chain(*([True] * r + [False] * (n - r) for n, r in groups)))
    last = list(chain(*([False] * (n - r) + [True] * r for n, r in groups)))
    counts = as_groups(groups)
    assert metrics.optimistic_ap(counts, k)[0] == pytest.approx(float(ap(first, k, "hits")))
    assert metrics.pessimistic_ap(counts, k)[0] == pytest.approx(float(ap(last, k, "hits")))


@settings(max_examples=50, deadline=None)
@given(groups_of_one_query)
def test_ap_of_all_lies_between_its_pessimistic_and_optimistic_value(groups):
    counts = as_groups(groups)
    value = metrics.expected_ap(counts, None)["hits"][0]
    assert metrics.pessimistic_ap(counts, None)[0] <= value + 1e-13
    assert value <= metrics.optimistic_ap(counts, None)[0] + 1e-13


@pytest.mark.parametrize(("divisor", "value"), [("hits", 1), ("min", 1 / 3), ("total", 1 / 4)])
def test_the_three_divisors_of_the_worked_example(divisor, value):
    ranking = [(1, r) for r in (1, 0, 0, 1, 0, 1, 1, 0)]
    assert metrics.expected_ap(as_groups(ranking), 3)[divisor][0] == pytest.approx(value)


def test_queries_are_independent_of_each_other():
    queries = [[(3, 1), (2, 2)], [(0, 0), (5, 2)], [(5, 0)], [(4, 4), (1, 1)]]
    together = metrics.expected_ap(as_groups(*queries), 4)["hits"]
    alone = [metrics.expected_ap(as_groups(q), 4)["hits"][0] for q in queries]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


def test_a_database_of_one_item():
    assert metrics.expected_ap(as_groups([(1, 1)]), None)["hits"] == [1]
    assert metrics.expected_ap(as_groups([(1, 0)]), 1)["hits"] == [0]
    assert metrics.hit_probability(as_groups([(0, 0), (1, 1)]), 10) == [1]


@pytest.mark.parametrize(("n", "r", "m"), [(10**7, 10**5, 500), (10**7, 3, 10**6), (400, 200, 77)])
def test_hits_divisor_is_the_exact_hypergeometric_mean_for_groups_of_any_size(n, r, m):
    n0, r0 = 50, 20
    counts = as_groups([(n0, r0), (n, r)])
    whole = metrics.expected_ap(counts, n0)["total"][0] * (r0 + r)
    h = metrics.harmonic(n0 + m) - metrics.harmonic(n0)
    few, many = min(r, m), max(r, m)  # the distribution is symmetric in r and m
    expected = 0
    for x in range(max(0, m - n + r), few + 1):
        chance = comb(many, x) * comb(n - many, few - x) / comb(n, few)  # a ratio of integers
        inside = x / m * ((r0 + 1) * h + (x - 1) / (m - 1) * (m - (n0 + 1) * h))
        expected += chance * (whole + inside) / (r0 + x)
    assert metrics.expected_ap(counts, n0 + m)["hits"][0] == pytest.approx(expected, rel=1e-12)


def test_groups_of_ten_million_items_lose_no_precision():
    n, r = 10**7, 10**5  # one group: every rank is relevant with probability r/n
    value = metrics.expected_ap(as_groups([(n, r)]), None)["hits"][0]
    exact = metrics.harmonic(n) / n + (r - 1) / (n - 1) * (1 - metrics.harmonic(n) / n)
    assert value == pytest.approx(exact, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any))
def test_without_ties_ap_of_all_is_that_of_scikit_learn(relevance):
    value = metrics.expected_ap(as_groups([(1, int(r)) for r in relevance]), None)["total"][0]
    scores = -np.arange(len(relevance))
    assert value == pytest.approx(average_precision_score(relevance, scores))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any), st.integers(1, 40))
def test_without_ties_ap_at_k_is_that_of_torchmetrics(relevance, k):
    value = metrics.expected_ap(as_groups([(1, int(r)) for r in relevance]), k)
    scores = 1.0 / (
        1 + torch.arange(len(relevance))
    )  # positive: torchmetrics drops targets at <= 0
    expected = retrieval_average_precision(
        scores, torch.tensor(relevance), top_k=min(k, len(relevance))
    )
    assert value["hits"][0] == pytest.approx(float(expected), abs=1e-6)


def test_stable_sums_follow_the_given_order():
    relevance = np.array([[1, 0, 0, 1, 0, 1, 1, 0]], bool)
    sums, hits = stable_sums(relevance, np.array([3, 8]))
    np.testing.assert_allclose(sums, [[1, 1 + 2 / 4 + 3 / 6 + 4 / 7]])
    assert hits.tolist() == [[1, 4]]
