"""Instance retrieval: against all orders of the ties, one by one; labels optional."""

from fractions import Fraction
from itertools import permutations, product
from statistics import mean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.evaluation.instance import (
    Nearest,
    _count_distribution,
    evaluate_instances,
    expected_median,
)
from pipeline.evaluation.tasks import evaluate_files, evaluate_tasks
from pipeline.results.registry import Measured, metric
from pipeline.storage import store
from pipeline.storage.store import Codes, Provenance, Split

TASKS = ("i2t", "t2i")


def first_ranks(distance, own):
    """The rank of the first own item under each order of equally distant items, all as likely."""
    ranks = []
    for order in permutations(range(len(distance))):
        ranking = sorted(order, key=lambda item: distance[item])
        ranks.append(1 + next(i for i, item in enumerate(ranking) if own[item]))
    return ranks


def distances(asking, answering):
    if asking.dtype == bool:
        return (asking[:, None] != answering[None]).sum(axis=2)
    return ((asking[:, None] - answering[None]) ** 2).sum(axis=2)


small = st.tuples(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda c: sum(c) <= 5),
    st.integers(1, 4),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(small)
def test_every_metric_is_its_mean_over_all_orders_of_the_ties(case):
    seed, captions, bits, binary = case
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(captions)), captions)
    n = len(groups)
    draw = rng.random if binary else (lambda shape: rng.integers(0, 3, shape))
    images = draw((len(captions), bits))[groups]
    image, text = images, draw((n, bits))
    image, text = (a < 0.5 if binary else a.astype(np.float32) for a in (image, text))
    order = rng.permutation(n)
    image, text, groups = image[order], text[order], groups[order]
    found = evaluate_instances(image, text, groups)
    once = [int(np.flatnonzero(groups == g)[0]) for g in dict.fromkeys(groups.tolist())]
    sides = {
        "i2t": (image[once], text, groups[once], groups),
        "t2i": (text, image[once], groups, groups[once]),
    }
    for task, (asking, answering, asking_groups, own_groups) in sides.items():
        distance = distances(asking, answering)
        ranks = [
            first_ranks(row, own_groups == g)
            for row, g in zip(distance, asking_groups, strict=True)
        ]
        got = found[task]
        for k in (1, 5, 10):
            expected = [float(Fraction(sum(r <= k for r in rs), len(rs))) for rs in ranks]
            np.testing.assert_allclose(got[f"own@{k}"], expected, atol=1e-13)
        np.testing.assert_allclose(got["own_rank"], [mean(rs) for rs in ranks], atol=1e-12)
        likely = [sorted((r, Fraction(rs.count(r), len(rs))) for r in set(rs)) for rs in ranks]
        expected = 0
        for combination in product(*likely):
            weight = np.prod([p for _, p in combination])
            expected += weight * Fraction(median([Fraction(r) for r, _ in combination]))
        assert got["own_median"] == pytest.approx(float(expected), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_the_number_of_successes_is_that_of_all_outcomes(likely):
    expected = np.zeros(len(likely) + 1)
    for outcome in product((0, 1), repeat=len(likely)):
        chances = zip(likely, outcome, strict=True)
        expected[sum(outcome)] += np.prod([p if yes else 1 - p for p, yes in chances])
    found = _count_distribution(np.array(likely))
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-14)
    np.testing.assert_allclose(found[len(expected) :], 0, atol=1e-14)


@pytest.mark.parametrize("queries", [400, 401])
def test_the_median_of_many_queries_is_that_of_simulated_orders(queries):
    rng = np.random.default_rng(0)
    tied = rng.integers(1, 60, queries)
    nearest = Nearest(
        rng.integers(0, 90, queries), tied, np.minimum(tied, rng.integers(1, 6, queries))
    )
    ranks = np.empty((4000, queries))
    for q in range(queries):
        drawn = rng.random((4000, nearest.tied[q])).argsort(axis=1)
        ranks[:, q] = nearest.before[q] + 1 + drawn[:, : nearest.partners[q]].min(axis=1)
    simulated = np.median(ranks, axis=1)
    error = simulated.std() / np.sqrt(4000)
    assert abs(expected_median(nearest) - simulated.mean()) < 5 * error


def test_without_ties_the_median_is_the_plain_one():
    rng = np.random.default_rng(1)
    image, text = rng.normal(size=(2, 500, 8)).astype(np.float32)
    distance = distances(image, text)
    ranks = (distance <= np.diag(distance)[:, None]).sum(axis=1)
    found = evaluate_instances(image, text, None)["i2t"]
    assert found["own_median"] == pytest.approx(np.median(ranks))
    assert found["own@5"].mean() == (ranks <= 5).mean()
    assert found["own_rank"].mean() == pytest.approx(ranks.mean())


def setting(labels, groups=None, n=40, seeds=(0,), queries=10):
    rng = np.random.default_rng(0)
    codes = Codes(list(seeds), *(rng.random((2, len(seeds), n, 16)) > 0.5))
    rows = np.arange(n)
    queries = [queries] * len(seeds) if isinstance(queries, int) else queries
    splits = {
        s: Split(rows[:q], rows[q:], rows[q:], rows[:0])
        for s, q in zip(seeds, queries, strict=True)
    }
    options = {"phase": "test", "map_at": [5, "all"], "threads": 1}
    return evaluate_tasks(codes, splits, labels, groups, **options)


def test_category_and_instance_metrics_stand_side_by_side():
    found = setting(np.ones((40, 2), np.uint8))
    assert found["i2t"]["own@1"].shape == found["i2t"]["hit@1"].shape == (1, 10)
    assert "own@1" not in found["i2i"] and "hit@1" in found["i2i"]
    assert found["t2i"]["own_median"].shape == (1,)


def test_without_labels_there_are_instance_metrics_alone(tmp_path):
    found = setting(np.zeros((40, 0), np.uint8))
    assert set(found["i2t"]) == {"own@1", "own@5", "own@10", "own_rank", "own_median"}
    assert found["i2i"] == found["t2t"] == {}
    store.write_metrics(tmp_path / "m.h5", found, [0], Provenance("evaluate"))
    measured = Measured({"metrics_file": str(tmp_path / "m.h5")})
    for name in ("R@1:instance", "R@5:instance", "R@10:instance", "MedR", "MeanR"):
        assert metric(name).read(measured, "i2t").shape == (1,)
        assert metric(name).tasks(["i2t", "i2i"]) == ["i2t"]
    assert metric("MedR").higher_is_better is False
    with pytest.raises(InputError, match=r"has no labels, so it has no ap_.*R@1:instance"):
        metric("mAP@5").read(measured, "i2t")


def test_seeds_with_unlike_numbers_of_queries_are_averaged_each_by_itself(tmp_path):
    found = setting(np.ones((40, 2), np.uint8), seeds=(0, 1), queries=[10, 12])
    assert found["i2t"]["hit@1"].shape == (2, 12) and found["i2t"]["precision_at"].shape == (2, 28)
    store.write_metrics(tmp_path / "m.h5", found, [0, 1], Provenance("evaluate"))
    measured = Measured({"metrics_file": str(tmp_path / "m.h5")})
    np.testing.assert_allclose(metric("R@1").read(measured, "i2t"), 1)
    assert np.isfinite(metric("MeanR").read(measured, "t2i")).all()


def test_a_share_of_queries_without_a_relevant_item_is_counted(caplog):
    labels = np.ones((40, 2), np.uint8)
    labels[:3] = 0
    found = setting(labels)
    assert found["i2t"]["without_relevant"] == found["t2t"]["without_relevant"] == [0.3]
    assert "3 of 10 queries have no relevant item" in caplog.text


def test_queries_none_of_which_has_a_relevant_item_are_an_error():
    labels = np.ones((40, 2), np.uint8)
    labels[:10, 0], labels[10:, 1] = 0, 0
    with pytest.raises(InputError, match="none of the 10 queries shares a label with any of"):
        setting(labels)


def test_the_groups_of_the_pairs_file_are_used(tmp_path):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 4)
    pairs = store.Pairs([str(i) for i in range(40)], np.zeros((40, 0)), [], groups=groups)
    store.write_pairs(tmp_path / "p.h5", pairs, Provenance("t"))
    rows = np.arange(40)
    split = {0: Split(rows[:20], rows[20:], rows[20:], rows[:0])}
    store.write_splits(tmp_path / "s.h5", split, Provenance("t"))
    codes = Codes([0], *(rng.random((2, 1, 40, 16)) > 0.5))
    store.write_codes(tmp_path / "c.h5", codes, Provenance("t"))
    files = (tmp_path / f"{name}.h5" for name in "cspm")
    evaluate_files(*files, phase="test", map_at=[5])
    found = store.read_metrics(tmp_path / "m.h5").groups
    assert found["i2t"]["own@1"].shape == (1, 5) and found["t2i"]["own@1"].shape == (1, 20)
