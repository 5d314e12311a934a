"""Codes handed over to faiss find the same neighbours there."""

import sys

import faiss
import numpy as np
import pytest

from pipeline.cli import stages
from pipeline.errors import InputError
from pipeline.storage import export, store

MADE = store.Provenance("test")


@pytest.fixture(params=[12, 16, 64])
def codes(request, tmp_path):
    """Two seeds of 500 pairs, the first 20 of which ask."""
    rng = np.random.default_rng(0)
    image, text = rng.random((2, 2, 500, request.param)) < 0.5
    drawn = store.Codes([3, 7], image, text)
    store.write_codes(tmp_path / "codes.h5", drawn, MADE)
    return drawn


def distances(query, database):
    return (query[:, None] != database[None]).sum(axis=2)


def test_an_exported_index_has_the_neighbours_of_the_evaluation(codes, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_BLOCK", 128)
    files = ["--codes", str(tmp_path / "codes.h5"), "--out", str(tmp_path / "text.faiss")]
    assert stages.main(["export", *files, "--view", "text", "--seed", "7"]) == 0
    index = faiss.read_index_binary(str(tmp_path / "text.faiss"))
    query = codes.image[1, :20]
    found, items = index.search(np.packbits(query, axis=1), 10)
    expected = distances(query, codes.text[1])
    np.testing.assert_array_equal(found, np.sort(expected, axis=1)[:, :10])
    np.testing.assert_array_equal(np.take_along_axis(expected, items, axis=1), found)


def test_an_index_that_has_to_be_trained_is(codes, tmp_path):
    out = tmp_path / "image.faiss"
    assert export.export(tmp_path / "codes.h5", out, view="image", seed=3, index="BIVF4") == 500
    index = faiss.read_index_binary(str(out))
    faiss.downcast_IndexBinary(index).nprobe = 4  # all lists: exact
    query = codes.text[0, :20]
    found = index.search(np.packbits(query, axis=1), 10)[0]
    expected = np.sort(distances(query, codes.image[0]), axis=1)[:, :10]
    np.testing.assert_array_equal(found, expected)


def test_what_cannot_be_exported_is_said_in_one_sentence(tmp_path, monkeypatch):
    place, out = tmp_path / "codes.h5", tmp_path / "out.faiss"
    store.write_codes(place, store.Codes([0], *np.ones((2, 1, 9, 16), bool)), MADE)
    with pytest.raises(InputError, match="no seed 1; there are 0"):
        export.export(place, out, view="text", seed=1)
    with pytest.raises(InputError, match="no binary index 'nonsense'"):
        export.export(place, out, view="text", seed=0, index="nonsense")
    store.write_codes(place, store.Codes([0], *np.ones((2, 1, 9, 16), np.float32)), MADE)
    with pytest.raises(InputError, match="real-valued"):
        export.export(place, out, view="text", seed=0)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="install faiss-cpu"):
        export.export(place, out, view="text", seed=0)
    assert not out.exists()
