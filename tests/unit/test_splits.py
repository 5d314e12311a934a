"""Splits: disjoint, complete, repeatable, and drawn by the protocol."""

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline import plan
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
    parts = np.concatenate([s.query, s.database, s.validation])  # each row in one of them
    np.testing.assert_array_equal(np.sort(parts), np.flatnonzero(valid))
    assert np.isin(s.train, s.database).all()


MIR, NUS, COCO = 20_015, 186_577, 117_266 + 4_952


@pytest.mark.parametrize(
    ("protocol", "pairs", "query", "database", "train", "validation"),
    [
        ("paper", MIR, 2000, 18_015, 5000, 0),
        ("paper", NUS, 2000, 184_577, 5000, 0),
        ("paper,train=20000", NUS, 2000, 184_577, 20_000, 0),
        ("official", COCO, 4952, 117_266, 5000, 0),
        ("given", COCO, 4952, 117_266, 117_266, 0),
        ("share5", MIR, 1001, 19_014, 19_014, 0),
        ("share1", NUS, 1866, 184_711, 184_711, 0),
        ("thousand", COCO, 1000, 120_218, 120_218, 1000),
        ("handcrafted", NUS, 2000, 184_577, 20_000, 0),
    ],
)
def test_a_protocol_of_the_paper_has_its_sizes(
    root, protocol, pairs, query, database, train, validation
):
    """At the true sizes of the paper's sets; the parts have no row in common, for two seeds."""
    config = yaml.safe_load((root / "config.yaml").read_text())
    partition = np.where(np.arange(pairs) < 4952, "query", "database").tolist()
    for seed in (0, 1):
        s = draw(np.ones(pairs, bool), partition, seed=seed, dataset="d",
                 **plan.split_params(config, protocol))  # fmt: skip
        sizes = [len(part) for part in (s.query, s.database, s.train, s.validation)]
        assert sizes == [query, database, train, validation]
        parts = np.concatenate([s.query, s.database, s.validation])
        np.testing.assert_array_equal(np.sort(parts), np.arange(pairs))
        assert len(np.unique(s.train)) == train and np.isin(s.train, s.database).all()


def test_every_protocol_of_the_config_has_such_a_test(root):
    config = yaml.safe_load((root / "config.yaml").read_text())
    cases = test_a_protocol_of_the_paper_has_its_sizes.pytestmark[0].args[1]
    assert set(config["splits"]) == {plan.parse_name(case[0])[0] for case in cases}


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
    np.testing.assert_array_equal(s.train, s.database)
    assert len(s.database) == 150 and not np.isin(s.validation, s.database).any()


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
        ({"validation": 180, "train": "database"}, "database part of the split is empty"),
    ],
)
def test_an_impossible_protocol_is_refused_with_a_sentence(protocol, sentence):
    with pytest.raises(InputError, match=sentence):
        split(**protocol)
