"""Data sets of kind `features`: given arrays of every form arrive unchanged, or one sentence."""

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from pipeline import datasets
from pipeline.errors import InputError
from pipeline.features.kinds.given import write as write_given_features
from pipeline.storage import store

N = 20


def give(pairs, view, path):
    write_given_features(pairs, view=view, path=path, provenance=store.Provenance("encode"))


def arrays(**changes):
    rng = np.random.default_rng(0)
    given = {
        "image": rng.normal(size=(N, 5)).astype(np.float32),
        "text": rng.normal(size=(N, 3)),
        "labels": (rng.random((N, 70)) < 0.1).astype(np.uint8),
        "split": np.array(["query"] * 4 + ["database"] * (N - 4)),
        "train": np.arange(N) >= 10,
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def save(folder, suffix, given):
    path = folder / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, **given)
    elif suffix == ".mat":
        scipy.io.savemat(path, given)
    else:
        with h5py.File(path, "w") as file:
            for name, value in given.items():
                file[name] = value.tolist() if value.dtype.kind == "U" else value
    return path.name


def load(folder, suffix=".npz", **changes):
    return datasets.load("features", folder, file=save(folder, suffix, arrays(**changes)))


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".h5"])
def test_every_form_gives_the_same_pairs_and_features(tmp_path, suffix):
    pairs = load(tmp_path, suffix)
    given = arrays()
    np.testing.assert_array_equal(pairs.labels, given["labels"])
    assert list(pairs.partition) == ["query"] * 4 + ["database"] * 6 + ["train"] * 10
    for view in ("image", "text"):
        out = tmp_path / "out.h5"
        give(pairs, view, out)
        with store.open_features(out) as features:
            assert features.valid.all()
            np.testing.assert_array_equal(
                features.rows(slice(0, N)), given[view].astype(np.float32)
            )


def test_split_as_matlab_cells_is_understood(tmp_path):
    cells = np.empty((N, 1), object)
    cells[:, 0] = arrays()["split"]
    assert load(tmp_path, ".mat", split=cells, train=None).partition.count("query") == 4


def test_sparse_matlab_arrays_are_understood(tmp_path):
    pairs = load(tmp_path, ".mat", text=scipy.sparse.csc_matrix(np.eye(N, 3)))
    give(pairs, "text", tmp_path / "out.h5")
    with store.open_features(tmp_path / "out.h5") as features:
        np.testing.assert_array_equal(features.rows(slice(0, N)), np.eye(N, 3))


def test_matlab_7_3_files_are_read_with_their_axes_turned(tmp_path):
    """MATLAB's HDF5 form stores every matrix in Fortran order."""
    rng = np.random.default_rng(0)
    parts = {"I_tr": (9, 4), "T_tr": (9, 3), "L_tr": (9, 2)}
    parts |= {name.replace("tr", "te"): (2, d) for name, (_, d) in parts.items()}
    given = {name: rng.integers(0, 2, shape).astype(float) for name, shape in parts.items()}
    with h5py.File(tmp_path / "a.mat", "w") as file:
        for name, value in given.items():
            file[name] = value.T
    pairs = datasets.load("features", tmp_path, file="a.mat")
    np.testing.assert_array_equal(pairs.labels, np.vstack([given["L_tr"], given["L_te"]]))
    give(pairs, "image", tmp_path / "out.h5")
    with store.open_features(tmp_path / "out.h5") as features:
        both = np.vstack([given["I_tr"], given["I_te"]])
        np.testing.assert_array_equal(features.rows(slice(0, 11)), both)


def test_wiki_can_be_used_as_it_stands(shared, tmp_path):
    pairs = datasets.load("features", shared / "data" / "wiki", file="wiki.mat")
    assert pairs.labels.shape == (2866, 10) and (pairs.labels.sum(axis=1) == 1).all()
    assert list(pairs.partition) == ["database"] * 2173 + ["query"] * 693
    give(pairs, "image", tmp_path / "image.h5")
    truth = scipy.io.loadmat(pairs.sources[0])
    with store.open_features(tmp_path / "image.h5") as features:
        rows = features.rows(slice(2170, 2180))
    stacked = np.vstack([truth["I_tr"][2170:], truth["I_te"][:7]]).astype(np.float32)
    np.testing.assert_array_equal(rows, stacked)


def test_large_hdf5_is_read_by_blocks(tmp_path, monkeypatch):
    """No more than a block of rows is ever asked for."""
    asked = []
    whole = h5py.Dataset.__getitem__

    def watched(self, index, *rest):
        if self.name == "/image" and self.file.filename.endswith("a.h5"):
            asked.append(index[0])
        return whole(self, index, *rest)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    n = 20_000
    split = np.array(["query"] + ["database"] * (n - 1))
    pairs = load(
        tmp_path, ".h5", image=np.zeros((n, 2), np.float32), text=np.zeros((n, 2)),
        labels=np.ones((n, 1)), split=split, train=None,
    )  # fmt: skip
    give(pairs, "image", tmp_path / "out.h5")
    assert len(asked) > 2 and max(s.stop - s.start for s in asked) <= 8192


FAULTS = {
    "missing": ({"text": None}, "needed are image, text, labels and split"),
    "flat": ({"image": np.zeros(N)}, "image has shape"),
    "no columns": ({"image": np.zeros((N, 0))}, "image has shape"),
    "times": ({"text": np.full((N, 2), "2020", "M8[Y]")}, "numbers are needed"),
    "no words": ({"text": np.full(N, " ")}, "row 0 has no text"),
    "rows": ({"text": np.zeros((N + 1, 2))}, "differ in their rows: .*text 21"),
    "labels": ({"labels": np.full((N, 2), 3)}, "other values than 0 and 1"),
    "nan labels": ({"labels": np.full((N, 2), np.nan)}, "other values than 0 and 1"),
    "split": ({"split": np.full(N, "tset"), "train": None}, "'tset' in row 0"),
    "split shape": ({"split": np.full((4, 5), "query"), "train": None}, "split has shape"),
    "train": ({"train": np.ones(N, bool)}, "row 0 is to be trained on and is a query"),
    "train shape": ({"train": np.ones(3, bool)}, "train has shape"),
    "train values": ({"train": np.full(N, 7)}, "other values than true and false"),
    "objects": ({"image": np.array([{}] * N)}, "Python objects"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_arrays_give_a_sentence(tmp_path, fault):
    changes, sentence = FAULTS[fault]
    with pytest.raises(InputError, match=sentence):
        load(tmp_path, **changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_named_by_row(tmp_path, value):
    text = np.zeros((N, 3))
    text[7, 1] = value
    pairs = load(tmp_path, text=text)
    with pytest.raises(InputError, match="row 7"):
        give(pairs, "text", tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".h5", ".csv"])
def test_damaged_files_give_a_sentence(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"PK\x03\x04 nothing of the kind" * 50)
    with pytest.raises(InputError, match="not "):
        datasets.load("features", tmp_path, file=f"a{suffix}")


def test_missing_file_gives_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        datasets.load("features", tmp_path, file="a.npz")


def test_unknown_kind_and_option_are_named(tmp_path):
    with pytest.raises(InputError, match="'flickr30k'; known are coco2017, features, folder"):
        datasets.load("flickr30k", tmp_path)
    with pytest.raises(InputError, match="features has no option key; it takes file"):
        datasets.load("features", tmp_path, key=1)


def test_every_kind_has_what_a_kind_needs():
    for kind in datasets.available():
        names = [remote.name for remote in datasets.files(kind)]
        assert len(set(names)) == len(names)


def test_describe_counts_a_data_set(tmp_path):
    text = datasets.describe(load(tmp_path, labels=np.eye(N, 3), train=None))
    assert text == "20 pairs, 3 labels, most frequent label 0 (1), 16 database, 4 query"
