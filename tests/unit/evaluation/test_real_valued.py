"""Ranking by float distances: the same metrics as for codes."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation import evaluate, evaluate_real, real_valued


def draw(seed=0, queries=6, items=400, dimensions=5, classes=6):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(queries, dimensions)).astype(np.float32),
        rng.normal(size=(items, dimensions)).astype(np.float32),
        rng.random((queries, classes)) < 0.2,
        rng.random((items, classes)) < 0.2,
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_without_ties_expected_and_stable_are_the_ap_of_the_sorted_database(metric):
    from scipy.spatial.distance import cdist

    query, database, query_labels, labels = draw()
    result = evaluate_real(query, database, query_labels, labels, k=(20, "all"), metric=metric)
    order = np.argsort(cdist(query, database, metric), axis=1)
    relevant = (query_labels[:, None] & labels[None]).any(axis=2)
    for q in range(6):
        ranked = relevant[q][order[q]]
        precision = ranked.cumsum() / np.arange(1, 401)
        for k in (20, 400):
            expected = precision[:k][ranked[:k]].mean() if ranked[:k].any() else 0
            name = "all" if k == 400 else k
            assert result.ap(name)[q] == pytest.approx(expected)
            assert result.ap(name, "stable")[q] == pytest.approx(expected)
            assert result.ap(name, "pessimistic")[q] == pytest.approx(expected)
        assert result.per_query["hit@1"][q] == ranked[0]
        assert result.per_query["hit@10"][q] == ranked[:10].any()


def test_codes_as_vectors_give_the_result_of_the_hamming_path(monkeypatch):
    rng = np.random.default_rng(1)
    codes, query_codes = rng.random((300, 12)) < 0.5, rng.random((7, 12)) < 0.5
    _, _, query_labels, labels = draw(2, 7, 300)
    monkeypatch.setattr(real_valued, "_SCORES", 1000)  # several chunks,
    monkeypatch.setattr(real_valued, "_CELLS", 500)  # and parts of chunks
    hamming = evaluate(query_codes, codes, query_labels, labels, k=(30, "all"))
    real = evaluate_real(
        query_codes.astype(float), codes.astype(float), query_labels, labels, k=(30, "all")
    )
    for name, values in hamming.per_query.items():
        np.testing.assert_allclose(real.per_query[name], values, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(real.precision_at, hamming.precision_at, rtol=1e-12)


def test_equal_rows_tie_wherever_they_stand():
    rng = np.random.default_rng(3)
    row = rng.normal(size=(1, 130)).astype(np.float32)
    database = np.repeat(row, 4099, axis=0)
    labels = rng.random((4099, 1)) < 0.5
    query = np.concatenate([row, rng.normal(size=(2, 130)).astype(np.float32)])
    for metric in ("euclidean", "cosine"):
        result = evaluate_real(query, database, np.ones((3, 1)), labels, k=1, metric=metric)
        np.testing.assert_allclose(result.ap(), labels.mean())
        np.testing.assert_array_equal(result.ap(1, "stable"), labels[0, 0])


def test_the_curve_runs_over_ranks_and_ends_in_full_recall():
    result = evaluate_real(*draw())
    assert result.pr_grid[0] == 1
    assert result.pr_grid[-1] == 400
    assert (np.diff(result.pr_grid) > 0).all()
    assert result.pr_recall_micro[-1] == pytest.approx(1)
    first = result.precision_at[result.pr_grid - 1]
    np.testing.assert_allclose(result.pr_precision_macro, first)


def test_a_zero_vector_has_cosine_zero_with_everything():
    query, database, query_labels, labels = draw()
    result = evaluate_real(query * 0, database, query_labels, labels, k=1, metric="cosine")
    relevant = (query_labels[:, None] & labels[None]).any(axis=2)
    np.testing.assert_allclose(result.ap(), relevant.mean(axis=1))


@pytest.mark.parametrize(
    ("index", "array", "message"),
    [
        (0, np.full((6, 5), np.nan), "NaN"),
        (1, np.zeros((400, 4)), "5 dimensions, the database has 4"),
        (1, np.zeros((0, 5)), "0 database items"),
        (1, np.zeros((400, 5), bool), "numbers"),
        (3, np.zeros((399, 6)), "database_labels has shape"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(index, array, message):
    data = [array if i == index else a for i, a in enumerate(draw())]
    with pytest.raises(InputError, match=message):
        evaluate_real(*data)


def test_an_unknown_distance_is_refused():
    with pytest.raises(InputError, match="'manhattan'"):
        evaluate_real(*draw(), metric="manhattan")
