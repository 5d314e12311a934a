"""PCA in one streaming pass equals scikit-learn's, and never sees a query."""

import logging

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pipeline.cli import stages
from pipeline.errors import InputError
from pipeline.features import reduce
from pipeline.storage.store import Provenance, Split, feature_writer, open_features, write_splits

MADE = Provenance("test")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(reduce, "_BLOCK", 64)


def split_of(n, queries, seed):
    order = np.random.default_rng(seed).permutation(n)
    query, database = np.sort(order[:queries]), np.sort(order[queries:])
    return Split(query, database, database[:10], database[:0])


def drawn(n, d, rank, offset=0.0):
    """Correlated features of a given rank with well separated variances."""
    random = np.random.default_rng(0)
    scales = np.geomspace(1, 0.05, rank)
    return (random.normal(size=(n, rank)) * scales) @ random.normal(size=(rank, d)) + offset


def project(tmp_path, data, splits, components, valid=True):
    with feature_writer(tmp_path / "x.h5", data.shape, MADE) as writer:
        writer.write(slice(0, len(data)), data.astype(np.float32), valid)
    write_splits(tmp_path / "s.h5", splits, MADE)
    files = (tmp_path / name for name in ("x.h5", "s.h5", "p.h5"))
    reduce.write_pca(*files, components=components, device="cpu")
    with open_features(tmp_path / "p.h5") as features:
        return [features.rows(slice(None), seed=i) for i in range(len(splits))], features.valid


CASES = {
    "more rows than dimensions": ((500, 40, 40), 12),
    "all components": ((300, 20, 20), 20),
    "fewer rows than dimensions": ((60, 150, 150), 30),
    "rank deficient": ((400, 50, 9), 9),
    "far from the origin": ((400, 30, 30, 1000.0), 10),
}


@pytest.mark.parametrize("case", CASES)
def test_pca_equals_scikit_learn_fitted_on_each_seeds_database(case, tmp_path):
    shape, components = CASES[case]
    data = drawn(*shape).astype(np.float32)
    splits = {seed: split_of(len(data), 15, seed) for seed in (3, 5)}
    projected, _ = project(tmp_path, data, splits, components)
    for ours, split in zip(projected, splits.values(), strict=True):
        theirs = PCA(components, svd_solver="full").fit(data[split.database].astype(float))
        expected = theirs.transform(data.astype(float))
        assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_fit_never_sees_a_query(tmp_path):
    data, split = drawn(200, 10, 10).astype(np.float32), split_of(200, 50, 0)
    (before,), _ = project(tmp_path, data, {0: split}, 5)
    data[split.query] = np.random.default_rng(1).normal(size=(50, 10)) * 3
    (after,), _ = project(tmp_path, data, {0: split}, 5)
    np.testing.assert_allclose(after[split.database], before[split.database], atol=1e-5)
    assert np.abs(after[split.query] - before[split.query]).max() > 1


def test_invalid_rows_take_no_part_and_stay_invalid(tmp_path):
    data, split = drawn(200, 10, 10).astype(np.float32), split_of(200, 50, 0)
    valid = np.random.default_rng(2).random(200) < 0.8
    data[~valid] = 1e6
    (ours,), mask = project(tmp_path, data, {0: split}, 4, valid)
    np.testing.assert_array_equal(mask, valid)
    used = split.database[valid[split.database]]
    theirs = PCA(4, svd_solver="full").fit(data[used]).transform(data)
    np.testing.assert_allclose(ours[valid], theirs[valid], atol=1e-4)
    assert not ours[~valid].any()


@pytest.mark.parametrize(("n", "d", "kept"), [(200, 10, 10), (60, 150, 45)])
def test_components_are_reduced_to_what_there_is_and_that_is_logged(tmp_path, caplog, n, d, kept):
    with caplog.at_level(logging.INFO):
        (ours,), _ = project(tmp_path, drawn(n, d, min(n, d)), {0: split_of(n, 15, 0)}, 1024)
    assert ours.shape == (n, kept)
    assert f"have at most {kept}" in caplog.text


def test_directions_without_variance_give_exact_zeros_in_queries_too(tmp_path):
    data, split = drawn(200, 10, 4), split_of(200, 20, 0)
    data[split.query] += np.random.default_rng(1).normal(size=(20, 10))
    data[split.database] = data[split.database].astype(np.float16)  # exact in float32
    data[split.database, 5:] = 0
    (ours,), _ = project(tmp_path, data, {0: split}, 10)
    assert ours[:, :4].any(axis=0).all()
    assert not ours[:, 5:].any()


def test_constant_features_are_all_zeros_after_pca(tmp_path):
    (ours,), _ = project(tmp_path, np.full((40, 5), 3.7), {0: split_of(40, 10, 0)}, 3)
    assert ours.shape == (40, 3)
    assert not ours.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_an_error(tmp_path, bad):
    data = drawn(300, 5, 5)
    data[250, 2] = bad
    with pytest.raises(InputError, match="hold NaN or infinite"):
        project(tmp_path, data, {0: split_of(300, 20, 0)}, 3)
    assert not (tmp_path / "p.h5").exists()


def test_a_database_of_one_row_is_an_error(tmp_path):
    with pytest.raises(InputError, match="at least two valid database rows, there are 1"):
        project(tmp_path, drawn(10, 5, 5), {0: split_of(10, 9, 0)}, 3)


def test_the_stage_computes_on_the_device_it_is_told(tmp_path, capsys, monkeypatch):
    project(tmp_path, drawn(30, 5, 5), {0: split_of(30, 5, 0)}, 3)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    files = [f"--{n}={tmp_path / f}" for n, f in (("features", "x.h5"), ("splits", "s.h5"))]
    stage = ["pca", *files, f"--out={tmp_path / 'q.h5'}", "--components=3"]
    assert stages.main([*stage, "--device=cuda"]) == 2
    assert "device is 'cuda' but torch sees no GPU here" in capsys.readouterr().err
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)  # which `auto` would try
    assert stages.main([*stage, "--device=cpu"]) == 0
