"""An index of codes: what it finds, in which order, and what a kill or a wrong model leaves."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_index import WORDS, items_of, picture

from pipeline.errors import InputError
from pipeline.search import index as indexes
from pipeline.search.index import Index, Item
from pipeline.search.ranking import Codes


def brute(packed, code, values, k):
    bits = np.unpackbits(packed, axis=1, count=len(code)).astype(bool)
    distance = (bits != code).sum(axis=1)
    score = np.zeros(len(bits)) if values is None else (2.0 * bits - 1) @ values
    return sorted(range(len(bits)), key=lambda i: (distance[i], -score[i], i))[:k], distance


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 40), st.sampled_from([5, 16, 64]),
       st.booleans())  # fmt: skip
def test_the_nearest_are_those_of_a_full_sort(seed, n, k, bits, real):
    rng = np.random.default_rng(seed)
    packed = np.packbits(rng.random((n, bits)) < 0.3, axis=1)
    values = rng.normal(size=bits)
    places, distances, _ = Codes(packed, bits).nearest(values > 0, values if real else None, k)
    expected, distance = brute(packed, values > 0, values if real else None, k)
    assert places.tolist() == expected
    assert distances.tolist() == distance[expected].tolist()


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_indexes_find_most_of_the_nearest(kind):
    rng = np.random.default_rng(0)
    packed = np.packbits(rng.random((4000, 64)) < 0.5, axis=1)
    found = Codes(packed, 64, kind)
    hits = sum(found.nearest(np.unpackbits(packed[i]) > 0, None, 1)[0][0] == i for i in range(50))
    assert hits > 45


def test_an_empty_index_finds_nothing():
    assert len(Codes(np.empty((0, 2), np.uint8), 16).nearest(np.ones(16, bool), None, 5)[0]) == 0


# --- a real one -----------------------------------------------------------------------------------


def colours(hits):
    return [int(hit.item.id) % 4 for hit in hits]


def test_words_find_images_and_images_find_captions_and_images(filled, photographs):
    for colour, word in enumerate(WORDS):
        values = filled.model.project_texts([f"something {word}"])
        (hits,) = filled.searchable("image").search(values > 0, values, k=8)
        assert colours(hits).count(colour) >= 7
    values = filled.model.project_images([picture(n) for n in range(100, 104)])
    for view in ("image", "text"):
        found = filled.searchable(view).search(values > 0, values, k=5)
        assert [colours(hits)[0] for hits in found] == [0, 1, 2, 3]
    assert [hit.distance for hit in found[0]] == sorted(hit.distance for hit in found[0])


def test_adding_ten_encodes_ten_and_adding_again_none(photographs, model, tmp_path, monkeypatch):
    index = indexes.create(tmp_path / "i", model)
    index.add(items_of(photographs, range(30)))
    encoded = []
    images = index.model.encode_images
    monkeypatch.setattr(index.model, "encode_images", lambda x: encoded.append(len(x)) or images(x))
    assert index.add(items_of(photographs)) == 10
    assert encoded == [10] and len(index) == 40
    assert index.add(items_of(photographs)) == 0
    changed = Item("3", items_of(photographs, [3])[0].path, "another caption")
    assert index.add([changed]) == 1 and index.item("3") == changed and len(index) == 40


def test_removing_is_all_or_none(photographs, model, tmp_path):
    index = indexes.create(tmp_path / "i", model)
    index.add(items_of(photographs, range(5)))
    with pytest.raises(InputError, match="no item has the id 'x'; none is removed"):
        index.remove(["1", "x"])
    assert len(index) == 5
    assert index.remove(["1", "2"]) == 2
    assert [item.id for item, *_ in index.items()] == ["0", "3", "4"]
    with pytest.raises(InputError, match="no item has the id '1'"):
        index.item("1")


def test_an_image_that_cannot_be_read_leaves_the_index_as_it_was(photographs, model, tmp_path):
    index = indexes.create(tmp_path / "i", model)
    (tmp_path / "bad.jpg").write_bytes(b"none")
    bad = [*items_of(photographs, range(3)), Item("bad", str(tmp_path / "bad.jpg"))]
    with pytest.raises(InputError, match=r"bad\.jpg cannot be read as an image"):
        index.add(bad)
    with pytest.raises(InputError, match=r"gone\.jpg cannot be read"):
        index.add([Item("gone", str(tmp_path / "gone.jpg"))])
    assert len(index) == 0
    for wrong, message in (
        ([Item("a", "", "x"), Item("a", "", "y")], "the id 'a' is given twice"),
        ([Item("a")], "neither an image nor a caption"),
        ([Item("", "", "x")], "has no id"),
    ):
        with pytest.raises(InputError, match=message):
            index.add(wrong)


def test_codes_of_another_model_are_refused(filled, photographs, model, tmp_path):
    index = indexes.create(tmp_path / "i", model)
    codes = np.zeros((1, 16), bool)
    with pytest.raises(InputError, match="these codes are of another model"):
        index.add_codes([Item("a")], codes, None, "0" * 64)
    index.add_codes([Item("a")], codes, None, filled.identity)
    assert len(index) == 1
    description = index.folder / "model" / "model.json"
    description.write_text(description.read_text() + " ")
    with pytest.raises(InputError, match="codes of another model than the one beside them"):
        Index(index.folder).add([Item("b", "", "red")])


def test_what_is_no_index_is_refused(tmp_path, model):
    with pytest.raises(InputError, match="no index is here"):
        Index(tmp_path)
    (tmp_path / "items.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="cannot be used as an index"):
        Index(tmp_path)
    with pytest.raises(InputError, match="is not empty"):
        indexes.create(tmp_path, model)
    index = indexes.create(tmp_path / "i", model)
    with sqlite3.connect(index.folder / "items.sqlite") as database:
        database.execute("CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END")
    with pytest.raises(InputError, match="holds triggers"):
        index.add([Item("a", "", "red")])


ADDING = """
import sys
from pathlib import Path
from pipeline.search.index import Index, Item
folder, pictures = map(Path, sys.argv[1:3])
index = Index(folder, "cpu")
items = [Item(p.stem, str(p), "a red picture") for p in sorted(pictures.glob("1*.png"))]
index.model.encode_images([items[0].path])
print("ready", flush=True)
sys.stdin.readline()
index.add(items)
print("done", flush=True)
"""


@pytest.mark.long
def test_a_kill_while_adding_leaves_the_old_index_or_the_new_one(
    photographs, model, tmp_path, root
):
    """Thirty kills at random moments of an ``add`` of eleven items to an index of one."""
    rng, outcomes, took = np.random.default_rng(0), [], 1.0
    for number in range(31):
        index = indexes.create(tmp_path / f"{number}", model)
        index.add([Item("old", "", "a blue picture")])
        process = subprocess.Popen(
            [sys.executable, "-c", ADDING, index.folder, photographs], cwd=root,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.stdin.write("\n")
        process.stdin.flush()
        if number:
            time.sleep(rng.random() * took * 1.1)
            os.kill(process.pid, signal.SIGKILL)
        else:  # the first one lives, to tell how long an add takes
            assert process.stdout.readline() == "done\n"
            took = time.monotonic() - began
        process.communicate()
        found = {item.id for item, *_ in Index(index.folder).items()}
        outcomes.append(len(found))
        assert "old" in found and len(found) in (1, 12)
        Index(index.folder).add(items_of(photographs, [1, *range(10, 20)]))
        assert len(Index(index.folder)) == 12
    assert outcomes.count(1) >= 10
