"""The page of the docs that says what to do with what one has: every line is tried here."""

import json
import os
import re

import matlab73
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import yaml
from nuswide_files import make as make_nuswide

from pipeline import datasets
from pipeline.datasets._split_files import read_split, write_table
from pipeline.errors import InputError
from pipeline.runs import plan
from pipeline.splits import draw
from pipeline.storage import store

N = 40
rng = np.random.default_rng(0)
IMAGE, TEXT = rng.normal(size=(N, 6)), rng.normal(size=(N, 5))
LABELS = (rng.random((N, 4)) < 0.5).astype(np.uint8)
PIXELS = rng.integers(0, 256, (9, 9, 3, N), np.uint8)  # as MATLAB has them
SPLIT = np.repeat(["query", "database"], [10, 30])
TRAIN = np.arange(N) >= 20
NAMES = [f"im{i + 1}.jpg" for i in range(N)]
ALL = {"XAll": IMAGE, "YAll": TEXT, "LAll": LABELS}
PLAIN = {"image": IMAGE, "text": TEXT, "labels": LABELS, "split": SPLIT}
PARTS = {"te": slice(10), "db": slice(10, N), "tr": slice(20, N)}


def halves(view, array, parts=PARTS):
    return {f"{view}_{part}": array[rows] for part, rows in parts.items()}


def cells(values):
    out = np.empty((len(values), 1), object)
    out[:, 0] = values
    return out


def pictures(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def lines(path, values):
    path.write_text("\n".join(map(str, values)))


def one_file_an_array(folder):
    np.save(folder / "image.npy", IMAGE)
    scipy.sparse.save_npz(folder / "text.npz", scipy.sparse.csr_matrix(TEXT))
    np.savez(folder / "rest.npz", labels=LABELS, split=SPLIT)


def four_files(folder):
    for name, value in (("IAll", PIXELS), ("YAll", TEXT), ("LAll", LABELS)):
        scipy.io.savemat(folder / f"{name.lower()}.mat", {name: value})
    scipy.io.savemat(folder / "fall.mat", {"FAll": cells(NAMES)})


def with_database(folder):
    for view, array in (("I", IMAGE), ("T", TEXT), ("L", LABELS)):
        scipy.io.savemat(folder / f"{view}.mat", halves(view, array))


def without_database(folder):
    parts = {"tr": slice(10, N), "te": slice(10)}
    views = (("I", IMAGE), ("T", TEXT), ("L", LABELS))
    scipy.io.savemat(
        folder / "wiki.mat", {k: a for v in views for k, a in halves(*v, parts).items()}
    )


def paths_and_captions(folder):
    pictures(folder / "photos", NAMES)
    elsewhere = [f"/home/x/mirflickr/{name}" for name in NAMES]
    scipy.io.savemat(folder / "index.mat", {"index": cells(elsewhere)})
    scipy.io.savemat(folder / "caption.mat", {"caption": cells([f"text {n}" for n in NAMES])})
    scipy.io.savemat(folder / "label.mat", {"category": LABELS})


def deephash(folder):
    pictures(folder, NAMES)
    for part, rows in (("train", range(20, N)), ("test", range(10)), ("database", range(10, N))):
        entries = [f"{NAMES[row]} {' '.join(map(str, LABELS[row]))}" for row in rows]
        lines(folder / f"{part}.txt", entries)
    lines(folder / "captions.tsv", [f"{name}\ta text" for name in NAMES])


def published(folder):
    scipy.io.savemat(folder / "all.mat", ALL)
    for name, rows in (("q", range(10)), ("t", range(20, N)), ("d", range(10, N))):
        lines(folder / f"{name}.txt", rows)


def our_table(folder):
    scipy.io.savemat(folder / "all.mat", ALL)
    drawn = draw(np.ones(N, bool), None, seed=0, dataset="d", query=10, train=20)
    write_table(folder / "split.csv", [str(row) for row in range(N)], {0: drawn})


def folder_of_pictures(folder):
    pictures(folder, NAMES)
    lines(folder / "pairs.csv", ["id,image,text,labels", *(f"{n},{n},a text,a;b" for n in NAMES)])


def karpathy(folder, file, images, name, **more):
    entries = [
        {"filename": name.format(i=i), "sentences": [{"raw": f"{i} {k}"} for k in range(5)],
         "split": "test" if i < 2 else "train", **more}
        for i in range(N // 5)
    ]  # fmt: skip
    pictures(folder / images / more.get("filepath", ""), [e["filename"] for e in entries])
    (folder / file).write_text(json.dumps({"images": entries}))


def flat_nuswide(folder):
    make_nuswide(folder, concepts={f"concept{j}": "11110" for j in range(10)})
    pictures(folder / "flat", [f"77{i}.jpg" for i in range(5)])


def savez(name, **arrays):
    return lambda folder: np.savez(folder / name, **arrays)


def savemat(name, arrays):
    return lambda folder: scipy.io.savemat(folder / name, arrays)


ONE_BASED = {"query": np.arange(10) + 1, "train": np.arange(20, N) + 1,
             "retrieval_idx": np.arange(10, N) + 1}  # fmt: skip
#: how a line begins -> what makes the files that it speaks of
MAKERS = {
    "arrays `image`": savez("mine.npz", **PLAIN, train=TRAIN),
    "the same as one file": one_file_an_array,
    "these, or others": savemat("struct.mat", {"data": PLAIN | {"split": cells(SPLIT)}}),
    "`XAll`": savemat("all.mat", ALL),
    "`IAll`": four_files,
    "`images` (pixels)": lambda folder: matlab73.save(
        folder / "flickr.mat", {"images": PIXELS, "tags": TEXT, "labels": LABELS}
    ),
    "`I_tr`": without_database,
    "the same with `I_db`": with_database,
    "`index`": paths_and_captions,
    "lists of `path": deephash,
    "one number a row": savez("binary.npz", **PLAIN | {"labels": LABELS[:, :1]}),
    "a `split` of numbers": savez(
        "numbers.npz", **PLAIN | {"split": np.repeat([2, 3, 1], [10, 10, 20])}
    ),
    "lists of rows": savemat("lists.mat", ALL | ONE_BASED),
    "another paper's lists": published,
    "the `split.csv`": our_table,
    "a folder of pictures": folder_of_pictures,
    "the same to be seen by CLIP": folder_of_pictures,
    "Flickr30k": lambda folder: karpathy(
        folder, "dataset_flickr30k.json", "flickr30k-images", "10{i}.jpg"
    ),
    "MS-COCO 2014": lambda folder: karpathy(
        folder, "dataset_coco.json", "coco", "COCO_val2014_{i:012}.jpg", filepath="val2014"
    ),
    "NUS-WIDE's pictures": flat_nuswide,
    "no labels": savez("unlabelled.npz", image=IMAGE, text=TEXT, split=SPLIT),
    "several captions": savez(
        "captions.npz", image=np.repeat(IMAGE[:8], 5, 0), text=TEXT, group=np.repeat(range(8), 5),
        split=SPLIT,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def page(root):
    """What one has -> what to do, of every line."""
    text = (root / "docs" / "data.md").read_text(encoding="utf-8")
    table = text[text.index("| I have | do this |") :].split("\n\n")[0]
    return dict(line.strip("| ").split(" | ") for line in table.splitlines()[2:])


def test_every_line_is_tried(page):
    tried = [next((m for m in MAKERS if line.startswith(m)), None) for line in page]
    assert tried[:-1] == list(MAKERS) and list(page)[-1].startswith("a pickle")


@pytest.mark.parametrize("begins", MAKERS)
def test_a_line_of_the_page_gives_pairs_and_a_split(root, tmp_path, monkeypatch, page, begins):
    MAKERS[begins](tmp_path)
    said = next(do for have, do in page.items() if have.startswith(begins))
    config = yaml.safe_load((root / "config.yaml").read_text())
    config["datasets"] = {"mine": yaml.safe_load(re.fullmatch("`(.*)`", said)[1])}
    config["experiments"] = {
        "table3": config["experiments"]["table3"] | {"datasets": ["mine"], "methods": ["cvh"]}
    }
    plan.name_splits(config)
    plan.validate(config, root / "workflow/schemas/config.schema.yaml")
    plan.check(config)
    entry = dict(config["datasets"]["mine"])
    monkeypatch.chdir(tmp_path)
    kind, split = entry.pop("kind"), plan.split_params(config, entry.pop("split"))
    features = config["features"][entry.pop("features")]
    assert entry.pop("raw") == "/data"
    datasets.convert(kind, tmp_path, tmp_path / "pairs.h5", **json.loads(json.dumps(entry)))
    pairs = store.read_pairs(tmp_path / "pairs.h5")
    assert len(pairs) in ((4,) if kind == "nuswide" else (N, N + 20))
    if features["image"] == "alexnet":
        assert all(os.path.exists(tmp_path / i) or i.startswith("pixels.zip/")  # noqa: PTH110
                   for i in pairs.images) and len(pairs.images)  # fmt: skip
    if features["text"] == "bert":
        assert pairs.captions is not None
    valid = np.ones(len(pairs), bool)
    if "file" in split:
        partition = read_split(pairs=pairs, seed=0, **split)
        assert partition.count("query") == 10 and partition.count("train") == 20
    elif split["query"] == "given":
        drawn = draw(valid, pairs.partition, pairs.groups, seed=0, dataset="mine", **split)
        assert len(drawn.query) == 10
        assert split["train"] != "given" or len(drawn.train) in (20, 30)


def test_a_pickle_is_refused_as_the_page_says(tmp_path, page):
    assert "np.savez" in list(page.values())[-1]
    (tmp_path / "a.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"np\.savez"):
        datasets.load("features", tmp_path, file="a.pkl")
