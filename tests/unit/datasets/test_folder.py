"""Your own table: both forms give the same pairs, and every fault names file and line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import datasets
from pipeline.errors import InputError
from pipeline.storage import store

HEADER = "id,image,text,labels,tags,split\n"
CSV = HEADER + 'a,x/1.jpg,"A dog, barking.",dog;animal,pet,query\nb,z.zip/2.jpg,Sky,,,database\n'
RECORDS = [
    {"id": "a", "image": "x/1.jpg", "text": "A dog, barking.", "labels": ["dog", "animal"],
     "tags": ["pet"], "split": "query"},
    {"id": "b", "image": "z.zip/2.jpg", "text": ["Sky"], "labels": "", "split": "database"},
]  # fmt: skip


def load(folder, content, name="pairs.csv"):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return datasets.load("folder", folder, table=name)


def fails(folder, content, sentence, name="pairs.csv"):
    with pytest.raises(InputError, match=sentence) as caught:
        load(folder, content, name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def json_lines(records):
    return "\n".join(json.dumps(record) for record in records)


@pytest.mark.parametrize("form", ["csv", "csv with BOM", "csv with CRLF", "jsonl"])
def test_both_forms_give_the_same_pairs(tmp_path, form):
    content = {
        "csv": CSV + "\n\n",
        "csv with BOM": b"\xef\xbb\xbf" + CSV.encode(),
        "csv with CRLF": CSV.replace("\n", "\r\n"),
        "jsonl": json_lines(RECORDS) + "\n\n",
    }[form]
    pairs = load(tmp_path, content, "t.jsonl" if form == "jsonl" else "t.csv")
    assert pairs.ids == ["a", "b"] and pairs.images == ["x/1.jpg", "z.zip/2.jpg"]
    assert pairs.captions == [["A dog, barking."], ["Sky"]]
    assert pairs.label_names == ["animal", "dog"] and pairs.tag_names == ["pet"]
    np.testing.assert_array_equal(pairs.labels, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(pairs.tags, [[1], [0]])
    assert pairs.partition == ["query", "database"] and pairs.image_root == str(tmp_path)


def test_a_table_in_a_sub_folder_has_its_images_beside_it(tmp_path):
    (tmp_path / "sub").mkdir()
    pairs = load(tmp_path, "id,image,text,labels\na,1.jpg,t,l\n", "sub/t.csv")
    assert pairs.image_root == str(tmp_path / "sub") and pairs.partition is None


def test_tags_alone_are_enough(tmp_path):
    pairs = load(tmp_path, "id,image,labels,tags\na,1.jpg,l,t;u\n")
    assert pairs.captions is None and pairs.tag_names == ["t", "u"] and pairs.tags is not None


def test_more_than_64_labels_and_odd_file_names_survive_the_store(tmp_path):
    labels = ";".join(f"label {j}" for j in range(70))
    names = ["a b.jpg", "-rf.jpg", "it's.jpg", "日本.jpg", "new\nline.jpg"]
    rows = [
        {"id": str(i), "image": name, "text": "t", "labels": labels} for i, name in enumerate(names)
    ]
    pairs = load(tmp_path, json_lines(rows), "t.jsonl")
    store.write_pairs(tmp_path / "pairs.h5", pairs, store.Provenance("pairs"))
    back = store.read_pairs(tmp_path / "pairs.h5")
    assert back.labels.shape == (5, 70) and back.labels.all() and back.images == names


def row(**changes):
    record = {"id": "c", "image": "1.jpg", "text": "t", "labels": "l", "tags": "", "split": ""}
    return CSV + ",".join({**record, **changes}.values()) + "\n"


CSV_FAULTS = {
    "empty": ("", "line 1: has no image; needed"),
    "header only": (HEADER, "lists no pair"),
    "no text": ("id,image,labels\na,b,c\n", "line 1: has no text"),
    "unknown column": ("id,image,text,labels,lable\n", "line 1: 'lable' is none of"),
    "column twice": ("id,image,text,text,labels\n", "line 1: a column is named twice"),
    "id twice": (row(id="a"), "line 4: the id 'a' was given before, in .*line 2"),
    "blank row": (CSV + ",,,,,\n", "line 4: the id is blank"),
    "blank image": (row(image=" "), "line 4: the image is blank"),
    "blank text": (row(text=""), "line 4: the text is blank"),
    "short row": (CSV + "c,1.jpg\n", "line 4: 2 fields, the header has 6"),
    "long row": (row(split="query,x"), "line 4: 7 fields"),
    "split": (row(split="test"), "line 4: the split is 'test'; query, database or train"),
    "escape": (row(image="../1.jpg"), "line 4: the image '../1.jpg' is not a path below"),
    "escape inside": (row(image="a.zip/../../1.jpg"), "line 4: .* is not a path below"),
    "absolute": (row(image="/etc/passwd"), "line 4: .* is not a path below"),
    "open quote": (row(text='"open'), "line 4: not readable as CSV"),
    "latin-1": (CSV.encode() + "c,é.jpg,t,l,,\n".encode("latin-1"), "line 4: not UTF-8"),
    "utf-16": (CSV.encode("utf-16"), "line 1: not UTF-8"),
    "NUL": (row(text="a\0b"), "line 4: text holds a NUL"),
}


@pytest.mark.parametrize("fault", CSV_FAULTS)
def test_a_damaged_csv_gives_a_sentence_with_the_line(tmp_path, fault):
    fails(tmp_path, *CSV_FAULTS[fault])


JSON_FAULTS = {
    "broken": ('{"id": ', "line 2: not readable as JSON"),
    "deep": ("[" * 100_000, "line 2: not readable as JSON"),
    "list": ("[1]", "line 2: a JSON object is needed"),
    "key": ('{"id": "c", "image": "x"}', "line 2: has no text"),
    "number": ('{"id": 1.5, "image": "x", "text": "t", "labels": ""}', "line 2: id must be text"),
    "labels": ('{"id": "c", "image": "x", "text": "t", "labels": [1]}', "line 2: labels must be"),
    "text": ('{"id": "c", "image": "x", "text": {}, "labels": ""}', "line 2: text must be"),
    "text left out": (
        '{"id": "c", "image": "x", "tags": "t", "labels": ""}',
        "line 2: has no text",
    ),
}


@pytest.mark.parametrize("fault", JSON_FAULTS)
def test_a_damaged_json_line_gives_a_sentence_with_the_line(tmp_path, fault):
    text, sentence = JSON_FAULTS[fault]
    fails(tmp_path, f"{json.dumps(RECORDS[0])}\n{text}\n", sentence, "t.jsonl")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"pairs.csv: no such table"):
        datasets.load("folder", tmp_path)


@given(
    content=st.one_of(st.binary(max_size=200), st.text(alphabet='",;\n\r\0aé{}[]:', max_size=99))
)
def test_no_content_brings_anything_but_pairs_or_a_sentence(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    tail = content if isinstance(content, bytes) else content.encode()
    for name, head in (("f.csv", HEADER.encode()), ("f.jsonl", b"")):
        try:
            load(folder, head + tail, name)
        except InputError as error:
            assert name in str(error)
