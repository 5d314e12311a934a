"""Splits: disjoint, complete, repeatable, and drawn by the protocol."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.splits import draw

ALL = np.ones(200, bool)


def split(valid=ALL, partition=None, **protocol):
    protocol = {"seed": 0, "dataset": "d", "query": 20, "train": 50, **protocol}
    return draw(valid, partition, **protocol)


@given(
    st.lists(st.booleans(), min_size=60, max_size=120),
    st.integers(1, 10),
    st.integers(1, 10),
    st.integers(0, 10),
    st.integers(0, 5),
)
def test_parts_are_disjoint_complete_and_within_the_valid_rows(valid, query, train, held, seed):
    valid = np.array(valid) | (np.arange(len(valid)) < 40)
    s = split(valid, query=query, train=train, validation=held, seed=seed)
    assert len(s.query) == query and len(s.train) == train and len(s.validation) == held
    np.testing.assert_array_equal(np.union1d(s.query, s.database), np.flatnonzero(valid))
    assert not np.intersect1d(s.query, s.database).size
    assert not np.intersect1d(s.train, s.validation).size
    assert np.isin(s.train, s.database).all() and np.isin(s.validation, s.database).all()


def test_the_same_seed_draws_the_same_split_and_another_seed_another():
    assert np.array_equal(split(seed=3).query, split(seed=3).query)
    assert not np.array_equal(split(seed=3).query, split(seed=4).query)


def test_the_name_of_the_data_set_does_not_matter():
    np.testing.assert_array_equal(split(dataset="a").query, split(dataset="b").query)


def test_training_sizes_share_their_queries_and_nest():
    small, large = split(train=40), split(train=80)
    assert np.array_equal(small.query, large.query)
    assert np.isin(small.train, large.train).all()


def test_a_share_of_queries_is_taken_of_the_valid_rows():
    valid = np.arange(200) < 100
    assert len(split(valid, query=0.05).query) == 5


def test_training_on_the_database_leaves_out_the_validation_rows():
    s = split(train="database", validation=30)
    np.testing.assert_array_equal(np.union1d(s.train, s.validation), s.database)


def test_given_rows_come_from_the_data_set():
    partition = ["query"] * 20 + ["train"] * 60 + ["database"] * 120
    s = split(partition=partition, query="given", train="given")
    np.testing.assert_array_equal(s.query, np.arange(20))
    np.testing.assert_array_equal(s.train, np.arange(20, 80))
    assert len(s.database) == 180


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ({"query": "given"}, "does not divide its pairs"),
        ({"query": "some"}, "a number, a share or 'given'"),
        ({"train": "some"}, "a number, 'database' or 'given'"),
        ({"train": 500}, "500 train rows are asked for, but only 180"),
        ({"query": 200}, "database part of the split is empty"),
        ({"query": 0.001}, "query part of the split is empty"),
        ({"validation": 170}, "50 train rows are asked for, but only 10"),
        ({"validation": 180, "train": "database"}, "train part of the split is empty"),
    ],
)
def test_an_impossible_protocol_is_refused_with_a_sentence(protocol, sentence):
    with pytest.raises(InputError, match=sentence):
        split(**protocol)
