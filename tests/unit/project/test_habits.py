"""The study of habits: that what it compares is what it says."""

import numpy as np
import pytest

from benchmarks.habits import Data, Epochs, training_rows, without_rest
from pipeline.methods import create
from pipeline.storage.store import Split


def made_data(n=80, queries=20):
    rng = np.random.default_rng(0)
    image, text = rng.standard_normal((n, 6)), rng.standard_normal((n, 5))
    rows = np.arange(n)
    split = Split(rows[:queries], rows[queries:], rows[queries:], rows[:0])
    labels = rng.random((n, 3)) < 0.5
    return Data(image.astype(np.float32), text.astype(np.float32), labels, split)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("djsrh", {"hidden": 8, "batch_size": 16}),
        ("cirh", {"hidden": 8, "width": 8, "batch_size": 16}),
    ],
)
def test_networks_are_remembered_as_they_were_after_each_epoch(name, params):
    data = made_data()
    watch = Epochs(create(name, bits=8, seed=1, epochs=3, **params))
    watch.fit(data.image, data.text)
    by_epoch = [hasher.project_image(data.image) for hasher in watch.epochs()]
    shorter = create(name, bits=8, seed=1, epochs=2, **params).fit(data.image, data.text)
    assert len(by_epoch) == 3
    np.testing.assert_array_equal(by_epoch[1], shorter.project_image(data.image))
    assert (by_epoch[2] != by_epoch[1]).any()


def test_a_method_without_epochs_has_none():
    data = made_data()
    watch = Epochs(create("cvh", bits=4, seed=0))
    watch.fit(data.image, data.text)
    assert watch.states == []


def test_the_neighbours_of_the_queries_are_nearer_than_rows_drawn_at_random():
    data = made_data()
    drawn, near = training_rows(data, seed=0)
    assert len(drawn) == len(near) == 30
    assert not np.isin(np.concatenate([drawn, near]), data.split.query).any()
    copies = np.arange(20, 40)  # the first twenty of the database become the queries themselves
    data.image[copies], data.text[copies] = data.image[:20], data.text[:20]
    assert np.isin(copies, training_rows(data, seed=0)[1]).all()


def test_a_dropped_batch_leaves_whole_batches():
    rows = np.arange(600)
    kept = without_rest(Split(rows[:300], rows[300:], rows[300:], rows[:0]))
    assert {name: len(part) for name, part in kept.items()} == {"query": 256, "database": 256}
