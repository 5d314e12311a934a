"""The evaluation of codes: kernels against plain NumPy, the torch path, and what is refused."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.evaluation import evaluate, hamming
from pipeline.evaluation.binary import _count
from pipeline.evaluation.ranked import stable_sums


def draw(rng, queries=9, items=300, bits=16, classes=7, density=0.2):
    return (
        rng.random((queries, bits)) < 0.5,
        rng.random((items, bits)) < 0.5,
        rng.random((queries, classes)) < density,
        rng.random((items, classes)) < density,
    )


def pairs(query_codes, codes, query_labels, labels):
    """Distance and relevance of every pair, the plain way."""
    distance = (query_codes[:, None] != codes[None]).sum(axis=2)
    return distance, (query_labels[:, None] & labels[None]).any(axis=2)


def count(data, ranks=(5, 300), threads=1):
    query, database = hamming.pack(data[0], data[2]), hamming.pack(data[1], data[3])
    return _count(query, database, np.array(ranks), threads)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 8, 31, 32, 33, 63, 64, 65, 130, 1024]),
    st.sampled_from([1, 24, 32, 33, 64, 65, 256]),
    st.sampled_from([1, 3, 15, 16, 17, 63, 64, 65, 300]),
)
def test_counts_and_stable_sums_are_those_of_plain_numpy(seed, bits, classes, items):
    data = draw(np.random.default_rng(seed), 5, items, bits, classes, 2 / (classes + 4))
    cuts = np.array([min(5, items), items])
    got = count(data, cuts)
    distance, relevant = pairs(*data)
    for q in range(5):
        np.testing.assert_array_equal(got[0][q], np.bincount(distance[q], minlength=bits + 1))
        np.testing.assert_array_equal(
            got[1][q], np.bincount(distance[q][relevant[q]], minlength=bits + 1)
        )
    order = np.argsort(distance, axis=1, kind="stable")
    sums, hits = stable_sums(np.take_along_axis(relevant, order, 1), cuts)
    np.testing.assert_allclose(got[2], sums, rtol=1e-12)
    np.testing.assert_array_equal(got[3], hits)


@pytest.mark.parametrize("last", [700, hamming.BLOCK + 9, 2 * hamming.BLOCK + 5])
def test_databases_of_several_blocks_are_counted_whole(last):
    """Also when the largest cut lies within equals that are spread over the blocks."""
    data = draw(np.random.default_rng(0), 3, 2 * hamming.BLOCK + 5, 20)
    distance, relevant = pairs(*data)
    items, found, sums, hits = count(data, (100, last))
    assert items[1].tolist() == np.bincount(distance[1], minlength=21).tolist()
    assert found.sum(axis=1).tolist() == relevant.sum(axis=1).tolist()
    order = np.argsort(distance, axis=1, kind="stable")
    expected = stable_sums(np.take_along_axis(relevant, order, 1), np.array([100, last]))
    np.testing.assert_allclose(sums, expected[0], rtol=1e-12)
    assert hits.tolist() == expected[1].tolist()


def test_the_result_does_not_depend_on_the_number_of_threads():
    data = draw(np.random.default_rng(1), queries=70)
    one, four = (evaluate(*data, k=(5, "all"), threads=t).arrays() for t in (1, 4))
    for name, values in one.items():
        np.testing.assert_array_equal(values, four[name], err_msg=name)


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bits", [1, 33, 128, 1024])
def test_the_torch_path_counts_the_same(bits, device):
    from pipeline.evaluation import on_device

    data = draw(np.random.default_rng(2), bits=bits)
    cuts = np.array([1, 50, 300])
    kernel = count(data, cuts)
    other = on_device.count((data[0], data[2]), (data[1], data[3]), cuts, device)
    for i in (0, 1, 3):
        np.testing.assert_array_equal(kernel[i], other[i])
    np.testing.assert_allclose(kernel[2], other[2], rtol=1e-13)


def test_the_torch_path_in_several_chunks_gives_the_same_result(monkeypatch):
    from pipeline.evaluation import on_device

    data = draw(np.random.default_rng(3))
    monkeypatch.setattr(on_device, "_CELLS", 700)
    kernel, other = (evaluate(*data, k=(7, "all"), device=d).arrays() for d in (None, "cpu"))
    assert kernel.keys() == other.keys()
    for name, values in kernel.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-13, err_msg=name)


@pytest.mark.parametrize("device", ["no such device", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_by_name(device):
    with pytest.raises(InputError, match=f"the device '{device}' cannot be used") as error:
        evaluate(*draw(np.random.default_rng(14)), device=device)
    assert "\n" not in str(error.value)


def test_arrays_are_named_as_the_metrics_file_names_them():
    arrays = evaluate(*draw(np.random.default_rng(4)), k=(50, 1000, "all")).arrays()
    kinds = ["stable", "optimistic", "pessimistic"]
    kinds += ["expected_hits", "expected_min", "expected_total"]
    ap = [f"ap_{kind}@{k}" for kind in kinds for k in (50, 1000, "all")]
    curves = [f"pr_{m}_{a}" for m in ("precision", "recall") for a in ("micro", "macro")]
    assert set(arrays) == {*ap, *curves, "hit@1", "hit@10", "precision_at"}
    assert all(arrays[name].shape == (9,) for name in ap)
    assert all(arrays[name].shape == (17,) for name in curves)
    assert arrays["precision_at"].shape == (300,)


def test_expected_ap_is_the_mean_of_the_stable_ap_over_shuffled_databases():
    rng = np.random.default_rng(5)
    query_codes, codes, query_labels, labels = draw(rng, 4, 120, 6)
    expected = evaluate(query_codes, codes, query_labels, labels, k=20).ap()
    stable = np.zeros(4)
    for _ in range(1000):
        order = rng.permutation(120)
        stable += evaluate(
            query_codes, codes[order], query_labels, labels[order], k=20, threads=1
        ).ap(20, "stable")
    np.testing.assert_allclose(stable / 1000, expected, atol=0.015)


def test_precision_and_recall_by_radius_are_those_of_the_retrieved_items():
    data = draw(np.random.default_rng(6), bits=5)
    distance, relevant = pairs(*data)
    result = evaluate(*data)
    for radius in range(6):
        near = distance <= radius
        found, hit = (near & relevant).sum(axis=1), near.sum(axis=1)
        total = relevant.sum(axis=1)
        assert result.pr_precision_micro[radius] == found.sum() / hit.sum()
        assert result.pr_recall_micro[radius] == found.sum() / total.sum()
        macro = np.divide(found, hit, out=np.zeros(9), where=hit > 0).mean()
        assert result.pr_precision_macro[radius] == pytest.approx(macro)
        recall = np.divide(found, total, out=np.zeros(9), where=total > 0).mean()
        assert result.pr_recall_macro[radius] == pytest.approx(recall)


def test_a_query_without_relevant_items_counts_as_zero_and_stays_in_the_mean():
    data = list(draw(np.random.default_rng(7), queries=2))
    data[2][1] = False
    data[2][0] = True
    data[3][:] = True
    result = evaluate(*data, k=(10, "all"))
    assert result.ap().tolist() == [1, 0]
    assert result.map == 0.5
    assert result.mean("hit@1") == 0.5
    np.testing.assert_allclose(result.precision_at, 0.5)


def test_a_cut_beyond_the_database_is_the_whole_database():
    arrays = evaluate(*draw(np.random.default_rng(8), items=30), k=(1000, "all")).arrays()
    for kind in ("expected_hits", "expected_min", "stable", "optimistic", "pessimistic"):
        np.testing.assert_array_equal(arrays[f"ap_{kind}@1000"], arrays[f"ap_{kind}@all"])


def test_a_database_of_one_item_is_ranked():
    codes, labels = np.zeros((1, 8), bool), np.ones((1, 1), np.uint8)
    result = evaluate(codes, ~codes, labels, labels, k=(1, 1000, "all"))
    assert all(values.tolist() == [1] for values in result.per_query.values())


def test_labels_may_be_bools_integers_or_floats():
    data = draw(np.random.default_rng(9))
    results = [
        evaluate(*data[:2], data[2].astype(t), data[3].astype(t)).map
        for t in (bool, np.uint8, np.int64, np.float32)
    ]
    assert len(set(results)) == 1


def test_the_stable_pass_can_be_left_out():
    data = draw(np.random.default_rng(10))
    for device in (None, "cpu"):
        result = evaluate(*data, k=(5, "all"), stable_k=(5,), device=device)
        assert "ap_stable@5" in result.per_query
        assert "ap_stable@all" not in result.per_query
        assert "ap_stable@5" not in evaluate(*data, k=5, stable_k=(), device=device).per_query


def test_a_result_cannot_be_changed():
    result = evaluate(*draw(np.random.default_rng(11)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.cut_offs = ()


def _with(index, array):
    def change(data):
        return [array if i == index else a for i, a in enumerate(data)]

    return change


BITS, LABELS = np.zeros((300, 16), bool), np.zeros((300, 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with(1, BITS[:, :8]), "the queries have 16 bits, the database has 8"),
        (_with(1, BITS.astype(int)), "bool"),
        (_with(1, BITS[0]), "shape"),
        (_with(1, BITS[:0]), "0 database items"),
        (_with(0, BITS[:0]), "0 queries"),
        (_with(3, LABELS[:10]), r"database_labels has shape \(10, 7\); \(300, classes\)"),
        (_with(3, LABELS[:, :6]), "7 classes, the database has 6"),
        (_with(3, LABELS + 2), "other than 0 and 1"),
        (_with(3, LABELS + np.nan), "other than 0 and 1"),
        (_with(2, np.full((9, 7), 0.5)), "query_labels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_sentence(change, message):
    with pytest.raises(InputError, match=message) as error:
        evaluate(*change(draw(np.random.default_rng(12))))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("k", [0, -1, 2.5, "most", (), (50, True)])
def test_a_cut_off_that_is_none_is_refused(k):
    with pytest.raises(InputError, match="k is"):
        evaluate(*draw(np.random.default_rng(13)), k=k)


def _run(code, root, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_the_evaluation_does_not_import_torch(root):
    code = "import sys, pipeline.evaluation; sys.exit('torch' in sys.modules)"
    assert _run(code, root).returncode == 0


def test_without_a_writable_folder_the_kernels_still_compile(tmp_path, root):
    """An installed package that may not be written, for a user without a home."""
    code = (
        "from numba.core import caching\n"
        "for c in (caching._SourceFileBackedLocatorMixin, caching.InTreeCacheLocator,"
        " caching.UserWideCacheLocator):\n"
        "    c.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError('read-only'))\n"
        "from pipeline.evaluation.metrics import _odds\n"
        "assert type(_odds._cache).__name__ == 'NullCache'\n"
        "assert _odds(0, 1, 2, 1, 1) == 1\n"
    )
    done = _run(code, root, HOME=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
