"""Splits: disjoint, complete, repeatable, and drawn by the protocol."""

import json

import h5py
import numpy as np
import pytest
import scipy.io
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets._split_files import read_split
from pipeline.errors import InputError
from pipeline.names import parse_name
from pipeline.runs import plan
from pipeline.splits import draw, write_splits
from pipeline.storage import store
from pipeline.storage.store import Pairs

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
        ("dcmh", MIR, 2000, 18_015, 10_000, 0),
        ("dcmh-2100", NUS, 2100, 184_477, 10_500, 0),
        ("rest", MIR, 2000, 18_015, 18_015, 0),
        ("rest-2100", NUS, 2100, 184_477, 184_477, 0),
        ("rest-5000", COCO, 5000, 117_218, 117_218, 0),
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
    drawn = {name for name, entry in config["splits"].items() if entry["query"] != "given"}
    assert drawn <= {parse_name(case[0])[0] for case in cases}


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


# --- splits in files ------------------------------------------------------------------------------

NAMES = [f"im{n}" for n in (1, 3, 4, 7, 9, 12, 20, 21)]


def some_pairs(ids=NAMES, images=True):
    return Pairs(
        ids=ids,
        labels=np.ones((len(ids), 1), np.uint8),
        label_names=["a"],
        images=[f"mirflickr/{name}.jpg" for name in ids] if images else (),
    )


def files(folder, **content):
    """A file a part, its entries a line each."""
    for part, lines in content.items():
        (folder / f"{part}.txt").write_text("\n".join(map(str, lines)) + "\n")
    return {part: str(folder / f"{part}.txt") for part in content}


EXPECTED = ["query", "query", "train", "train", "database", "database", "database", "unused"]
ENTRIES = {  # query, train, database: the same rows by other names
    "ids": [NAMES[:2], NAMES[2:4], NAMES[2:7]],
    "files": [[f"{n}.jpg" for n in part] for part in (NAMES[:2], NAMES[2:4], NAMES[2:7])],
    "their paths": [[f"/data/x/{n}.jpg" for n in p] for p in (NAMES[:2], NAMES[2:4], NAMES[2:7])],
    "DeepHash": [[f"a/{n}.jpg 0 1 0" for n in p] for p in (NAMES[:2], NAMES[2:4], NAMES[2:7])],
    "numbers": [[1, 3], [4, 7], [4, 7, 9, 12, 20]],
    "rows from 0": [[0, 1], [2, 3], [2, 3, 4, 5, 6]],
}


@pytest.mark.parametrize("form", ["text", "json", "mat", "npz", "h5"])
@pytest.mark.parametrize("entries", ENTRIES)
def test_published_lists_of_every_form(tmp_path, entries, form):
    lists = dict(zip(("query", "train", "database"), ENTRIES[entries], strict=True))
    if form == "text":
        file = files(tmp_path, **lists)
    elif form == "json":
        (tmp_path / "a.json").write_text(json.dumps(lists))
        file = str(tmp_path / "a.json")
    else:
        file = str(tmp_path / f"a.{form}")
        words = isinstance(lists["query"][0], str)
        if form == "mat":
            cell = {k: np.array(v, object)[:, None] if words else v for k, v in lists.items()}
            scipy.io.savemat(file, {f"{k}_list": v for k, v in cell.items()})
        elif form == "npz":
            np.savez(file, **{f"idx_{k}": v for k, v in lists.items()})
        else:
            with h5py.File(file, "w") as out:
                for name, values in lists.items():
                    out[name] = values
    by = "row" if entries == "rows from 0" else None
    assert read_split(file, some_pairs(), 0, by=by) == EXPECTED


def test_numbers_that_read_both_ways_are_asked_about(tmp_path):
    numbers = files(tmp_path, query=[1, 3], train=[4, 7], database=[4, 7])
    with pytest.raises(InputError, match=r"ids or names \(`by: id`\) or rows \(`by: row`\)"):
        read_split(numbers, some_pairs(), 0)
    assert read_split(numbers, some_pairs(), 0, by="id")[:2] == ["query", "query"]
    assert read_split(numbers, some_pairs(), 0, by="row", first=1)[2] == "query"
    plain = some_pairs([str(row) for row in range(8)], images=False)
    with pytest.raises(InputError, match="`first: 0`"):
        read_split(numbers, plain, 0)
    rows = files(tmp_path, query=[0, 1], database=[4, 7])
    assert read_split(rows, plain, 0)[:2] == ["query", "query"]


def test_names_of_no_pair_are_counted_and_named(tmp_path, caplog):
    assert "query" in read_split(files(tmp_path, query=[*NAMES[:2], "im99"]), some_pairs(), 0)
    assert "1 of 3 names are of no pair: im99" in caplog.text
    with pytest.raises(InputError, match="none of its 1 names, such as 'dog'"):
        read_split(files(tmp_path, query=["dog"]), some_pairs(), 0)


def test_our_table_is_read_back_as_the_same_splits(tmp_path):
    ids = ["a,b", 'c"d', *(f"id {n}" for n in range(38))]
    pairs = Pairs(ids=ids, labels=np.ones((40, 1)), label_names=["a"])
    for view in ("image", "text"):
        with store.feature_writer(tmp_path / view, (40, 2), store.Provenance("t")) as writer:
            writer.write(slice(0, 40), np.ones((40, 2)), np.arange(40) != 7)
    store.write_pairs(tmp_path / "pairs", pairs, store.Provenance("t"))
    inputs = [tmp_path / name for name in ("pairs", "image", "text")]
    common = {"seeds": [0, 3], "dataset": "d"}
    ours = {"query": 5, "train": 10, "validation": 4}
    write_splits(*inputs, tmp_path / "a.h5", tmp_path / "a.csv", **common, **ours)
    table = (tmp_path / "a.csv").read_text()
    assert table.startswith("id,0,3\n") and "id 5,unused,unused\n" in table
    again = {"file": str(tmp_path / "a.csv")}
    write_splits(*inputs, tmp_path / "b.h5", tmp_path / "b.csv", **common, **again)
    assert (tmp_path / "b.csv").read_text() == table
    one, two = store.read_splits(tmp_path / "a.h5"), store.read_splits(tmp_path / "b.h5")
    for seed in (0, 3):
        for part in ("query", "database", "train", "validation"):
            np.testing.assert_array_equal(getattr(one[seed], part), getattr(two[seed], part))
    fewer = {**again, "train": 3}
    write_splits(*inputs, tmp_path / "c.h5", tmp_path / "c.csv", **common, **fewer)
    assert len(store.read_splits(tmp_path / "c.h5")[0].train) == 3


def test_a_table_with_one_column_of_parts_serves_every_seed(tmp_path):
    lines = ["id,split", *(f"{n},{p}" for n, p in zip(NAMES, EXPECTED, strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert read_split(str(tmp_path / "a.csv"), some_pairs(), 5) == EXPECTED


def test_rows_apart_are_trained_on_and_never_searched():
    partition = ["query"] * 20 + ["apart"] * 60 + ["database"] * 110 + ["unused"] * 10
    s = split(partition=partition, query="given", train="given")
    np.testing.assert_array_equal(s.train, np.arange(20, 80))
    np.testing.assert_array_equal(s.database, np.arange(80, 190))


FAULTS = {
    "no table": ("a.csv", None, "a.csv: no such file"),
    "header": ("a.csv", "name,part\n", "columns id and split, or one named by the seed 0"),
    "short": ("a.csv", "id,0\nim1\n", "line 2: 2 fields"),
    "word": ("a.csv", "id,0\nim1,asks\n", "'asks' in row 0; 'query' or 'database' is needed"),
    "json": ("a.json", "{", "not readable as JSON"),
    "json form": ("a.json", "[1]", "an object like"),
    "text": ("a.txt", "im1", "which part does it list"),
    "by": ("a.json", '{"query": ["im1"]}', "by is 'x'; id or row"),
    "names as rows": ("a.json", '{"query": ["im1"]}', "the lists hold names"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_split_files_give_a_sentence(tmp_path, fault):
    name, content, sentence = FAULTS[fault]
    if content is not None:
        (tmp_path / name).write_text(content)
    by = {"by": "x", "names as rows": "row"}.get(fault)
    with pytest.raises(InputError, match=sentence):
        read_split(str(tmp_path / name), some_pairs(), 0, by=by)


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=99), st.text(alphabet='im1²3,"\n\0-[]{}:querytain', max_size=99)),
    st.sampled_from(["a.csv", "a.tsv", "a.json", "a.npz", "a.mat", "lines"]),
)
def test_no_content_brings_anything_but_a_split_or_a_sentence(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    content = content if isinstance(content, bytes) else content.encode()
    heads = {"a.csv": b"id,0\n", "a.tsv": b"id\t0\n"}
    for head in {b"", heads.get(name, b"")}:
        path.write_bytes(head + content)
        try:
            read_split({"query": str(path)} if name == "lines" else str(path), some_pairs(), 0)
        except InputError as error:
            assert path.name in str(error)
