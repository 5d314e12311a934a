"""Every kind of artefact is read back as it was written, and says what made it."""

import h5py
import numpy as np
import pytest

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.storage import store
from pipeline.storage.files import sha256
from pipeline.storage.store import Codes, Pairs, Provenance, Split

MADE = Provenance("test", {"k": 1})


def test_pairs_come_back(tmp_path):
    pairs = Pairs(
        ids=["a", "ü"],
        labels=np.array([[0, 1], [1, 1]], np.uint8),
        label_names=["x", "y"],
        images=["1.jpg", "z.zip/2.jpg"],
        image_root="/images",
        tags=np.eye(2, 3, dtype=np.uint8),
        tag_names=["s", "t", "u"],
        captions=[["one", "two"], ["thrée"]],
        partition=["query", ""],
        sources=["file.npz"],
    )
    store.write_pairs(tmp_path / "p.h5", pairs, MADE)
    back = store.read_pairs(tmp_path / "p.h5")
    assert len(back) == 2
    for name, value in vars(pairs).items():
        np.testing.assert_equal(getattr(back, name), value, err_msg=name)
    np.testing.assert_array_equal(store.read_labels(tmp_path / "p.h5"), pairs.labels)


def test_pairs_without_texts_or_images_come_back(tmp_path):
    pairs = Pairs(["a"], np.ones((1, 1), np.uint8), ["x"])
    store.write_pairs(tmp_path / "p.h5", pairs, MADE)
    back = store.read_pairs(tmp_path / "p.h5")
    assert back.tags is None and back.captions is None and back.partition is None
    assert back.images == []


def test_features_are_streamed_and_read_by_any_rows(tmp_path):
    block = np.arange(12, dtype=np.float32).reshape(4, 3)
    with store.feature_writer(tmp_path / "f.h5", (5, 3), MADE) as writer:
        writer.write(slice(1, 5), block, valid=np.array([True, False, True, True]))
    with store.open_features(tmp_path / "f.h5") as features:
        assert len(features) == 5 and features.dimensions == 3
        np.testing.assert_array_equal(features.valid, [False, True, False, True, True])
        np.testing.assert_array_equal(features.rows(np.array([4, 1, 3])), block[[3, 0, 2]])
        np.testing.assert_array_equal(features.rows(slice(1, 3)), block[:2])


def test_features_with_a_seed_axis_are_read_by_seed(tmp_path):
    with store.feature_writer(tmp_path / "f.h5", (2, 3, 1), MADE) as writer:
        for seed in (0, 1):
            writer.write(slice(0, 3), np.full((3, 1), seed, np.float32), seed=seed)
    with store.open_features(tmp_path / "f.h5") as features:
        assert len(features) == 3
        assert features.rows(np.array([2, 0]), seed=1).tolist() == [[1], [1]]


def test_a_feature_file_that_was_not_finished_is_not_there(tmp_path):
    with (
        pytest.raises(RuntimeError),
        store.feature_writer(tmp_path / "f.h5", (2, 2), MADE) as writer,
    ):
        writer.write(slice(0, 1), np.ones((1, 2), np.float32))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_splits_come_back(tmp_path):
    splits = {
        s: Split(*(np.array([s, i]) for i in range(3)), np.array([], np.int64)) for s in (0, 7)
    }
    store.write_splits(tmp_path / "s.h5", splits, MADE)
    back = store.read_splits(tmp_path / "s.h5")
    assert list(back) == [0, 7]
    np.testing.assert_equal(vars(back[7]), vars(splits[7]))


@pytest.mark.parametrize("bits", [1, 8, 13, 64])
def test_codes_come_back_with_what_the_method_measured(tmp_path, bits):
    rng = np.random.default_rng(0)
    image, text = rng.random((2, 2, 5, bits)) > 0.5
    store.write_codes(tmp_path / "c.h5", Codes([0, 1], image, text, {"tc": np.ones(2)}), MADE)
    back = store.read_codes(tmp_path / "c.h5")
    assert back.image.dtype == bool
    np.testing.assert_array_equal(back.image, image)
    np.testing.assert_array_equal(back.text, text)
    assert back.diagnostics["tc"].tolist() == [1, 1]


def test_codes_and_labels_left_packed_give_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_ROWS", 3)
    rng = np.random.default_rng(0)
    image, text = rng.random((2, 2, 7, 13)) > 0.5
    labels = rng.integers(0, 2, (7, 9), dtype=np.uint8)
    store.write_codes(tmp_path / "c.h5", Codes([0, 1], image, text), MADE)
    store.write_pairs(tmp_path / "p.h5", Pairs(list("abcdefg"), labels, list("123456789")), MADE)
    codes = store.read_codes(tmp_path / "c.h5", packed=True)
    known = store.read_packed_labels(tmp_path / "p.h5")
    rows = np.array([6, 0, 3])
    for packed, array in ((codes.image[0], image[0]), (codes.text[1], text[1]), (known, labels)):
        assert packed.shape == array.shape and packed.data.nbytes < array.nbytes
        np.testing.assert_array_equal(packed[rows], array[rows])
        np.testing.assert_array_equal(packed[2:5], array[2:5])


def test_packed_labels_other_than_0_and_1_are_refused(tmp_path):
    pairs = Pairs(["a"], np.full((1, 1), 2, np.uint8), ["x"])
    store.write_pairs(tmp_path / "p.h5", pairs, MADE)
    with pytest.raises(InputError, match="a label is 2; labels are 0 or 1"):
        store.read_packed_labels(tmp_path / "p.h5")


def test_real_valued_codes_come_back_as_floats(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
    store.write_codes(tmp_path / "c.h5", Codes([0], vectors, -vectors), MADE)
    np.testing.assert_array_equal(store.read_codes(tmp_path / "c.h5").text, -vectors)


def test_metrics_come_back_by_group(tmp_path):
    metrics = {"i2t": {"ap@50": np.ones((2, 3))}, "codes": {"corr_mse_image": np.zeros(2)}}
    store.write_metrics(tmp_path / "m.h5", metrics, [0, 1], MADE)
    back = store.read_metrics(tmp_path / "m.h5")
    assert back.seeds == [0, 1]
    np.testing.assert_equal(dict(back.groups), metrics)


def test_a_file_says_what_made_it(tmp_path):
    (tmp_path / "input").write_text("x")
    made = Provenance("test", {"k": [1]}, {"input": tmp_path / "input"})
    store.write_metrics(tmp_path / "m.h5", {}, [3], made)
    said = store.provenance_of(tmp_path / "m.h5")
    assert said["stage"] == "test" and said["version"] == __version__
    assert said["params"] == {"k": [1]}
    assert said["inputs"] == {"input": sha256(tmp_path / "input")}
    assert said["input_paths"] == {"input": str(tmp_path / "input")}
    assert said["libraries"]["numpy"] == np.__version__


def test_a_file_that_other_libraries_made_is_noticed_when_it_is_read(tmp_path, monkeypatch, caplog):
    store.write_metrics(tmp_path / "m.h5", {}, [3], MADE)
    store.read_metrics(tmp_path / "m.h5")
    assert not caplog.records
    monkeypatch.setattr(store, "libraries", lambda: {"numpy": np.__version__, "torch": "99.1"})
    store.read_metrics(tmp_path / "m.h5")
    store.read_metrics(tmp_path / "m.h5")
    assert not caplog.records  # each file is looked at once
    store._notice.cache_clear()
    store.read_metrics(tmp_path / "m.h5")
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path}/m.h5 was made with torch ") and "(now 99.1)" in said
    assert "numpy" not in said


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        store.write_metrics(tmp_path / name, {"i2t": {"x": np.arange(5000)}}, [0], MADE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_wrong_file_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file; a codes file is needed"):
        store.read_codes(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        store.read_codes(tmp_path / "text.h5")
    store.write_metrics(tmp_path / "m.h5", {}, [0], MADE)
    with pytest.raises(InputError, match="a codes file is needed, this holds metrics"):
        store.read_codes(tmp_path / "m.h5")


def test_files_of_other_layouts_are_refused_and_made_again(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "m.h5", "w") as file:  # the first layout had no seal
        file.attrs.update({"kind": "metrics", "layout": 1})
    with pytest.raises(InputError, match=r"written in layout 1, or not .* delete the file and run"):
        store.read_metrics(tmp_path / "m.h5")
    with monkeypatch.context() as later:
        later.setattr(store, "LAYOUT", 99)
        store.write_metrics(tmp_path / "m.h5", {}, [0], MADE)
    with pytest.raises(InputError, match="written in layout 99, this version reads layout"):
        store.read_metrics(tmp_path / "m.h5")
