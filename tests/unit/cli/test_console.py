"""``cmimh``: what it does, and one sentence for what it cannot."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_index import CAPTIONS, items_of, picture

from pipeline.cli.attempt import Wish, overlay_of
from pipeline.cli.console import main
from pipeline.datasets import load
from pipeline.features.captions import draw_captions
from pipeline.search.clickhouse import search, statement, write_parquet
from pipeline.search.index import Index, Item, create


@pytest.fixture(scope="module")
def table(photographs):
    """A table of the pictures, with a title each."""
    path = photographs / "all.csv"
    lines = [f'{n}.png,"{CAPTIONS[n]}"' for n in range(40)]
    path.write_text("\n".join(["file,title", *lines]) + "\n")
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_an_index_is_made_filled_searched_and_emptied(model, photographs, table, tmp_path, capsys):
    folder = tmp_path / "index"
    assert run("index", "create", folder, model) == 0
    assert run("index", "add", folder, table, "--device", "cpu") == 0
    capsys.readouterr()
    assert run("index", "info", folder) == 0
    assert "items    40" in capsys.readouterr().out
    assert run("search", folder, "--text", "green", "-k", "3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["query"] == "green"
    assert [hit["caption"] for hit in told["results"]] == ["a green picture"] * 3
    picture(102).save(tmp_path / "q.png")
    assert (
        run("search", folder, "--image", tmp_path / "q.png", "--find", "captions", "-k", "2") == 0
    )
    assert "a blue picture" in capsys.readouterr().out.splitlines()[2]
    assert run("index", "remove", folder, "1.png", "5.png") == 0
    assert run("index", "remove", folder, "1.png") == 2
    assert "no item has the id '1.png'" in capsys.readouterr().err
    assert len(Index(folder)) == 38


def test_a_file_of_queries_is_answered_in_its_order(filled, tmp_path, capsys):
    picture(101).save(tmp_path / "q.png")
    lines = ["red", json.dumps({"image": str(tmp_path / "q.png")}), json.dumps({"text": "dark"})]
    (tmp_path / "queries.txt").write_text("\n".join(lines))
    arguments = ("--queries", tmp_path / "queries.txt", "--json", "-k", "1")
    assert run("search", filled.folder, *arguments) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [int(row["results"][0]["id"]) % 4 for row in found] == [0, 1, 3]


@pytest.mark.parametrize("view", ["image", "text"])
def test_clickhouse_finds_what_faiss_finds(filled, tmp_path, view):
    rng = np.random.default_rng(0)
    assert write_parquet(filled, tmp_path / "it's.parquet") == 40
    for _ in range(5):
        code = rng.random(16) < 0.5
        (expected,) = filled.searchable(view).search(code[None], None, 12)
        found = search(tmp_path / "it's.parquet", code, view, 12)
        assert [hit.distance for hit in found] == [hit.distance for hit in expected]


def test_codes_of_more_than_64_bits_take_several_columns():
    code = np.zeros(100, bool)
    code[[0, 99]] = True
    sql = statement(code, "text", 5, "codes")
    assert "bitHammingDistance(assumeNotNull(text_0), toUInt64(9223372036854775808))" in sql
    assert f"bitHammingDistance(assumeNotNull(text_1), toUInt64({1 << 28}))" in sql


def test_searching_by_clickhouse_from_the_console(filled, tmp_path, capsys):
    assert run("index", "export", filled.folder, tmp_path / "i.parquet") == 0
    engine = ("--engine", "clickhouse", "--parquet", tmp_path / "i.parquet")
    assert run("search", filled.folder, "--text", "blue", *engine, "-k", "2") == 0
    assert "a blue picture" in capsys.readouterr().out


def test_codes_are_written_with_their_names_and_model(model, photographs, tmp_path):
    (tmp_path / "t.txt").write_text("red\n\na green thing\n")
    assert run("encode", model, "--texts", tmp_path / "t.txt", "--out", tmp_path / "t.npz") == 0
    with np.load(tmp_path / "t.npz") as found:
        assert found["codes"].shape == (2, 16) and found["names"].tolist() == [
            "red",
            "a green thing",
        ]
    some = [photographs / "0.png", photographs / "1.png"]
    assert run("encode", model, "--images", *some, "--out", tmp_path / "i.npz") == 0
    with np.load(tmp_path / "i.npz") as found:
        assert found["codes"].dtype == bool and str(found["model"]) != ""


def test_a_table_of_features_is_encoded(model, tmp_path):
    np.save(tmp_path / "f.npy", np.eye(4, dtype=np.float32))
    out = tmp_path / "c.npz"
    assert run("encode", model, "--text-features", tmp_path / "f.npy", "--out", out) == 0
    with np.load(out) as found:
        assert found["codes"].shape == (4, 16)


WRONG = {
    "no index": (("search", "{tmp}/none", "--text", "a"), "no index is here"),
    "no model": (("index", "create", "{tmp}/i", "{tmp}"), "no model is here"),
    "no picture": (("index", "add", "{index}", "{tmp}/none.jpg"), "no such file or folder"),
    "empty folder": (("index", "add", "{index}", "{tmp}"), "holds no picture"),
    "query file": (("search", "{index}", "--queries", "{tmp}/q.txt"), "words, {{\"text\""),
    "query image": (("search", "{index}", "--image", "{tmp}/q.txt"), "cannot be read as an image"),
    "parquet": (("search", "{index}", "--text", "a", "--engine", "clickhouse"), "no such file"),
    "host": (("serve", "{index}", "--host", "0.0.0.0"), "give a --token"),
    "try on nothing": (("try", "{tmp}/none"), "no such file or folder"),
    "try on a folder": (("try", "{tmp}"), "one table is needed beside the pictures (none found)"),
    "try on a few": (("try", "{tmp}/few.csv"), "3 pairs; at least 20 are needed"),
    "try on a picture": (("try", "{tmp}/x.jpg"), "a folder of pictures with a table"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_done_is_one_sentence(case, filled, tmp_path, capsys):
    (tmp_path / "q.txt").write_text('{"video": "a"}')
    (tmp_path / "x.jpg").write_text("none")
    folder = tmp_path
    if case == "try on a few":
        rows = "".join(f"{n}.jpg,words\n" for n in range(3))
        (tmp_path / "few.csv").write_text("image,text\n" + rows)
    if case == "empty folder":
        folder = tmp_path / "empty"
        folder.mkdir()
    arguments, message = WRONG[case]
    places = {"tmp": folder, "index": filled.folder}
    assert run(*(argument.format(**places) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert message.replace("{{", "{") in said and "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: ")


def test_pairs_are_indexed_by_the_codes_beside_their_model(filled, tmp_path):
    """As the demo does; of another training's codes nothing is taken."""
    from pipeline.errors import InputError
    from pipeline.search.index import add_pairs
    from pipeline.storage import store

    cell = tmp_path / "cell" / "models" / "0"
    cell.parent.mkdir(parents=True)
    source = filled.folder / "model"
    cell.symlink_to(source)
    codes = store.Codes([0], np.ones((1, 2, 16), bool), np.zeros((1, 2, 16), bool))
    pairs = store.Pairs(["a", "b"], np.ones((2, 1)), ["x"], captions=[["one"], ["two"]])
    store.write_pairs(tmp_path / "pairs.h5", pairs, store.Provenance("pairs"))
    (tmp_path / "other").write_text("x")
    made = store.Provenance("train", {}, {"image": tmp_path / "other"})
    store.write_codes(tmp_path / "cell" / "codes.h5", codes, made)
    index = create(tmp_path / "i", source)
    resolved = tmp_path / "cell" / "models" / "0"
    with pytest.raises(InputError, match="of two trainings"):
        add_pairs(index, resolved, tmp_path / "pairs.h5")
    store.write_codes(tmp_path / "cell" / "codes.h5", codes, store.Provenance("train", {}, {}))
    assert add_pairs(index, resolved, tmp_path / "pairs.h5") == 2
    assert index.item("b") == Item("b", "", "two")


def test_pairs_that_have_codes_are_not_encoded_again(filled, photographs, tmp_path, monkeypatch):
    """As `cmimh try` does; the pair whose picture could not be read is not there."""
    from pipeline.search.index import add_pairs
    from pipeline.storage import store

    cell = tmp_path / "cell" / "models" / "0"
    cell.parent.mkdir(parents=True)
    cell.symlink_to(filled.folder / "model")
    names = [f"{n}.png" for n in range(3)]
    pairs = store.Pairs(names, np.ones((3, 1)), ["x"], names, str(photographs),
                        captions=[[f"a {n}", f"b {n}"] for n in names])  # fmt: skip
    store.write_pairs(tmp_path / "pairs.h5", pairs, store.Provenance("pairs"))
    with store.feature_writer(tmp_path / "f.h5", (3, 4), store.Provenance("t")) as writer:
        writer.write(slice(3), np.ones((3, 4)), np.array([True, False, True]))
    made = store.Provenance("train", {}, {"image": tmp_path / "f.h5"})
    codes = store.Codes([0], np.ones((1, 3, 16), bool), np.zeros((1, 3, 16), bool))
    store.write_codes(tmp_path / "cell" / "codes.h5", codes, made)
    index = create(tmp_path / "i", filled.folder / "model")
    index.model.about["inputs"] = json.loads(made.attributes["inputs"])
    assert add_pairs(index, cell, tmp_path / "pairs.h5") == 2
    there = [item for item, _, _ in index.items()]
    assert [item.id for item in there] == ["0.png", "2.png"]
    assert [item.caption for item in there] == np.array(draw_captions(pairs, 0))[[0, 2]].tolist()
    monkeypatch.setattr(Index, "_codes", None)  # whatever is encoded now is an error
    assert index.add(there) == 0


@pytest.mark.long
def test_try_goes_from_pictures_to_an_index_without_encoding_them_again(
    table, tmp_path, monkeypatch
):
    monkeypatch.setattr(Index, "_codes", None)
    out = tmp_path / "out"
    assert run("try", table, "--out", out, "--methods", "cvh", "--bits", "8") == 0
    assert (out / "results" / "report.html").is_file() and len(Index(out / "index")) == 40


def test_try_takes_features_of_the_config_by_name(photographs, table, tmp_path):
    entry = {"kind": "folder", "raw": str(photographs), "table": table.name}
    pairs = load("folder", photographs, table=table.name)
    wish = Wish(table, tmp_path, ["cvh"], [8], features="clip-vit-b32")
    overlay = overlay_of(wish, entry, pairs)
    assert overlay["datasets"]["mine"]["features"] == "clip-vit-b32" and not overlay["features"]
    overlay = overlay_of(replace(wish, features="alexnet+bert"), entry, pairs)
    assert overlay["features"]["mine"] == {"image": "alexnet", "text": "bert"}
    assert overlay["datasets"]["mine"]["features"] == "mine"


def test_the_example_of_the_documentation_runs(root, model, photographs, tmp_path, monkeypatch):
    text = (root / "docs" / "models.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(model)
    for name in ("sea.jpg", "dog.jpg"):
        picture(2).save(tmp_path / name)
    scope = {}
    exec(code, scope)
    assert scope["codes"].shape == (2, 16) and scope["distances"].shape == (2, 2)
    assert len(items_of(photographs)) == 40
